/* requests.c - what the broker and its filer may ask, by a table.
 *
 * Suppose the broker is taken over: it gets what the table has and the ceiling allows, from the
 * line it may come from, and a sentence for everything else. Nothing it sends makes the warden end
 * but SHUTDOWN. */
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/table.h"
#include "warden/proc.h"
#include "warden/report.h"
#include "warden/spawn.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LIST_STEP   (5 * CB_USEC_PER_MSEC)
#define LIST_QUEUED 8  /* JAIL packets waiting: each holds 14 descriptors and more */
#define LOGGED_MAX  20 /* refused types that are logged */

static cb_jail *
s_jail (cb_warden *self, const cb_launch_head *head)
{
    cb_err err = CB_ERR_INIT;
    cb_jail *jail = cb_jails_find (&self->jails, head->jail);

    if (jail == NULL) {
        (void)cb_fail (&err, CB_E_NOTFOUND, "there is no jail %llu",
                       (unsigned long long)head->jail);
        cb_line_fail (&self->broker.line, head, &err);
    }
    return jail;
}

static void
s_on_start (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    cb_err err = CB_ERR_INIT;
    int result = self->state >= CB_WARDEN_BROKER_ENDS
                     ? cb_fail (&err, CB_E_BUSY, "cellblockd is ending")
                     : cb_jails_start (&self->jails, in, packet, &err);

    if (result == 0)
        return;
    cb_log_warn ("start refused", CB_INT ("jail", in->head.jail), CB_STR ("why", err.text));
    cb_line_fail (&self->broker.line, &in->head, &err);
}

static void
s_on_signal (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    cb_err err = CB_ERR_INIT;
    cb_launch_signal wanted;
    const cb_jail *jail = s_jail (self, &in->head);

    (void)packet;
    if (jail == NULL)
        return;
    memcpy (&wanted, in->body, sizeof wanted);
    if (wanted.signal != SIGINT && wanted.signal != SIGTERM) {
        (void)cb_fail (&err, CB_E_DENIED, "signal %d is not sent for anybody", wanted.signal);
    } else if (jail->fds.kernel < 0 || cb_pidfd_kill (jail->fds.kernel, wanted.signal) < 0) {
        (void)cb_fail (&err, CB_E_GONE, "the kernel of jail %llu does not run",
                       (unsigned long long)jail->id);
    } else {
        cb_line_answer (&self->broker.line, &in->head, CB_LAUNCH_DONE, NULL, 0);
        return;
    }
    cb_line_fail (&self->broker.line, &in->head, &err);
}

static void
s_on_kill (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    cb_jail *jail = s_jail (self, &in->head);

    (void)packet;
    if (jail == NULL)
        return;
    cb_line_answer (&self->broker.line, &in->head, CB_LAUNCH_DONE, NULL, 0);
    cb_jail_kill (jail);
}

static void
s_send_jail (cb_warden *self, const cb_jail *jail)
{
    int fds[CB_FDSTORE_LIST];

    size_t n_fds = cb_fdstore_list (&jail->fds, fds);
    cb_launch_out out = {
        .head = {.type = CB_LAUNCH_JAIL, .serial = self->list.serial, .jail = jail->id},
        .body = &jail->started,
        .body_size = sizeof jail->started,
        .tail = jail->spec.data,
        .tail_size = jail->spec.size,
        .fds = fds,
        .n_fds = n_fds};
    cb_line_send (&self->broker.line, &out);
}

/* The jail that starts or runs with the lowest number above those that were sent. */
static const cb_jail *
s_next_listed (const cb_warden *self)
{
    const cb_jail *next = NULL;

    for (const cb_jail *jail = self->jails.first; jail != NULL; jail = jail->next)
        if (jail->state != CB_JAIL_ENDING && jail->id > self->list_after &&
            (next == NULL || jail->id < next->id))
            next = jail;
    return next;
}

