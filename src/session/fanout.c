/* fanout.c - copies a run's output to its readers.
 *
 * A reader that falls behind loses messages and is told how many before its reply comes; it is
 * never waited for. Signing costs more than sending, so readers of one key share one signed
 * message: the peers only count references. */
#include "session/fanout.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Bytes in the queue of a client who reads: a little more than one wake-up of his. */
#define FAIR_QUEUE ((size_t)1024 * 1024)

/* What is kept of messages that left the queue: a socket's buffer and more, for a client whose
 * library throws away what it has not read when the connection breaks. */
#define KEEP_BESIDE ((size_t)1024 * 1024)
/* And of the queue: it is in memory twice, so who hardly reads has to lose more when we die. */
#define KEEP_QUEUED ((size_t)8 * 1024 * 1024)

typedef struct reader {
    cb_asker asker; /* header is owned */
    uint64_t lost_messages;
    uint64_t lost_bytes;
} reader;

struct cb_fanout {
    reader readers[CB_READERS_MAX];
    size_t n_readers;
    cb_keep keep;   /* commit NULL: nothing is kept */
    uint64_t told;  /* to the first reader, before it was kept */
    int has_left;   /* the first reader went while we were here: it is not waited for */
    int ending;     /* what follows waits for the end */
    cb_zmsg **last; /* owned: that; a message, owned, each */
    size_t n_last;
};

cb_fanout *
cb_fanout_new (cb_err *err)
{
    cb_fanout *self = calloc (1, sizeof *self);

    if (self == NULL)
        (void)cb_fail_nomem (err);
    return self;
}

static void
s_reader_done (reader *self)
{
    free ((void *)(uintptr_t)self->asker.header.data);
    *self = (reader){.lost_messages = 0};
}

void
cb_fanout_destroy (cb_fanout **self_at)
{
    cb_fanout *self = *self_at;

    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n_readers; i++)
        s_reader_done (&self->readers[i]);
    while (self->n_last > 0)
        cb_zmsg_destroy (&self->last[--self->n_last]);
    free (self->last);
    free (self);
    *self_at = NULL;
}

/* ---- what is kept ---- */

void
cb_fanout_keep (cb_fanout *self, const cb_keep *keep)
{
    self->keep = *keep;
}

void
cb_fanout_was_told (cb_fanout *self, uint64_t told)
{
    self->told = told;
}

uint64_t
cb_fanout_told (const cb_fanout *self)
{
    return self->told;
}

void
cb_fanout_lost (const cb_fanout *self, uint64_t *ret_messages, uint64_t *ret_bytes)
{
    *ret_messages = self->n_readers > 0 ? self->readers[0].lost_messages : 0;
    *ret_bytes = self->n_readers > 0 ? self->readers[0].lost_bytes : 0;
}

void
cb_fanout_has_lost (cb_fanout *self, uint64_t messages, uint64_t bytes)
{
    if (self->n_readers == 0)
        return;
    self->readers[0].lost_messages = messages;
    self->readers[0].lost_bytes = bytes;
}

cb_part
cb_fanout_header (const cb_fanout *self)
{
    return self->n_readers > 0 ? self->readers[0].asker.header : (cb_part){"", 0};
}

int
cb_fanout_is_absent (const cb_fanout *self)
{
    return self->n_readers == 1 && self->readers[0].asker.peer == NULL;
}

int
cb_fanout_is_awaited (const cb_fanout *self)
{
    return cb_fanout_is_absent (self) && !self->has_left;
}

void
cb_fanout_last_words (cb_fanout *self)
{
    self->ending = self->keep.commit != NULL;
}

static void
s_send_past (cb_zpeer *peer, cb_zmsg *message)
{
    cb_err err = CB_ERR_INIT;

    if (peer != NULL && cb_zpeer_send_always (peer, message, 0, &err) < 0)
        cb_log_debug ("a client cannot be told", CB_STR ("why", err.text));
}

void
cb_fanout_resume (cb_fanout *self, cb_zpeer *peer)
{
    self->readers[0].asker.peer = peer;
    self->has_left = 0;
}

/* Without memory for it the message goes out at once. */
static int
s_put_off (cb_fanout *self, cb_zmsg *message)
{
    cb_zmsg **grown = realloc (self->last, (self->n_last + 1) * sizeof *grown);

    if (grown == NULL)
        return 0;
    self->last = grown;
    self->last[self->n_last++] = cb_zmsg_ref (message);
    return 1;
}

/* In force first, then out: a broker after us does not send it by itself, only to who asks. */
static void
s_send_kept (cb_fanout *self, cb_zmsg *message)
{
    cb_zpeer *peer = self->readers[0].asker.peer;
    size_t keep = CB_PAGE_JOURNAL;

    if (peer != NULL) {
        size_t queued = cb_zpeer_queued (peer);
        keep = KEEP_BESIDE + (queued < KEEP_QUEUED ? queued : KEEP_QUEUED);
    }
    cb_journal_add (self->keep.journal, &self->keep.tape, message, keep);
    if (self->ending && s_put_off (self, message))
        return;
    self->keep.commit (self->keep.context);
    s_send_past (peer, message);
}

