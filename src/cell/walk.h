/* walk.h - walking a folder given as an input: what is in it, and a copy of it. */
#ifndef CB_CELL_WALK_H
#define CB_CELL_WALK_H

#include "base/err.h"

#include <limits.h>
#include <stdint.h>

typedef struct cb_survey {
    uint64_t bytes;
    uint64_t entries;
    int private;         /* something in it is not readable by everybody */
    int has_mounts;      /* another file system is mounted in it */
    char door[PATH_MAX]; /* a way out in it, relative; "" when there is none */
    const char *door_is; /* what that is: "a socket or named pipe" ... */
} cb_survey;

/* Entries that are looked at, about a second's; a folder with more is refused. */
#define CB_SURVEY_ENTRIES (1 << 20)

/* Looks at the tree (a descriptor that may be O_PATH). with_stat: sums bytes and modes as well. */
int cb_walk_survey (int tree, int with_stat, cb_survey *ret_survey, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Whether it lies on one of the kernel's own file systems. */
int cb_walk_is_kernels (int fd);

/* Copies regular files, folders and symlinks into the folder to_fd, or the one file into to_fd. */
int cb_walk_copy (int tree, int to_fd, cb_err *err) __attribute__ ((warn_unused_result));

#endif
