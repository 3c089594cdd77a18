/* session-int.h - the inside of a session, for its own files only: session.c, waiters.c, after.c,
 * adopt.c, cells.c, collect.c, runs.c, left.c, queue.c, places.c, execute.c, waiting.c, guests.c,
 * shown.c, requests.c, requests-back.c, queries.c, save.c, back.c, owner.c and info.c. */
#ifndef CB_SESSION_SESSION_INT_H
#define CB_SESSION_SESSION_INT_H

#include "base/buf.h"
#include "base/calm.h"
#include "kernel/kernel.h"
#include "session/asked.h"
#include "session/readers.h"
#include "session/run.h"
#include "session/save.h"
#include "session/session.h"

#include <time.h>

/* A request in the queue or running: a cell, or another question on shell. */
typedef struct cb_entry cb_entry;

/* Outcomes of sending one to the kernel. */
enum { CB_ENTRY_RUNS, CB_ENTRY_PASSED };

/* Whose it is: the control API's (runs.c) or an attached client's (requests.c). */
typedef struct cb_entry_kind {
    int (*send) (cb_entry *entry, cb_err *err); /* RUNS: the kernel is busy with it, PASSED: nothing
                                                   of it is awaited; < 0: the kernel is broken */
    /* Its last words: the kernel's part is over, its files are collected. */
    void (*finish) (cb_entry *entry, json_t *artifacts, const char *trouble);
    /* It waited, and the kernel died or never came. */
    void (*fail) (cb_entry *entry, const cb_death *death);
} cb_entry_kind;

struct cb_entry {
    const cb_entry_kind *kind;
    cb_session *session;
    cb_run *run;       /* NULL: no cell */
    cb_fanout *fanout; /* of the control API; NULL: none */
    size_t charged;    /* to the quota of code */
    int collecting;    /* a job with this as its context is with the filer */
    cb_jmsg *request;  /* an attached client's; owned */
    char *content;     /* owned: what the kernel gets instead of its content; NULL: that */
    cb_guest *guest;   /* borrowed; NULL: gone */
    cb_query query;    /* of queries.c: whom to tell; the texts in it are not used */
    cb_channel channel;
    int stop_on_error;
    int may_ask;          /* allow_stdin */
    int answered;         /* we did it: only its idle is owed */
    int replied;          /* its reply was passed on */
    int idle_told;        /* and its idle */
    cb_usec over_at;      /* patience for a reply after the idle, when it is no cell */
    const cb_zpeer *peer; /* of the control API's: whose it is; only compared */
    uint64_t client;      /* whose turn it is; stays when the client is gone */
    uint64_t round;       /* in which it has its turn */
    size_t told;          /* how many are before it, as its client was told last */
    size_t noted;         /* the same of an attached client's; 0: nothing was told */
    cb_usec queued_at;
    int aborted; /* it is a cell that will not run: one before it raised */
    int doomed;  /* it waited before a restart was asked for, and ends with the kernel there was */
    int silent;  /* it is a cell that shows nothing */
    /* what a broker before us left: */
    char *identity; /* owned: the routing id of the guest who is to come back; NULL: none */
    size_t identity_size;
    uint64_t number; /* among those that wait, in the page */
    int is_kept;     /* it has such a number */
    cb_entry *next;
};

/* What the running cell asks a person. */
typedef struct cb_question {
    cb_guest *guest;      /* borrowed: an attached client is asked; NULL: one of the control API */
    const cb_zpeer *peer; /* borrowed: where it was asked and must be answered */
    char msg_id[CB_MSG_ID_MAX];
    char *header; /* owned: the input_request's; NULL: nothing is asked */
    size_t header_size;
} cb_question;

typedef struct cb_waiter {
    cb_on_settled *on_settled;
    void *context;
    int for_end; /* waits for the end, not for readiness */
} cb_waiter;

