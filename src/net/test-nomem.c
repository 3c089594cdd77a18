/* test-nomem.c - no memory at the k-th allocation, for every k, while two connections of ours shake
 * hands and talk: an error, or the work done; never a crash, and nothing stays charged.
 *
 * The linker puts our malloc before the library's (-Wl,--wrap), for our own code only. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "net/zpeer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Allocations until the one that fails; negative: none does. */
static int s_left = -1;
static int s_failed;

void *__real_malloc (size_t size);
void *__real_calloc (size_t count, size_t size);
void *__real_realloc (void *old, size_t size);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t count, size_t size);
void *__wrap_realloc (void *old, size_t size);

static int
s_fails (void)
{
    if (s_left < 0 || s_left-- > 0)
        return 0;
    s_failed = 1;
    return 1;
}

void *
__wrap_malloc (size_t size)
{
    return s_fails () ? NULL : __real_malloc (size);
}

void *
__wrap_calloc (size_t count, size_t size)
{
    return s_fails () ? NULL : __real_calloc (count, size);
}

void *
__wrap_realloc (void *old, size_t size)
{
    return s_fails () ? NULL : __real_realloc (old, size);
}

typedef struct s_end {
    cb_loop *loop;
    cb_zpeer *peer;
    cb_zmsg *greeting;
    int got;
    int closed;
} s_end;

static void
on_ready (cb_zpeer *peer, void *context)
{
    s_end *end = context;
    if (end->greeting != NULL)
        (void)!cb_zpeer_send (peer, end->greeting, 0, NULL);
}

static void
on_message (cb_zpeer *peer, cb_zmsg *message, void *context)
{
    s_end *end = context;
    end->got++;
    if (end->greeting == NULL)
        (void)!cb_zpeer_send (peer, message, 0, NULL);
    else
        cb_loop_exit (end->loop, 0);
}

static void
on_closed (cb_zpeer *peer, const cb_err *reason, void *context)
{
    (void)peer;
    (void)reason;
    s_end *end = context;
    end->closed++;
    cb_zpeer_destroy (&end->peer);
    cb_loop_exit (end->loop, 0);
}

static void
on_late (cb_source *source, void *context)
{
    (void)source;
    cb_loop_exit (context, 1);
}

static const cb_zpeer_events s_events = {on_ready, on_message, NULL, on_closed, NULL, NULL, NULL};

static void
s_open (s_end *end, const char *type, int fd, cb_quota *quota)
{
    const cb_zpeer_options options = {.zmtp = {.socket_type = type,
                                               .identity = "somebody",
                                               .identity_size = 8,
                                               .budget = {.max_parts = 64,
                                                          .max_frame = 1 << 20,
                                                          .max_message = 1 << 20,
                                                          .max_commands = 16,
                                                          .max_subscriptions = 4}},
                                      .out_limit = 1 << 20,
                                      .quota = quota};
    end->peer = cb_zpeer_new (end->loop, fd, &options, &s_events, end, NULL);
}

/* One conversation: both ends, a message of several parts there and back. 1 when it was held. */
static int
s_talk (cb_zmsg *greeting, int fail_at, cb_quota *quota)
{
    cb_loop *loop = cb_loop_new (NULL);
    cb_source *timer = NULL;
    (void)!cb_loop_at (loop, cb_now () + 60 * CB_USEC_PER_SEC, on_late, loop, &timer, NULL);
    s_end a = {.loop = loop, .greeting = greeting};
    s_end b = {.loop = loop};
    int ends[2] = {-1, -1};
    (void)!socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    s_failed = 0;
    s_left = fail_at;
    s_open (&a, "DEALER", ends[0], quota);
    s_open (&b, "ROUTER", ends[1], quota);
    int r = a.peer != NULL && b.peer != NULL ? cb_loop_run (loop, NULL) : 0;
    s_left = -1;
    cb_zpeer_destroy (&a.peer);
    cb_zpeer_destroy (&b.peer);
    cb_source_destroy (&timer);
    cb_loop_destroy (&loop);
    /* Somebody has to notice: a conversation that just stops would hang for ever. */
    return r == 0 ? a.got : -1;
}

int
main (void)
{
    cb_auto_free char *large = calloc (1, 300000);
    const cb_part parts[] = {{"", 0}, {"hello", 5}, {large, 300000}, {large, 2000}, {"end", 3}};
    cb_owned (cb_zmsg) cb_zmsg *greeting = cb_zmsg_new (parts, 5);
    cb_quota quota;
    cb_quota_init (&quota, NULL, 8 << 20);
    ok (s_talk (greeting, -1, &quota) == 1 && quota.used == 0, "with memory they talk");
    int fail_at = 0;
    int hung = 0;
    int charged = 0;
    do {
        hung += s_talk (greeting, fail_at++, &quota) < 0;
        charged += quota.used != 0;
    } while (s_failed && fail_at < 1000);
    ok (fail_at > 20 && fail_at < 1000, "%d allocations, each failed once", fail_at - 1);
    ok (hung == 0, "somebody always noticed (%d did not)", hung);
    ok (charged == 0, "nothing stays charged (%d did)", charged);
    return tap_done ();
}