/* A few at a time: each packet in the queue holds descriptors. */
void
cb_warden_on_list_timer (void *context)
{
    cb_warden *self = context;

    while (self->broker.line.n_queued < LIST_QUEUED) {
        const cb_jail *jail = s_next_listed (self);
        if (jail == NULL) {
            self->listing = 0;
            cb_line_answer (&self->broker.line, &self->list, CB_LAUNCH_LISTED, NULL, 0);
            return;
        }
        self->list_after = jail->id;
        s_send_jail (self, jail);
    }
    cb_reactor_set (&self->reactor, &self->list_timer, cb_now () + LIST_STEP);
}

static void
s_on_list (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    cb_err err = CB_ERR_INIT;

    (void)packet;
    if (self->listing) {
        (void)cb_fail (&err, CB_E_BUSY, "a list is being sent");
        cb_line_fail (&self->broker.line, &in->head, &err);
        return;
    }
    self->listing = 1;
    self->list = in->head;
    self->list_after = 0;
    cb_warden_on_list_timer (self);
}

/* The first broker says it before it has read a byte of any client or kernel: what its
 * configuration switches off is the person's word. Whatever a broker says of it later is not. */
static void
s_take_ceiling (cb_warden *self, const cb_launch_in *in)
{
    cb_launch_serving serving;

    memcpy (&serving, in->body, sizeof serving);
    self->jails.ceiling.off = serving.off;
    for (unsigned layer = 0; layer < CB_LAYER__COUNT; layer++)
        if ((serving.off & 1U << layer) != 0)
            cb_log_warn ("a profile switches a layer off", CB_STR ("layer", cb_layer_name (layer)));
}

static void
s_on_serving (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    (void)packet;
    if (self->state != CB_WARDEN_STARTING)
        return;
    s_take_ceiling (self, in);
    self->state = CB_WARDEN_SERVING;
    cb_reactor_cancel (&self->reactor, &self->timer);
    cb_place_mark (self->place, getpid (), "serving");
    cb_report_send (&self->report_fd, NULL);
    cb_log_info ("ready", CB_STR ("runtime", self->place->runtime_path),
                 CB_STR ("cgroup", cb_cgroups_name (self->cgroups)),
                 CB_INT ("jails", self->jails.max));
}

static void
s_on_shutdown (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    (void)in;
    (void)packet;
    cb_warden_end (self, 0, "the broker asked for it");
}

static void
s_on_usage (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    cb_cgroup_usage usage;
    const cb_jail *jail = s_jail (self, &in->head);

    (void)packet;
    if (jail == NULL)
        return;
    cb_jail_usage (jail, &usage);
    cb_launch_used used = {.oom_kills = usage.oom_kills,
                           .pids_hits = usage.pids_hits,
                           .memory = usage.memory,
                           .peak_memory = usage.peak_memory,
                           .cpu_usec = usage.cpu_usec};
    cb_line_answer (&self->broker.line, &in->head, CB_LAUNCH_USED, &used, sizeof used);
}

/* In a child: the files may lie on a file system that takes its time. */
static void
s_reload (cb_warden *self, int socket, pid_t warden)
{
    cb_err err = CB_ERR_INIT;

    cb_spawn_begin (warden, "0");
    if (cb_configs_open (self->broker.config.configs, &err) < 0 ||
        cb_configs_send (self->broker.config.configs, socket, &err) < 0) {
        cb_launch_failed failed = {.code = err.code};
        memcpy (failed.text, err.text, sizeof failed.text);
        cb_launch_out out = {
            .head.type = CB_LAUNCH_FAILED, .body = &failed, .body_size = sizeof failed};
        _exit (cb_launch_send (socket, &out, NULL) < 0);
    }
    _exit (0);
}

static void
s_on_reload (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    cb_err err = CB_ERR_INIT;
    pid_t warden = getpid ();

    /* The one before has answered and is about to end, or it hangs: the newest counts. */
    if (self->reloader != 0)
        (void)kill (self->reloader, SIGKILL);
    pid_t pid = fork ();
    if (pid == 0)
        s_reload (self, packet->fds[0], warden);
    if (pid < 0) {
        (void)cb_fail (&err, CB_E_BUSY, "the configuration cannot be read again now");
        cb_line_fail (&self->broker.line, &in->head, &err);
        return;
    }
    self->reloader = pid;
}

