/* seccomp.h - the allow-list of system calls inside the jail. */
#ifndef CB_CELL_SECCOMP_H
#define CB_CELL_SECCOMP_H

#include "base/err.h"

/* Installs the compiled filter for good, the one with AF_INET for loopback. no_new_privs must be
 * set. -CB_E_UNSUPPORTED where the kernel has no filters. */
int cb_seccomp_apply (int loopback, cb_err *err) __attribute__ ((warn_unused_result));

#endif
