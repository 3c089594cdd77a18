/* jail.c - one jail's life: STARTING, RUNNING, ENDING, gone.
 *
 * Our child is cellblock-jail and then bwrap; the kernel process and the jail's pid 1 are known by
 * pidfd from STAGE_INIT on. A jail is gone, and EXITED is sent, when our child is reaped, its pid
 * namespace is empty and its cgroup is removed. Killing never waits: SIGKILL to the pid 1 takes the
 * whole namespace with it, a timer looks again. */
#include "warden/jail.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "warden/proc.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define CLEAN_FIRST   (2 * CB_USEC_PER_MSEC)
#define CLEAN_MORE    (50 * CB_USEC_PER_MSEC)
#define CLEAN_GIVE_UP (20 * CB_USEC_PER_SEC)

static const char *const s_stage_names[] = {[CB_STAGE_SPAWN] = NULL,
                                            [CB_STAGE_MOUNTS] = "its mounts",
                                            [CB_STAGE_INIT] = "its namespaces and limits"};

/* Moves that there are. */
static const uint8_t s_moves[CB_JAIL__COUNT][CB_JAIL__COUNT] = {
    [CB_JAIL_STARTING] = {[CB_JAIL_RUNNING] = 1, [CB_JAIL_ENDING] = 1},
    [CB_JAIL_RUNNING] = {[CB_JAIL_ENDING] = 1},
};

static void
s_become (cb_jail *self, cb_jail_state next)
{
    assert (s_moves[self->state][next]);
    self->state = next;
    if (next == CB_JAIL_ENDING)
        self->ending_since = cb_now ();
}

static void
s_send_event (cb_jail *self, uint32_t type, const void *body, size_t size)
{
    cb_launch_out out = {.head = {.type = type, .jail = self->id}, .body = body, .body_size = size};

    cb_line_send (self->owner->line, &out);
}

/* -- the end --------------------------------------------------------------------------------- */

/* How the kernel process ended: by its pidfd where Linux tells (6.15), else by bwrap, whose exit
 * status is the kernel's or 128 and its signal. */
static void
s_fill_ending (const cb_jail *self, cb_launch_exited *exited)
{
    int status = self->wait_status;
    int direct = self->fds.kernel >= 0 && cb_pidfd_exit_status (self->fds.kernel, &status) == 0;

    if (WIFSIGNALED (status)) {
        exited->signal = WTERMSIG (status);
        return;
    }
    exited->status = WEXITSTATUS (status);
    if (!direct && exited->status > 128 && exited->status < 128 + NSIG) {
        exited->signal = exited->status - 128;
        exited->status = 0;
    }
}

static void
s_answer_failed (cb_jail *self)
{
    cb_err err = {.code = self->why_code};

    if (self->answered)
        return;
    self->answered = 1;
    (void)snprintf (err.text, sizeof err.text, "%s", self->why);
    cb_line_fail (self->owner->line, &self->start, &err);
    cb_log_warn ("jail not started", CB_STR ("session", self->name), CB_INT ("jail", self->id),
                 CB_STR ("why", self->why));
}

/* Everything is gone: tells it and forgets the jail. */
static void
s_finish (cb_jail *self)
{
    cb_launch_exited exited = {.was_started = self->started.kernel_pid != 0,
                               .killed = (uint32_t)self->killed};

    s_answer_failed (self);
    s_fill_ending (self, &exited);
    exited.oom_kills = self->usage.oom_kills;
    exited.pids_hits = self->usage.pids_hits;
    exited.peak_memory = self->usage.peak_memory;
    exited.cpu_usec = self->usage.cpu_usec;
    if (exited.was_started)
        cb_tail_text (&self->tail, exited.text, sizeof exited.text);
    else
        (void)snprintf (exited.text, sizeof exited.text, "%s", self->why);
    cb_log_info ("jail ended", CB_STR ("session", self->name), CB_INT ("jail", self->id),
                 CB_INT ("signal", exited.signal), CB_INT ("status", exited.status),
                 CB_INT ("oom_kills", exited.oom_kills), CB_INT ("killed", exited.killed));
    cb_jails_keep_remains (self);
    s_send_event (self, CB_LAUNCH_EXITED, &exited, sizeof exited);
    cb_jail_free (self);
}

void
cb_jail_usage (const cb_jail *self, cb_cgroup_usage *ret_usage)
{
    const cb_watchdog *seen = &self->watchdog;

    cb_cgroup_usage_read (&self->cgroup, ret_usage);
    if (!cb_cgroup_holds_memory (&self->cgroup)) {
        ret_usage->oom_kills = (uint64_t)seen->over;
        ret_usage->memory = seen->memory;
        ret_usage->peak_memory = seen->peak_memory;
    }
    if (!cb_cgroup_holds_processes (&self->cgroup))
        ret_usage->pids_hits = seen->process_hits;
}

