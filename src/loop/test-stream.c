/* test-stream.c - a stream's queue: limits, quota, shared pieces, pause, a peer that leaves. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "loop/stream.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct s_world {
    cb_loop *loop;
    cb_stream *stream;
    int peer;
    cb_source *timer;
    size_t came;  /* bytes read by the stream */
    int reads;    /* calls of on_readable */
    int drained;  /* calls of on_drained */
    int released; /* shared pieces given back */
    int ended;
    int destroy_on_drained;
    const char *broken;
} s_world;

static void
on_readable (cb_stream *stream, void *context)
{
    s_world *world = context;
    world->reads++;
    world->broken = cb_stream_broken (stream);
    char bytes[4096];
    size_t size = 0;
    int r = cb_stream_read (stream, bytes, sizeof bytes, &size, NULL);
    if (r == CB_STREAM_READ) {
        world->came += size;
    } else if (r == CB_STREAM_END || r < 0 || world->broken != NULL) {
        world->ended = 1;
        cb_stream_destroy (&world->stream);
        cb_loop_exit (world->loop, 0);
    }
}

static void
on_drained (cb_stream *stream, void *context)
{
    (void)stream;
    s_world *world = context;
    world->drained++;
    if (world->destroy_on_drained)
        cb_stream_destroy (&world->stream);
    cb_loop_exit (world->loop, 0);
}

static const cb_stream_events s_events = {on_readable, on_drained};

static void
on_late (cb_source *source, void *context)
{
    (void)source;
    s_world *world = context;
    cb_loop_exit (world->loop, 1);
}

