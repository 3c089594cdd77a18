/* test-launcher.c - the line to the warden, with the warden's end in this program's hand. */
#include "base/fdio.h"
#include "base/tap.h"
#include "kernel/launcher.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct world {
    cb_loop *loop;
    cb_launcher *launcher;
    int warden; /* our end of its line */
    char *packet;
    int started;
    int failed;
    int exited;
    int warden_gone;
    int with_facts;
    char words[CB_ERR_TEXT_MAX];
} world;

typedef struct jail {
    cb_launch_watch watch;
    world *world;
} jail;

static void
s_on_started (cb_launch_watch *watch, const cb_launch_started *started, cb_packet *packet)
{
    world *self = ((jail *)watch)->world;

    self->started += started->kernel_pid == 77;
    self->with_facts += packet->n_fds > 2;
    cb_loop_exit (self->loop, 0);
}

static void
s_on_failed (cb_launch_watch *watch, const cb_launch_failed *failed)
{
    world *self = ((jail *)watch)->world;

    self->failed++;
    (void)snprintf (self->words, sizeof self->words, "%.*s", (int)sizeof failed->text - 1,
                    failed->text);
    cb_loop_exit (self->loop, 0);
}

static void
s_on_exited (cb_launch_watch *watch, const cb_launch_exited *exited)
{
    world *self = ((jail *)watch)->world;

    self->exited += exited->status == 3;
    cb_loop_exit (self->loop, 0);
}

static const cb_launch_watch_events s_watch_events = {s_on_started, s_on_failed, s_on_exited};

static void
s_on_warden_gone (void *context)
{
    world *self = context;

    self->warden_gone++;
    cb_loop_exit (self->loop, 0);
}

static const cb_launcher_events s_events = {s_on_warden_gone};

static void
s_on_late (cb_source *source, void *context)
{
    (void)source;
    cb_loop_exit (((world *)context)->loop, 1);
}

/* Runs until something is told: 0, or 1 when nothing was within the time. */
static int
s_run (world *self)
{
    cb_source *late = NULL;

    if (cb_loop_at (self->loop, cb_now () + 120 * CB_USEC_PER_SEC, s_on_late, self, &late, NULL) <
        0)
        abort ();
    int result = cb_loop_run (self->loop, NULL);
    cb_source_destroy (&late);
    return result;
}

/* The loop cannot run again after its exit: a new one for each step. */
static void
s_open (world *self)
{
    int pair[2];

    *self = (world){.packet = malloc (CB_LAUNCH_BYTES_MAX)};
    self->loop = cb_loop_new (NULL);
    if (self->loop == NULL || self->packet == NULL ||
        socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        abort ();
    self->warden = pair[0];
    (void)cb_set_nonblock (self->warden, 1, NULL);
    self->launcher = cb_launcher_new (self->loop, pair[1], &s_events, self, NULL);
    if (self->launcher == NULL)
        abort ();
}

static void
s_close (world *self)
{
    cb_launcher_destroy (&self->launcher);
    cb_loop_destroy (&self->loop);
    (void)close (self->warden);
    free (self->packet);
}

/* The type of the next packet at the warden's end, 0 when there is none; its head. */
static uint32_t
s_take (world *self, cb_launch_head *ret_head)
{
    cb_launch_in in;

    if (cb_launch_recv (self->warden, self->packet, CB_LAUNCH_BYTES_MAX, &in, NULL) != CB_PACKET_OK)
        return 0;
    *ret_head = in.head;
    cb_packet_done (&in.packet);
    return in.head.type;
}

static void
s_say (world *self, const cb_launch_head *head, const void *body, size_t size)
{
    int fds[2] = {STDERR_FILENO, STDERR_FILENO};
    cb_launch_out out = {.head = *head,
                         .body = body,
                         .body_size = size,
                         .fds = fds,
                         .n_fds = head->type == CB_LAUNCH_STARTED ? 2 : 0};

    ok (cb_launch_send (self->warden, &out, NULL) == 0, "the warden says %s",
        cb_launch_type_name (head->type));
}

/* Asks for a jail; the head of START. */
static cb_launch_head
s_start (world *self, jail *one)
{
    cb_jail_spec *spec = calloc (1, sizeof *spec);
    cb_channels channels;
    cb_launch_head head = {.type = 0};
    cb_err err = CB_ERR_INIT;

    if (spec == NULL)
        abort ();
    (void)snprintf (spec->name, sizeof spec->name, "amber");
    (void)snprintf (spec->profile, sizeof spec->profile, "default");
    spec->disk = (uint64_t)1 << 28;
    spec->files = 4096;
    spec->processes = 64;
    spec->open_files = 512;
    spec->start_seconds = 30;
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        channels.listening[i] = STDERR_FILENO;
        channels.connected[i] = STDERR_FILENO;
    }
    *one = (jail){.watch.events = &s_watch_events, .world = self};
    cb_launch_order order = {
        .spec = spec, .channels = &channels, .connection = STDERR_FILENO, .page = STDERR_FILENO};
    ok (cb_launcher_start (self->launcher, &one->watch, &order, &err) == 0 && one->watch.jail != 0,
        "a jail is asked for %s", err.text);
    free (spec);
    ok (s_take (self, &head) == CB_LAUNCH_LIST, "the first word is LIST");
    ok (s_take (self, &head) == CB_LAUNCH_START && head.jail == one->watch.jail, "then START");
    return head;
}

