/* test-libzmq.c - our connections against the real libzmq (4.3.4 speaks ZMTP 3.1): every pair of
 * types we use, connecting and accepting, over Unix sockets; large messages; heartbeats.
 *
 * libzmq runs in a thread of its own with blocking sockets, ours on the loop in the main thread. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "net/zpeer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#define LARGE ((size_t)20 << 20)
/* Milliseconds that anything may take on a busy machine. */
#define PATIENCE 120000

typedef enum {
    S_ECHOES,     /* sends back every message */
    S_ASKS,       /* sends messages and wants each back */
    S_PUBLISHES,  /* waits for a subscription, then sends to topics "a" and "b" */
    S_LISTENS,    /* subscribes to "a" and reads */
    S_HEARTBEATS, /* pings until it was answered some times, then asks */
} s_manner;

typedef struct s_case {
    const char *name;
    const char *ours;
    int theirs;
    s_manner manner;
    int they_bind;
    int count;
    size_t size;
} s_case;

static const s_case s_cases[] = {
    {"DEALER connects to ROUTER", "DEALER", ZMQ_ROUTER, S_ECHOES, 1, 100, 5},
    {"DEALER connects to DEALER", "DEALER", ZMQ_DEALER, S_ECHOES, 1, 100, 300},
    {"DEALER connects to REP", "DEALER", ZMQ_REP, S_ECHOES, 1, 100, 300},
    {"REQ connects to REP", "REQ", ZMQ_REP, S_ECHOES, 1, 1, 5},
    {"REQ connects to ROUTER", "REQ", ZMQ_ROUTER, S_ECHOES, 1, 1, 70000},
    {"ROUTER accepts DEALER", "ROUTER", ZMQ_DEALER, S_ASKS, 0, 100, 5},
    {"ROUTER accepts REQ", "ROUTER", ZMQ_REQ, S_ASKS, 0, 100, 300},
    {"REP accepts REQ", "REP", ZMQ_REQ, S_ASKS, 0, 100, 5},
    {"REP accepts DEALER", "REP", ZMQ_DEALER, S_ASKS, 0, 100, 70000},
    {"SUB connects to XPUB", "SUB", ZMQ_XPUB, S_PUBLISHES, 1, 10, 5},
    {"SUB connects to PUB", "SUB", ZMQ_PUB, S_PUBLISHES, 1, 10, 5},
    {"XPUB accepts SUB", "XPUB", ZMQ_SUB, S_LISTENS, 0, 10, 5},
    {"XPUB accepts XSUB", "XPUB", ZMQ_XSUB, S_LISTENS, 0, 10, 5},
    {"20 MiB to a ROUTER and back", "DEALER", ZMQ_ROUTER, S_ECHOES, 1, 2, LARGE},
    {"20 MiB from a DEALER and back", "ROUTER", ZMQ_DEALER, S_ASKS, 0, 2, LARGE},
    {"heartbeats to a ROUTER", "ROUTER", ZMQ_DEALER, S_HEARTBEATS, 0, 3, 5},
};

/* Between libzmq and us, where nobody else sees whether a PING is answered. */
typedef struct s_tap {
    cb_source *sources[2];
    int fds[2];     /* theirs, ours */
    size_t matched; /* bytes of PONG at the end of what we said */
    int pongs;
} s_tap;

#define PONGS 3
static const char s_pong[] = "\4PONG";

typedef struct s_world {
    const s_case *row;
    cb_loop *loop;
    cb_zpeer *peer;
    cb_zlisten *listener;
    cb_source *timer;
    cb_source *poll;
    char folder[32];
    int dir_fd;
    sem_t bound;
    sem_t done;
    sem_t answered; /* PONGS came */
    s_tap tap;
    int they_got; /* read after the thread was joined */
    int we_got;
    int wrong;
    int published;
    char identity[16];
} s_world;

/* --- their side ----------------------------------------------------------------------------- */

static int
s_their_timeout (void *socket)
{
    int wait = PATIENCE;
    int none = 0;
    return zmq_setsockopt (socket, ZMQ_RCVTIMEO, &wait, sizeof wait) |
           zmq_setsockopt (socket, ZMQ_SNDTIMEO, &wait, sizeof wait) |
           zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
}

