/* scope.h - a control group of its own for the daemon that an ordinary user starts. */
#ifndef CB_CLI_SCOPE_H
#define CB_CLI_SCOPE_H

#include "base/err.h"

#include <stdbool.h>

/* How a process gets one. */
typedef enum {
    CB_SCOPE_NONE_NEEDED, /* root, or its group can be written already */
    CB_SCOPE_NO_V2,       /* control groups of version 1, or none: nobody delegates those */
    CB_SCOPE_NO_SYSTEMD,  /* this machine was not booted with it */
    CB_SCOPE_NO_BUSCTL,   /* the program that asks is missing */
    CB_SCOPE_NO_BUS,      /* nobody answers for this user: no user manager, or no bus of it */
    CB_SCOPE_POSSIBLE
} cb_scope_state;

/* Looks only. */
cb_scope_state cb_scope_look (void);

/* Moves this process (it has one thread, and is about to become the daemon) into a scope of its
 * own with delegated control groups, where that is CB_SCOPE_POSSIBLE, else does nothing. Takes some
 * ten milliseconds, twice CB_SCOPE_WAIT_MS at most: weaker limits because systemd was busy would be
 * a bad bargain. A fault is a reason to do without: the daemon then holds memory by its watchdog
 * and says so. */
int cb_scope_enter (cb_err *err) __attribute__ ((warn_unused_result));

#define CB_SCOPE_WAIT_MS 8000

/* For tests: the same with another program than busctl, and another file than /proc/self/cgroup in
 * which the scope's name must appear. */
typedef struct cb_scope_way {
    const char *busctl;
    const char *groups;
    int wait_ms;
} cb_scope_way;
int cb_scope_ask (const cb_scope_way *way, cb_err *err) __attribute__ ((warn_unused_result));

#endif
