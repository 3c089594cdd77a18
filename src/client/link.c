/* link.c - one DEALER to the daemon.
 *
 * libzmq alone would reconnect silently and wait for ever for a reply that died with the daemon:
 * the socket's monitor tells when the connection is lost, and reconnecting is put off for so long
 * that it never happens (switched off, libzmq throws away what was received and not yet read).
 * ZMQ_FD is an edge, and our own send can swallow the wake-up: so the descriptor we give away is an
 * epoll of both ZMQ_FDs and an eventfd, which is set whenever something is left after a call. */
#include "client/link.h"

#include "base/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <zmq.h>

#define MONITOR "inproc://monitor"
/* Descriptors that a context with two sockets takes, and some: libzmq aborts where it gets none. */
#define DESCRIPTORS 24
/* Messages received and not yet read; behind them the daemon's own bounded queue fills. */
#define RECEIVE_HWM 1000
#define SEND_HWM    1000
/* Milliseconds: 12 days are never. */
#define RECONNECT_NEVER 1000000000
/* Milliseconds for the ZMTP handshake: the peer is on this machine. */
#define HANDSHAKE_MAX 5000

struct cb_link {
    void *context;
    void *dealer;
    void *monitor;
    int epoll_fd;
    int event_fd;
    int is_set; /* event_fd */
    int gone;
};

/* Whether so many descriptors can be had. */
static int
s_check_descriptors (cb_err *err)
{
    int fds[DESCRIPTORS];
    int result = 0;
    size_t n = 0;

    for (; n < DESCRIPTORS && result == 0; n++) {
        fds[n] = eventfd (0, EFD_CLOEXEC);
        if (fds[n] < 0)
            result = cb_fail_errno (err, CB_E_IO, "no descriptors left for a connection");
    }
    while (n > 0)
        cb_close (&fds[--n]);
    return result;
}

static int
s_zmq_fail (cb_err *err, const char *what)
{
    return cb_fail (err, CB_E_IO, "%s: %s", what, zmq_strerror (zmq_errno ()));
}

static int
s_set (void *socket, int option, int value)
{
    return zmq_setsockopt (socket, option, &value, sizeof value);
}

/* A context's first socket starts libzmq's threads, which block all signals as the first thing they
 * do: one that is late to run takes a signal meant for the program, with the action of nobody's
 * choosing (a Ctrl-C killed a `cellblock run` that waits for it by signalfd). So they are started
 * with all signals blocked. */
static void
s_make_sockets (cb_link *self)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset (&all);
    int blocked = pthread_sigmask (SIG_BLOCK, &all, &before) == 0;
    self->dealer = zmq_socket (self->context, ZMQ_DEALER);
    self->monitor = zmq_socket (self->context, ZMQ_PAIR);
    if (blocked)
        (void)pthread_sigmask (SIG_SETMASK, &before, NULL);
}

static int
s_open_sockets (cb_link *self, cb_err *err)
{
    const int64_t largest = CB_LINK_MESSAGE_MAX;

    s_make_sockets (self);
    if (self->dealer == NULL || self->monitor == NULL)
        return s_zmq_fail (err, "no ZeroMQ socket");
    if (s_set (self->dealer, ZMQ_LINGER, 0) < 0 || s_set (self->monitor, ZMQ_LINGER, 0) < 0 ||
        s_set (self->dealer, ZMQ_RCVHWM, RECEIVE_HWM) < 0 ||
        s_set (self->dealer, ZMQ_SNDHWM, SEND_HWM) < 0 ||
        s_set (self->dealer, ZMQ_RECONNECT_IVL, RECONNECT_NEVER) < 0 ||
        s_set (self->dealer, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MAX) < 0 ||
        zmq_setsockopt (self->dealer, ZMQ_MAXMSGSIZE, &largest, sizeof largest) < 0)
        return s_zmq_fail (err, "a ZeroMQ option");
    if (zmq_socket_monitor (self->dealer, MONITOR,
                            ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED |
                                ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) < 0 ||
        zmq_connect (self->monitor, MONITOR) < 0)
        return s_zmq_fail (err, "a ZeroMQ monitor");
    return 0;
}