static void
s_they_echo (s_world *world, void *socket)
{
    while (world->they_got < world->row->count) {
        int more = 1;
        while (more) {
            zmq_msg_t part;
            zmq_msg_init (&part);
            if (zmq_msg_recv (&part, socket, 0) < 0) {
                zmq_msg_close (&part);
                return;
            }
            if (world->they_got == 0 && world->identity[0] == '\0' && zmq_msg_size (&part) == 8)
                memcpy (world->identity, zmq_msg_data (&part), 8);
            more = zmq_msg_more (&part);
            if (zmq_msg_send (&part, socket, more ? ZMQ_SNDMORE : 0) < 0)
                return;
        }
        world->they_got++;
    }
}

/* One message of two parts (an empty one first where the other side is used to it). */
static int
s_they_ask_once (s_world *world, void *socket, char *bytes)
{
    size_t size = world->row->size;
    if (world->row->theirs == ZMQ_DEALER && zmq_send (socket, "", 0, ZMQ_SNDMORE) < 0)
        return 0;
    memset (bytes, 'a' + world->they_got % 26, size);
    if (zmq_send (socket, bytes, size, 0) != (int)size)
        return 0;
    char *back = malloc (size);
    int came = 0;
    if (world->row->theirs != ZMQ_DEALER || zmq_recv (socket, back, size, 0) == 0)
        came = zmq_recv (socket, back, size, 0);
    int good = came == (int)size && memcmp (back, bytes, size) == 0;
    free (back);
    return good;
}

static void
s_they_ask (s_world *world, void *socket)
{
    cb_auto_free char *bytes = malloc (world->row->size);
    while (world->they_got < world->row->count && s_they_ask_once (world, socket, bytes))
        world->they_got++;
}

static int
s_is_done (s_world *world)
{
    int posted = 0;
    return sem_getvalue (&world->done, &posted) != 0 || posted > 0;
}

static void
s_they_publish (s_world *world, void *socket)
{
    char bytes[16];
    if (world->row->theirs == ZMQ_XPUB &&
        (zmq_recv (socket, bytes, sizeof bytes, 0) != 2 || memcmp (bytes, "\1a", 2) != 0))
        return;
    /* A PUB does not tell who listens: it goes on until we have heard enough. */
    for (int i = 0; i < world->row->count || !s_is_done (world); i++) {
        zmq_send (socket, "b-topic", 7, ZMQ_SNDMORE);
        zmq_send (socket, "wrong", 5, 0);
        zmq_send (socket, "a-topic", 7, ZMQ_SNDMORE);
        zmq_send (socket, "right", 5, 0);
        usleep (1000);
    }
    world->they_got = world->row->count;
}

static void
s_they_listen (s_world *world, void *socket)
{
    char bytes[16] = "";
    if (world->row->theirs == ZMQ_SUB)
        zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "a", 1);
    else
        zmq_send (socket, "\1a", 2, 0);
    while (world->they_got < world->row->count) {
        if (zmq_recv (socket, bytes, sizeof bytes, 0) != 7 || bytes[0] != 'a')
            return;
        if (zmq_recv (socket, bytes, sizeof bytes, 0) != 5)
            return;
        world->they_got++;
    }
}

static void *
s_their_thread (void *context)
{
    s_world *world = context;
    const s_case *row = world->row;
    void *zmq = zmq_ctx_new ();
    void *socket = zmq_socket (zmq, row->theirs);
    s_their_timeout (socket);
    if (row->manner == S_HEARTBEATS) {
        int interval = 20;
        int patience = PATIENCE;
        zmq_setsockopt (socket, ZMQ_HEARTBEAT_IVL, &interval, sizeof interval);
        zmq_setsockopt (socket, ZMQ_HEARTBEAT_TIMEOUT, &patience, sizeof patience);
    }
    char endpoint[64];
    (void)snprintf (endpoint, sizeof endpoint, "ipc://%s/s", world->folder);
    if (row->they_bind)
        zmq_bind (socket, endpoint);
    else
        zmq_connect (socket, endpoint);
    sem_post (&world->bound);
    if (row->manner == S_HEARTBEATS)
        sem_wait (&world->answered);
    if (row->manner == S_ECHOES)
        s_they_echo (world, socket);
    else if (row->manner == S_PUBLISHES)
        s_they_publish (world, socket);
    else if (row->manner == S_LISTENS)
        s_they_listen (world, socket);
    else
        s_they_ask (world, socket);
    sem_wait (&world->done);
    zmq_close (socket);
    zmq_ctx_term (zmq);
    return NULL;
}

/* --- our side ------------------------------------------------------------------------------- */

static const cb_zmtp_budget s_budget = {.max_parts = 16,
                                        .max_frame = 32 << 20,
                                        .max_message = 32 << 20,
                                        .max_commands = 1 << 20,
                                        .max_subscriptions = 4};

