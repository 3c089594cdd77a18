/* zpeer.c - one ZMTP connection on the loop: a stream, a parser, and what goes between them.
 *
 * All reading happens in s_turn, which the loop calls: when the socket can be read, or (`more`)
 * when the last turn had given its 16 messages and others had to have theirs. A callback may
 * destroy the peer, so after each of them `gone` is looked at before anything else. */
#include "net/zpeer.h"

#include "base/cleanup.h"
#include "loop/stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Messages and bytes of one turn: enough to keep the pipe full, little enough for the others. */
#define TURN_MESSAGES 16
#define TURN_BYTES    ((size_t)1 << 20)
/* Smaller parts are copied into the queue; a reference costs more than that. */
#define SHARE_FROM 1024
/* The parser's own output (PONG) waits while more than this is queued before it. */
#define OUTPUT_WAITS ((size_t)65536)
/* The period of the budget of commands. */
#define CALM_EVERY CB_USEC_PER_SEC

struct cb_zpeer {
    cb_loop *loop;
    cb_stream *stream;
    cb_zmtp *zmtp;
    cb_source *more;     /* deferred: go on with what was read */
    cb_source *deadline; /* of the handshake; NULL afterwards */
    const cb_zpeer_events *events;
    void *context;
    cb_recvring *ring; /* borrowed; NULL: none */
    cb_usec calmed;
    unsigned char busy; /* in a turn: destroying leaves the struct to it */
    unsigned char gone; /* destroyed in that turn */
    unsigned char ready;
    unsigned char paused;
    unsigned char told_full;
    unsigned char held; /* paused until all is written */
};

/* Outcomes of reading what the parser has. */
enum { S_STARVED, S_TIRED };

static void
s_release_message (void *owner)
{
    cb_zmsg *message = owner;
    cb_zmsg_destroy (&message);
}

/* Ends the connection: the callee destroys self. */
static void
s_close (cb_zpeer *self, const cb_err *reason)
{
    cb_stream_pause (self->stream, 1);
    cb_source_on (self->more, 0);
    cb_source_destroy (&self->deadline);
    self->events->on_closed (self, reason, self->context);
}

/* Gives the parser's own words to the stream; between two messages, as all of this is. */
static void
s_move_output (cb_zpeer *self)
{
    cb_buf *out = cb_zmtp_output (self->zmtp);
    if (out->size == 0)
        return;
    if (cb_stream_queued (self->stream) > OUTPUT_WAITS) {
        cb_stream_want_drained (self->stream);
        return;
    }
    cb_stream_admit_always (self->stream, out->size);
    /* A fault shows as a broken stream, at the next turn. */
    (void)!cb_stream_put (self->stream, out->data, out->size, NULL);
    cb_buf_done (out);
    cb_stream_flush (self->stream);
}

static void
s_on_ready (cb_zpeer *self)
{
    self->ready = 1;
    cb_source_destroy (&self->deadline);
    s_move_output (self);
    if (self->events->on_ready != NULL)
        self->events->on_ready (self, self->context);
    if (!self->gone && self->told_full)
        cb_stream_want_drained (self->stream);
}

/* What the parser has to tell, as long as messages are left of this turn. */
static int
s_take_events (cb_zpeer *self, int *messages_left, cb_err *err)
{
    while (*messages_left > 0 && !self->paused) {
        cb_zmtp_event event;
        CB_TRY (cb_zmtp_next (self->zmtp, &event, err));
        if (event.kind == CB_ZMTP_NEED_MORE)
            return S_STARVED;
        (*messages_left)--;
        if (event.kind == CB_ZMTP_READY)
            s_on_ready (self);
        if (event.kind == CB_ZMTP_SKIPPED && self->events->on_skipped != NULL)
            self->events->on_skipped (self, event.skipped, self->context);
        if (event.kind == CB_ZMTP_SUBSCRIBE && self->events->on_subscribed != NULL)
            self->events->on_subscribed (self, event.topic, self->context);
        if (event.kind == CB_ZMTP_MESSAGE) {
            self->events->on_message (self, event.message, self->context);
            cb_zmsg_destroy (&event.message);
        }
        if (self->gone)
            return S_TIRED;
    }
    return S_TIRED;
}

