/* launcher.c - an asynchronous client of the warden.
 *
 * Owned by the broker, used by kernels. Requests go out as they come (the line holds hundreds of
 * packets); only a KILL is worth keeping when the line is full, so each watch remembers one. What
 * the warden says is believed, but its packets are checked like anybody's. Jails are numbered here
 * and never twice; a jail that nobody watches (left over from a broker before us, or given up by
 * cb_launcher_abandon) is killed and its end is ignored. */
#include "kernel/launcher.h"

#include "base/fdio.h"
#include "base/log.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* The warden is at home: its list takes milliseconds. */
#define LIST_WAIT (10 * CB_USEC_PER_SEC)
/* Packets taken in one turn of the loop. */
#define PACKETS_A_TURN 16

struct cb_launcher {
    cb_loop *loop; /* borrowed */
    int socket;
    cb_source *source;
    const cb_launcher_events *events;
    void *context;
    uint64_t next_jail;
    uint64_t next_serial;
    cb_launch_watch *watches; /* borrowed, linked by next */
    char *packet;             /* room for one */
    int collecting;           /* jails that are listed are kept for cb_launcher_left */
    cb_launch_left *left;     /* owned */
    size_t n_left;
};

static int
s_send (cb_launcher *self, cb_launch_type type, uint64_t jail, const void *body, size_t body_size,
        cb_err *err)
{
    cb_launch_out out = {.head = {.type = type, .serial = self->next_serial++, .jail = jail},
                         .body = body,
                         .body_size = body_size};
    return cb_launch_send (self->socket, &out, err);
}

static cb_launch_watch *
s_find (cb_launcher *self, uint64_t jail)
{
    cb_launch_watch *watch = self->watches;

    while (watch != NULL && watch->jail != jail)
        watch = watch->next;
    return watch;
}

static void
s_unlink (cb_launcher *self, cb_launch_watch *watch)
{
    cb_launch_watch **at = &self->watches;

    while (*at != NULL && *at != watch)
        at = &(*at)->next;
    if (*at != NULL)
        *at = watch->next;
    watch->next = NULL;
    watch->jail = 0;
    watch->kill_owed = 0;
}

static void
s_want_write (cb_launcher *self)
{
    cb_source_set_events (self->source, EPOLLIN | EPOLLOUT);
}

/* The line was full; now it may have room. */
static void
s_pay_kills (cb_launcher *self)
{
    for (cb_launch_watch *watch = self->watches; watch != NULL; watch = watch->next) {
        if (!watch->kill_owed)
            continue;
        if (s_send (self, CB_LAUNCH_KILL, watch->jail, NULL, 0, NULL) == -CB_E_BUSY)
            return;
        watch->kill_owed = 0;
    }
    cb_source_set_events (self->source, EPOLLIN);
}

void
cb_launcher_kill_left (cb_launcher *self, uint64_t jail)
{
    if (s_send (self, CB_LAUNCH_KILL, jail, NULL, 0, NULL) < 0)
        cb_log_error ("the warden's line is full", CB_INT ("jail", jail));
}

void
cb_launch_left_done (cb_launch_left *self)
{
    cb_close (&self->tree);
    cb_close (&self->pidfd);
    cb_fact_files_done (&self->facts);
    cb_channels_done (&self->channels);
    cb_page_destroy (&self->page);
}

/* The descriptors of a JAIL, in the order of cb_launch_type's comment. */
static void
s_keep_left (cb_launcher *self, cb_launch_in *in)
{
    const size_t n = CB_CHANNEL__COUNT;
    int *fds = in->packet.fds;
    cb_launch_left *grown = realloc (self->left, (self->n_left + 1) * sizeof *grown);

    if (grown == NULL) {
        cb_launcher_kill_left (self, in->head.jail);
        return;
    }
    self->left = grown;
    cb_launch_left *left = &self->left[self->n_left++];
    *left = (cb_launch_left){.jail = in->head.jail,
                             .tree = cb_take_fd (&fds[0]),
                             .pidfd = cb_take_fd (&fds[1]),
                             .why = CB_ERR_INIT};
    memcpy (&left->started, in->body, sizeof left->started);
    cb_channels_init (&left->channels);
    cb_fact_files_init (&left->facts);
    cb_fact_files_take (&left->facts, left->started.facts, fds + 2 * n + 4,
                        in->packet.n_fds - (2 * n + 4));
    for (size_t i = 0; i < n; i++)
        left->channels.connected[i] = cb_take_fd (&fds[2 + n + i]);
    left->page = cb_page_open (fds[2 + 2 * n + 1], &left->why);
}

