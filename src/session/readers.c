/* readers.c - those who read a session's iopub.
 *
 * A message is signed once for all of them; their queues only count references. A reader whose
 * queue is full, or holds more than is left of the quota all share (loop/stream), is paused: it
 * gets nothing more before it has read everything, and what it misses is counted. That is told it
 * as a `stream` message of ours, because every Jupyter client shows those: before the idle of a
 * request whose output it missed, and when it reads again. Statuses go on while it is paused, out
 * of a small reserve, for whoever waits for an idle would wait for ever. */
#include "session/readers.h"

#include "base/log.h"
#include "base/units.h"
#include "session/fair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of statuses and of our own words that a paused reader gets past its limit. */
#define RESERVE ((size_t)1024 * 1024)

typedef struct reader {
    cb_zpeer *peer; /* borrowed */
    int paused;
    size_t reserve;
    uint64_t lost_messages;
    uint64_t lost_bytes;
    char *parent; /* owned: parent_header of what was lost last */
    size_t parent_size;
    cb_page_reader *place; /* borrowed; NULL: none */
    uint64_t had;          /* number of the last message it was given */
    int came_back;         /* its losses are a broker's that died */
} reader;

struct cb_readers {
    cb_signer *signer;
    const char *session;
    size_t n_readers;
    reader readers[CB_SESSION_READERS_MAX];
    uint64_t published;                   /* messages of the kernel */
    cb_page_reader *places;               /* borrowed; NULL: not written down */
    cb_page_reader left[CB_PAGE_READERS]; /* of the broker before us; pid 0: came back */
};

/* Bytes that wait for a reader who reads: the shared quota does not count for so few. The messages
 * behind them are shared, so many such queues cost little more than one. */
#define FAIR_QUEUE ((size_t)1024 * 1024)

/* One message on its way to all. */
typedef struct news {
    cb_zmsg *message;
    cb_part topic;
    cb_part parent;
    cb_news kind;
    int is_kernels; /* it has the number `published` */
} news;

cb_readers *
cb_readers_new (cb_signer *signer, const char *session, cb_err *err)
{
    cb_readers *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->signer = signer;
    self->session = session;
    return self;
}

void
cb_readers_destroy (cb_readers **self_at)
{
    cb_readers *self = *self_at;

    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n_readers; i++)
        free (self->readers[i].parent);
    free (self);
    *self_at = NULL;
}

static reader *
s_find (cb_readers *self, const cb_zpeer *peer)
{
    for (size_t i = 0; i < self->n_readers; i++)
        if (self->readers[i].peer == peer)
            return &self->readers[i];
    return NULL;
}

/* ---- what outlives us ---- */

static void
s_take_place (cb_readers *self, reader *to)
{
    to->place = NULL;
    for (size_t i = 0; self->places != NULL && i < CB_PAGE_READERS && to->place == NULL; i++)
        if (self->places[i].pid == 0)
            to->place = &self->places[i];
    if (to->place == NULL)
        return;
    *to->place = (cb_page_reader){.had = to->had};
    to->place->pid = cb_zpeer_pid (to->peer);
    to->place->all = cb_zpeer_wants (to->peer, "", 0) != 0;
}

/* libzmq connects again by itself, and subscribes again when its program looks at the socket next,
 * which may be much later. */
static void
s_subscribe_again (const reader *who)
{
    cb_err err = CB_ERR_INIT;

    if (cb_zpeer_presume (who->peer, "", 0, &err) < 0)
        cb_log_warn ("a reader who is back has to subscribe again", CB_STR ("why", err.text));
}

/* The process that was here goes on where it was; several of one process in the order in which they
 * came. */
static void
s_come_back (cb_readers *self, reader *who)
{
    pid_t pid = cb_zpeer_pid (who->peer);

    for (size_t i = 0; pid > 0 && i < CB_PAGE_READERS; i++) {
        if (self->left[i].pid != pid)
            continue;
        who->had = self->left[i].had;
        who->lost_messages = self->left[i].waiting;
        who->came_back = who->lost_messages > 0;
        if (self->left[i].all)
            s_subscribe_again (who);
        self->left[i].pid = 0;
        return;
    }
}

void
cb_readers_keep (cb_readers *self, cb_page_reader *places, uint64_t published)
{
    memcpy (self->left, places, sizeof self->left);
    memset (places, 0, sizeof self->left);
    self->places = places;
    if (published > self->published)
        self->published = published;
    for (size_t i = 0; i < self->n_readers; i++)
        s_take_place (self, &self->readers[i]);
}

