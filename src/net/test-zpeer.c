/* test-zpeer.c - connections on the loop: two ends of ours, limits, pause, ends, destruction inside
 * callbacks, listening; and a peer that sends MORE frames for ever. */
#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/tap.h"
#include "net/zpeer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct s_world s_world;

typedef struct s_end {
    s_world *world;
    cb_zpeer *peer;
    int ready;
    int messages;
    size_t bytes; /* of the last message */
    int drained;
    int closed;
    int code;
    char text[CB_ERR_TEXT_MAX];
    int echo;          /* send every message back */
    int destroy_at;    /* destroy the peer in this message */
    int pause_at;      /* pause in this message */
    int hold_at;       /* the same until all is written */
    int stop_at;       /* leave the loop at this message */
    int settle_at;     /* leave it a moment after this message: no other may come */
    int stop_drained;  /* leave the loop when drained */
    int send_on_ready; /* messages to send when ready */
} s_end;

struct s_world {
    cb_loop *loop;
    s_end a;
    s_end b;
    cb_source *timer;
    int raw; /* the other end of a, without a peer of ours */
};

static const cb_zmtp_budget s_budget = {.max_parts = 1 << 20,
                                        .max_frame = 8 << 20,
                                        .max_message = 8 << 20,
                                        .max_commands = 64,
                                        .max_subscriptions = 4};

/* On a busy machine everything may take long; only what must not happen is waited for by time. */
#define LONG (120 * CB_USEC_PER_SEC)
#define SOON (30 * CB_USEC_PER_MSEC)

static cb_zmsg *
s_text (const char *text, size_t size)
{
    const cb_part parts[] = {{"", 0}, {text, size}};
    return cb_zmsg_new (parts, 2);
}

static void
on_ready (cb_zpeer *peer, void *context)
{
    s_end *end = context;
    end->ready++;
    for (int i = 0; i < end->send_on_ready; i++) {
        cb_owned (cb_zmsg) cb_zmsg *message = s_text ("hello", 5);
        (void)!cb_zpeer_send (peer, message, 0, NULL);
    }
}

static void
on_message (cb_zpeer *peer, cb_zmsg *message, void *context)
{
    s_end *end = context;
    size_t n = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n);
    end->messages++;
    end->bytes = n > 0 ? parts[n - 1].size : 0;
    if (end->echo)
        (void)!cb_zpeer_send (peer, message, 0, NULL);
    if (end->messages == end->pause_at)
        cb_zpeer_pause (peer, 1);
    if (end->messages == end->hold_at)
        cb_zpeer_hold (peer);
    if (end->messages == end->stop_at)
        cb_loop_exit (end->world->loop, 0);
    if (end->messages == end->settle_at)
        cb_source_at (end->world->timer, cb_now () + SOON);
    if (end->messages == end->destroy_at)
        cb_zpeer_destroy (&end->peer);
}

static void
on_drained (cb_zpeer *peer, void *context)
{
    (void)peer;
    s_end *end = context;
    end->drained++;
    if (end->stop_drained)
        cb_loop_exit (end->world->loop, 0);
}

static void
on_closed (cb_zpeer *peer, const cb_err *reason, void *context)
{
    (void)peer;
    s_end *end = context;
    end->closed++;
    end->code = reason->code;
    (void)snprintf (end->text, sizeof end->text, "%s", reason->text);
    cb_zpeer_destroy (&end->peer);
    cb_loop_exit (end->world->loop, 2);
}

static const cb_zpeer_events s_events = {on_ready, on_message, on_drained, on_closed,
                                         NULL,     NULL,       NULL};

static void
s_open_end (s_world *world, s_end *end, int fd, const cb_zpeer_options *options)
{
    end->world = world;
    end->peer = cb_zpeer_new (world->loop, fd, options, &s_events, end, NULL);
}

static cb_zpeer_options
s_options (const char *type, const char *identity)
{
    return (cb_zpeer_options){.zmtp = {.socket_type = type,
                                       .identity = identity,
                                       .identity_size = strlen (identity),
                                       .budget = s_budget},
                              .out_limit = 1 << 20};
}

