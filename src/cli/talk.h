/* talk.h - a person and a session at a terminal: Python mode. */
#ifndef CB_CLI_TALK_H
#define CB_CLI_TALK_H

#include "cli/opening.h"
#include "cli/person.h"
#include "cli/task-options.h"

typedef struct cb_talk {
    const cb_cli *cli;              /* borrowed */
    const cb_task_options *options; /* borrowed */
    cb_conn conn;
    cb_person person;
    cb_term term; /* where our words go */
    int signals;  /* descriptor of cb_signals_open, or -1 */
    char session[CB_NAME_MAX];
    int64_t restarts; /* of its kernel, as far as he was told; -1: he was told of more */
    bool busy;        /* others' cells come first */
    bool runs;        /* a cell of his runs on when he leaves */
    bool gone;        /* there is no session to come back to */
    bool over;        /* he leaves */
    int exit_code;
} cb_talk;

/* The whole of it; the exit code. */
int cb_talk_main (const cb_cli *cli, const cb_task_options *options);

/* ---- talk-session.c ---- */

enum { CB_TALK_ANSWERED, CB_TALK_SILENT }; /* outcomes of cb_talk_call */

/* Asks the daemon, {..., "session"} added by the caller; Ctrl-C, a signal to end, or patience used
 * up is CB_TALK_SILENT. content is taken. Owned in *ret_reply. -CB_E_*: refused, or the daemon is
 * gone (-CB_E_GONE). */
int cb_talk_call (cb_talk *self, const char *verb, json_t *content, json_t **ret_reply, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Makes or finds the session and greets. */
int cb_talk_open (cb_talk *self, cb_err *err) __attribute__ ((warn_unused_result));

/* Before a cell: tells what became of the kernel or the session meanwhile. */
int cb_talk_look (cb_talk *self, cb_err *err) __attribute__ ((warn_unused_result));

/* The connection is lost, or is to be given up with what waits there: another one. self->gone when
 * the session did not survive. */
int cb_talk_reconnect (cb_talk *self, cb_err *err) __attribute__ ((warn_unused_result));

/* How to come back and how to end it. */
void cb_talk_farewell (const cb_talk *self);

/* ---- talk-code.c ---- */

enum { CB_TALK_CODE, CB_TALK_NOTHING, CB_TALK_LEAVES }; /* outcomes of cb_talk_read */

/* Reads one cell, however many lines it has, into code (which is empty). NOTHING: the prompt comes
 * again. */
int cb_talk_read (cb_talk *self, cb_buf *code, cb_err *err) __attribute__ ((warn_unused_result));

#endif
