/* picture.h - pictures that a cell displayed, saved where a person can open them. */
#ifndef CB_CLI_PICTURE_H
#define CB_CLI_PICTURE_H

#include "base/jsonx.h"

#include <limits.h>
#include <stdbool.h>

typedef struct cb_picture {
    const char *state_dir; /* borrowed */
    const char *run;       /* borrowed; "" when unknown */
    unsigned number;       /* 1, 2, ...: part of the file's name */
} cb_picture;

/* Whether a mime bundle holds a picture we can save. */
bool cb_picture_is_in (const json_t *data);

/* Saves the bundle's picture below STATE/runs/RUN/pictures, or, where that cannot be written, as a
 * temporary file; its path in path. -CB_E_INVALID: the data are no picture. */
int cb_picture_save (const cb_picture *self, const json_t *data, char path[PATH_MAX], cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