static void
s_open (s_world *world, size_t limit, cb_quota *quota)
{
    int ends[2] = {-1, -1};
    *world = (s_world){.loop = cb_loop_new (NULL)};
    ok (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a pair");
    world->peer = ends[1];
    const cb_stream_options options = {.out_limit = limit, .quota = quota};
    world->stream = cb_stream_new (world->loop, ends[0], &options, &s_events, world, NULL);
    ok (world->stream != NULL, "a stream");
}

static void
s_close (s_world *world)
{
    cb_source_destroy (&world->timer);
    cb_stream_destroy (&world->stream);
    cb_loop_destroy (&world->loop);
    cb_close (&world->peer);
}

/* Runs until something exits the loop, at most that long: 1. What is read meanwhile does not
 * matter. The loop can run only once, so a test has one of these. */
static int
s_run_for (s_world *world, cb_usec at_most)
{
    (void)!cb_loop_at (world->loop, cb_now () + at_most, on_late, world, &world->timer, NULL);
    return cb_loop_run (world->loop, NULL);
}

/* For what must come, however busy the machine is. */
static int
s_run (s_world *world)
{
    return s_run_for (world, 120 * CB_USEC_PER_SEC);
}

static size_t
s_read_peer (int peer)
{
    char bytes[65536];
    size_t came = 0;
    ssize_t size = 0;
    while ((size = recv (peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        came += (size_t)size;
    return came;
}

static void
release (void *owner)
{
    ((s_world *)owner)->released++;
}

/* Everything at once, when the kernel takes it. */
static void
s_test_write (void)
{
    s_world world;
    s_open (&world, 1000, NULL);
    ok (cb_stream_admit (world.stream, 11) == CB_STREAM_ADMITTED, "room");
    ok (cb_stream_put (world.stream, "hello", 5, NULL) == 0, "put");
    const cb_shared piece = {"shared", 6, &world, release};
    ok (cb_stream_put_shared (world.stream, &piece, NULL) == 0, "share");
    ok (cb_stream_queued (world.stream) == 11 && world.released == 0, "queued");
    cb_stream_flush (world.stream);
    ok (cb_stream_queued (world.stream) == 0 && world.released == 1, "written and given back");
    char bytes[16] = "";
    ok (read (world.peer, bytes, 16) == 11 && memcmp (bytes, "helloshared", 11) == 0, "in order");
    s_close (&world);
}

/* A reader that is slow: the limit holds, and the drain is told once it has read. */
static void
s_test_limit (void)
{
    s_world world;
    cb_quota quota;
    cb_quota_init (&quota, NULL, 10000000);
    s_open (&world, 1000000, &quota);
    cb_auto_free char *bytes = calloc (1, 400000);
    int admitted = 0;
    while (admitted < 10 && cb_stream_admit (world.stream, 400000) == CB_STREAM_ADMITTED) {
        admitted++;
        (void)!cb_stream_put (world.stream, bytes, 400000, NULL);
        cb_stream_flush (world.stream);
    }
    size_t queued = cb_stream_queued (world.stream);
    ok (admitted < 4 && queued <= 1000000, "the limit: %d, %zu", admitted, queued);
    ok (quota.used == queued, "what is queued is charged");
    cb_stream_admit_always (world.stream, 400000);
    ok (cb_stream_put (world.stream, bytes, 400000, NULL) == 0, "over the limit by force");
    size_t came = 0;
    for (int i = 0; i < 1000 && cb_stream_queued (world.stream) > 0; i++) {
        came += s_read_peer (world.peer);
        cb_stream_flush (world.stream);
    }
    came += s_read_peer (world.peer);
    ok (came == 400000 * ((size_t)admitted + 1), "everything came: %zu", came);
    world.destroy_on_drained = 1;
    ok (s_run (&world) == 0 && world.drained == 1 && world.stream == NULL,
        "the drain is told, the stream may be destroyed in it");
    ok (quota.used == 0, "nothing stays charged");
    s_close (&world);
}

static void
s_test_quota (void)
{
    s_world world;
    cb_quota quota;
    cb_quota_init (&quota, NULL, 100);
    s_open (&world, 1000000, &quota);
    ok (cb_stream_admit (world.stream, 101) == CB_STREAM_FULL, "no quota, nothing queued");
    cb_stream_admit_always (world.stream, 101);
    cb_auto_free char *bytes = calloc (1, 101);
    ok (cb_stream_put (world.stream, bytes, 101, NULL) == 0 && quota.used == 0,
        "by force it goes uncharged");
    cb_stream_flush (world.stream);
    ok (quota.used == 0 && s_read_peer (world.peer) == 101, "and out");
    ok (s_run (&world) == 0 && world.drained == 1, "asked to try again, by and by");
    s_close (&world);
}

static void
s_test_pause (void)
{
    s_world world;
    s_open (&world, 1000, NULL);
    cb_stream_pause (world.stream, 1);
    ok (write (world.peer, "abc", 3) == 3, "the peer writes");
    cb_close (&world.peer);
    ok (s_run_for (&world, 100 * CB_USEC_PER_MSEC) == 1 && world.reads == 0,
        "nothing is read while paused");
    s_close (&world);

    s_open (&world, 1000, NULL);
    cb_stream_pause (world.stream, 1);
    cb_stream_pause (world.stream, 0);
    ok (write (world.peer, "abc", 3) == 3, "the peer writes");
    cb_close (&world.peer);
    ok (s_run (&world) == 0 && world.came == 3 && world.ended, "after that all of it, and the end");
    s_close (&world);
}

static void
on_resume (cb_source *source, void *context)
{
    s_world *world = context;
    cb_stream_pause (world->stream, 0);
    cb_source_at (source, CB_USEC_NEVER);
}

/* A peer that hung up while paused must not make the loop spin, nor be forgotten. */
static void
s_test_hangup_while_paused (void)
{
    s_world world;
    s_open (&world, 1000, NULL);
    cb_stream_pause (world.stream, 1);
    ok (write (world.peer, "abc", 3) == 3, "the peer writes");
    cb_close (&world.peer);
    cb_source *resume = NULL;
    ok (cb_loop_at (world.loop, cb_now () + 300 * CB_USEC_PER_MSEC, on_resume, &world, &resume,
                    NULL) == 0,
        "a resume in 300 ms");
    struct timespec before;
    struct timespec after;
    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &before);
    ok (s_run (&world) == 0 && world.came == 3 && world.ended, "read after the resume");
    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &after);
    int64_t spent =
        (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
    ok (spent < 150000, "without spinning: %d us", (int)spent);
    cb_source_destroy (&resume);
    s_close (&world);
}

/* A queue takes no more of a shared quota than it leaves. */
static void
s_test_share (void)
{
    s_world world;
    cb_quota quota;
    cb_quota_init (&quota, NULL, 1000);
    s_open (&world, 1000000, &quota);
    ok (cb_stream_admit (world.stream, 400) == CB_STREAM_ADMITTED &&
            cb_stream_admit (world.stream, 100) == CB_STREAM_ADMITTED,
        "up to the half");
    ok (cb_stream_admit (world.stream, 1) == CB_STREAM_FULL && quota.used == 500, "not more");
    s_close (&world);
}

/* One who is paused until all is written must not wait for ever for a peer that is gone. */
static void
s_test_broken_while_paused (void)
{
    s_world world;
    s_open (&world, 1 << 20, NULL);
    cb_auto_free char *zeros = calloc (1, 1 << 20);
    cb_stream_pause (world.stream, 1);
    cb_stream_admit_always (world.stream, 1 << 20);
    ok (cb_stream_put (world.stream, zeros, 1 << 20, NULL) == 0, "a megabyte waits");
    cb_stream_flush (world.stream);
    cb_stream_want_drained (world.stream);
    ok (cb_stream_queued (world.stream) > 0, "and cannot be written at once");
    cb_close (&world.peer);
    (void)s_run (&world);
    ok (world.drained == 1 && cb_stream_broken (world.stream) != NULL, "told when the peer goes");
    s_close (&world);
}

/* Writing fails; what the peer had sent is still read. */
static void
s_test_broken (void)
{
    s_world world;
    cb_quota quota;
    cb_quota_init (&quota, NULL, 1000);
    s_open (&world, 1000, &quota);
    ok (write (world.peer, "last", 4) == 4, "the peer's last words");
    cb_close (&world.peer);
    ok (cb_stream_admit (world.stream, 5) == CB_STREAM_ADMITTED, "room");
    const cb_shared piece = {"hello", 5, &world, release};
    ok (cb_stream_put_shared (world.stream, &piece, NULL) == 0, "share");
    cb_stream_flush (world.stream);
    ok (cb_stream_broken (world.stream) != NULL && world.released == 1 && quota.used == 0,
        "broken: the queue is dropped");
    ok (cb_stream_put (world.stream, "x", 1, NULL) == -CB_E_GONE, "no more writing");
    ok (s_run (&world) == 0 && world.came == 4 && world.ended, "but reading");
    s_close (&world);
}

/* A peer that stops reading without leaving is noticed too. */
static void
s_test_shut (void)
{
    s_world world;
    s_open (&world, 1000, NULL);
    ok (shutdown (world.peer, SHUT_RD) == 0, "the peer reads no more");
    (void)!cb_stream_admit (world.stream, 1);
    (void)!cb_stream_put (world.stream, "x", 1, NULL);
    cb_stream_flush (world.stream);
    ok (s_run (&world) == 0 && world.broken != NULL, "told: %s", world.broken);
    s_close (&world);
}

int
main (void)
{
    s_test_write ();
    s_test_limit ();
    s_test_quota ();
    s_test_share ();
    s_test_pause ();
    s_test_hangup_while_paused ();
    s_test_broken ();
    s_test_broken_while_paused ();
    s_test_shut ();
    return tap_done ();
}
