/* run.h - one cell: its clock, its output account, how it ended. No I/O; time is passed in. */
#ifndef CB_SESSION_RUN_H
#define CB_SESSION_RUN_H

#include "kernel/death.h"
#include "kernel/usage.h"
#include "prov/filer.h"
#include "session/ends.h"
#include "session/limits.h"
#include "wire/jmsg.h"

/* A run's name, its end included: "20261120-081500-3fa9c1". */
#define CB_RUN_NAME_MAX 32

typedef struct cb_run cb_run;

typedef struct cb_run_options {
    const char *name;      /* one it has already; NULL: a new one */
    const char *session;   /* its session's name */
    const char *msg_id;    /* the client's, and of the execute_request */
    json_t *content;       /* taken: the execute_request's; NULL: it is kept elsewhere */
    cb_usec wall;          /* 0: no limit */
    cb_usec grace;         /* between interrupt and kill */
    uint64_t output_limit; /* bytes */
} cb_run_options;

/* Takes content also on failure. Owned; NULL with err. */
cb_run *cb_run_new (const cb_run_options *options, cb_err *err);
void cb_run_destroy (cb_run **self);

/* What a broker that comes after a crash needs of a live run; plain data. Its reply is no part of
 * it: that is heard again. */
typedef struct cb_run_saved {
    char name[CB_RUN_NAME_MAX];
    char msg_id[CB_MSG_ID_MAX];
    cb_usec wall;
    cb_usec grace;
    uint64_t output_limit;
    cb_usec begun_at; /* these are of the monotonic clock, which outlives a process */
    cb_usec wall_at;
    cb_usec hard_at;
    cb_usec kill_at;
    cb_usec over_at;
    cb_usec paused_at;
    cb_usec paused;
    uint64_t output;
    uint64_t dropped;
    cb_usage usage_before;
    cb_facts facts;
    uint8_t interrupt_due;
    uint8_t interrupted;
    uint8_t begun;
    uint8_t timed_out;
    uint8_t capped;
    uint8_t idle;
} cb_run_saved;
void cb_run_save (const cb_run *self, cb_run_saved *ret_saved);
/* Live, as it was. Owned; NULL with err. */
cb_run *cb_run_restore (const cb_run_saved *saved, const char *session, cb_err *err);

const char *cb_run_name (const cb_run *self);
const char *cb_run_msg_id (const cb_run *self);
const json_t *cb_run_content (const cb_run *self);

/* The clock starts. facts: how its limits stand. */
void cb_run_begin (cb_run *self, cb_usec now, const cb_usage *usage, const cb_facts *facts);
/* Whether its execute_request is with the kernel and the kernel has not finished it. */
int cb_run_is_live (const cb_run *self);

/* Bytes that may come yet, 0 when the cap is reached. */
uint64_t cb_run_left (const cb_run *self);
/* Charges output of this many bytes: 1 to send it on, 0 when it is over the cap (and then so is
 * everything that follows). */
int cb_run_account (cb_run *self, uint64_t size);
/* The same, but what is over the cap is not counted as dropped yet. */
int cb_run_admit (cb_run *self, uint64_t size);
/* Output that could not even be looked at: the cap is reached. */
void cb_run_drop (cb_run *self, uint64_t size);
/* The content of a stream message that is over the cap: its end is kept. */
void cb_run_drop_stream (cb_run *self, cb_part content);
/* What is kept of a stream (CB_ENDS_OUT, _ERR), with an end byte; its size. */
size_t cb_run_end_of_stream (cb_run *self, int stream, char text[CB_ENDS_TEXT + 1]);
/* So much of what was dropped was shown after all, and no more is kept. When that was everything
 * the cap was not reached. */
void cb_run_recover (cb_run *self, uint64_t bytes);

enum { CB_RUN_TAKEN, CB_RUN_TWICE, CB_RUN_BROKEN }; /* outcomes of cb_run_on_reply, _on_idle */
/* The execute_reply. A second one is CB_RUN_TWICE; one that makes no sense counts as the reply and
 * ends the run in an error. */
int cb_run_on_reply (cb_run *self, cb_jmsg *reply, cb_usec now);
/* A reply that was too large to be kept; counts as the reply. */
int cb_run_on_huge_reply (cb_run *self, cb_usec now);
/* Output of it came: after the reply that shows that its idle is still on its way. */
void cb_run_on_output (cb_run *self, cb_usec now);
/* The kernel began with it. */
void cb_run_on_busy (cb_run *self, cb_usec now);
int cb_run_on_idle (cb_run *self, cb_usec now);
/* Reply and idle are both in. */
int cb_run_is_complete (const cb_run *self);

/* The clock stands while a person is asked: the wall limit moves by as long as that took. */
void cb_run_pause (cb_run *self, cb_usec now);
void cb_run_resume (cb_run *self, cb_usec now);
/* Whether its reply is in and says that it raised or was aborted. */
int cb_run_raised (const cb_run *self);
/* The class of its exception, "" without one. Borrowed. */
const char *cb_run_ename (const cb_run *self);
/* How its limits stood before it. Borrowed. */
const cb_facts *cb_run_facts (const cb_run *self);
/* Its exception came from this limit; words about it. */
void cb_run_hit (cb_run *self, const cb_limit_hit *hit, const char *words);
/* The words, "" without. */
const char *cb_run_hit_words (const cb_run *self);

/* A person's interrupt; kept until the kernel has begun with the cell. 0, or 1 when one is on its
 * way already or the cell is over. */
int cb_run_interrupt (cb_run *self, cb_usec now);
/* The kernel says that it has taken the interrupt: no signal follows, which would hit the traceback
 * it is making. */
void cb_run_interrupt_taken (cb_run *self);

/* What to do now, told once each; call again until WAIT. OVER: a reply without idle, and the
 * patience for it is used up; or, after an interrupt, idle without a reply. KILL also: idle without
 * a reply and without an interrupt, such a kernel is not to be trusted further. */
enum { CB_RUN_WAIT, CB_RUN_INTERRUPT, CB_RUN_INTERRUPT_HARD, CB_RUN_KILL, CB_RUN_OVER };
int cb_run_tick (cb_run *self, cb_usec now);
/* When tick has something to say next; CB_USEC_NEVER: not before something comes. */
cb_usec cb_run_deadline (const cb_run *self);
/* Why it is killed: the words for CB_RUN_KILL. 1 when that is the wall limit. */
int cb_run_kill_words (const cb_run *self, char *text, size_t room);

/* What the kernel has used by now: taken when its work is done, and not again. */
void cb_run_note_usage (cb_run *self, const cb_usage *usage);
/* The kernel's part is over (complete, OVER, or dead). */
void cb_run_end (cb_run *self, cb_usec now);
/* aftermath: what becomes of its session, in words (static), or "". */
void cb_run_die (cb_run *self, const cb_death *death, const char *aftermath);

/* Bytes of output dropped because of the cap. */
uint64_t cb_run_dropped (const cb_run *self);
/* {"name", "value"} of the limit that its status is about, or NULL. New reference. */
json_t *cb_run_limit (const cb_run *self);
/* The same for the event; of output with "dropped_bytes", also beside another cause. */
json_t *cb_run_limit_event (const cb_run *self);
/* The object of `run -o json` without "outputs". artifacts is borrowed (an array). New reference,
 * NULL when out of memory. */
json_t *cb_run_result (const cb_run *self, json_t *artifacts);
/* Its "status". */
const char *cb_run_status (const cb_run *self);

#endif