void
cb_readers_keep_not (cb_readers *self)
{
    self->places = NULL;
    for (size_t i = 0; i < self->n_readers; i++)
        self->readers[i].place = NULL;
}

uint64_t
cb_readers_published (const cb_readers *self)
{
    return self->published;
}

/* It was given message number `published`: at once, so that hardly anything is between the writing
 * and this. */
static void
s_note_given (const cb_readers *self, reader *to)
{
    to->had = self->published;
    if (to->place == NULL)
        return;
    to->place->had = self->published;
    to->place->all = cb_zpeer_wants (to->peer, "", 0) != 0;
    to->place->waiting = cb_zpeer_queued (to->peer) == 0 ? 0 : to->place->waiting + 1;
}

int
cb_readers_add (cb_readers *self, cb_zpeer *peer, cb_err *err)
{
    reader *made = &self->readers[self->n_readers];

    if (self->n_readers == CB_SESSION_READERS_MAX)
        return cb_fail (err, CB_E_LIMIT, "a session has at most %d readers",
                        CB_SESSION_READERS_MAX);
    *made = (reader){.peer = peer};
    self->n_readers++;
    s_come_back (self, made);
    s_take_place (self, made);
    return 0;
}

void
cb_readers_remove (cb_readers *self, const cb_zpeer *peer)
{
    reader *gone = s_find (self, peer);

    if (gone == NULL)
        return;
    if (gone->place != NULL)
        *gone->place = (cb_page_reader){.pid = 0};
    free (gone->parent);
    *gone = self->readers[--self->n_readers];
}

/* To who subscribed alone: others do not wait for one, and have nothing between what belongs to one
 * request. It has no parent, as nobody's request caused it. A reader who does not read has none. */
void
cb_readers_welcome (cb_readers *self, cb_zpeer *peer, cb_part topic)
{
    cb_err err = CB_ERR_INIT;
    json_t *subscription = json_stringn (topic.data != NULL ? topic.data : "", topic.size);
    cb_owned (cb_json) json_t *content = json_pack ("{s:o*}", "subscription", subscription);
    cb_jmsg_draft draft = {
        .leading = &topic, .n_leading = 1, .msg_type = "iopub_welcome", .content = content};

    /* A topic that is not UTF-8 is not to be said in JSON. */
    if (subscription == NULL || content == NULL)
        return;
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (self->signer, &draft, &err);
    if (message == NULL || cb_send_fair (peer, message, FAIR_QUEUE, &err) < 0)
        cb_log_debug ("a reader cannot be welcomed", CB_STR ("session", self->session),
                      CB_STR ("why", err.text));
}

size_t
cb_readers_count (const cb_readers *self)
{
    return self->n_readers;
}

/* ---- losses ---- */

static void
s_lose (reader *to, const news *what)
{
    to->lost_messages++;
    to->lost_bytes += cb_zmsg_cost (what->message);
    free (to->parent);
    to->parent_size = 0;
    to->parent = malloc (what->parent.size + 1);
    if (to->parent == NULL)
        return;
    memcpy (to->parent, what->parent.data, what->parent.size);
    to->parent_size = what->parent.size;
}

static cb_zmsg *
s_note (cb_readers *self, const reader *to, cb_part parent)
{
    char bytes[CB_UNITS_TEXT];
    char text[256];
    const cb_part topic = {"stream.stderr", 13};
    cb_err err = CB_ERR_INIT;

    if (to->came_back)
        (void)snprintf (text, sizeof text,
                        "cellblock: the daemon's broker died while this client had not read "
                        "everything; up to %" PRIu64 " messages of the output did not reach it\n",
                        to->lost_messages);
    else
        (void)snprintf (text, sizeof text,
                        "cellblock: this client read too slowly; %" PRIu64 " message%s of the "
                        "output (%s) did not reach it\n",
                        to->lost_messages, to->lost_messages == 1 ? "" : "s",
                        cb_size_text (to->lost_bytes, bytes));
    cb_owned (cb_json) json_t *content = json_pack ("{s:s, s:s}", "name", "stderr", "text", text);
    cb_jmsg_draft draft = {.leading = &topic,
                           .n_leading = 1,
                           .msg_type = "stream",
                           .parent = parent,
                           .content = content};
    return cb_jmsg_write (self->signer, &draft, &err);
}

