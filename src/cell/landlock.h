/* landlock.h - file rights inside the jail, where the kernel has Landlock. */
#ifndef CB_CELL_LANDLOCK_H
#define CB_CELL_LANDLOCK_H

#include "base/err.h"
#include "jail/spec.h"

enum { CB_LANDLOCK_NONE = 0 }; /* outcome: the kernel has none; else the ABI in force, 1 and up */

/* Restricts this process for good: reading everywhere, running programs of /usr only, writing in
 * the quota tmpfs's folders, on harmless devices and (files and folders alone) in a working folder
 * that is rw, no TCP unless loopback, and (ABI 6) no signal or abstract socket out of the jail.
 * no_new_privs must be set. Returns the ABI or a fault. */
int cb_landlock_apply (const cb_jail_spec *spec, cb_err *err) __attribute__ ((warn_unused_result));

#endif
