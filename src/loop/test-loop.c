/* test-loop.c - the loop: order by priority, timers, deferred work, signals, sources that destroy
 * themselves or one another in callbacks. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "loop/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct s_world {
    cb_loop *loop;
    cb_source *sources[8];
    char trace[64];
    int calls;
    int rounds;       /* calls of on_time that end the run */
    cb_usec fired;    /* the last of them */
    cb_usec shortest; /* time between two of them */
} s_world;

static void
s_note (s_world *world, char mark)
{
    size_t length = strlen (world->trace);
    if (length + 1 < sizeof world->trace) {
        world->trace[length] = mark;
        world->trace[length + 1] = '\0';
    }
}

static void
on_defer_low (cb_source *source, void *context)
{
    (void)source;
    s_world *world = context;
    s_note (world, 'l');
    cb_loop_exit (world->loop, 7);
}

static void
on_defer_high (cb_source *source, void *context)
{
    (void)source;
    s_note (context, 'h');
}

static void
s_test_priority (void)
{
    s_world world = {.loop = cb_loop_new (NULL)};
    ok (cb_loop_defer (world.loop, on_defer_low, &world, &world.sources[0], NULL) == 0, "defer");
    ok (cb_loop_defer (world.loop, on_defer_high, &world, &world.sources[1], NULL) == 0, "defer");
    cb_source_priority (world.sources[0], CB_PRIORITY_IDLE);
    cb_source_priority (world.sources[1], CB_PRIORITY_DEATH);
    ok (cb_loop_run (world.loop, NULL) == 7, "the code of cb_loop_exit comes back");
    ok (strcmp (world.trace, "hl") == 0, "lower numbers first, deferred work once");
    cb_source_destroy (&world.sources[0]);
    cb_source_destroy (&world.sources[1]);
    cb_loop_destroy (&world.loop);
}

static void
on_time (cb_source *source, void *context)
{
    s_world *world = context;
    cb_usec now = cb_now ();
    if (world->calls > 0 && (world->calls == 1 || now - world->fired < world->shortest))
        world->shortest = now - world->fired;
    world->fired = now;
    s_note (world, 't');
    if (++world->calls == world->rounds)
        cb_loop_exit (world->loop, 0);
    else
        cb_source_at (source, cb_loop_now (world->loop) + 2 * CB_USEC_PER_MSEC);
}

static void
on_never (cb_source *source, void *context)
{
    (void)source;
    s_note (context, 'n');
}

static void
s_test_time (void)
{
    s_world world = {.loop = cb_loop_new (NULL), .rounds = 10};
    cb_usec start = cb_now ();
    ok (cb_loop_at (world.loop, start + 5 * CB_USEC_PER_MSEC, on_time, &world, &world.sources[0],
                    NULL) == 0,
        "a timer");
    ok (cb_loop_at (world.loop, CB_USEC_NEVER, on_never, &world, &world.sources[1], NULL) == 0,
        "a silent timer");
    ok (cb_loop_run (world.loop, NULL) == 0, "runs");
    ok (strcmp (world.trace, "tttttttttt") == 0, "set again in its own callback");
    ok (world.fired >= start + 23 * CB_USEC_PER_MSEC, "not before its time");
    /* Gathered, each would come at the same point of another quarter of a second. On a busy machine
     * some may be as late, not all. */
    ok (world.shortest < 200 * CB_USEC_PER_MSEC, "not gathered into sd-event's 250 ms");
    cb_source_destroy (&world.sources[0]);
    cb_source_destroy (&world.sources[1]);
    cb_loop_destroy (&world.loop);
}

static void
on_io (cb_source *source, int fd, uint32_t events, void *context)
{
    (void)source;
    s_world *world = context;
    char byte = 0;
    ok (events & EPOLLIN, "told what happened");
    ok (read (fd, &byte, 1) == 1, "there is a byte");
    s_note (world, byte);
    cb_source_destroy (&world->sources[0]);
    cb_source_destroy (&world->sources[1]);
    cb_loop_exit (world->loop, 0);
}

static void
s_test_io (void)
{
    s_world world = {.loop = cb_loop_new (NULL)};
    int ends[2];
    ok (pipe2 (ends, O_CLOEXEC) == 0, "pipe");
    ok (cb_loop_io (world.loop, ends[0], EPOLLIN, on_io, &world, &world.sources[0], NULL) == 0,
        "io");
    ok (cb_loop_at (world.loop, CB_USEC_NEVER, on_never, &world, &world.sources[1], NULL) == 0,
        "timer");
    ok (write (ends[1], "xy", 2) == 2, "write");
    ok (cb_loop_run (world.loop, NULL) == 0, "runs");
    ok (strcmp (world.trace, "x") == 0, "a source may destroy itself and others in its callback");
    cb_err err = CB_ERR_INIT;
    cb_source *bad = NULL;
    ok (cb_loop_io (world.loop, -1, EPOLLIN, on_io, &world, &bad, &err) < 0 && bad == NULL,
        "a descriptor that is none is refused: %s", err.text);
    close (ends[0]);
    close (ends[1]);
    cb_loop_destroy (&world.loop);
}

static void
on_defer_always (cb_source *source, void *context)
{
    s_world *world = context;
    world->calls++;
    cb_source_on (source, 1);
}

/* Work that defers itself again and again leaves room for everything of the same priority. */
static void
s_test_defer_is_fair (void)
{
    s_world world = {.loop = cb_loop_new (NULL)};
    int ends[2];
    ok (pipe2 (ends, O_CLOEXEC) == 0, "pipe");
    ok (cb_loop_defer (world.loop, on_defer_always, &world, &world.sources[2], NULL) == 0, "defer");
    ok (cb_loop_io (world.loop, ends[0], EPOLLIN, on_io, &world, &world.sources[0], NULL) == 0,
        "io");
    ok (write (ends[1], "x", 1) == 1, "write");
    ok (cb_loop_at (world.loop, cb_now () + 60 * CB_USEC_PER_SEC, on_time, &world,
                    &world.sources[1], NULL) == 0,
        "timer");
    ok (cb_loop_run (world.loop, NULL) == 0 && strcmp (world.trace, "x") == 0, "the byte was read");
    ok (world.calls < 100, "soon: %d", world.calls);
    cb_source_destroy (&world.sources[2]);
    close (ends[0]);
    close (ends[1]);
    cb_loop_destroy (&world.loop);
}

static void
on_signal (cb_source *source, int number, pid_t sender, void *context)
{
    (void)source;
    s_world *world = context;
    world->calls = sender == getpid () ? number : 0;
    cb_loop_exit (world->loop, 0);
}

static void
s_test_signal (void)
{
    s_world world = {.loop = cb_loop_new (NULL)};
    ok (cb_loop_signal (world.loop, SIGUSR1, on_signal, &world, &world.sources[0], NULL) == 0,
        "signal");
    ok (kill (getpid (), SIGUSR1) == 0, "raise");
    ok (cb_loop_run (world.loop, NULL) == 0 && world.calls == SIGUSR1,
        "its number and its sender come");
    cb_source_destroy (&world.sources[0]);
    cb_loop_destroy (&world.loop);
}

int
main (void)
{
    s_test_priority ();
    s_test_time ();
    s_test_io ();
    s_test_defer_is_fair ();
    s_test_signal ();
    return tap_done ();
}