static void
s_kill_now (cb_jail *self)
{
    if (self->fds.init >= 0)
        (void)cb_pidfd_kill (self->fds.init, SIGKILL);
    else if (!self->reaped)
        (void)kill (self->pid, SIGKILL);
    cb_cgroup_kill (&self->cgroup);
}

/* Whether nothing of it is left; the cgroup is the last to know, and is removed. */
static int
s_is_gone (cb_jail *self)
{
    if (!self->reaped || (self->fds.init >= 0 && !cb_pidfd_ended (self->fds.init)) ||
        !cb_cgroup_is_empty (&self->cgroup))
        return 0;
    if (self->cgroup.made || self->watchdog.in.reactor != NULL)
        cb_jail_usage (self, &self->usage);
    return cb_cgroup_remove (&self->cgroup, NULL) == 0;
}

static void
s_clean (cb_jail *self)
{
    cb_usec since = cb_now () - self->ending_since;

    if (s_is_gone (self)) {
        s_finish (self);
        return;
    }
    /* bwrap's outer process has no reason to stay once its pid 1 is gone. */
    if (since > CLEAN_MORE && !self->reaped)
        (void)kill (self->pid, SIGKILL);
    if (since > CLEAN_GIVE_UP && self->reaped) {
        cb_log_error ("a jail does not end", CB_STR ("session", self->name));
        s_finish (self);
        return;
    }
    s_kill_now (self);
    cb_reactor_set (self->owner->reactor, &self->timer,
                    cb_now () + (since < CLEAN_MORE ? CLEAN_FIRST : CLEAN_MORE));
}

static void
s_end (cb_jail *self)
{
    if (self->state != CB_JAIL_ENDING)
        s_become (self, CB_JAIL_ENDING);
    cb_watchdog_stop (&self->watchdog);
    s_kill_now (self);
    cb_reactor_set (self->owner->reactor, &self->timer, cb_now () + CLEAN_FIRST);
}

/* The first reason counts. where NULL: the text says it all. */
static void
s_fail (cb_jail *self, int code, const char *where, const char *text)
{
    if (self->why[0] == '\0') {
        self->why_code = code;
        if (where == NULL)
            (void)snprintf (self->why, sizeof self->why, "%s", text);
        else
            (void)snprintf (self->why, sizeof self->why, "the jail failed in %s: %.900s", where,
                            text);
    }
    if (code == CB_E_EXISTS)
        self->uid_is_good = 0;
    s_answer_failed (self);
    s_end (self);
}

/* -- the stages ------------------------------------------------------------------------------ */

static void
s_on_timer (void *context)
{
    cb_jail *self = context;
    cb_err err = CB_ERR_INIT;

    switch (self->state) {
    case CB_JAIL_STARTING:
        s_fail (self, CB_E_TIMEOUT,
                s_stage_names[self->stage < CB_STAGE_INIT ? self->stage + 1 : self->stage],
                "it did not get ready in time");
        return;
    case CB_JAIL_RUNNING:
        if (cb_cgroup_set_cpu (&self->cgroup, self->cpu_percent, &err) < 0)
            cb_log_warn ("no cpu limit", CB_STR ("session", self->name), CB_STR ("why", err.text));
        return;
    case CB_JAIL_ENDING:
        s_clean (self);
        return;
    case CB_JAIL__COUNT:
        break;
    }
    assert (0);
}

/* A layer that was asked for and is not there is a fault; "auto" is content. */
static int
s_check_layers (const cb_jail *self, uint32_t layers, cb_err *err)
{
    const cb_cgroups *groups = self->owner->cgroups;
    const char *why[CB_LAYER__COUNT] = {
        [CB_LAYER_CGROUP] = groups->why_none,
        [CB_LAYER_UID] = "only a daemon that root starts gives a jail a user of its own",
    };

    for (unsigned layer = 0; layer < CB_LAYER__COUNT; layer++)
        if (self->layer_modes[layer] == CB_LAYER_ON && (layers & 1U << layer) == 0)
            return cb_fail (err, CB_E_UNSUPPORTED,
                            "the profile demands the layer %s, which this machine cannot "
                            "give%s%.700s",
                            cb_layer_name (layer), why[layer] != NULL ? ": " : "",
                            why[layer] != NULL ? why[layer] : "");
    if (self->layer_modes[CB_LAYER_CGROUP] != CB_LAYER_ON)
        return 0;
    const char *lacks = cb_cgroup_lacks (&self->cgroup, self->memory, self->cpu_percent);
    if (lacks == NULL)
        return 0;
    return cb_fail (err, CB_E_UNSUPPORTED,
                    "the profile demands the layer cgroup, and the control groups (%s) that this "
                    "daemon may write have no controller '%s'",
                    cb_cgroups_name (groups), lacks);
}