static int
s_is_pub_sub (const s_case *row)
{
    return row->manner == S_PUBLISHES || row->manner == S_LISTENS;
}

static void
s_we_ask (s_world *world)
{
    cb_auto_free char *bytes = malloc (world->row->size);
    memset (bytes, 'q', world->row->size);
    const cb_part parts[] = {{"skipped", 7}, {"", 0}, {bytes, world->row->size}};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_zmsg_new (parts, 3);
    if (cb_zpeer_send (world->peer, message, 1, NULL) < 0)
        world->wrong++;
}

static void
on_ready (cb_zpeer *peer, void *context)
{
    s_world *world = context;
    if (world->row->manner == S_ECHOES)
        s_we_ask (world);
    if (world->row->manner == S_PUBLISHES && cb_zpeer_subscribe (peer, "a", 1, NULL) < 0)
        world->wrong++;
}

static void
on_message (cb_zpeer *peer, cb_zmsg *message, void *context)
{
    s_world *world = context;
    const s_case *row = world->row;
    size_t n = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n);
    if (world->we_got == row->count)
        return; /* they go on until they know */
    world->we_got++;
    if (n != 2 || (!s_is_pub_sub (row) && (parts[0].size != 0 || parts[1].size != row->size)))
        world->wrong++;
    if (row->manner == S_PUBLISHES && parts[0].data[0] != 'a')
        world->wrong++;
    if (row->manner == S_ASKS || row->manner == S_HEARTBEATS) {
        if (cb_zpeer_send_always (peer, message, 0, NULL) < 0)
            world->wrong++;
    } else if (world->we_got == row->count) {
        cb_loop_exit (world->loop, 0);
    } else if (row->manner == S_ECHOES) {
        s_we_ask (world);
    }
}

/* Ends the cases in which they have the last word: they hang up after it. */
static void
on_closed (cb_zpeer *peer, const cb_err *reason, void *context)
{
    (void)peer;
    s_world *world = context;
    if (reason->code != 0) {
        world->wrong++;
        printf ("# closed: %s\n", reason->text);
    }
    cb_zpeer_destroy (&world->peer);
    cb_loop_exit (world->loop, 0);
}

static const cb_zpeer_events s_events = {on_ready, on_message, NULL, on_closed, NULL, NULL, NULL};

static void
s_we_take (s_world *world, int fd)
{
    const cb_zpeer_options options = {.zmtp = {.socket_type = world->row->ours,
                                               .identity = "us-12345",
                                               .identity_size = 8,
                                               .budget = s_budget},
                                      .out_limit = 1 << 20};
    world->peer = cb_zpeer_new (world->loop, fd, &options, &s_events, world, NULL);
}

static void
s_look_for_pongs (s_world *world, const char *bytes, size_t size)
{
    s_tap *tap = &world->tap;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != s_pong[tap->matched])
            tap->matched = 0;
        if (bytes[i] == s_pong[tap->matched])
            tap->matched++;
        if (tap->matched < sizeof s_pong - 1)
            continue;
        tap->matched = 0;
        if (++tap->pongs == PONGS)
            sem_post (&world->answered);
    }
}

/* What one end says goes to the other; so does its end. */
static void
on_tapped (cb_source *source, int fd, uint32_t events, void *context)
{
    (void)events;
    s_world *world = context;
    int to = fd == world->tap.fds[0] ? world->tap.fds[1] : world->tap.fds[0];
    char bytes[4096];
    ssize_t size = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0 || send (to, bytes, (size_t)size, MSG_NOSIGNAL) != size) {
        (void)shutdown (to, SHUT_WR);
        cb_source_on (source, 0);
        return;
    }
    if (fd == world->tap.fds[1])
        s_look_for_pongs (world, bytes, (size_t)size);
}

static void
on_accept (cb_zlisten *listener, int fd, void *context)
{
    (void)listener;
    s_world *world = context;
    int pair[2];
    if (world->row->manner != S_HEARTBEATS || world->tap.sources[0] != NULL ||
        socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        s_we_take (world, fd);
        return;
    }
    world->tap = (s_tap){.fds = {fd, pair[0]}};
    for (int i = 0; i < 2; i++)
        if (cb_loop_io (world->loop, world->tap.fds[i], EPOLLIN, on_tapped, world,
                        &world->tap.sources[i], NULL) < 0)
            world->wrong++;
    s_we_take (world, pair[1]);
}