/* a is a DEALER of ours; b a ROUTER of ours, or nothing but a descriptor. */
static void
s_open (s_world *world, int with_b)
{
    *world = (s_world){.loop = cb_loop_new (NULL), .raw = -1};
    int ends[2] = {-1, -1};
    (void)!socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    const cb_zpeer_options a = s_options ("DEALER", "dealer-a");
    const cb_zpeer_options b = s_options ("ROUTER", "");
    s_open_end (world, &world->a, ends[0], &a);
    if (with_b)
        s_open_end (world, &world->b, ends[1], &b);
    else
        world->raw = ends[1];
}

static void
s_done (s_world *world)
{
    cb_source_destroy (&world->timer);
    cb_zpeer_destroy (&world->a.peer);
    cb_zpeer_destroy (&world->b.peer);
    cb_loop_destroy (&world->loop);
    cb_close (&world->raw);
}

static void
on_late (cb_source *source, void *context)
{
    (void)source;
    s_world *world = context;
    cb_loop_exit (world->loop, 1);
}

/* Runs until something leaves the loop; 1 when nothing did. */
static int
s_run (s_world *world)
{
    (void)!cb_loop_at (world->loop, cb_now () + LONG, on_late, world, &world->timer, NULL);
    return cb_loop_run (world->loop, NULL);
}

static void
s_test_echo (void)
{
    s_world world;
    s_open (&world, 1);
    world.a.send_on_ready = 40;
    world.a.stop_at = 40;
    world.b.echo = 1;
    ok (s_run (&world) == 0 && world.a.messages == 40,
        "40 messages there and back, more than a turn has");
    ok (world.a.ready == 1 && world.b.ready == 1, "both ends were ready once");
    cb_part identity = cb_zpeer_identity (world.b.peer);
    ok (identity.size == 8 && memcmp (identity.data, "dealer-a", 8) == 0, "the routing id");
    s_done (&world);
}

static void
s_test_before_ready (void)
{
    s_world world;
    s_open (&world, 1);
    cb_owned (cb_zmsg) cb_zmsg *message = s_text ("x", 1);
    cb_err err = CB_ERR_INIT;
    ok (cb_zpeer_send (world.a.peer, message, 0, &err) == CB_ZPEER_FULL,
        "not before the handshake");
    ok (cb_zpeer_send_always (world.a.peer, message, 0, &err) == -CB_E_BUSY, "%s", err.text);
    world.a.stop_drained = 1;
    ok (s_run (&world) == 0 && world.a.drained == 1 && world.b.messages == 0,
        "but told when it is done");
    s_done (&world);
}

typedef struct s_sender {
    s_end *end;
    cb_zmsg *message;
    int sent;
    int full;
    int want;
} s_sender;

static void
s_send_more (cb_source *source, void *context)
{
    (void)source;
    s_sender *sender = context;
    if (!sender->end->ready) {
        cb_source_on (source, 1);
        return;
    }
    while (sender->sent < sender->want) {
        int r = cb_zpeer_send (sender->end->peer, sender->message, 0, NULL);
        if (r == CB_ZPEER_FULL) {
            sender->full++;
            cb_source_on (source, 1);
            return;
        }
        sender->sent++;
    }
}

/* Two hundred messages of 100 kB through a queue of 1 MiB: refused at times, none lost. */
static void
s_test_full (void)
{
    s_world world;
    s_open (&world, 1);
    cb_auto_free char *large = calloc (1, 100000);
    s_sender sender = {.end = &world.a, .message = s_text (large, 100000), .want = 200};
    world.b.stop_at = 200;
    cb_source *source = NULL;
    ok (cb_loop_defer (world.loop, s_send_more, &sender, &source, NULL) == 0, "sender");
    ok (s_run (&world) == 0 && world.b.messages == 200, "all came");
    ok (sender.full > 0, "the queue was full %d times", sender.full);
    ok (world.b.bytes == 100000, "whole");
    cb_source_destroy (&source);
    cb_zmsg_destroy (&sender.message);
    s_done (&world);
}

static void
s_test_large (void)
{
    s_world world;
    s_open (&world, 1);
    cb_auto_free char *large = calloc (1, 7 << 20);
    s_sender sender = {.end = &world.a, .message = s_text (large, 7 << 20), .want = 1};
    world.b.stop_at = 1;
    cb_source *source = NULL;
    ok (cb_loop_defer (world.loop, s_send_more, &sender, &source, NULL) == 0, "sender");
    ok (s_run (&world) == 0 && world.b.bytes == 7 << 20,
        "an empty queue takes a message over its limit");
    cb_source_destroy (&source);
    cb_zmsg_destroy (&sender.message);
    s_done (&world);
}