enum { S_HELD, S_ENDED }; /* outcomes of s_hold_kernel */

static int
s_hold_kernel (cb_jail *self, pid_t kernel, cb_err *err)
{
    pid_t init = cb_proc_ns_init_between (kernel, self->pid);

    if (init > 0) {
        self->fds.kernel = cb_pidfd_open (kernel);
        self->fds.init = cb_pidfd_open (init);
        /* Asked again: the numbers meant the same processes when they were opened. */
        if (self->fds.kernel >= 0 && self->fds.init >= 0 &&
            cb_proc_ns_init_between (kernel, self->pid) == init)
            return S_HELD;
    }
    /* On a busy machine it may have run and ended before we read its word. */
    if (cb_proc_parent (kernel) < 0)
        return S_ENDED;
    return cb_fail (err, CB_E_PROTO, "process %d is none of this jail's", (int)kernel);
}

/* The facts are extras: whatever cannot be opened here is missing and nothing more. */
static void
s_hold_facts (cb_jail *self, pid_t kernel)
{
    char path[64];
    int *facts = self->fds.facts;

    (void)snprintf (path, sizeof path, "/proc/%d/fd", (int)kernel);
    facts[CB_FACT_FILES] = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    facts[CB_FACT_PROCESSES] = cb_cgroup_process_events (&self->cgroup);
    if (!cb_cgroup_holds_memory (&self->cgroup) || facts[CB_FACT_PROCESSES] < 0)
        facts[CB_FACT_PROC] = cb_scan_open (kernel);
}

static void
s_on_over (void *context)
{
    cb_jail *self = context;

    cb_log_info ("jail over its memory limit", CB_STR ("session", self->name),
                 CB_INT ("jail", self->id), CB_INT ("bytes", self->watchdog.memory));
    s_end (self);
}

static void
s_watch_memory (cb_jail *self)
{
    cb_watchdog_in in = {.reactor = self->owner->reactor,
                         .cgroup = &self->cgroup,
                         .memory = self->memory,
                         .processes = self->processes,
                         .proc = self->fds.facts[CB_FACT_PROC],
                         .quota = self->fds.quota,
                         .on_over = s_on_over,
                         .context = self};

    cb_watchdog_start (&self->watchdog, &in);
}

static void
s_tell_started (cb_jail *self)
{
    int fds[2 + CB_FACT__COUNT] = {self->fds.quota, self->fds.kernel};
    size_t n_facts = cb_fdstore_facts (&self->fds, fds + 2, &self->started.facts);
    cb_launch_out out = {
        .head = {.type = CB_LAUNCH_STARTED, .serial = self->start.serial, .jail = self->id},
        .body = &self->started,
        .body_size = sizeof self->started,
        .fds = fds,
        .n_fds = 2 + n_facts};

    self->answered = 1;
    cb_line_send (self->owner->line, &out);
    cb_log_info ("jail started", CB_STR ("session", self->name), CB_INT ("jail", self->id),
                 CB_INT ("pid", self->started.kernel_pid), CB_INT ("uid", self->uid),
                 CB_STR ("cgroup", self->started.cgroup));
}

static int
s_on_init (cb_jail *self, const cb_launch_stage *stage, pid_t sender, cb_err *err)
{
    uint32_t own = 1U << CB_LAYER_CGROUP | 1U << CB_LAYER_UID;
    uint32_t layers = (stage->layers & ~own) | (self->cgroup.made ? 1U << CB_LAYER_CGROUP : 0) |
                      (self->has_uid ? 1U << CB_LAYER_UID : 0);

    if (self->fds.quota < 0)
        return cb_fail (err, CB_E_PROTO, "no tmpfs came before");
    CB_TRY (s_check_layers (self, layers, err));
    int outcome = s_hold_kernel (self, sender, err);
    if (outcome != S_HELD)
        return outcome < 0 ? outcome : 0; /* our child's end comes, and tells the cause */
    self->started = (cb_launch_started){.kernel_pid = sender,
                                        .uid = self->uid,
                                        .layers = layers,
                                        .landlock_abi = stage->landlock_abi};
    (void)snprintf (self->started.cgroup, sizeof self->started.cgroup, "%s",
                    self->cgroup.made ? cb_cgroups_name (self->owner->cgroups) : "none");
    s_become (self, CB_JAIL_RUNNING);
    s_hold_facts (self, sender);
    s_tell_started (self);
    s_watch_memory (self);
    cb_reactor_set (self->owner->reactor, &self->timer, cb_now () + CB_JAIL_CPU_AFTER);
    return 0;
}