struct cb_session {
    const cb_services *services; /* borrowed */
    cb_on_session_over *on_over;
    void *context;
    char name[CB_NAME_MAX];
    cb_profile profile;
    cb_session_state state;
    int ephemeral;
    cb_owner owner;               /* whom it ends with */
    int restart_asked;            /* by a person: the kernel's end is followed by a start, always */
    int gently;                   /* its kernel may end by itself when it is to end now */
    char key[CB_SESSION_KEY_MAX]; /* towards those who attach */
    char front[CB_FRONT_MAX];     /* of its sockets' names */
    cb_kernel *kernel;            /* NULL between two */
    int kernel_gone;              /* it is over, only its files are still needed */
    cb_death death;               /* the last one; text "" without */
    cb_source *timer;
    cb_usec armed; /* when the timer fires */
    cb_entry *running;
    cb_entry *queue;   /* by rounds */
    uint64_t round;    /* of the one that began last */
    uint64_t clients;  /* that were given a number */
    cb_usec places_at; /* somebody waits so long then that he is told his place */
    uint64_t looks;    /* how often that was looked for */
    size_t n_queued;
    size_t n_cells_queued; /* of them, the control API's */
    cb_signer *signer;     /* towards those who attach; NULL while nobody can */
    cb_readers *readers;   /* the same */
    void *door;            /* front's; NULL: none */
    cb_asked asked;
    /* The last request that nobody awaits an answer to (a widget's), until the kernel is done. */
    char beside[CB_MSG_ID_MAX];
    cb_question question;
    cb_calm calm;  /* of lines in the log that others cause */
    uint64_t late; /* bytes of output that belongs to no running cell, since the last began */
    cb_waiter waiters[CB_SESSION_WAITERS_MAX];
    size_t n_waiters;
    struct timespec output_mtime; /* of the empty /output */
    int output_used;              /* something was there at some time */
    time_t created;
    cb_usec last_used;
    cb_usec hold_until; /* nothing is read of the kernel: attached clients are on their way back */
    size_t awaited_readers;
    cb_usec ask_at; /* until then the kernel's questions wait for the cell's client to come back */
    cb_usec wait_until;   /* the next cell waits: the client of the last is to come back */
    struct cb_left *left; /* runs whose clients went away, the newest first */
    int is_left;          /* the last run is one, and nobody has asked for it */
    cb_usec linger_at;    /* an ephemeral session whose client may come back for the last words */
    int published;        /* its connection file is there */
    uint64_t executions;
    uint64_t restarts;
    int by_clock; /* the kernel was ended by a cell's wall limit */
    uint64_t crashes;
    cb_usec crashed_at[CB_RESTARTS_MAX]; /* the last ones that were followed by a restart */
};

/* Which layers hold its jail (of the last kernel, when that is gone), null before the first. New
 * reference. */
json_t *cb_session_layers_ (const cb_session *self);