static void
s_test_destroy_inside (void)
{
    s_world world;
    s_open (&world, 1);
    world.a.send_on_ready = 10;
    world.b.destroy_at = 3;
    ok (s_run (&world) == 2 && world.b.messages == 3 && world.b.closed == 0,
        "destroyed in its own callback: no more calls");
    ok (world.a.closed == 1 && world.a.code == 0, "the other end sees it closed");
    s_done (&world);
}

static void
s_test_pause (void)
{
    s_world world;
    s_open (&world, 1);
    world.a.send_on_ready = 10;
    world.b.pause_at = 3;
    world.b.settle_at = 3;
    ok (s_run (&world) == 1 && world.b.messages == 3, "paused in a callback: no message more");
    s_done (&world);
}

/* A peer that is held goes on by itself when what waits for it is written, and when it goes. */
static void
s_test_hold (void)
{
    s_world world;
    s_open (&world, 1);
    world.a.send_on_ready = 10;
    world.b.hold_at = 3;
    world.b.echo = 1;
    world.b.settle_at = 10;
    ok (s_run (&world) == 1 && world.b.messages == 10, "held, then all of it: %d",
        world.b.messages);
    s_done (&world);

    s_open (&world, 1);
    world.a.send_on_ready = 10;
    world.b.hold_at = 3;
    world.b.echo = 1;
    world.a.destroy_at = 1;
    ok (s_run (&world) == 2 && world.b.closed == 1, "held, and the peer goes");
    s_done (&world);
}

static void
on_unpause (cb_source *source, void *context)
{
    (void)source;
    s_world *world = context;
    world->b.pause_at = 0;
    cb_zpeer_pause (world->b.peer, 0);
}

/* Everything a peer had sent comes, also when it left while we were paused. */
static void
s_test_last_words (void)
{
    s_world world;
    s_open (&world, 1);
    world.a.send_on_ready = 10;
    world.b.pause_at = 3;
    world.b.echo = 1;
    world.a.destroy_at = 1;
    cb_source *source = NULL;
    ok (cb_loop_at (world.loop, cb_now () + 20 * CB_USEC_PER_MSEC, on_unpause, &world, &source,
                    NULL) == 0,
        "resume later");
    ok (s_run (&world) == 2 && world.b.messages == 10 && world.b.closed == 1,
        "all ten came (%d), then the end", world.b.messages);
    cb_source_destroy (&source);
    s_done (&world);
}

static void
s_test_bad_peer (void)
{
    s_world world;
    s_open (&world, 0);
    (void)!write (world.raw, "GET / HTTP/1.0\r\n\r\n", 18);
    ok (s_run (&world) == 2 && world.a.closed == 1 && world.a.code == CB_E_PROTO,
        "garbage closes: %s", world.a.text);
    s_done (&world);

    world = (s_world){.loop = cb_loop_new (NULL), .raw = -1};
    int ends[2] = {-1, -1};
    (void)!socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    world.raw = ends[1];
    cb_zpeer_options options = s_options ("DEALER", "");
    options.handshake = 20 * CB_USEC_PER_MSEC;
    s_open_end (&world, &world.a, ends[0], &options);
    ok (s_run (&world) == 2 && world.a.closed == 1 && world.a.code == CB_E_TIMEOUT,
        "silence too: %s", world.a.text);
    s_done (&world);

    cb_err err = CB_ERR_INIT;
    world = (s_world){.loop = cb_loop_new (NULL), .raw = -1};
    options.zmtp.socket_type = "FRIEND";
    ok (cb_zpeer_new (world.loop, dup (2), &options, &s_events, &world.a, &err) == NULL,
        "a type that is none: %s", err.text);
    s_done (&world);
}

typedef struct s_door {
    s_world *world;
    int accepted;
} s_door;

static void
on_accept (cb_zlisten *listener, int fd, void *context)
{
    (void)listener;
    s_door *door = context;
    const cb_zpeer_options options = s_options ("ROUTER", "");
    s_open_end (door->world, &door->world->b, fd, &options);
    if (++door->accepted == 1)
        cb_loop_exit (door->world->loop, 0);
}