static int
s_watch (cb_link *self, int fd, cb_err *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (fd < 0 || epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return cb_fail_errno (err, CB_E_IO, "epoll");
    return 0;
}

static int
s_socket_fd (void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;

    return zmq_getsockopt (socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

static int
s_open_descriptor (cb_link *self, cb_err *err)
{
    self->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
    self->event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->epoll_fd < 0 || self->event_fd < 0)
        return cb_fail_errno (err, CB_E_IO, "no descriptors left for a connection");
    CB_TRY (s_watch (self, self->event_fd, err));
    CB_TRY (s_watch (self, s_socket_fd (self->dealer), err));
    return s_watch (self, s_socket_fd (self->monitor), err);
}

static int
s_open (cb_link *self, const char *endpoint, cb_err *err)
{
    CB_TRY (s_check_descriptors (err));
    self->context = zmq_ctx_new ();
    if (self->context == NULL)
        return s_zmq_fail (err, "no ZeroMQ context");
    CB_TRY (s_open_sockets (self, err));
    CB_TRY (s_open_descriptor (self, err));
    if (zmq_connect (self->dealer, endpoint) < 0)
        return s_zmq_fail (err, endpoint);
    return 0;
}

cb_link *
cb_link_new (const char *endpoint, cb_err *err)
{
    cb_owned (cb_link) cb_link *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->epoll_fd = -1;
    self->event_fd = -1;
    if (s_open (self, endpoint, err) < 0)
        return NULL;
    return cb_take (self);
}

void
cb_link_destroy (cb_link **self_at)
{
    cb_link *self = *self_at;

    *self_at = NULL;
    if (self == NULL)
        return;
    cb_close (&self->epoll_fd);
    cb_close (&self->event_fd);
    if (self->dealer != NULL) {
        (void)zmq_socket_monitor (self->dealer, NULL, 0);
        (void)zmq_close (self->dealer);
    }
    if (self->monitor != NULL)
        (void)zmq_close (self->monitor);
    while (self->context != NULL && zmq_ctx_term (self->context) < 0 && zmq_errno () == EINTR)
        continue;
    free (self);
}

static int
s_fail_gone (cb_err *err)
{
    return cb_fail (err, CB_E_GONE,
                    "the daemon closed the connection: it ended, died, or refused "
                    "what was sent");
}

int
cb_link_send (cb_link *self, const cb_zmsg *message, cb_err *err)
{
    size_t n_parts;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);

    if (self->gone)
        return s_fail_gone (err);
    for (size_t i = 0; i < n_parts; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < n_parts ? ZMQ_SNDMORE : 0);
        if (zmq_send (self->dealer, parts[i].data, parts[i].size, flags) >= 0)
            continue;
        /* Only the first part can meet a full queue. */
        if (zmq_errno () == EAGAIN)
            return cb_fail (err, CB_E_BUSY, "%d requests wait to be sent already", SEND_HWM);
        return s_zmq_fail (err, "send");
    }
    return 0;
}

typedef struct cb_intake {
    zmq_msg_t frames[CB_LINK_PARTS_MAX];
    size_t n_frames;
    size_t bytes;
    int over; /* too many frames or bytes: read to the end and thrown away */
} cb_intake;

static void
cb_intake_done (cb_intake *self)
{
    for (size_t i = 0; i < self->n_frames; i++)
        (void)zmq_msg_close (&self->frames[i]);
    self->n_frames = 0;
}

/* One frame more; *ret_more: another follows. The others of a message are there with the first. */
static int
s_take_frame (cb_link *self, cb_intake *intake, int *ret_more)
{
    zmq_msg_t frame;

    (void)zmq_msg_init (&frame);
    int got = zmq_msg_recv (&frame, self->dealer, ZMQ_DONTWAIT);
    if (got < 0) {
        int saved = zmq_errno ();
        (void)zmq_msg_close (&frame);
        errno = saved;
        return -1;
    }
    *ret_more = zmq_msg_more (&frame);
    intake->bytes += (size_t)got;
    intake->over |= intake->bytes > CB_LINK_MESSAGE_MAX || intake->n_frames == CB_LINK_PARTS_MAX;
    if (intake->over) {
        (void)zmq_msg_close (&frame);
        return 0;
    }
    (void)zmq_msg_init (&intake->frames[intake->n_frames]);
    (void)zmq_msg_move (&intake->frames[intake->n_frames++], &frame);
    (void)zmq_msg_close (&frame);
    return 0;
}

