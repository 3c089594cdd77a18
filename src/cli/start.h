/* start.h - sees to it that a daemon runs: exactly one, however many commands start at once. */
#ifndef CB_CLI_START_H
#define CB_CLI_START_H

#include "base/clock.h"
#include "base/err.h"
#include "cli/options.h"

/* How long a daemon may take to start, and an ending one to clear up. */
#define CB_START_TIME (30 * CB_USEC_PER_SEC)

enum { CB_START_RUNS, CB_START_STARTED }; /* outcomes of cb_start_daemon */

typedef struct cb_start {
    const char *runtime_dir; /* borrowed, as all here */
    const char *state_dir;
    const char *program; /* path of cellblockd */
    const cb_words *configs;
    const cb_words *settings;
    cb_usec patience; /* CB_START_TIME */
} cb_start;

/* Whether a daemon answers in the runtime folder: its socket takes a connection. */
int cb_start_answers (const char *runtime_dir);

/* Starts the daemon unless one runs. Waits for one that is starting or ending. -CB_E_*: it did not
 * come; the sentence says why, with the log's path and its last line. */
int cb_start_daemon (const cb_start *self, cb_err *err) __attribute__ ((warn_unused_result));

enum { CB_LOCK_FREE, CB_LOCK_HELD }; /* outcomes of cb_start_lock_state */

/* Whether a daemon, or its janitor, still holds the runtime folder. Only for who holds start.lock,
 * or does not start anything. */
int cb_start_lock_state (const char *runtime_dir, cb_err *err) __attribute__ ((warn_unused_result));

/* Waits until the daemon and all it left are gone. -CB_E_TIMEOUT. */
int cb_start_wait_gone (const char *runtime_dir, cb_usec patience, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
