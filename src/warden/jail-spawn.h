/* jail-spawn.h - from a START to a forked child that becomes cellblock-jail. */
#ifndef CB_WARDEN_JAIL_SPAWN_H
#define CB_WARDEN_JAIL_SPAWN_H

#include "warden/jail.h"

/* Forks. The jail has its descriptors, group and uid; pid, tail and status are filled in. spec is
 * borrowed. */
int cb_jail_spawn (cb_jail *self, const cb_jail_spec *spec, int uid_verified, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