/* waiters.c */
int cb_waiters_add_ (cb_session *self, const cb_waiter *waiter, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Tells those who wait for the end, or those who wait for readiness. */
void cb_waiters_settle_ (cb_session *self, int for_end, const cb_err *err);

/* after.c */
/* What a death means for those who use the session, in words; "" when it ends with its kernel. */
const char *cb_session_aftermath_ (const cb_session *self);
/* What an attached client, or who asked a query, is told of a death: of a request that the kernel
 * had (began) or that waited. */
#define CB_DEATH_WORDS (CB_ERR_TEXT_MAX + 512)
void cb_session_death_words_ (const cb_session *self, const cb_death *death, int began,
                              char text[CB_DEATH_WORDS]);
/* The kernel is over and no cell needs it any more. */
void cb_session_after_death_ (cb_session *self);

/* session.c */
void cb_session_become_ (cb_session *self, cb_session_state next);
/* The next deadline may be earlier now. */
void cb_session_arm_ (cb_session *self);
/* Ends the kernel that there is. */
void cb_session_end_kernel_ (cb_session *self, const char *why);
/* Its end: whoever waits is told, and its owner frees it. */
void cb_session_over_ (cb_session *self);
/* One without a kernel. Owned; NULL with err. */
cb_session *cb_session_bare_ (const cb_services *services, cb_on_session_over *on_over,
                              void *context, cb_err *err);
extern const cb_kernel_events cb_session_kernel_events_;
cb_kernel_options cb_session_kernel_options_ (const cb_session *self);
/* Starts a kernel. */
int cb_session_launch_ (cb_session *self, cb_err *err) __attribute__ ((warn_unused_result));

/* save.c */
/* The page's state to come. Borrowed. */
cb_saved *cb_session_saved_ (const cb_session *self);
void cb_session_note_ (cb_session *self);
/* Notes, and that is in force. */
void cb_session_commit_ (cb_session *self);
/* A kernel is to be started: what a broker after us needs to start it anew. context: the session.
 */
void cb_save_fixed_ (cb_page *page, void *context);
/* It is ready: from now on a broker after us can go on with it. */
void cb_save_ready_ (cb_session *self);
/* A cell is about to be sent; its clock runs. Or another request whose reply is awaited. In force
 * with its first byte's (kernel/link commits before it sends). */
void cb_save_begin_ (cb_session *self, cb_entry *entry);
void cb_save_asking_ (cb_session *self, const cb_entry *entry);
/* That is over. */
void cb_save_asked_ (cb_session *self);
/* It is over. keep: its last words are in the journal with the commit that follows. */
void cb_save_over_ (cb_session *self, int keep);
/* What is written with every commit, from now on, also into the journal of that fan-out. */
void cb_save_keep_ (cb_session *self, cb_fanout *fanout);

/* back.c */
int cb_session_restore_ (cb_session *self, const cb_saved *saved, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_session_restore_counts_ (cb_session *self, const cb_saved *saved);
int cb_saved_fixed_read_ (cb_page *page, cb_saved_fixed *ret_fixed, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_session_go_on_ (cb_session *self);
/* Whether nothing may begin yet. */
int cb_session_waits_ (const cb_session *self);
/* The running cell's client is back, or awaited no longer. */
void cb_session_ask_on_ (cb_session *self);
/* Its cell is done and nobody was there to hear it. */
void cb_session_linger_ (cb_session *self);
/* runs.c */
/* Others came between: those of this client that wait are told where they do not wait as near as
 * they were told before. */
void cb_runs_tell_places_ (cb_session *self, uint64_t client);

/* waiting.c: the queue in the page. */
/* It waits: a broker after us will have it. */
void cb_waiting_keep_ (cb_session *self, cb_entry *entry);
/* It waits no longer: once it is in force that it runs, or when it is withdrawn. */
void cb_waiting_forget_ (cb_session *self, cb_entry *entry);
/* Its client was told one message more. */
void cb_waiting_told_ (cb_entry *entry);
/* The queue that a page has. */
void cb_waiting_restore_ (cb_session *self, cb_page *page);
/* runs.c: one that waited, its client is to come back. */
typedef struct cb_queued {
    const cb_run_saved *run;
    json_t *content; /* taken */
    cb_part header;  /* of its request */
} cb_queued;
int cb_runs_queued_ (cb_session *session, const cb_queued *from, cb_entry **ret_entry, cb_err *err)
    __attribute__ ((warn_unused_result));
/* requests-back.c: the same of an attached client, and that it is a cell. Takes request. content:
 * what the kernel gets instead of its own, or empty. */
int cb_requests_queued_ (cb_session *session, cb_jmsg *request, cb_part content,
                         cb_entry **ret_entry, cb_err *err) __attribute__ ((warn_unused_result));
int cb_requests_is_cell_ (cb_entry *entry, const cb_run_saved *saved, cb_err *err)
    __attribute__ ((warn_unused_result));
/* A request that is no cell was with the kernel. */
int cb_requests_asking_ (cb_session *session, cb_part header, cb_entry **ret_entry, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Sends what a client of the control API was told of his run and has not had. */
typedef struct cb_left cb_left;
typedef struct cb_retold {
    cb_zpeer *peer;
    const char *run;
    cb_part header;      /* of its request */
    uint64_t after;      /* messages that were had */
    uint64_t told;       /* and that there were before it began: start, queued */
    size_t ahead;        /* of one that waits */
    int has_begun;       /* what follows is in the journal */
    const cb_left *left; /* it is there, not in the journal; NULL: it is not */
    uint64_t forgotten_bytes;
} cb_retold;
void cb_runs_resend_ (const cb_session *self, const cb_retold *what);
/* left.c: runs that ended without their client. */
/* Another cell is about to begin: what the last one's client has not heard is kept. */
void cb_left_keep_ (cb_session *self);
/* Borrowed until the next cell begins; NULL: it is not kept. */
const cb_left *cb_left_find_ (const cb_session *self, const char *msg_id);
/* What is to be told again; peer and after are the caller's to say. */
cb_retold cb_left_retold_ (const cb_left *self);
/* As cb_journal_tell. */
uint64_t cb_left_tell_ (const cb_left *self, uint64_t from, cb_on_journal *on_message,
                        void *context);
void cb_left_done_ (cb_session *self);
/* runs.c, requests-back.c: the entry of a cell that runs. */
int cb_runs_restore_ (cb_session *self, const cb_saved *saved, cb_part header, cb_entry **ret_entry,
                      cb_err *err) __attribute__ ((warn_unused_result));
int cb_requests_restore_ (cb_session *self, const cb_saved *saved, cb_part header,
                          cb_entry **ret_entry, cb_err *err) __attribute__ ((warn_unused_result));

/* owner.c */
void cb_owner_init_ (cb_owner *self);
void cb_owner_done_ (cb_owner *self);
/* The shim has nothing more to do here. */
void cb_owner_leave_ (cb_session *session, cb_leave why, const char *words);
/* A client of the control API is gone: perhaps the one. */
void cb_owner_gone_ (cb_session *session, const cb_zpeer *peer);
/* Whether the guest came through the shim. */
int cb_owner_has_ (const cb_session *session, const cb_guest *guest);
void cb_owner_save_ (const cb_owner *self, cb_saved_owner *to);
void cb_owner_restore_ (cb_session *session, const cb_saved_owner *from);

/* info.c */
/* The signer towards those who attach, made when it is first needed. */
int cb_session_signer_ (cb_session *self, cb_err *err) __attribute__ ((warn_unused_result));

/* cells.c */
void cb_cells_on_message_ (cb_session *self, cb_channel channel, cb_jmsg *message);
/* Output that was too large to be kept. */
void cb_cells_on_skipped_ (cb_session *self, cb_channel channel, uint64_t bytes);
/* The running cell's last words, with its files; then the next one begins. */
void cb_cells_finish_ (cb_session *self, json_t *artifacts, const char *trouble);
/* Begins the next cell when the kernel is idle. */
void cb_cells_next_ (cb_session *self);
/* The kernel is over: every cell gets its answer, the running one after its files are collected;
 * then cb_session_after_death_ is called. */
void cb_cells_on_death_ (cb_session *self);
/* Those that wait get their answer: a death. */
void cb_cells_fail_queued_ (cb_session *self);
/* A restart is asked for: whatever comes from now on is for the next kernel. */
void cb_cells_doom_queued_ (cb_session *self);
void cb_cells_fail_doomed_ (cb_session *self);
/* What the running cell's clock wants. */
void cb_cells_tick_ (cb_session *self, cb_usec now);
cb_usec cb_cells_deadline_ (const cb_session *self);
/* Every cell gets its answer at once: self->death. */
void cb_cells_drop_ (cb_session *self);

/* collect.c: finishes the running cell once its files are there. */
void cb_collect_ (cb_session *self);
/* A kernel is ready: its /output is empty now. */
void cb_collect_ready_ (cb_session *self);

/* hits.c */
/* Output of the running cell: 1 to pass it on, 0 when it is over the cap. */
int cb_hits_admit_ (cb_session *self, cb_jmsg *message);
/* The running cell is over: the end of what was dropped follows. Once. */
void cb_hits_show_end_ (cb_session *self);
/* Its reply says that it raised: whether a limit was the cause. */
void cb_hits_judge_ (cb_session *self);

/* queue.c */
/* How many come before the one that waits, the one that runs included. */
size_t cb_cells_ahead_ (const cb_session *self, const cb_entry *of);
/* In its round of the queue; how many are before it. It may be with the kernel, or freed,
 * afterwards. */
size_t cb_cells_append_ (cb_session *self, cb_entry *entry);
/* Whether the control API's client has room for another one. */
int cb_cells_room_ (const cb_session *self, const cb_zpeer *peer, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Takes it out of the queue; the entry is the caller's. */
void cb_cells_unlink_ (cb_session *self, cb_entry **at);
/* -CB_E_GONE: whether the session takes requests. */
int cb_cells_takes_ (const cb_session *self, cb_err *err) __attribute__ ((warn_unused_result));
/* -CB_E_GONE, -CB_E_INVALID: and one of this id, by which it can be asked for later. */
int cb_cells_check_ (const cb_session *self, const char *msg_id, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_entry_destroy (cb_entry **self);
/* The routing id of the guest whose it is, empty without one. Borrowed. */
cb_part cb_entry_identity_ (const cb_entry *self);
/* It was left behind by a broker before us: whose it is. */
void cb_entry_note_identity_ (cb_entry *self, cb_part identity);
const char *cb_entry_msg_id_ (const cb_entry *self);
/* Whose the entry is; 0: nobody's that is known. One that a broker before us began has its guest
 * alone. */
uint64_t cb_entry_client_ (const cb_entry *self);
/* Charges what waits to services->cells: bytes of code, and what an entry costs beside them. */
int cb_entry_charge_ (cb_entry *self, size_t bytes, cb_err *err)
    __attribute__ ((warn_unused_result));
/* The reply of a running request that is no cell is in, or is awaited no longer. */
void cb_cells_answered_ (cb_session *self);
uint64_t cb_cells_size_ (const cb_jmsg *message);
int cb_cells_is_idle_ (cb_jmsg *status);

/* shown.c: what attached clients may see of a kernel's message. Replaces the content by one in
 * room, which is initialised here and is the caller's to end, or leaves it. 0: nothing of it. */
int cb_shown_ (cb_session *self, const char *msg_type, cb_part *content, cb_buf *room)
    __attribute__ ((warn_unused_result));

/* What a kernel says goes on with the fields of its type; room is initialised here. -1: it cannot
 * be mended. */
int cb_shown_shape_ (const cb_session *self, cb_jmsg *message, cb_buf *room);

/* places.c */
/* The queue has changed, or the time is there: those who wait for others are told their place. */
void cb_places_look_ (cb_session *self);
/* It leaves the queue: nothing of that is to remain. */
void cb_places_leave_ (cb_entry *entry);

/* guests.c: what attached clients see and say. */
/* A message for all readers of iopub. */
void cb_guests_publish_ (cb_session *self, const cb_jmsg *message, cb_news news);
/* The same of ours: {"execution_state": state} for a request, or (parent empty) for everybody. */
void cb_guests_status_ (cb_session *self, const char *state, cb_part parent);
/* Text on stderr for those who watch a request. */
void cb_guests_note_ (cb_session *self, cb_part parent, const char *text);
/* The same with a stream's content. */
void cb_guests_stream_ (cb_session *self, cb_part parent, const json_t *content);
/* A comm that a client opened for this request is closed. */
void cb_guests_close_comm_ (cb_session *self, cb_part parent, const char *comm_id);
/* An error on iopub for a request. */
void cb_guests_error_ (cb_session *self, cb_part parent, const json_t *content);
/* To one guest on one channel; what it does not read is dropped. */
void cb_guests_tell_ (cb_session *self, const cb_asked_row *row, const char *msg_type,
                      const json_t *content);
/* Output of the kernel that belongs to no running cell. */
void cb_guests_on_iopub_ (cb_session *self, cb_jmsg *message);
/* An answer on shell or control: it goes where the question came from. 1: it did, 0: nobody
 * asked. */
int cb_guests_on_reply_ (cb_session *self, cb_channel channel, cb_jmsg *message);
/* The running cell asks the person whose it is. */
void cb_guests_on_input_ (cb_session *self, cb_jmsg *message);
/* It is asked no longer: answered, interrupted, over. */
void cb_guests_forget_question_ (cb_session *self);
/* A client of the control API is gone: what it is asked is answered by an end of file. */
void cb_guests_asked_gone_ (cb_session *self, const cb_zpeer *peer);
/* What waits for an answer of a kernel that died. */
void cb_guests_on_death_ (cb_session *self);
void cb_guests_done_ (cb_session *self);
/* The error of a reply, or of an output message. New reference. */
json_t *cb_guests_error_content_ (const char *ename, const char *evalue);

/* The same of a death, for a request that the kernel had (began) or that waited. */
json_t *cb_guests_death_content_ (const cb_session *self, const cb_death *death, int began);

/* queries.c: the answer to the running query. 1: it is, 0: nobody asked so. */
int cb_queries_on_reply_ (cb_session *self, cb_jmsg *message);

/* execute.c: reads an execute_request into flags (content is the caller's). */
int cb_requests_read_cell_ (cb_request_from *from, int can_ask, cb_entry *flags, cb_err *err)
    __attribute__ ((warn_unused_result));

/* requests.c: attached clients' requests in the queue. */
/* A cell of this client raised, and he is told just now: his own that wait, but not what he sends
 * when he knows, will be answered `aborted`. */
void cb_requests_stop_ (cb_session *self, uint64_t client);
/* A cell that waits will be answered `aborted`. In force at once. */
void cb_requests_abort_ (cb_entry *entry);
extern const cb_entry_kind cb_requests_cell_, cb_requests_other_;

#endif
