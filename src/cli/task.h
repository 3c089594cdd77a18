/* task.h - one task: a question goes to a model, the code it writes runs in a session, what that
 * puts out goes back, until the model is done. */
#ifndef CB_CLI_TASK_H
#define CB_CLI_TASK_H

#include "agent/provider.h"
#include "agent/replay.h"
#include "cli/conn.h"
#include "cli/show.h"
#include "cli/task-options.h"

/* Bytes of what the model is told about its session. */
#define CB_TASK_ABOUT 2048

/* The model's present answer. */
typedef struct cb_task_turn {
    cb_buf text;
    json_t *calls; /* owned: [{"id", "name", "arguments"}] */
    int64_t input_tokens;
    int64_t output_tokens;
    cb_stop stop;
    bool over;  /* nothing more of it comes */
    cb_err err; /* why there is none */
} cb_task_turn;

typedef struct cb_task {
    const cb_task_options *options; /* borrowed */
    const char *prompt;             /* borrowed: the text itself */
    char about[CB_TASK_ABOUT];      /* of the session, for the model: inputs, time */
    cb_conn *conn;                  /* borrowed */
    const cb_choice *choice;        /* borrowed */
    cb_show show;
    int signals; /* borrowed descriptor; -1 until the loop runs */
    cb_loop *loop;
    cb_source *on_signals;
    cb_provider *provider;
    cb_transcript transcript;
    cb_record record;
    cb_task_turn turn;
    char session[CB_NAME_MAX];
    bool session_gone; /* ended by Ctrl-C twice */
    uint32_t turns;
    int64_t input_tokens;
    int64_t output_tokens;
    json_t *runs;      /* owned: ids */
    json_t *artifacts; /* owned */
    json_t *answer;    /* owned: the words of the last answer that had any */
    int exit_code;     /* of a signal: 130 or 143; 0: none came */
} cb_task;

/* How a task ended. */
typedef struct cb_task_end {
    const char *status; /* "ok", "error", "limit", "interrupted" */
    int exit_code;
    cb_err err; /* of status error and limit: why */
} cb_task_end;

int cb_task_init (cb_task *self, cb_err *err) __attribute__ ((warn_unused_result));
void cb_task_done (cb_task *self);

/* Signals and slow readers are ours again, after somebody else waited. */
void cb_task_listen (cb_task *self);

/* The loop. self->session, self->about and self->signals are there. */
void cb_task_run (cb_task *self, cb_task_end *ret_end);

/* The object of -o json. Owned; NULL when out of memory. */
json_t *cb_task_object (const cb_task *self, const cb_task_end *end);

/* Runs the calls of the present answer and tells the transcript what came of them (task-calls.c).
 */
int cb_task_run_calls (cb_task *self, cb_err *err) __attribute__ ((warn_unused_result));

#endif
