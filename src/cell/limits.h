/* limits.h - the limits that a process carries: rlimits, the order in which memory is taken back.
 */
#ifndef CB_CELL_LIMITS_H
#define CB_CELL_LIMITS_H

#include "jail/spec.h"

/* Sets every row of the table, soft and hard. Inside the jail's user namespace: there the number
 * of processes counts for this jail alone (Linux 5.14). */
int cb_limits_set (const cb_jail_spec *spec, cb_err *err) __attribute__ ((warn_unused_result));

#endif
