/* reload.h - the configuration files as they are now, from the warden, who can reach them. */
#ifndef CB_BROKER_RELOAD_H
#define CB_BROKER_RELOAD_H

#include "broker/config.h"
#include "jail/launchmsg.h"
#include "kernel/launcher.h"

typedef struct cb_reload {
    cb_ini_sources sources; /* the files below, the sets of `before` */
    cb_launch_in in;        /* its descriptors are open until cb_reload_done */
    cb_launch_config labels;
} cb_reload;

/* Asks the warden and waits for its answer, CB_RELOAD_WAIT_MS at most: somebody asked for it and it
 * takes a millisecond. */
#define CB_RELOAD_WAIT_MS 1000
int cb_reload_fetch (cb_reload *self, cb_launcher *launcher, const cb_ini_sources *before,
                     cb_err *err) __attribute__ ((warn_unused_result));
void cb_reload_done (cb_reload *self);

#endif
