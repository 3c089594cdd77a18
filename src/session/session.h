/* session.h - one session: a name, its kernel, its queue of cells, its end. */
#ifndef CB_SESSION_SESSION_H
#define CB_SESSION_SESSION_H

#include "policy/profile.h"
#include "session/fanout.h"
#include "session/guest.h"
#include "session/owner.h"
#include "session/readers.h"
#include "session/services.h"

#include <jansson.h>

/* Cells that wait behind the running one. */
#define CB_SESSION_QUEUE_MAX 64
/* People who wait for a start, a restart or an end. */
#define CB_SESSION_WAITERS_MAX 64
/* Automatic restarts, and the time in which so many are the most. */
#define CB_RESTARTS_MAX    3
#define CB_RESTARTS_WITHIN (60 * CB_USEC_PER_SEC)

typedef enum {
    CB_SESSION_STARTING,
    CB_SESSION_IDLE,
    CB_SESSION_BUSY,
    CB_SESSION_RESTARTING,
    CB_SESSION_DEAD,     /* its kernel is gone for good, or until somebody restarts it */
    CB_SESSION_STOPPING, /* on its way out */
    CB_SESSION__COUNT
} cb_session_state;

const char *cb_session_state_name (cb_session_state state);
/* Whether the table has the move. */
int cb_session_may_become (cb_session_state from, cb_session_state to);

/* The session is over: nobody waits, no kernel lives. The callee destroys it (not at once, but from
 * the loop: it may be called from within a call into the session). */
typedef void cb_on_session_over (cb_session *session, void *context);

typedef struct cb_session_options {
    const char *name;
    const cb_profile *profile; /* with inputs in profile->jail; copied */
    int ephemeral;             /* for one cell: stopped after it */
    const char *key;           /* towards those who attach; NULL: a random one */
    const char *file;          /* of a frontend, who gave that key (owner.h); NULL: of none */
    uint64_t order;            /* what it asked for, in short */
} cb_session_options;

/* Starts its kernel. Borrows services for its life. Owned; NULL with err. */
cb_session *cb_session_new (const cb_services *services, const cb_session_options *options,
                            cb_on_session_over *on_over, void *context, cb_err *err);
/* One that a broker before us left behind. Takes what it needs out of left; a failure kills the
 * jail. Owned; NULL with err. */
cb_session *cb_session_adopt (const cb_services *services, cb_launch_left *left,
                              cb_on_session_over *on_over, void *context, cb_err *err);
/* The name that a page has, "" without one. */
void cb_session_name_in (const cb_page *page, char name[CB_NAME_MAX]);
/* Everybody who waits is told that the daemon ends. */
void cb_session_destroy (cb_session **self);

const char *cb_session_name (const cb_session *self);
cb_session_state cb_session_state_of (const cb_session *self);
const cb_profile *cb_session_profile (const cb_session *self);
int cb_session_is_ephemeral (const cb_session *self);
/* An ephemeral session is kept after its cell. */
void cb_session_keep (cb_session *self);
/* The session ends when this client of the control API is gone. Only compared. */
void cb_session_bind (cb_session *self, const cb_zpeer *peer);
/* Whether it is the session of this connection file, and not about to end; what was asked for. */
int cb_session_is_of (const cb_session *self, const char *file, const char *key);
uint64_t cb_session_order_of (const cb_session *self);
/* -CB_E_EXISTS: another shim of the frontend than this is here. */
int cb_session_may_meet (const cb_session *self, const char *word, cb_err *err)
    __attribute__ ((warn_unused_result));
/* A shim of the frontend is here. Another one than the last gets a new kernel. On success on_leave
 * is called once, in the end with the session's. */
int cb_session_meet (cb_session *self, const cb_shim *shim, cb_err *err)
    __attribute__ ((warn_unused_result));
/* The jail's number for file work, 0 when there is none now. */
uint64_t cb_session_jail (const cb_session *self);
/* Somebody used it: the idle clock starts again. */
void cb_session_touch (cb_session *self);

/* What a person may see of it (info.c). New reference. */
json_t *cb_session_info (const cb_session *self);
/* The limits of a profile with their units in words and numbers. New reference. */
json_t *cb_session_limits (const cb_profile *profile);

/* The working folder: {"path", "mode", "folder"}, the last where the code finds it, or null. New
 * reference. */
json_t *cb_session_workdir (const cb_jail_spec *jail);

/* Writes NAME.json, the connection file for those who attach, into the folder of sessions, and
 * takes it away. An ephemeral session has none. */
int cb_session_publish (cb_session *self, cb_err *err) __attribute__ ((warn_unused_result));
void cb_session_withdraw (cb_session *self);

/* Called exactly once: err->code 0 when it is done. */
typedef void cb_on_settled (const cb_err *err, void *context);

/* When the kernel is ready (at once when it is), or with why it is not. -CB_E_BUSY: too many wait;
 * then on_settled is not called. */