static int
s_is_kept (const cb_fanout *self, const reader *to)
{
    return self->keep.commit != NULL && to == &self->readers[0];
}

int
cb_fanout_add (cb_fanout *self, const cb_asker *asker, cb_err *err)
{
    if (self->n_readers == CB_READERS_MAX)
        return cb_fail (err, CB_E_LIMIT, "a run has at most %d readers", CB_READERS_MAX);
    char *header = malloc (asker->header.size + 1);
    if (header == NULL)
        return cb_fail_nomem (err);
    memcpy (header, asker->header.data, asker->header.size);
    self->readers[self->n_readers++].asker =
        (cb_asker){asker->peer, asker->signer, {header, asker->header.size}};
    return 0;
}

size_t
cb_fanout_remove (cb_fanout *self, const cb_zpeer *peer)
{
    for (size_t i = self->n_readers; i-- > 0;) {
        if (self->readers[i].asker.peer != peer)
            continue;
        /* He may come back, or somebody with his request's id. */
        if (s_is_kept (self, &self->readers[i])) {
            self->readers[i].asker.peer = NULL;
            self->has_left = 1;
            continue;
        }
        s_reader_done (&self->readers[i]);
        self->readers[i] = self->readers[--self->n_readers];
        self->readers[self->n_readers] = (reader){.lost_messages = 0};
    }
    return cb_fanout_readers (self);
}

size_t
cb_fanout_readers (const cb_fanout *self)
{
    return self->n_readers - (self->has_left != 0);
}

const cb_asker *
cb_fanout_first (const cb_fanout *self)
{
    return self->n_readers > 0 ? &self->readers[0].asker : NULL;
}

/* When the bytes of all clients are used up by those who do not read, one who does read is not made
 * to pay for it: with a short queue his message goes past the limit. */
static int
s_send (cb_fanout *self, const reader *to, cb_zmsg *message)
{
    cb_err err = CB_ERR_INIT;
    cb_zpeer *peer = to->asker.peer;

    if (s_is_kept (self, to)) {
        if (peer != NULL && !cb_zpeer_has_room (peer, message, 0) &&
            cb_zpeer_queued (peer) >= FAIR_QUEUE)
            return CB_ZPEER_FULL;
        s_send_kept (self, message);
        return CB_ZPEER_SENT;
    }
    int result = cb_zpeer_send (peer, message, 0, &err);
    if (result == CB_ZPEER_FULL && cb_zpeer_queued (peer) < FAIR_QUEUE)
        result = cb_zpeer_send_always (peer, message, 0, &err);
    self->told += to == &self->readers[0] && result != CB_ZPEER_FULL;
    return result;
}

void
cb_fanout_send (cb_fanout *self, const cb_jmsg *message)
{
    cb_owned (cb_zmsg) cb_zmsg *copy = NULL;
    const cb_signer *signed_by = NULL;
    cb_err err = CB_ERR_INIT;

    for (size_t i = 0; i < self->n_readers; i++) {
        reader *to = &self->readers[i];
        if (to->asker.signer != signed_by) {
            cb_zmsg_destroy (&copy);
            copy = cb_jmsg_resign (message, to->asker.signer, NULL, 0, &err);
            signed_by = to->asker.signer;
        }
        if (copy == NULL || s_send (self, to, copy) == CB_ZPEER_FULL) {
            to->lost_messages++;
            to->lost_bytes += cb_zmsg_cost (message->raw);
        }
    }
}

static void
s_tell (cb_fanout *self, const reader *to, const char *msg_type, const json_t *content)
{
    cb_err err = CB_ERR_INIT;
    cb_jmsg_draft draft = {.msg_type = msg_type, .parent = to->asker.header, .content = content};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (to->asker.signer, &draft, &err);

    if (message == NULL) {
        cb_log_warn ("a client cannot be told", CB_STR ("type", msg_type),
                     CB_STR ("why", err.text));
        return;
    }
    if (s_is_kept (self, to)) {
        s_send_kept (self, message);
        return;
    }
    s_send_past (to->asker.peer, message);
    self->told += to == &self->readers[0];
}

void
cb_fanout_tell (cb_fanout *self, const char *msg_type, const json_t *content)
{
    for (size_t i = 0; i < self->n_readers; i++)
        s_tell (self, &self->readers[i], msg_type, content);
}

void
cb_fanout_finish (cb_fanout *self, const char *msg_type, const json_t *content)
{
    for (size_t i = 0; i < self->n_readers; i++) {
        const reader *to = &self->readers[i];
        if (to->lost_messages > 0) {
            cb_owned (cb_json) json_t *lost =
                json_pack ("{s:I, s:I}", "bytes", (json_int_t)to->lost_bytes, "messages",
                           (json_int_t)to->lost_messages);
            s_tell (self, to, "lost", lost);
        }
        s_tell (self, to, msg_type, content);
    }
    if (self->keep.commit != NULL)
        self->keep.commit (self->keep.context);
    for (size_t i = 0; i < self->n_last && self->n_readers > 0; i++)
        s_send_past (self->readers[0].asker.peer, self->last[i]);
}