/* Listed, or (STARTED) asked for by a broker that is no more. */
static void
s_on_jail (cb_launcher *self, cb_launch_in *in)
{
    if (s_find (self, in->head.jail) != NULL)
        return;
    if (self->collecting && in->head.type == CB_LAUNCH_JAIL) {
        s_keep_left (self, in);
        return;
    }
    cb_log_warn ("killing a jail of the broker before", CB_INT ("jail", in->head.jail));
    cb_launcher_kill_left (self, in->head.jail);
}

static void
s_on_failed (cb_launcher *self, cb_launch_watch *watch, const cb_launch_head *head,
             const cb_launch_failed *failed)
{
    /* Only START carries serial == jail (see cb_launcher_start): a SIGNAL or KILL that failed finds
     * a jail that is just ending, and EXITED says the rest. */
    if (watch == NULL || head->serial != head->jail) {
        cb_log_debug ("the warden refused", CB_INT ("jail", head->jail),
                      CB_STR ("why", failed->text));
        return;
    }
    s_unlink (self, watch);
    watch->events->on_failed (watch, failed);
}

static void
s_on_exited (cb_launcher *self, cb_launch_watch *watch, const cb_launch_exited *exited)
{
    if (watch == NULL)
        return;
    s_unlink (self, watch);
    watch->events->on_exited (watch, exited);
}

static void
s_dispatch (cb_launcher *self, cb_launch_in *in)
{
    const cb_launch_head *head = &in->head;
    cb_launch_watch *watch = head->jail != 0 ? s_find (self, head->jail) : NULL;

    switch (head->type) {
    case CB_LAUNCH_STARTED:
        if (watch == NULL)
            s_on_jail (self, in);
        else
            watch->events->on_started (watch, in->body, &in->packet);
        break;
    case CB_LAUNCH_FAILED:
        s_on_failed (self, watch, head, in->body);
        break;
    case CB_LAUNCH_EXITED:
        s_on_exited (self, watch, in->body);
        break;
    case CB_LAUNCH_JAIL:
        s_on_jail (self, in);
        break;
    case CB_LAUNCH_LISTED:
        self->collecting = 0;
        break;
    case CB_LAUNCH_DONE:
        break;
    default:
        cb_log_warn ("unexpected packet of the warden",
                     CB_STR ("type", cb_launch_type_name (head->type)));
    }
}

/* One packet: 1 when there may be more, 0 when not, < 0 when the line is closed. */
static int
s_take_one (cb_launcher *self)
{
    cb_err err = CB_ERR_INIT;
    cb_launch_in in = {.body = NULL};

    int result = cb_launch_recv (self->socket, self->packet, CB_LAUNCH_BYTES_MAX, &in, &err);
    if (result == CB_PACKET_AGAIN)
        return 0;
    if (result == CB_PACKET_CLOSED || result == -CB_E_GONE || result == -CB_E_IO)
        return -CB_E_GONE;
    if (result < 0) {
        cb_log_error ("a packet of the warden makes no sense", CB_STR ("why", err.text));
        return 1;
    }
    s_dispatch (self, &in);
    cb_packet_done (&in.packet);
    return 1;
}

static void
s_on_io (cb_source *source, int fd, uint32_t events, void *context)
{
    cb_launcher *self = context;

    (void)source;
    (void)fd;
    if (events & EPOLLOUT)
        s_pay_kills (self);
    for (int i = 0; i < PACKETS_A_TURN; i++) {
        int more = s_take_one (self);
        if (more == 0)
            return;
        if (more < 0) {
            cb_source_set_events (self->source, 0);
            self->events->on_warden_gone (self->context);
            return;
        }
    }
}

int
cb_launcher_left (cb_launcher *self, cb_launch_left **ret_left, size_t *ret_count, cb_err *err)
{
    cb_usec until = cb_now () + LIST_WAIT;

    self->collecting = 1;
    while (self->collecting) {
        struct pollfd watch = {.fd = self->socket, .events = POLLIN};
        cb_usec now = cb_now ();
        if (now >= until)
            return cb_fail (err, CB_E_TIMEOUT, "the warden does not list its jails");
        (void)poll (&watch, 1, (int)((until - now) / CB_USEC_PER_MSEC) + 1);
        if (watch.revents != 0 && s_take_one (self) < 0)
            return cb_fail (err, CB_E_GONE, "the warden is gone");
    }
    *ret_left = cb_take (self->left);
    *ret_count = self->n_left;
    self->n_left = 0;
    return 0;
}

void
cb_launcher_watch (cb_launcher *self, cb_launch_watch *watch, uint64_t jail)
{
    watch->jail = jail;
    watch->kill_owed = 0;
    watch->next = self->watches;
    self->watches = watch;
}

