/* janitor.h - the warden's parent: waits for its end, then leaves nothing behind. */
#ifndef CB_WARDEN_JANITOR_H
#define CB_WARDEN_JANITOR_H

#include "warden/cgroup.h"
#include "warden/place.h"

/* Becomes a subreaper and blocks the signals it will wait for. Before the warden is forked. */
int cb_janitor_prepare (cb_err *err) __attribute__ ((warn_unused_result));

/* Watches the warden, forwards signals, passes its report on, cleans up; the value for exit. */
int cb_janitor_serve (cb_place *place, const cb_cgroups *cgroups, pid_t warden, int report_fd,
                      int ready_fd);

/* The cleaning alone: descendants, groups, runtime folder. The warden does it itself when somebody
 * killed its janitor. */
void cb_janitor_clean (cb_place *place, const cb_cgroups *cgroups, pid_t warden);

#endif