/* One read by way of memory that outlives us. A short one was the last, as below. */
static int
s_read_ring (cb_zpeer *self, size_t *bytes_left, cb_err *err)
{
    const char *bytes = NULL;
    size_t size = 0;
    int r = cb_recvring_read (self->ring, cb_stream_fd (self->stream), &bytes, &size, err);
    if (r != CB_STREAM_READ)
        return r;
    if (size < CB_RECVRING_STEP && !cb_recvring_has_more (self->ring))
        *bytes_left = 0;
    *bytes_left -= size < *bytes_left ? size : *bytes_left;
    CB_TRY (cb_zmtp_feed (self->zmtp, bytes, size, err));
    return CB_STREAM_READ;
}

/* One read, into the place of a large frame or by way of the loop's scratch. Nothing is left to
 * read in this turn when less came than was asked for: asking again would cost a call. */
static int
s_read (cb_zpeer *self, size_t *bytes_left, cb_err *err)
{
    size_t room = CB_LOOP_SCRATCH;
    size_t size = 0;
    if (self->ring != NULL)
        return s_read_ring (self, bytes_left, err);
    char *place = cb_zmtp_room (self->zmtp, &room);
    char *bytes = place != NULL ? place : cb_loop_scratch (self->loop);
    int r = cb_stream_read (self->stream, bytes, room, &size, err);
    if (r != CB_STREAM_READ)
        return r;
    if (size < room || size > *bytes_left)
        *bytes_left = 0;
    else
        *bytes_left -= size;
    if (place == NULL)
        CB_TRY (cb_zmtp_feed (self->zmtp, bytes, size, err));
    else
        cb_zmtp_filled (self->zmtp, size);
    return CB_STREAM_READ;
}

enum { S_GO_ON_LATER, S_WAIT, S_ENDED }; /* outcomes of s_work */

static int
s_work (cb_zpeer *self, cb_err *err)
{
    int messages_left = TURN_MESSAGES;
    size_t bytes_left = TURN_BYTES;
    for (;;) {
        int r = s_take_events (self, &messages_left, err);
        if (r != S_STARVED)
            return r < 0 ? r : S_GO_ON_LATER;
        if (self->events->on_starved != NULL)
            self->events->on_starved (self, self->context);
        /* What is left in the socket wakes us again; writing that failed has to be told now. */
        if (bytes_left == 0 && cb_stream_broken (self->stream) == NULL)
            return S_WAIT;
        r = s_read (self, &bytes_left, err);
        if (r == CB_STREAM_END)
            return S_ENDED;
        if (r != CB_STREAM_READ)
            return r < 0 ? r : S_WAIT;
    }
}

/* One turn of reading. Nothing may follow a call of it: self may be gone. */
static void
s_turn (cb_zpeer *self)
{
    if (self->paused)
        return;
    cb_err err = CB_ERR_INIT;
    cb_usec now = cb_loop_now (self->loop);
    if (now - self->calmed >= CALM_EVERY) {
        self->calmed = now;
        cb_zmtp_calm (self->zmtp);
    }
    self->busy = 1;
    int r = s_work (self, &err);
    self->busy = 0;
    if (self->gone) {
        free (self);
        return;
    }
    /* Everything there was has been read. A fault that shows only below brings a turn of its own.
     */
    const char *broken = cb_stream_broken (self->stream);
    s_move_output (self);
    if (r == S_WAIT && broken != NULL)
        r = cb_fail (&err, CB_E_GONE, "writing to the peer failed: %s", broken);
    if (r == S_GO_ON_LATER)
        cb_source_on (self->more, !self->paused);
    else if (r != S_WAIT)
        s_close (self, &err);
}

static void
on_more (cb_source *source, void *context)
{
    (void)source;
    s_turn (context);
}

