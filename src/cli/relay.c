/* relay.c - bytes between a frontend's connections and a session's sockets.
 *
 * Both sides speak ZMTP, and the broker's side is hardened against whatever comes, so nothing is
 * parsed here and nothing can be reordered or lost. What one side does not take at once is kept, at
 * most one read of it, and nothing more is read before that is gone. A side that ends is told to
 * the other when all was passed on; what is left of such a pair is closed after a time. */
#include "cli/relay.h"

#include "base/cleanup.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Reads of one side in a turn: others have theirs. */
#define TURN_READS 8
/* A pair of which one side has ended. */
#define HALF_MAX (5 * CB_USEC_PER_SEC)

enum { FRONTEND, SESSION, SIDES };

typedef struct side {
    int fd;
    cb_source *io;
    uint32_t events; /* that io waits for; 0: it is off */
    char *rest;      /* owned: what it has not taken */
    size_t rest_size;
    size_t rest_at;
    int ended; /* nothing more is read of it */
} side;

typedef struct pair pair;
struct pair {
    cb_relay *relay;
    cb_channel channel;
    side sides[SIDES];
    cb_source *timer; /* once one side has ended */
    pair *next;
    pair *before;
};

struct cb_relay {
    cb_loop *loop;
    cb_on_less *on_less;
    void *context;
    pair *pairs;
    size_t counts[CB_CHANNEL__COUNT];
    int finishing;
};

cb_relay *
cb_relay_new (cb_loop *loop, cb_on_less *on_less, void *context, cb_err *err)
{
    cb_relay *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->loop = loop;
    self->on_less = on_less;
    self->context = context;
    return self;
}

static void
s_free_pair (pair *gone)
{
    cb_relay *relay = gone->relay;

    *(gone->before != NULL ? &gone->before->next : &relay->pairs) = gone->next;
    if (gone->next != NULL)
        gone->next->before = gone->before;
    relay->counts[gone->channel]--;
    cb_source_destroy (&gone->timer);
    for (int i = 0; i < SIDES; i++) {
        cb_source_destroy (&gone->sides[i].io);
        cb_close (&gone->sides[i].fd);
        free (gone->sides[i].rest);
    }
    free (gone);
}

void
cb_relay_destroy (cb_relay **self_at)
{
    cb_relay *self = cb_take (*self_at);

    while (self != NULL && self->pairs != NULL)
        s_free_pair (self->pairs);
    free (self);
}

size_t
cb_relay_count (const cb_relay *self, cb_channel channel)
{
    return self->counts[channel];
}

size_t
cb_relay_total (const cb_relay *self)
{
    size_t total = 0;

    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        total += self->counts[i];
    return total;
}

/* ---- one pair ---- */

/* Nothing can be said to it any more: what the other side says is not read. */
static void
s_is_deaf (pair *self, int which)
{
    side *to = &self->sides[which];

    free (cb_take (to->rest));
    to->rest_size = 0;
    self->sides[!which].ended = 1;
}

