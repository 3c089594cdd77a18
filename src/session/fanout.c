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

typedef struct reader {
    cb_asker asker; /* header is owned */
    uint64_t lost_messages;
    uint64_t lost_bytes;
} reader;

struct cb_fanout {
    reader readers[CB_READERS_MAX];
    size_t n_readers;
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
    free (self);
    *self_at = NULL;
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
        s_reader_done (&self->readers[i]);
        self->readers[i] = self->readers[--self->n_readers];
        self->readers[self->n_readers] = (reader){.lost_messages = 0};
    }
    return self->n_readers;
}

size_t
cb_fanout_readers (const cb_fanout *self)
{
    return self->n_readers;
}

const cb_asker *
cb_fanout_first (const cb_fanout *self)
{
    return self->n_readers > 0 ? &self->readers[0].asker : NULL;
}

/* When the bytes of all clients are used up by those who do not read, one who does read is not made
 * to pay for it: with a short queue his message goes past the limit. */
static int
s_send (const cb_asker *to, cb_zmsg *message)
{
    cb_err err = CB_ERR_INIT;
    int result = cb_zpeer_send (to->peer, message, 0, &err);

    if (result == CB_ZPEER_FULL && cb_zpeer_queued (to->peer) < FAIR_QUEUE)
        result = cb_zpeer_send_always (to->peer, message, 0, &err);
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
        if (copy == NULL || s_send (&to->asker, copy) == CB_ZPEER_FULL) {
            to->lost_messages++;
            to->lost_bytes += cb_zmsg_cost (message->raw);
        }
    }
}

void
cb_asker_tell (const cb_asker *asker, const char *msg_type, const json_t *content)
{
    cb_err err = CB_ERR_INIT;
    cb_jmsg_draft draft = {.msg_type = msg_type, .parent = asker->header, .content = content};

    if (asker->peer == NULL)
        return;
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (asker->signer, &draft, &err);
    if (message == NULL || cb_zpeer_send_always (asker->peer, message, 0, &err) < 0)
        cb_log_debug ("a client cannot be told", CB_STR ("type", msg_type),
                      CB_STR ("why", err.text));
}

void
cb_fanout_tell (cb_fanout *self, const char *msg_type, const json_t *content)
{
    for (size_t i = 0; i < self->n_readers; i++)
        cb_asker_tell (&self->readers[i].asker, msg_type, content);
}

void
cb_fanout_finish (cb_fanout *self, const char *msg_type, const json_t *content)
{
    for (size_t i = 0; i < self->n_readers; i++) {
        reader *to = &self->readers[i];
        if (to->lost_messages > 0) {
            cb_owned (cb_json) json_t *lost =
                json_pack ("{s:I, s:I}", "bytes", (json_int_t)to->lost_bytes, "messages",
                           (json_int_t)to->lost_messages);
            cb_asker_tell (&to->asker, "lost", lost);
        }
        cb_asker_tell (&to->asker, msg_type, content);
    }
}