static void
s_test_listen (void)
{
    char path[] = "/tmp/cb-zpeer-XXXXXX";
    ok (mkdtemp (path) != NULL, "a folder");
    int dir_fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s_world world = {.loop = cb_loop_new (NULL), .raw = -1};
    s_door door = {.world = &world};
    cb_err err = CB_ERR_INIT;
    umask (0);
    cb_zlisten *first = cb_zlisten_new (world.loop, dir_fd, "c-1", on_accept, &door, &err);
    ok (first != NULL, "listens %s", err.text);
    cb_zlisten *second = cb_zlisten_new (world.loop, dir_fd, "c-1", on_accept, &door, &err);
    ok (second != NULL, "a stale socket is replaced %s", err.text);
    cb_zlisten_destroy (&first);
    struct stat status;
    ok (fstatat (dir_fd, "c-1", &status, 0) == 0 && (status.st_mode & 0777) == 0600,
        "the first leaves the second's file alone; mode 0600");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf (address.sun_path, sizeof address.sun_path, "%s/c-1", path);
    world.raw = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ok (connect (world.raw, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    ok (s_run (&world) == 0 && door.accepted == 1, "accepted");
    cb_zlisten_destroy (&second);
    ok (fstatat (dir_fd, "c-1", &status, 0) < 0, "the file is gone");
    ok (cb_write_file (dir_fd, "c-1", "x", 1, NULL) == 0 &&
            cb_zlisten_new (world.loop, dir_fd, "c-1", on_accept, &door, &err) == NULL,
        "other files are not removed: %s", err.text);
    ok (cb_zlisten_new (world.loop, dir_fd, "../c", on_accept, &door, &err) == NULL, "%s",
        err.text);
    (void)unlinkat (dir_fd, "c-1", 0);
    close (dir_fd);
    rmdir (path);
    s_done (&world);
}

/* KiB of this process in memory. */
static long
s_resident (void)
{
    long pages = 0;
    FILE *file = fopen ("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf (file, "%*s %ld", &pages) != 1)
        pages = 0;
    (void)fclose (file);
    return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

#define GREETING                                           \
    "\xFF\0\0\0\0\0\0\0\1\x7F\3\1NULL\0\0\0\0\0\0\0\0\0\0" \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define READY "\4\31\5READY\13Socket-Type\0\0\0\3REP"

/* A child that writes frames with MORE for ever. */
static pid_t
s_flood (int fd, size_t frame)
{
    pid_t pid = fork ();
    if (pid != 0)
        return pid;
    char header[CB_ZMTP_HEADER_MAX];
    size_t header_size = cb_zmtp_header (header, frame, 1);
    size_t repeat = frame > 4096 ? 1 : 4096;
    char *bytes = calloc (repeat, header_size + frame);
    for (size_t i = 0; i < repeat; i++)
        memcpy (bytes + i * (header_size + frame), header, header_size);
    signal (SIGPIPE, SIG_IGN);
    (void)!write (fd, GREETING READY, 64 + 27);
    while (cb_write_all (fd, bytes, repeat * (header_size + frame), NULL) == 0)
        continue;
    _exit (0);
}

/* ASan keeps what was freed for a while. */
#ifdef CB_SANITIZERS
#define COST_MAX 400000
#else
#define COST_MAX 9000
#endif

/* The acceptance test: MORE frames for ever, of any size, cost no more than the budget. */
static void
s_test_flood (size_t frame)
{
    s_world world;
    s_open (&world, 0);
    long before = s_resident ();
    pid_t pid = s_flood (world.raw, frame);
    cb_close (&world.raw);
    ok (s_run (&world) == 2 && world.a.code == CB_E_LIMIT, "MORE frames of %zu bytes: %s", frame,
        world.a.text);
    long cost = s_resident () - before;
    ok (cost < COST_MAX, "cost %ld KiB with a budget of 8192 KiB", cost);
    ok (world.a.messages == 0, "and made no message");
    kill (pid, SIGKILL); /* it holds a copy of our end, so no EPIPE ends it */
    waitpid (pid, NULL, 0);
    s_done (&world);
}

int
main (void)
{
    s_test_echo ();
    s_test_before_ready ();
    s_test_full ();
    s_test_large ();
    s_test_destroy_inside ();
    s_test_pause ();
    s_test_hold ();
    s_test_last_words ();
    s_test_bad_peer ();
    s_test_listen ();
    s_test_flood (0);
    s_test_flood (2);
    s_test_flood (65536);
    s_test_flood (1 << 20);
    return tap_done ();
}
