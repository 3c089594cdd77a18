/* seccomp.h - the allow-list of system calls inside the jail. */
#ifndef CB_CELL_SECCOMP_H
#define CB_CELL_SECCOMP_H

#include "base/err.h"
#include "jail/spec.h"

/* Installs the compiled filter for good, the one with AF_INET for loopback; the one that lets the
 * launcher install its own behind it for subprocesses = off. no_new_privs must be set.
 * -CB_E_UNSUPPORTED where the kernel has no filters. */
int cb_seccomp_apply (const cb_jail_spec *spec, cb_err *err) __attribute__ ((warn_unused_result));

/* Installs, before the other, the one of a working folder that is rw: no file gets a setuid or
 * setgid bit, which outside of the jail would count. */
int cb_seccomp_workdir (cb_err *err) __attribute__ ((warn_unused_result));

/* A memory file with the instructions of that second filter, which leaves threads but neither fork
 * nor exec. Before cb_seccomp_apply, which allows no memory files. Owned. */
int cb_seccomp_threads (cb_err *err) __attribute__ ((warn_unused_result));

#endif