/* Every 5 ms: publish to whoever wants it. */
static void
on_poll (cb_source *source, void *context)
{
    s_world *world = context;
    const cb_part wanted[] = {{"a-topic", 7}, {"right", 5}};
    const cb_part other[] = {{"b-topic", 7}, {"wrong", 5}};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_zmsg_new (wanted, 2);
    cb_owned (cb_zmsg) cb_zmsg *unwanted = cb_zmsg_new (other, 2);
    if (world->peer != NULL && cb_zpeer_wants (world->peer, "b-topic", 7))
        (void)!cb_zpeer_send (world->peer, unwanted, 0, NULL);
    if (world->peer != NULL && cb_zpeer_wants (world->peer, "a-topic", 7) &&
        world->published++ < world->row->count)
        (void)!cb_zpeer_send (world->peer, message, 0, NULL);
    if (world->published > world->row->count)
        cb_loop_exit (world->loop, 0);
    cb_source_at (source, cb_loop_now (world->loop) + 5 * CB_USEC_PER_MSEC);
}

static void
on_late (cb_source *source, void *context)
{
    (void)source;
    s_world *world = context;
    world->wrong++;
    printf ("# not done in %d s\n", PATIENCE / 1000);
    cb_loop_exit (world->loop, 1);
}

static int
s_connect (const s_world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf (address.sun_path, sizeof address.sun_path, "%s/s", world->folder);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)!connect (fd, (struct sockaddr *)&address, sizeof address);
    return fd;
}

static void
s_open (s_world *world, const s_case *row)
{
    *world = (s_world){.row = row, .folder = "/tmp/cb-peers-XXXXXX"};
    (void)!mkdtemp (world->folder);
    world->dir_fd = open (world->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    world->loop = cb_loop_new (NULL);
    sem_init (&world->bound, 0, 0);
    sem_init (&world->done, 0, 0);
    sem_init (&world->answered, 0, 0);
    world->tap = (s_tap){.fds = {-1, -1}};
    (void)!cb_loop_at (world->loop, cb_now () + PATIENCE * CB_USEC_PER_MSEC, on_late, world,
                       &world->timer, NULL);
    if (row->manner == S_LISTENS)
        (void)!cb_loop_at (world->loop, cb_now (), on_poll, world, &world->poll, NULL);
    if (!row->they_bind)
        world->listener = cb_zlisten_new (world->loop, world->dir_fd, "s", on_accept, world, NULL);
}

static void
s_done (s_world *world)
{
    cb_source_destroy (&world->timer);
    cb_source_destroy (&world->poll);
    for (int i = 0; i < 2; i++) {
        cb_source_destroy (&world->tap.sources[i]);
        cb_close (&world->tap.fds[i]);
    }
    cb_zpeer_destroy (&world->peer);
    cb_zlisten_destroy (&world->listener);
    cb_loop_destroy (&world->loop);
    sem_destroy (&world->bound);
    sem_destroy (&world->done);
    sem_destroy (&world->answered);
    (void)unlinkat (world->dir_fd, "s", 0);
    close (world->dir_fd);
    (void)rmdir (world->folder);
}

static void
s_run_case (const s_case *row)
{
    s_world world;
    pthread_t thread;
    s_open (&world, row);
    (void)!pthread_create (&thread, NULL, s_their_thread, &world);
    sem_wait (&world.bound);
    if (row->they_bind)
        s_we_take (&world, s_connect (&world));
    /* Where they ask, they end it by hanging up; else we leave when we have seen everything. */
    if (row->manner == S_ASKS || row->manner == S_HEARTBEATS)
        sem_post (&world.done);
    (void)!cb_loop_run (world.loop, NULL);
    sem_post (&world.done);
    sem_post (&world.answered);
    pthread_join (thread, NULL);
    ok (world.wrong == 0 && world.they_got == row->count &&
            (row->manner == S_LISTENS || world.we_got == row->count),
        "%s: they saw %d, we saw %d of %d", row->name, world.they_got, world.we_got, row->count);
    if (row->theirs == ZMQ_ROUTER)
        ok (memcmp (world.identity, "us-12345", 8) == 0, "they know our routing id");
    if (row->manner == S_HEARTBEATS)
        ok (world.tap.pongs >= PONGS, "%d of their pings were answered", world.tap.pongs);
    s_done (&world);
}

int
main (void)
{
    for (size_t i = 0; i < sizeof s_cases / sizeof s_cases[0]; i++)
        s_run_case (&s_cases[i]);
    return tap_done ();
}