/* Past the limit, as long as the reserve lasts. */
static int
s_force (reader *to, cb_zmsg *message)
{
    cb_err err = CB_ERR_INIT;
    size_t cost = cb_zmsg_cost (message);

    if (to->paused && cost > to->reserve)
        return 0;
    if (to->paused)
        to->reserve -= cost;
    /* A failure is the connection's end, which is told elsewhere. */
    (void)cb_zpeer_send_always (to->peer, message, 0, &err);
    return 1;
}

static void
s_tell_lost (cb_readers *self, reader *to, cb_part parent)
{
    cb_owned (cb_zmsg) cb_zmsg *note = s_note (self, to, parent);

    if (note == NULL || !s_force (to, note))
        return;
    to->lost_messages = 0;
    to->lost_bytes = 0;
    to->came_back = 0;
}

void
cb_readers_drained (cb_readers *self, const cb_zpeer *peer)
{
    reader *to = s_find (self, peer);

    if (to == NULL)
        return;
    to->paused = 0;
    if (to->lost_messages > 0)
        s_tell_lost (self, to, (cb_part){to->parent, to->parent_size});
}

/* ---- sending ---- */

static void
s_pause (const cb_readers *self, reader *to)
{
    cb_log_info ("a reader of iopub is too slow", CB_STR ("session", self->session),
                 CB_INT ("queued", cb_zpeer_queued (to->peer)));
    to->paused = 1;
    to->reserve = RESERVE;
}

static int
s_offer (cb_readers *self, reader *to, cb_zmsg *message)
{
    cb_err err = CB_ERR_INIT;

    if (to->paused)
        return 0;
    if (cb_send_fair (to->peer, message, FAIR_QUEUE, &err) != CB_ZPEER_FULL)
        return 1;
    s_pause (self, to);
    return 0;
}

static void
s_give (cb_readers *self, reader *to, const news *what)
{
    if (what->kind == CB_NEWS_IDLE && to->lost_messages > 0)
        s_tell_lost (self, to, what->parent);
    if (s_offer (self, to, what->message))
        return;
    if (what->kind == CB_NEWS_OUTPUT || !s_force (to, what->message))
        s_lose (to, what);
}

static void
s_spread (cb_readers *self, const news *what)
{
    for (size_t i = 0; i < self->n_readers; i++) {
        reader *to = &self->readers[i];
        if (what->is_kernels && to->had >= self->published)
            continue;
        if (cb_zpeer_wants (to->peer, what->topic.data, what->topic.size))
            s_give (self, to, what);
        if (what->is_kernels)
            s_note_given (self, to);
    }
}

static int
s_is_wanted (const cb_readers *self, cb_part topic)
{
    for (size_t i = 0; i < self->n_readers; i++)
        if (cb_zpeer_wants (self->readers[i].peer, topic.data, topic.size))
            return 1;
    return 0;
}

void
cb_readers_send (cb_readers *self, const cb_jmsg *message, cb_news kind)
{
    cb_err err = CB_ERR_INIT;
    cb_part topic = message->n_identities > 0 ? message->identities[0] : (cb_part){"", 0};

    self->published++;
    if (!s_is_wanted (self, topic))
        return;
    cb_owned (cb_zmsg) cb_zmsg *copy = cb_jmsg_resign (message, self->signer, &topic, 1, &err);
    if (copy == NULL) {
        cb_log_warn ("output cannot be passed on", CB_STR ("session", self->session),
                     CB_STR ("why", err.text));
        return;
    }
    const news what = {copy, topic, message->dicts[CB_DICT_PARENT], kind, 1};
    s_spread (self, &what);
}

void
cb_readers_pass (cb_readers *self)
{
    self->published++;
}

void
cb_readers_tell (cb_readers *self, const cb_word *word)
{
    cb_err err = CB_ERR_INIT;
    const cb_part topic = {word->topic, strlen (word->topic)};
    cb_jmsg_draft draft = {.leading = &topic,
                           .n_leading = 1,
                           .msg_type = word->msg_type,
                           .parent = word->parent,
                           .metadata = word->metadata,
                           .content = word->content};

    if (!s_is_wanted (self, topic))
        return;
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (self->signer, &draft, &err);
    if (message == NULL) {
        cb_log_warn ("readers cannot be told", CB_STR ("session", self->session),
                     CB_STR ("type", word->msg_type), CB_STR ("why", err.text));
        return;
    }
    const news what = {message, topic, word->parent, word->news, 0};
    s_spread (self, &what);
}