int cb_session_when_ready (cb_session *self, cb_on_settled *on_settled, void *context, cb_err *err)
    __attribute__ ((warn_unused_result));
/* A fresh kernel under the same name; cells that run or wait are told. on_settled may be NULL. */
int cb_session_restart (cb_session *self, cb_on_settled *on_settled, void *context, cb_err *err)
    __attribute__ ((warn_unused_result));
/* The end. on_settled may be NULL; it comes when nothing of it is left. */
int cb_session_stop (cb_session *self, const char *why, cb_on_settled *on_settled, void *context,
                     cb_err *err) __attribute__ ((warn_unused_result));
/* Whoever gave this context is gone: on_settled will not be called. */
void cb_session_forget_waiter (cb_session *self, const void *context);

/* KeyboardInterrupt for the running cell: 1 when one runs, 0 when none does. */
int cb_session_interrupt (cb_session *self);

typedef struct cb_cell {
    const char *msg_id; /* the client's */
    const char *code;
    cb_usec wall; /* 0: the profile's, see cb_profile_wall */
    int silent;
    int store_history;
    int allow_stdin; /* the asker answers input_requests */
    int interactive; /* a person waits: without wall, none unless the profile fixes one */
    cb_asker asker;  /* who reads; the header is copied */
} cb_cell;

/* Queues a cell: the reader gets start, then the output, then run_reply. -CB_E_*: refused, nothing
 * was told. */
int cb_session_run (cb_session *self, const cb_cell *cell, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The answer's content (borrowed), or NULL with why there is none; once, and it may come from
 * within cb_session_query. */
typedef void cb_on_answer (json_t *answer, const cb_err *err, void *context);

typedef struct cb_query {
    const char *msg_id;    /* the client's */
    const char *msg_type;  /* a request on shell with a row in wire/msgtype, no execute_request */
    const json_t *content; /* borrowed */
    const cb_zpeer *peer;  /* whose turn it is; only compared */
    cb_on_answer *on_answer;
    void *context;
} cb_query;

/* Asks the kernel when its turn comes. -CB_E_*: refused, on_answer is not called. */
int cb_session_query (cb_session *self, const cb_query *query, cb_err *err)
    __attribute__ ((warn_unused_result));

/* ---- attached Jupyter clients: a session that is published has a key and readers ---- */

typedef struct cb_request_from {
    cb_jmsg *message;   /* owned; taken by what needs it longer (NULL then) */
    cb_channel channel; /* where it came from: shell or control */
} cb_request_from;

/* A request whose signature is checked. On success the session may be over already and everything
 * that its door owns be freed; < 0: it is the caller's to refuse. */
int cb_session_ask (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Answers a request with an error, so that nobody waits for it. */
void cb_session_refuse (cb_session *self, cb_guest *guest, const cb_request_from *from,
                        const cb_err *why);
/* An input_reply. -CB_E_*: nothing (or something else) is asked of this guest, it is dropped. */
int cb_session_input (cb_session *self, const cb_guest *guest, const cb_jmsg *reply, cb_err *err)
    __attribute__ ((warn_unused_result));
/* The same of a client of the control API, for whichever session asks him. CB_INPUT_STALE: none
 * does (any more), it is dropped. */
enum { CB_INPUT_TAKEN, CB_INPUT_STALE };
int cb_session_input_from (cb_session *self, const cb_zpeer *peer, const cb_jmsg *reply,
                           cb_err *err) __attribute__ ((warn_unused_result));
/* A connection of the guest is gone (its place in peers is NULL); then the guest itself. */
void cb_session_guest_lost (cb_session *self, const cb_guest *guest);
void cb_session_guest_gone (cb_session *self, const cb_guest *guest);
/* NULL for one that is not published. Borrowed. */
cb_readers *cb_session_readers (cb_session *self);
cb_signer *cb_session_signer (cb_session *self);
/* Whether heartbeats are answered: its kernel lives or is on its way. */
int cb_session_beats (const cb_session *self);

/* After a crash of the broker before: a connection is there again (its place in peers is filled);
 * a reader of iopub is. */
void cb_session_guest_back (cb_session *self, cb_guest *guest, cb_part identity);
void cb_session_reader_back (cb_session *self);

/* A client of the control API who was connected to the broker before. */
typedef struct cb_resume {
    cb_zpeer *peer;
    uint64_t after; /* messages that he has had */
} cb_resume;
/* Whether this cell of the control API runs with the kernel, or was the last. */
int cb_session_has_cell (const cb_session *self, const char *msg_id);
/* -CB_E_EXISTS: its client is there. */
int cb_session_may_resume (const cb_session *self, const char *msg_id, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Sends what he has not had, and goes on; of a cell for which the two above hold. */
void cb_session_resume (cb_session *self, const char *msg_id, const cb_resume *resume);

/* A client is gone: it reads no more. Its cells that wait are dropped, its running one goes on; an
 * ephemeral session without readers ends. */
void cb_session_client_gone (cb_session *self, const cb_zpeer *peer);

#endif