static void
on_readable (cb_stream *stream, void *context)
{
    (void)stream;
    s_turn (context);
}

static void
on_stream_drained (cb_stream *stream, void *context)
{
    (void)stream;
    cb_zpeer *self = context;
    s_move_output (self);
    if (self->held) {
        self->held = 0;
        cb_zpeer_pause (self, 0);
    }
    if (!self->told_full || !self->ready || cb_stream_broken (self->stream) != NULL)
        return;
    self->told_full = 0;
    if (self->events->on_drained != NULL)
        self->events->on_drained (self, self->context);
}

static void
on_deadline (cb_source *source, void *context)
{
    (void)source;
    cb_err err = CB_ERR_INIT;
    (void)cb_fail (&err, CB_E_TIMEOUT, "the peer did not finish the ZMTP handshake in time");
    s_close (context, &err);
}

static const cb_stream_events s_stream_events = {on_readable, on_stream_drained};

static int
s_open (cb_zpeer *self, int *fd, const cb_zpeer_options *options, cb_err *err)
{
    cb_zmtp_config zmtp = options->zmtp;
    if (zmtp.quota == NULL)
        zmtp.quota = options->quota;
    self->ready = options->resume != NULL;
    self->zmtp =
        self->ready ? cb_zmtp_resume (&zmtp, options->resume, err) : cb_zmtp_new (&zmtp, err);
    if (self->zmtp == NULL)
        return -CB_E_INVALID;
    const cb_stream_options stream = {.out_limit = options->out_limit,
                                      .quota = options->quota,
                                      .priority = options->priority,
                                      .log = options->log};
    self->stream =
        cb_stream_new (self->loop, cb_take_fd (fd), &stream, &s_stream_events, self, err);
    if (self->stream == NULL)
        return -CB_E_IO;
    CB_TRY (cb_loop_defer (self->loop, on_more, self, &self->more, err));
    cb_source_on (self->more, self->ready);
    cb_source_priority (self->more, options->priority);
    cb_usec time = options->handshake == 0 ? CB_ZPEER_HANDSHAKE_MAX : options->handshake;
    if (time != CB_USEC_NEVER && !self->ready)
        CB_TRY (cb_loop_at (self->loop, cb_now () + time, on_deadline, self, &self->deadline, err));
    s_move_output (self);
    return 0;
}

cb_zpeer *
cb_zpeer_new (cb_loop *loop, int fd, const cb_zpeer_options *options, const cb_zpeer_events *events,
              void *context, cb_err *err)
{
    cb_zpeer *self = calloc (1, sizeof *self);
    if (self == NULL) {
        cb_close (&fd);
        cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_zpeer){.loop = loop, .events = events, .context = context, .ring = options->ring};
    int r = s_open (self, &fd, options, err);
    cb_close (&fd);
    if (r < 0)
        cb_zpeer_destroy (&self);
    return self;
}

void
cb_zpeer_destroy (cb_zpeer **self_at)
{
    cb_zpeer *self = *self_at;
    *self_at = NULL;
    if (self == NULL)
        return;
    cb_source_destroy (&self->deadline);
    cb_source_destroy (&self->more);
    cb_stream_destroy (&self->stream);
    cb_zmtp_destroy (&self->zmtp);
    self->gone = 1;
    if (!self->busy)
        free (self);
}

static int
s_put (cb_zpeer *self, cb_zmsg *message, size_t skip, cb_err *err)
{
    size_t n_parts = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);
    for (size_t i = skip; i < n_parts; i++) {
        char header[CB_ZMTP_HEADER_MAX];
        size_t size = cb_zmtp_header (header, parts[i].size, i + 1 < n_parts);
        CB_TRY (cb_stream_put (self->stream, header, size, err));
        if (parts[i].size < SHARE_FROM) {
            CB_TRY (cb_stream_put (self->stream, parts[i].data, parts[i].size, err));
            continue;
        }
        const cb_shared shared = {parts[i].data, parts[i].size, cb_zmsg_ref (message),
                                  s_release_message};
        CB_TRY (cb_stream_put_shared (self->stream, &shared, err));
    }
    return 0;
}