static int
s_on_stage (cb_jail *self, const cb_launch_in *in, cb_packet *packet, cb_err *err)
{
    cb_launch_stage stage;

    if (in->head.type != CB_LAUNCH_STAGE || in->body_size != sizeof stage)
        return cb_fail (err, CB_E_PROTO, "a stage sent a packet \"%s\"",
                        cb_launch_type_name (in->head.type));
    memcpy (&stage, in->body, sizeof stage);
    if (stage.stage > CB_STAGE_INIT ||
        (stage.stage != CB_STAGE_INIT && packet->sender.pid != self->pid))
        return cb_fail (err, CB_E_PROTO, "stage %u reported by process %d", stage.stage,
                        (int)packet->sender.pid);
    if (stage.code != 0) {
        self->stage = stage.stage;
        return cb_fail (err, stage.code > 0 && stage.code < CB_E__COUNT ? stage.code : CB_E_IO,
                        "%s", stage.text);
    }
    if (stage.stage == CB_STAGE_INIT)
        CB_TRY (s_on_init (self, &stage, packet->sender.pid, err));
    else if (stage.stage == CB_STAGE_MOUNTS && packet->n_fds == 1)
        CB_TRY (cb_fdstore_take_quota (&self->fds, &packet->fds[0], err));
    else
        return cb_fail (err, CB_E_PROTO, "stage %u came without its tmpfs", stage.stage);
    self->stage = stage.stage;
    return 0;
}

static void
s_close_status (cb_jail *self)
{
    cb_reactor_remove (self->owner->reactor, &self->status_watch);
    cb_close (&self->status);
}

static void
s_read_status (cb_jail *self)
{
    static _Alignas(uint64_t) char bytes[CB_LAUNCH_BYTES_MAX];

    while (self->status >= 0 && self->state == CB_JAIL_STARTING) {
        cb_err err = CB_ERR_INIT;
        cb_launch_in in;
        int outcome = cb_launch_recv (self->status, bytes, sizeof bytes, &in, &err);
        if (outcome == CB_PACKET_AGAIN)
            return;
        if (outcome == CB_PACKET_CLOSED)
            break;
        if (outcome == CB_PACKET_OK) {
            cb_packet packet = in.packet;
            outcome = s_on_stage (self, &in, &packet, &err);
            cb_packet_done (&packet);
        }
        if (outcome < 0)
            s_fail (self, err.code, s_stage_names[self->stage], err.text);
    }
    /* Read to its end, or no more wanted: the stages have closed theirs before Python runs. */
    s_close_status (self);
}

static void
s_on_status (void *context, short events)
{
    (void)events;
    s_read_status (context);
}

/* Died before it was ready, without a word of its own: its standard error has one. */
static void
s_explain (cb_jail *self)
{
    char tail[CB_ERR_TEXT_MAX];
    char text[CB_ERR_TEXT_MAX + 64];

    cb_tail_text (&self->tail, tail, sizeof tail);
    (void)snprintf (text, sizeof text, "%s with %s %d%s%s", "it ended",
                    WIFSIGNALED (self->wait_status) ? "signal" : "status",
                    WIFSIGNALED (self->wait_status) ? WTERMSIG (self->wait_status)
                                                    : WEXITSTATUS (self->wait_status),
                    tail[0] != '\0' ? ": " : "", tail);
    s_fail (self, CB_E_GONE,
            s_stage_names[self->stage < CB_STAGE_INIT ? self->stage + 1 : self->stage], text);
}

void
cb_jail_watch (cb_jail *self)
{
    cb_reactor *reactor = self->owner->reactor;

    self->timer = (cb_timer){.on_time = s_on_timer, .context = self};
    self->status_watch =
        (cb_watch){.fd = self->status, .events = POLLIN, .on_ready = s_on_status, .context = self};
    cb_reactor_add (reactor, &self->status_watch);
    cb_reactor_set (reactor, &self->timer, cb_now () + self->start_wait);
}

void
cb_jail_kill (cb_jail *self)
{
    self->killed = 1;
    if (self->why[0] == '\0' && !self->answered) {
        self->why_code = CB_E_GONE;
        (void)snprintf (self->why, sizeof self->why, "the jail was killed before it was ready");
    }
    s_answer_failed (self);
    s_end (self);
}

void
cb_jail_on_end (cb_jail *self, int status)
{
    self->reaped = 1;
    self->wait_status = status;
    if (self->status >= 0)
        s_read_status (self);
    cb_tail_drain (&self->tail);
    if (self->state == CB_JAIL_STARTING)
        s_explain (self);
    if (self->state != CB_JAIL_ENDING)
        s_become (self, CB_JAIL_ENDING);
    s_clean (self);
}
