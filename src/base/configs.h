/* configs.h - the configuration files: which there are, in the order in which later ones win, for
 * daemon and client alike. base/ini reads them. */
#ifndef CB_BASE_CONFIGS_H
#define CB_BASE_CONFIGS_H

#include "base/err.h"

#include <limits.h>
#include <stddef.h>

/* Those of --config; three more have places of their own. */
#define CB_CONFIGS_MAX   16
#define CB_CONFIGS_GIVEN (CB_CONFIGS_MAX - 3)

typedef struct cb_configs {
    struct {
        char path[PATH_MAX];
        int must_exist;
    } places[CB_CONFIGS_MAX];
    size_t n_places;
    const char *labels[CB_CONFIGS_MAX]; /* of the files that are there */
    int fds[CB_CONFIGS_MAX];
    size_t n;
} cb_configs;

/* Where they may be: /etc, the user's own, $CELLBLOCK_CONFIG, then those given. */
int cb_configs_find (cb_configs *self, const char *const *given, size_t n_given, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Opens those that are there, anew when they were open. May wait for a slow file system. On a fault
 * the old ones stay. */
int cb_configs_open (cb_configs *self, cb_err *err) __attribute__ ((warn_unused_result));
void cb_configs_close (cb_configs *self);

#endif