/* Bytes of a message on the wire. */
static size_t
s_wire_size (const cb_zmsg *message, size_t skip)
{
    char header[CB_ZMTP_HEADER_MAX];
    size_t n_parts = 0;
    size_t size = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);
    for (size_t i = skip; i < n_parts; i++)
        size += cb_zmtp_header (header, parts[i].size, 0) + parts[i].size;
    return size;
}

static int
s_send (cb_zpeer *self, cb_zmsg *message, size_t skip, int always, cb_err *err)
{
    const char *broken = cb_stream_broken (self->stream);
    if (broken != NULL)
        return cb_fail (err, CB_E_GONE, "the peer is gone: %s", broken);
    if (!self->ready && always)
        return cb_fail (err, CB_E_BUSY, "the connection is not ready");
    size_t size = s_wire_size (message, skip);
    int full = !self->ready;
    if (always)
        cb_stream_admit_always (self->stream, size);
    else if (self->ready)
        full = cb_stream_admit (self->stream, size) == CB_STREAM_FULL;
    if (full) {
        self->told_full = 1;
        return CB_ZPEER_FULL;
    }
    CB_TRY (s_put (self, message, skip, err));
    cb_stream_flush (self->stream);
    return CB_ZPEER_SENT;
}

int
cb_zpeer_send (cb_zpeer *self, cb_zmsg *message, size_t skip, cb_err *err)
{
    return s_send (self, message, skip, 0, err);
}

int
cb_zpeer_send_always (cb_zpeer *self, cb_zmsg *message, size_t skip, cb_err *err)
{
    return s_send (self, message, skip, 1, err);
}

int
cb_zpeer_send_rest (cb_zpeer *self, const char *bytes, size_t size, cb_err *err)
{
    cb_stream_admit_always (self->stream, size);
    CB_TRY (cb_stream_put (self->stream, bytes, size, err));
    cb_stream_flush (self->stream);
    return 0;
}

int
cb_zpeer_has_room (const cb_zpeer *self, const cb_zmsg *message, size_t skip)
{
    return self->ready && cb_stream_has_room (self->stream, s_wire_size (message, skip));
}

void
cb_zpeer_save (const cb_zpeer *self, cb_zmtp_saved *ret_saved)
{
    cb_zmtp_save (self->zmtp, ret_saved);
}

int
cb_zpeer_subscribe (cb_zpeer *self, const char *topic, size_t size, cb_err *err)
{
    CB_TRY (cb_zmtp_subscribe (self->zmtp, topic, size, err));
    s_move_output (self);
    return 0;
}

int
cb_zpeer_presume (cb_zpeer *self, const char *topic, size_t size, cb_err *err)
{
    return cb_zmtp_presume (self->zmtp, topic, size, err);
}

int
cb_zpeer_wants (const cb_zpeer *self, const char *topic, size_t size)
{
    return cb_zmtp_wants (self->zmtp, topic, size);
}

void
cb_zpeer_pause (cb_zpeer *self, int paused)
{
    if (self->paused == (paused != 0))
        return;
    self->paused = paused != 0;
    cb_stream_pause (self->stream, paused);
    cb_source_on (self->more, !paused);
}

void
cb_zpeer_hold (cb_zpeer *self)
{
    if (self->paused || cb_stream_broken (self->stream) != NULL)
        return;
    self->held = 1;
    cb_zpeer_pause (self, 1);
    cb_stream_want_drained (self->stream);
}

pid_t
cb_zpeer_pid (const cb_zpeer *self)
{
    struct ucred cred = {.pid = 0};
    socklen_t size = sizeof cred;

    if (getsockopt (cb_stream_fd (self->stream), SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
        return 0;
    return cred.pid;
}

size_t
cb_zpeer_queued (const cb_zpeer *self)
{
    return cb_stream_queued (self->stream);
}

cb_part
cb_zpeer_identity (const cb_zpeer *self)
{
    return cb_zmtp_identity (self->zmtp);
}
