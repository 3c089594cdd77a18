/* stream.c - a non-blocking stream socket on the loop, with a bounded queue towards the peer.
 *
 * The queue is a list of chunks. Small pieces are copied, one behind the other, into chunks of
 * their own; large ones stay where they are and are only counted as ours until written. `queued` is
 * the sum of the bytes in it, `charged` the part of it that the quota knows (never more: what was
 * let in without limits may not have been charged).
 *
 * A writer's fault does not end the stream: what the peer sent before it left can still be read. */
#include "loop/stream.h"

#include "base/cleanup.h"
#include "base/fdio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Chunks handed to the kernel in one call: a Jupyter message has about a dozen. */
#define WRITE_CHUNKS 32
/* Calls of one flush: about what one socket buffer holds, then others have their turn. */
#define WRITE_CALLS 4
/* Copied pieces gather in chunks of this many bytes. */
#define CHUNK_ROOM 1024
/* With an empty queue and no quota left nothing tells when there is some again: ask then. */
#define RETRY_AFTER (20 * CB_USEC_PER_MSEC)

typedef struct s_chunk s_chunk;
struct s_chunk {
    s_chunk *next;
    const char *data; /* what is still to be written */
    size_t size;
    void *owner;
    cb_release *release; /* NULL: the bytes are in room */
    size_t spare;        /* bytes of room behind data that are free */
    char room[];
};

struct cb_stream {
    cb_loop *loop;
    int fd;
    cb_source *io;
    cb_source *timer; /* made when first needed */
    const cb_stream_events *events;
    void *context;
    cb_quota *quota;
    size_t out_limit;
    s_chunk *first;
    s_chunk *last;
    size_t queued;
    uint64_t charged;
    cb_sendlog *log; /* borrowed; NULL: none */
    int priority;
    int write_errno; /* 0 while writing works */
    unsigned char paused;
    unsigned char hung_up; /* told by epoll while paused: it would tell again and again */
    unsigned char want_drained;
    unsigned char watching_out;
};

static void
s_drop_first (cb_stream *self)
{
    s_chunk *chunk = self->first;
    self->first = chunk->next;
    if (self->first == NULL)
        self->last = NULL;
    if (chunk->release != NULL)
        chunk->release (chunk->owner);
    free (chunk);
}

/* The quota never knows of more than what is queued. */
static void
s_settle_charge (cb_stream *self)
{
    if (self->charged > self->queued) {
        cb_quota_release (self->quota, self->charged - self->queued);
        self->charged = self->queued;
    }
}

static void
s_drop_queue (cb_stream *self)
{
    while (self->first != NULL)
        s_drop_first (self);
    self->queued = 0;
    s_settle_charge (self);
}

static void
s_consume (cb_stream *self, size_t size)
{
    self->queued -= size;
    while (size > 0) {
        s_chunk *chunk = self->first;
        if (size < chunk->size) {
            chunk->data += size;
            chunk->size -= size;
            break;
        }
        size -= chunk->size;
        s_drop_first (self);
    }
    s_settle_charge (self);
}

/* What epoll shall tell: reading unless paused, writing while there is something to write or to
 * tell. */
static void
s_watch (cb_stream *self)
{
    int out = self->write_errno == 0 && (self->first != NULL || self->want_drained);
    self->watching_out = out != 0;
    uint32_t in = self->paused ? 0 : EPOLLIN;
    cb_source_set_events (self->io, in | (out ? EPOLLOUT : 0));
}

static void on_timer (cb_source *source, void *context);

/* Calls back from the loop at that time. Without memory for it nothing comes: the peer's next byte
 * or its end brings the same. */
static void
s_call_at (cb_stream *self, cb_usec when)
{
    if (self->timer != NULL) {
        cb_source_at (self->timer, when);
        return;
    }
    if (cb_loop_at (self->loop, when, on_timer, self, &self->timer, NULL) == 0)
        cb_source_priority (self->timer, self->priority);
}

static void
s_write_failed (cb_stream *self, int error)
{
    self->write_errno = error;
    s_drop_queue (self);
    s_watch (self);
    s_call_at (self, cb_now ());
}

