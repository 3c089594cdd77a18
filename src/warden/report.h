/* report.h - the warden's word to its janitor, who tells whoever waits for the daemon. */
#ifndef CB_WARDEN_REPORT_H
#define CB_WARDEN_REPORT_H

#include "base/err.h"

/* A pair: warden's end first. */
int cb_report_pair (int ends[2], cb_err *err) __attribute__ ((warn_unused_result));

/* The warden: ready (sentence NULL) or why not. Only the first word counts. Closes *fd. */
void cb_report_send (int *fd, const char *sentence);

/* The janitor: passes what has come on to ready_fd as "ok\n" or "error: SENTENCE\n" and closes
 * both. 0: nothing has come yet. */
int cb_report_pass (int *fd, int *ready_fd);

/* Says an error directly: nobody is there who could. Closes *ready_fd. */
void cb_report_error (int *ready_fd, const char *sentence);

#endif