/* Sends; bytes taken, 0 when it is full, -1 when it is deaf. */
static ssize_t
s_send (const side *to, const char *bytes, size_t size)
{
    ssize_t sent = send (to->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
}

static void
s_keep_rest (pair *self, int which, const char *bytes, size_t size)
{
    side *to = &self->sides[which];

    to->rest = malloc (size);
    if (to->rest == NULL) {
        s_is_deaf (self, which); /* a stream with a hole is of no use */
        (void)shutdown (to->fd, SHUT_RDWR);
        return;
    }
    memcpy (to->rest, bytes, size);
    to->rest_size = size;
    to->rest_at = 0;
}

static void
s_flush (pair *self, int which)
{
    side *to = &self->sides[which];

    if (to->rest_size == 0)
        return;
    ssize_t sent = s_send (to, to->rest + to->rest_at, to->rest_size - to->rest_at);
    if (sent < 0) {
        s_is_deaf (self, which);
        return;
    }
    to->rest_at += (size_t)sent;
    if (to->rest_at < to->rest_size)
        return;
    free (cb_take (to->rest));
    to->rest_size = 0;
}

/* Passes on what `from` has to say. 1: it has nothing to say now. */
static int
s_pump (pair *self, int from)
{
    side *source = &self->sides[from];
    side *to = &self->sides[!from];
    char *bytes = cb_loop_scratch (self->relay->loop);

    for (int i = 0; i < TURN_READS && !source->ended && to->rest_size == 0; i++) {
        ssize_t size = recv (source->fd, bytes, CB_LOOP_SCRATCH, MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return 1;
        if (size <= 0) {
            source->ended = 1;
            break;
        }
        ssize_t sent = s_send (to, bytes, (size_t)size);
        if (sent < 0)
            s_is_deaf (self, !from);
        else if (sent < size)
            s_keep_rest (self, !from, bytes + sent, (size_t)(size - sent));
    }
    return 0;
}

static void
s_watch (side *self, uint32_t events)
{
    if (events == self->events)
        return;
    self->events = events;
    /* Off, not without events: a hang-up would wake us for ever. */
    cb_source_on (self->io, events != 0);
    if (events != 0)
        cb_source_set_events (self->io, events);
}

static void
s_on_half_over (cb_source *source, void *context)
{
    pair *self = context;
    cb_relay *relay = self->relay;

    (void)source;
    s_free_pair (self);
    relay->on_less (relay, relay->context);
}

/* Whether nothing is left to be done. */
static int
s_is_over (const pair *self, int silent)
{
    const side *frontend = &self->sides[FRONTEND];
    const side *session = &self->sides[SESSION];

    if (self->relay->finishing)
        return frontend->rest_size == 0 && (session->ended || silent);
    return frontend->ended && session->ended && frontend->rest_size == 0 && session->rest_size == 0;
}

/* What is to be waited for next; 1: the pair is over. */
static int
s_settle (pair *self, int silent)
{
    int half = 0;

    for (int i = 0; i < SIDES; i++) {
        side *at = &self->sides[i];
        side *other = &self->sides[!i];
        if (other->ended && at->rest_size == 0)
            (void)shutdown (at->fd, SHUT_WR);
        half |= at->ended;
        s_watch (at, (at->ended || other->rest_size > 0 ? 0 : (uint32_t)EPOLLIN) |
                         (at->rest_size > 0 ? (uint32_t)EPOLLOUT : 0));
    }
    if (half)
        cb_source_at (self->timer, cb_now () + HALF_MAX);
    return s_is_over (self, silent);
}

static void
s_go_on (pair *self)
{
    cb_relay *relay = self->relay;

    for (int i = 0; i < SIDES; i++)
        s_flush (self, i);
    if (!relay->finishing)
        (void)s_pump (self, FRONTEND);
    int silent = s_pump (self, SESSION);
    if (!s_settle (self, silent))
        return;
    s_free_pair (self);
    relay->on_less (relay, relay->context);
}

static void
s_on_io (cb_source *source, int fd, uint32_t events, void *context)
{
    (void)source;
    (void)fd;
    (void)events;
    s_go_on (context);
}

/* ---- making them ---- */

static int
s_connect (const char *path, cb_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cb_auto_close int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int length = snprintf (address.sun_path, sizeof address.sun_path, "%s", path);

    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "no descriptor for a connection");
    if (length < 0 || (size_t)length >= sizeof address.sun_path)
        return cb_fail (err, CB_E_LIMIT, "%s is too long for a socket", path);
    /* A full backlog of the broker is as good as none of it: the frontend tries again. */
    if (connect (fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return cb_fail_errno (err, CB_E_GONE, "%s", path);
    return cb_take_fd (&fd);
}

static int
s_open (pair *self, cb_err *err)
{
    cb_loop *loop = self->relay->loop;

    CB_TRY (cb_loop_at (loop, CB_USEC_NEVER, s_on_half_over, self, &self->timer, err));
    for (int i = 0; i < SIDES; i++) {
        self->sides[i].events = EPOLLIN;
        CB_TRY (
            cb_loop_io (loop, self->sides[i].fd, EPOLLIN, s_on_io, self, &self->sides[i].io, err));
        /* Before new connections: who comes back is not taken for a second one. */
        cb_source_priority (self->sides[i].io, CB_PRIORITY_CONTROL);
    }
    return 0;
}

int
cb_relay_add (cb_relay *self, cb_channel channel, int fd, const char *path, cb_err *err)
{
    cb_auto_close int taken = fd;
    const int one = 1;

    /* A Unix socket has no such option. */
    (void)setsockopt (taken, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    cb_auto_close int session = s_connect (path, err);
    CB_TRY (session);
    pair *made = calloc (1, sizeof *made);
    if (made == NULL)
        return cb_fail_nomem (err);
    made->relay = self;
    made->channel = channel;
    made->sides[FRONTEND].fd = cb_take_fd (&taken);
    made->sides[SESSION].fd = cb_take_fd (&session);
    made->next = self->pairs;
    if (made->next != NULL)
        made->next->before = made;
    self->pairs = made;
    self->counts[channel]++;
    int result = s_open (made, err);
    if (result < 0)
        s_free_pair (made);
    return result;
}

void
cb_relay_finish (cb_relay *self)
{
    self->finishing = 1;
    for (pair *at = self->pairs, *next; at != NULL; at = next) {
        next = at->next;
        at->sides[FRONTEND].ended = 1;
        s_go_on (at);
    }
}
