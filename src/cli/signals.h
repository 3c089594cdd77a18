/* signals.h - Ctrl-C and termination as something one can poll for. */
#ifndef CB_CLI_SIGNALS_H
#define CB_CLI_SIGNALS_H

#include "base/err.h"

/* Blocks SIGINT, SIGTERM and SIGHUP (unless it is ignored) (before any thread is made), ignores
 * SIGPIPE, and gives a descriptor that is readable when one came. Owned descriptor or -CB_E_*. */
int cb_signals_open (cb_err *err) __attribute__ ((warn_unused_result));

/* The next signal that came (SIGTERM for SIGHUP), or 0. Does not wait. */
int cb_signals_next (int fd);

#endif