static ssize_t
s_send_logged (cb_stream *self, const struct msghdr *message)
{
    cb_sendlog *log = self->log;
    uint32_t next = 1 - (log->turn & 1);

    log->turns[next].from = cb_sendlog_sent (log);
    log->turns[next].call = (struct mmsghdr){.msg_hdr = *message};
    __atomic_store_n (&log->turn, next, __ATOMIC_SEQ_CST);
    if (sendmmsg (self->fd, &log->turns[next].call, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
        return -1;
    __atomic_signal_fence (__ATOMIC_SEQ_CST);
    return (ssize_t)log->turns[next].call.msg_len;
}

/* One write of what is queued. Whether there may be room for more. */
static int
s_write_once (cb_stream *self)
{
    struct iovec pieces[WRITE_CHUNKS];
    size_t n = 0;
    size_t asked = 0;
    for (s_chunk *chunk = self->first; chunk != NULL && n < WRITE_CHUNKS; chunk = chunk->next) {
        /* sendmsg does not write to it; iovec has no const. */
        pieces[n++] = (struct iovec){(void *)(uintptr_t)chunk->data, chunk->size};
        asked += chunk->size;
    }
    const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = n};
    ssize_t size = self->log != NULL ? s_send_logged (self, &message)
                                     : sendmsg (self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR)
        s_write_failed (self, errno);
    if (size < 0)
        return 0;
    s_consume (self, (size_t)size);
    return (size_t)size == asked;
}

void
cb_stream_flush (cb_stream *self)
{
    for (int i = 0; i < WRITE_CALLS && self->first != NULL; i++)
        if (!s_write_once (self))
            break;
    if (self->write_errno == 0 && !self->watching_out && self->first != NULL)
        s_watch (self);
}

static void
s_tell_drained (cb_stream *self)
{
    self->want_drained = 0;
    s_watch (self);
    self->events->on_drained (self, self->context);
}

static void
on_timer (cb_source *source, void *context)
{
    (void)source;
    cb_stream *self = context;
    if (self->write_errno != 0) {
        if (!self->paused)
            self->events->on_readable (self, self->context);
        else if (self->want_drained)
            s_tell_drained (self);
    } else if (self->want_drained && self->first == NULL) {
        s_tell_drained (self);
    }
}

static void
on_io (cb_source *source, int fd, uint32_t events, void *context)
{
    (void)fd;
    cb_stream *self = context;
    if (self->watching_out && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
        cb_stream_flush (self);
        if (self->write_errno == 0 && self->first == NULL) {
            /* Reading waits for the next turn: the callee may destroy us. */
            if (self->want_drained) {
                s_tell_drained (self);
                return;
            }
            s_watch (self);
        }
    }
    if (!self->paused) {
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            self->events->on_readable (self, self->context);
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        self->hung_up = 1;
        cb_source_on (source, 0);
    }
}

cb_stream *
cb_stream_new (cb_loop *loop, int fd, const cb_stream_options *options,
               const cb_stream_events *events, void *context, cb_err *err)
{
    cb_stream *self = calloc (1, sizeof *self);
    if (self == NULL) {
        cb_close (&fd);
        cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_stream){.loop = loop,
                        .fd = fd,
                        .events = events,
                        .context = context,
                        .quota = options->quota,
                        .out_limit = options->out_limit,
                        .priority = options->priority,
                        .log = options->log};
    if (cb_set_nonblock (fd, 1, err) < 0 ||
        cb_loop_io (loop, fd, EPOLLIN, on_io, self, &self->io, err) < 0) {
        cb_stream_destroy (&self);
        return NULL;
    }
    cb_source_priority (self->io, options->priority);
    return self;
}

void
cb_stream_destroy (cb_stream **self_at)
{
    cb_stream *self = *self_at;
    *self_at = NULL;
    if (self == NULL)
        return;
    s_drop_queue (self);
    cb_source_destroy (&self->io);
    cb_source_destroy (&self->timer);
    cb_close (&self->fd);
    free (self);
}

int
cb_stream_read (cb_stream *self, char *bytes, size_t room, size_t *ret_size, cb_err *err)
{
    ssize_t size = recv (self->fd, bytes, room, MSG_DONTWAIT);
    if (size > 0) {
        *ret_size = (size_t)size;
        return CB_STREAM_READ;
    }
    /* A peer that died with bytes of ours unread has ended like any other. */
    if (size == 0 || errno == ECONNRESET)
        return CB_STREAM_END;
    if (errno == EAGAIN || errno == EINTR)
        return CB_STREAM_AGAIN;
    return cb_fail_errno (err, CB_E_IO, "reading failed");
}

int
cb_stream_fd (const cb_stream *self)
{
    return self->fd;
}

static int
s_charge (cb_stream *self, size_t size)
{
    if (self->quota == NULL)
        return 0;
    CB_TRY (cb_quota_charge (self->quota, size));
    self->charged += size;
    return 0;
}

/* Of a quota that is shared nobody's queue gets more than it leaves to all others: those who do not
 * read cannot take what one who reads needs between two of his wake-ups. */
static int
s_is_greedy (const cb_stream *self, size_t size)
{
    const cb_quota *quota = self->quota;

    return quota != NULL && self->queued + size > quota->limit - quota->used;
}

static int
s_is_over (const cb_stream *self, size_t size)
{
    return self->queued > 0 && (self->queued >= self->out_limit ||
                                size > self->out_limit - self->queued || s_is_greedy (self, size));
}

int
cb_stream_has_room (const cb_stream *self, size_t size)
{
    const cb_quota *quota = self->quota;

    return !s_is_over (self, size) && (quota == NULL || size <= quota->limit - quota->used);
}

int
cb_stream_admit (cb_stream *self, size_t size)
{
    if (!s_is_over (self, size) && s_charge (self, size) == 0) {
        self->queued += size;
        return CB_STREAM_ADMITTED;
    }
    /* Asking again and again does not put the answer off. */
    int asked = self->want_drained;
    self->want_drained = 1;
    if (self->queued > 0)
        s_watch (self);
    else if (!asked)
        s_call_at (self, cb_now () + RETRY_AFTER);
    return CB_STREAM_FULL;
}

void
cb_stream_admit_always (cb_stream *self, size_t size)
{
    (void)!s_charge (self, size);
    self->queued += size;
}

static void
s_append (cb_stream *self, s_chunk *chunk)
{
    if (self->last != NULL)
        self->last->next = chunk;
    else
        self->first = chunk;
    self->last = chunk;
}

/* Half a message can neither be sent nor taken back: the stream is lost. */
static int
s_no_memory (cb_stream *self, cb_err *err)
{
    s_write_failed (self, ENOMEM);
    return cb_fail_nomem (err);
}

int
cb_stream_put (cb_stream *self, const char *bytes, size_t size, cb_err *err)
{
    s_chunk *tail = self->last;
    if (size == 0)
        return 0;
    if (self->write_errno != 0)
        return cb_fail (err, CB_E_GONE, "writing has failed before");
    if (tail == NULL || tail->release != NULL || tail->spare < size) {
        size_t room = size < CHUNK_ROOM ? CHUNK_ROOM : size;
        tail = malloc (sizeof *tail + room);
        if (tail == NULL)
            return s_no_memory (self, err);
        *tail = (s_chunk){.data = tail->room, .spare = room};
        s_append (self, tail);
    }
    char *end = tail->room + (tail->data - tail->room) + tail->size;
    memcpy (end, bytes, size);
    tail->size += size;
    tail->spare -= size;
    return 0;
}

int
cb_stream_put_shared (cb_stream *self, const cb_shared *bytes, cb_err *err)
{
    s_chunk *chunk = NULL;
    if (self->write_errno == 0 && bytes->size > 0)
        chunk = malloc (sizeof *chunk);
    if (chunk == NULL) {
        bytes->release (bytes->owner);
        if (self->write_errno != 0)
            return cb_fail (err, CB_E_GONE, "writing has failed before");
        return bytes->size > 0 ? s_no_memory (self, err) : 0;
    }
    *chunk = (s_chunk){
        .data = bytes->data, .size = bytes->size, .owner = bytes->owner, .release = bytes->release};
    s_append (self, chunk);
    return 0;
}

void
cb_stream_want_drained (cb_stream *self)
{
    self->want_drained = 1;
    s_watch (self);
}

size_t
cb_stream_queued (const cb_stream *self)
{
    return self->queued;
}

const char *
cb_stream_broken (const cb_stream *self)
{
    return self->write_errno == 0 ? NULL : strerrordesc_np (self->write_errno);
}

void
cb_stream_pause (cb_stream *self, int paused)
{
    if (self->paused == (paused != 0))
        return;
    self->paused = paused != 0;
    s_watch (self);
    if (self->hung_up && !paused) {
        self->hung_up = 0;
        cb_source_on (self->io, 1);
    }
    if (self->write_errno != 0 && !paused)
        s_call_at (self, cb_now ());
}