static void
s_on_forget (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    (void)packet;
    cb_jails_forget (&self->jails, in->head.jail);
    cb_line_answer (&self->broker.line, &in->head, CB_LAUNCH_DONE, NULL, 0);
}

static void
s_open (cb_warden *self, cb_line *line, const cb_launch_in *in)
{
    static cb_launch_open wanted;
    cb_launch_opened opened;
    cb_open_in where;
    cb_err err = CB_ERR_INIT;
    cb_auto_close int fd = -1;

    memcpy (&wanted, in->body, sizeof wanted);
    if (cb_jails_find_quota (&self->jails, in->head.jail, &where, &err) == 0)
        fd = cb_open_file (&where, &wanted, &opened, &err);
    if (fd < 0) {
        cb_line_fail (line, &in->head, &err);
        return;
    }
    cb_launch_out out = {
        .head = {.type = CB_LAUNCH_OPENED, .serial = in->head.serial, .jail = in->head.jail},
        .body = &opened,
        .body_size = sizeof opened,
        .fds = &fd,
        .n_fds = 1};
    cb_line_send (line, &out);
}

static void
s_on_open (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    (void)packet;
    s_open (self, &self->broker.line, in);
}

/* The broker's last word before it leaves: it cannot start. */
static void
s_on_failed (cb_warden *self, const cb_launch_in *in, cb_packet *packet)
{
    cb_launch_failed failed;

    (void)packet;
    memcpy (&failed, in->body, sizeof failed);
    if (self->state == CB_WARDEN_STARTING)
        memcpy (self->why, failed.text, sizeof self->why);
}

static const struct row {
    uint32_t type;
    void (*serve) (cb_warden *self, const cb_launch_in *in, cb_packet *packet);
} s_rows[] = {
    {CB_LAUNCH_START, s_on_start},     {CB_LAUNCH_SIGNAL, s_on_signal},
    {CB_LAUNCH_KILL, s_on_kill},       {CB_LAUNCH_LIST, s_on_list},
    {CB_LAUNCH_SERVING, s_on_serving}, {CB_LAUNCH_SHUTDOWN, s_on_shutdown},
    {CB_LAUNCH_USAGE, s_on_usage},     {CB_LAUNCH_FORGET, s_on_forget},
    {CB_LAUNCH_OPEN, s_on_open},       {CB_LAUNCH_FAILED, s_on_failed},
    {CB_LAUNCH_RELOAD, s_on_reload},
};

static void
s_refuse (cb_line *line, const cb_launch_in *in)
{
    cb_err err = CB_ERR_INIT;

    (void)cb_fail (&err, CB_E_DENIED, "a packet \"%s\" is no request here",
                   cb_launch_type_name (in->head.type));
    line->n_refused++;
    if (line->n_refused <= LOGGED_MAX)
        cb_log_warn ("packet refused", CB_STR ("line", line->name), CB_STR ("why", err.text));
    cb_line_fail (line, &in->head, &err);
}

void
cb_warden_on_broker_packet (const cb_launch_in *in, cb_packet *packet, void *context)
{
    cb_warden *self = context;

    for (size_t i = 0; i < CB_COUNT (s_rows); i++)
        if (s_rows[i].type == in->head.type) {
            s_rows[i].serve (self, in, packet);
            return;
        }
    s_refuse (&self->broker.line, in);
}

void
cb_warden_on_filer_packet (const cb_launch_in *in, cb_packet *packet, void *context)
{
    cb_warden *self = context;

    (void)packet;
    if (in->head.type == CB_LAUNCH_OPEN)
        s_open (self, &self->broker.filer, in);
    else
        s_refuse (&self->broker.filer, in);
}
