/* missing.h - when a session did not start: is it for want of a package? */
#ifndef CB_CLI_MISSING_H
#define CB_CLI_MISSING_H

#include "base/err.h"

/* The package of a program or module that jails need and that is not here, NULL when all are.
 * *ret_what (may be NULL): what is missing, in words. Borrowed, static. */
const char *cb_missing_package (const char **ret_what);

/* Says the error, and behind it what is missing with the command that installs it. The exit code.
 * Quiet for an output that nobody reads any more. */
int cb_missing_explain (const cb_err *err);

#endif
