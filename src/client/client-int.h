/* client-int.h - what the files of libcellblock share; not installed. */
#ifndef CB_CLIENT_CLIENT_INT_H
#define CB_CLIENT_CLIENT_INT_H

#include "base/clock.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "client/cellblock.h"
#include "client/link.h"
#include "wire/connfile.h"
#include "wire/jmsg.h"

#include <limits.h>
#include <sys/queue.h>

/* Events of other requests that cellblock_call and cellblock_run keep for cellblock_next. */
#define CB_KEPT_EVENTS 65536
#define CB_KEPT_BYTES  67108864

struct cellblock_event {
    TAILQ_ENTRY (cellblock_event) link;
    cb_jmsg *message; /* owned */
    enum cellblock_kind kind;
    int64_t request;
    int code;       /* of a reply */
    char *content;  /* owned, with an end byte; so is metadata */
    char *metadata; /* inside the same block as content */
};

typedef TAILQ_HEAD (cb_event_list, cellblock_event) cb_event_list;

/* Runs whose reply has not come, of which a client can be told the rest when the broker was started
 * again; of more the rest is lost then. */
#define CB_OPEN_RUNS 64

typedef struct cb_open_run {
    int64_t request;
    uint64_t had;  /* messages */
    char *content; /* owned: the request's, for a broker that never saw it */
} cb_open_run;

struct cellblock_client {
    cb_err err;    /* the last error */
    cb_link *link; /* owned; NULL: did not open */
    cb_signer *signer;
    cb_connfile file; /* broker.json */
    char session[33]; /* of our headers; message ids are SESSION_NUMBER */
    int64_t last_request;
    cb_event_list kept;
    size_t n_kept;
    size_t kept_bytes;
    char runtime_dir[PATH_MAX];
    int fd; /* owned: an epoll that outlives the link */
    cb_open_run runs[CB_OPEN_RUNS];
    size_t n_runs;
    cb_event_list missed; /* came while we were coming back; before all that is to be received */
    char asked[CB_MSG_ID_MAX]; /* id of the input_request that was told last */
    char *answer;              /* owned: the content it was answered with; NULL: not yet */
    int coming_back;
    uint64_t came_back; /* how often */
};

/* client-back.c: when the broker was started again. */

/* A run begins; an event came (the reply ends it). */
void cb_client_open_run (cellblock_client *client, int64_t request, const char *content);
/* The runs are nobody's concern any more. */
void cb_client_close_runs (cellblock_client *client);
void cb_client_count (cellblock_client *client, const cellblock_event *event);
/* An input_request came: 1 when it was told before (then it is answered as before, or still is to
 * be), 0 when it is news. */
int cb_client_was_asked (cellblock_client *client, const cellblock_event *question);
/* Sends an answer, now or when we are back. question is an input_request. */
int cb_client_answer (cellblock_client *client, const cellblock_event *question, json_t *content);
/* Connects again and has the rest of the open runs sent. -CB_E_GONE: the daemon has ended, or a run
 * could not be gone on with. */
int cb_client_come_back (cellblock_client *client);
/* Connects, and says hello; while a daemon lives and its broker does not, tries again. */
int cb_client_connect (cellblock_client *client);
/* The link's descriptor joins the client's. */
int cb_client_watch_link (cellblock_client *client, cb_err *err);

/* client.c: connects and says hello; sends. */
int cb_client_try (cellblock_client *client);
int cb_client_send (cellblock_client *client, const cb_jmsg_draft *draft);

/* client-event.c */

/* What the message is for this client. Takes a reference of raw. Owned; NULL with err. */
cellblock_event *cb_event_new (cellblock_client *client, cb_zmsg *raw, cb_err *err);

/* client.c */

/* The next event from the daemon, not from the kept ones; like cellblock_next, but deadline in
 * microseconds of the monotonic clock and errors only in the client's err. */
cellblock_event *cb_client_receive (cellblock_client *client, cb_usec deadline);
/* timeout_ms of the interface as a deadline. */
cb_usec cb_client_deadline (int timeout_ms);
/* Keeps an event (taken) for cellblock_next. */
int cb_client_keep (cellblock_client *client, cellblock_event *event);

#endif
