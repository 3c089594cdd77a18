/* runner.h - follows one run from the request to its reply; Ctrl-C and termination on the way. */
#ifndef CB_CLI_RUNNER_H
#define CB_CLI_RUNNER_H

#include "base/clock.h"
#include "cli/conn.h"
#include "cli/person.h"
#include "cli/render.h"

/* Ctrl-C again within this time ends the kernel. */
#define CB_RUNNER_AGAIN (2 * CB_USEC_PER_SEC)
/* With a person at a prompt: it does so only when he had this time to read what it would do. */
#define CB_RUNNER_READS (300 * CB_USEC_PER_MSEC)

typedef struct cb_runner {
    cb_conn *conn;                     /* borrowed */
    cb_render *render;                 /* borrowed */
    int signals;                       /* borrowed descriptor of cb_signals_open */
    int64_t request;                   /* the run's number */
    char session[CB_ERR_TEXT_MAX / 8]; /* its name, "" until the daemon told a fresh one's */
    bool fresh;                        /* the session ends with the run */
    cb_person *person;                 /* borrowed: somebody at a prompt, whose session is not to be
                                          lost by a key pressed twice; NULL: nobody */
    cb_usec warned;                    /* when he was told what Ctrl-C does next, 0: not yet */
    cb_usec interrupted;               /* when Ctrl-C came last, 0: never */
    cb_usec hint;                      /* when to tell how to go further, CB_USEC_NEVER: not */
    cb_usec deadline;                  /* when we end without the reply */
    int exit_code;                     /* of a signal: 130 or 143; 0: none came */
    bool waiting;                      /* other cells of the session come first */
    bool killed;                       /* the session was told to stop, or to restart */
    json_t *result;                    /* owned: the reply's content */
} cb_runner;

/* Follows the run. The exit code in *ret_exit; -CB_E_*: the daemon refused, died, or the output
 * cannot be written. */
int cb_runner_follow (cb_runner *self, int *ret_exit, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_runner_done (cb_runner *self);

/* The exit code of a status ("ok", "error", ...); CB_EXIT_FAILED for unknown ones. */
int cb_runner_exit_code (const char *status);

#endif