cb_launcher *
cb_launcher_new (cb_loop *loop, int socket, const cb_launcher_events *events, void *context,
                 cb_err *err)
{
    cb_auto_close int taken = socket;
    cb_owned (cb_launcher) cb_launcher *self = calloc (1, sizeof *self);
    if (self == NULL || (self->packet = malloc (CB_LAUNCH_BYTES_MAX)) == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_launcher){.loop = loop,
                          .socket = cb_take_fd (&taken),
                          .events = events,
                          .context = context,
                          .packet = self->packet};
    /* A broker that is started again must not use the numbers of the one before. */
    uint32_t first = 0;
    cb_random (&first, sizeof first);
    self->next_jail = ((uint64_t)(first | 1) << 20) + 1;
    self->next_serial = 1;
    if (cb_set_nonblock (self->socket, 1, err) < 0 ||
        cb_loop_io (loop, self->socket, EPOLLIN, s_on_io, self, &self->source, err) < 0 ||
        s_send (self, CB_LAUNCH_LIST, 0, NULL, 0, err) < 0)
        return NULL;
    cb_source_priority (self->source, CB_PRIORITY_DEATH);
    return cb_take (self);
}

void
cb_launcher_destroy (cb_launcher **self_at)
{
    cb_launcher *self = *self_at;

    if (self == NULL)
        return;
    cb_source_destroy (&self->source);
    cb_close (&self->socket);
    while (self->n_left > 0)
        cb_launch_left_done (&self->left[--self->n_left]);
    free (self->left);
    free (self->packet);
    free (self);
    *self_at = NULL;
}

int
cb_launcher_start (cb_launcher *self, cb_launch_watch *watch, const cb_launch_order *order,
                   cb_err *err)
{
    int fds[2 * CB_CHANNEL__COUNT + 2];
    size_t n_fds = 0;
    cb_scoped (cb_buf) cb_buf spec;

    cb_buf_init (&spec, CB_SPEC_BYTES_MAX);
    CB_TRY (cb_spec_encode (order->spec, &spec, err));
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        fds[n_fds++] = order->channels->listening[i];
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        fds[n_fds++] = order->channels->connected[i];
    fds[n_fds++] = order->connection;
    fds[n_fds++] = order->page;
    uint64_t jail = self->next_jail++;
    cb_launch_out out = {.head = {.type = CB_LAUNCH_START, .serial = jail, .jail = jail},
                         .tail = spec.data,
                         .tail_size = spec.size,
                         .fds = fds,
                         .n_fds = n_fds};
    CB_TRY (cb_launch_send (self->socket, &out, err));
    cb_launcher_watch (self, watch, jail);
    return 0;
}

int
cb_launcher_signal (cb_launcher *self, const cb_launch_watch *watch, int signal, cb_err *err)
{
    cb_launch_signal body = {.signal = signal};

    return s_send (self, CB_LAUNCH_SIGNAL, watch->jail, &body, sizeof body, err);
}

void
cb_launcher_kill (cb_launcher *self, cb_launch_watch *watch)
{
    if (watch->jail == 0 || watch->kill_owed)
        return;
    if (s_send (self, CB_LAUNCH_KILL, watch->jail, NULL, 0, NULL) == -CB_E_BUSY) {
        watch->kill_owed = 1;
        s_want_write (self);
    }
}

void
cb_launcher_abandon (cb_launcher *self, cb_launch_watch *watch)
{
    if (watch->jail == 0)
        return;
    int result = s_send (self, CB_LAUNCH_KILL, watch->jail, NULL, 0, NULL);
    if (result < 0 && result != -CB_E_GONE) /* with the warden its jails are gone */
        cb_log_error ("a jail could not be killed", CB_INT ("jail", watch->jail));
    s_unlink (self, watch);
}

void
cb_launcher_release (cb_launcher *self, uint64_t jail)
{
    /* Lost only when the line is full; the warden forgets by itself after a while. */
    if (s_send (self, CB_LAUNCH_FORGET, jail, NULL, 0, NULL) < 0)
        cb_log_debug ("the files of a jail stay a while", CB_INT ("jail", jail));
}

int
cb_launcher_serving (cb_launcher *self, uint32_t off, cb_err *err)
{
    cb_launch_serving body = {.off = off};

    return s_send (self, CB_LAUNCH_SERVING, 0, &body, sizeof body, err);
}

int
cb_launcher_shutdown (cb_launcher *self, cb_err *err)
{
    return s_send (self, CB_LAUNCH_SHUTDOWN, 0, NULL, 0, err);
}

int
cb_launcher_reload (cb_launcher *self, int socket, cb_err *err)
{
    cb_launch_out out = {.head = {.type = CB_LAUNCH_RELOAD, .serial = self->next_serial++},
                         .fds = &socket,
                         .n_fds = 1};

    return cb_launch_send (self->socket, &out, err);
}
