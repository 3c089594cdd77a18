/* conn.h - a command's connection to the daemon. */
#ifndef CB_CLI_CONN_H
#define CB_CLI_CONN_H

#include "base/jsonx.h"
#include "cli/cli.h"
#include "client/cellblock.h"

#include <limits.h>

typedef struct cb_conn {
    cellblock_client *client; /* owned */
    char runtime_dir[PATH_MAX];
    char state_dir[PATH_MAX];
    int signals; /* borrowed: what comes on it (cli/signals) ends a wait for a reply; 0: nothing */
    int signal;  /* the one that did; 0: none */
} cb_conn;

enum { CB_CONN_OPEN, CB_CONN_NO_DAEMON }; /* outcomes of cb_conn_open */

typedef enum {
    CB_CONN_START,
    CB_CONN_START_QUIET, /* --config and --set are for us too: nothing to say when it runs */
    CB_CONN_ONLY_RUNNING
} cb_conn_need;

/* Connects; with CB_CONN_START(_QUIET) the daemon is started when none runs, else that is
 * CB_CONN_NO_DAEMON. cb_conn_done afterwards in every case. */
int cb_conn_open (cb_conn *self, const cb_cli *cli, cb_conn_need need, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_conn_done (cb_conn *self);

/* Only the folders, no connection. */
int cb_conn_find (cb_conn *self, cb_err *err) __attribute__ ((warn_unused_result));

/* Starts the daemon unless it runs: an outcome of cb_start_daemon. */
int cb_conn_start_daemon (const cb_conn *self, const cb_cli *cli, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Sends VERB_request with content (taken; NULL after an allocation that failed) and waits for the
 * reply. A refusal is an error with the daemon's sentence. Owned content of the reply. */
int cb_conn_call (cb_conn *self, const char *verb, json_t *content, json_t **ret_reply, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The same with bytes in and out; *ret_event (owned, may be NULL) has the reply's buffer. */
typedef struct cb_conn_bytes {
    const void *bytes;
    size_t size;
    cellblock_event **ret_event;
} cb_conn_bytes;
int cb_conn_call_bytes (cb_conn *self, const char *verb, json_t *content,
                        const cb_conn_bytes *bytes, json_t **ret_reply, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Takes over the client's error. */
int cb_conn_failed (const cb_conn *self, cb_err *err);

/* An event's content. Owned. */
int cb_conn_content (const cellblock_event *event, json_t **ret_content, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The error of a refusing reply. */
int cb_conn_refused (const json_t *reply, cb_err *err);

/* Commands about one session: connects to a running daemon (none: an error that says so). */
int cb_conn_open_for (cb_conn *self, const cb_cli *cli, const char *session, cb_err *err)
    __attribute__ ((warn_unused_result));
/* The whole of such a command that asks one thing, {session}: connects, calls, disconnects. */
int cb_conn_ask (const cb_cli *cli, const char *verb, const char *session, json_t **ret_reply,
                 cb_err *err) __attribute__ ((warn_unused_result));

#endif