static void
s_test_life (void)
{
    world self;
    jail one;
    cb_launch_started started = {.kernel_pid = 77, .cgroup = "v2"};

    s_open (&self);
    cb_launch_head head = s_start (&self, &one);
    head.type = CB_LAUNCH_STARTED;
    s_say (&self, &head, &started, sizeof started);
    ok (s_run (&self) == 0 && self.started == 1, "started is told");
    ok (cb_launcher_signal (self.launcher, &one.watch, SIGINT, NULL) == 0 &&
            s_take (&self, &head) == CB_LAUNCH_SIGNAL && head.jail == one.watch.jail,
        "a signal goes out");
    cb_launcher_kill (self.launcher, &one.watch);
    ok (s_take (&self, &head) == CB_LAUNCH_KILL, "a kill goes out");
    cb_launcher_abandon (self.launcher, &one.watch);
    ok (one.watch.jail == 0 && s_take (&self, &head) == CB_LAUNCH_KILL,
        "an abandoned jail is killed, nobody watches it");
    s_close (&self);
}

static void
s_test_failed (void)
{
    world self;
    jail one;
    cb_launch_failed failed = {.code = CB_E_DENIED, .text = "over the ceiling"};

    s_open (&self);
    cb_launch_head head = s_start (&self, &one);
    head.type = CB_LAUNCH_FAILED;
    s_say (&self, &head, &failed, sizeof failed);
    ok (s_run (&self) == 0 && self.failed == 1 && strcmp (self.words, failed.text) == 0 &&
            one.watch.jail == 0,
        "a start that failed is told with its words");
    s_close (&self);
}

static void
s_test_exited (void)
{
    world self;
    jail one;
    cb_launch_failed failed = {.code = CB_E_NOTFOUND, .text = "no such jail"};
    cb_launch_exited exited = {.status = 3};

    s_open (&self);
    cb_launch_head head = s_start (&self, &one);
    cb_launch_head other = {.type = CB_LAUNCH_FAILED, .serial = 3, .jail = head.jail};
    s_say (&self, &other, &failed, sizeof failed);
    head.type = CB_LAUNCH_EXITED;
    head.serial = 0;
    s_say (&self, &head, &exited, sizeof exited);
    ok (s_run (&self) == 0 && self.exited == 1 && self.failed == 0,
        "an end is told; a signal that failed before it is not a failed start");
    s_close (&self);
}

static void
s_test_left_over (void)
{
    world self;
    cb_launch_head head = {.type = 0};
    cb_launch_exited exited = {.status = 3};

    s_open (&self);
    cb_launch_head stranger = {.type = CB_LAUNCH_EXITED, .jail = 4711};
    s_say (&self, &stranger, &exited, sizeof exited);
    (void)shutdown (self.warden, SHUT_WR);
    ok (s_run (&self) == 0 && self.warden_gone == 1 && self.exited == 0,
        "the end of a strange jail is nothing, the end of the line is told");
    ok (s_take (&self, &head) == CB_LAUNCH_LIST, "LIST had gone out");
    s_close (&self);
}

/* The warden does not read: signals are refused, a kill is kept and goes out when there is room. */
static void
s_test_full (void)
{
    world self;
    jail one;
    int result = 0;
    int kills = 0;
    uint32_t type = 1;

    s_open (&self);
    cb_launch_head head = s_start (&self, &one);
    while (result == 0)
        result = cb_launcher_signal (self.launcher, &one.watch, SIGINT, NULL);
    ok (result == -CB_E_BUSY, "the line is full");
    cb_launcher_kill (self.launcher, &one.watch);
    cb_launcher_kill (self.launcher, &one.watch);
    ok (one.watch.kill_owed == 1, "a kill is owed");
    while (type != 0)
        type = s_take (&self, &head);
    /* Turns, as long as it is owed: there is nothing else that would end a run. */
    for (int turn = 0; turn < 1000 && one.watch.kill_owed; turn++)
        if (cb_loop_turn (self.loop, 60 * CB_USEC_PER_MSEC, NULL) < 0)
            abort ();
    while ((type = s_take (&self, &head)) != 0)
        kills += type == CB_LAUNCH_KILL;
    ok (kills == 1 && one.watch.kill_owed == 0, "and paid once");
    s_close (&self);
}

int
main (void)
{
    s_test_life ();
    s_test_failed ();
    s_test_exited ();
    s_test_left_over ();
    s_test_full ();
    return tap_done ();
}