static int
s_assemble (cb_intake *intake, cb_zmsg **ret_message, cb_err *err)
{
    cb_part parts[CB_LINK_PARTS_MAX];

    if (intake->over)
        return cb_fail (err, CB_E_LIMIT, "a message of the daemon is over %d bytes or %d frames",
                        CB_LINK_MESSAGE_MAX, CB_LINK_PARTS_MAX);
    for (size_t i = 0; i < intake->n_frames; i++)
        parts[i] = (cb_part){zmq_msg_data (&intake->frames[i]), zmq_msg_size (&intake->frames[i])};
    *ret_message = cb_zmsg_new (parts, intake->n_frames);
    return *ret_message != NULL ? CB_LINK_MESSAGE : cb_fail_nomem (err);
}

static int
s_read_message (cb_link *self, cb_zmsg **ret_message, cb_err *err)
{
    cb_scoped (cb_intake) cb_intake intake;
    int more = 1;

    intake.n_frames = 0;
    intake.bytes = 0;
    intake.over = 0;
    while (more)
        if (s_take_frame (self, &intake, &more) < 0) {
            int error = zmq_errno ();
            if (error == EAGAIN)
                return CB_LINK_NOTHING;
            if (error == EINTR)
                continue;
            return s_zmq_fail (err, "receive");
        }
    return s_assemble (&intake, ret_message, err);
}

/* Whether the monitor has spoken: whatever it says means that the connection is no more. */
static int
s_monitor_spoke (cb_link *self)
{
    char text[300];
    int spoke = 0;

    while (zmq_recv (self->monitor, text, sizeof text, ZMQ_DONTWAIT) >= 0)
        spoke = 1;
    return spoke;
}

/* Waits for either socket. */
static int
s_wait (cb_link *self, cb_usec deadline, cb_err *err)
{
    zmq_pollitem_t items[] = {{.socket = self->dealer, .events = ZMQ_POLLIN},
                              {.socket = self->monitor, .events = ZMQ_POLLIN}};
    long timeout = -1;

    if (deadline != CB_USEC_NEVER) {
        cb_usec now = cb_now ();
        if (now >= deadline)
            return CB_LINK_NOTHING;
        cb_usec left = (deadline - now + CB_USEC_PER_MSEC - 1) / CB_USEC_PER_MSEC;
        timeout = left < INT_MAX ? (long)left : INT_MAX;
    }
    int ready = zmq_poll (items, 2, timeout);
    if (ready >= 0)
        return CB_LINK_MESSAGE;
    return zmq_errno () == EINTR ? CB_LINK_INTERRUPTED : s_zmq_fail (err, "poll");
}

int
cb_link_receive (cb_link *self, cb_usec deadline, cb_zmsg **ret_message, cb_err *err)
{
    for (;;) {
        int got = s_read_message (self, ret_message, err);
        if (got != CB_LINK_NOTHING)
            return got;
        if (self->gone)
            return s_fail_gone (err);
        /* What was received before the connection was lost is in the socket: once more. */
        self->gone = s_monitor_spoke (self);
        if (self->gone)
            continue;
        int waited = s_wait (self, deadline, err);
        if (waited != CB_LINK_MESSAGE)
            return waited;
    }
}

int
cb_link_is_gone (cb_link *self)
{
    self->gone |= s_monitor_spoke (self);
    return self->gone;
}

int
cb_link_fd (const cb_link *self)
{
    return self->epoll_fd;
}

static int
s_has_input (void *socket)
{
    int events = 0;
    size_t size = sizeof events;

    return zmq_getsockopt (socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

void
cb_link_settle (cb_link *self, int more)
{
    uint64_t count = 1;
    int set = more || self->gone;

    /* Both are asked always: asking is what empties their descriptors. */
    set |= s_has_input (self->dealer);
    set |= s_has_input (self->monitor);
    if (set == self->is_set)
        return;
    ssize_t done = set ? write (self->event_fd, &count, sizeof count)
                       : read (self->event_fd, &count, sizeof count);
    if (done == (ssize_t)sizeof count)
        self->is_set = set;
}
