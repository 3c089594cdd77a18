/* warden.c - the warden's loop: signals, children, and the requests of the broker by a table.
 *
 * It never waits for anybody. It answers only what the table knows, from the line it may come from,
 * and nothing a peer sends makes it end but SHUTDOWN. When it ends it ends the broker first (so
 * that clients hear it), then the jails. */
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/table.h"
#include "warden/janitor.h"
#include "warden/proc.h"
#include "warden/report.h"
#include "warden/strays.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVING_WAIT (20 * CB_USEC_PER_SEC) /* from the broker's start to CB_LAUNCH_SERVING */
#define BROKER_AGAIN (CB_USEC_PER_SEC)      /* from SIGTERM to another one at the end */
#define BROKER_WAIT  (5 * CB_USEC_PER_SEC)  /* from that to SIGKILL */
#define LINE_WAIT    CB_USEC_PER_SEC        /* from the end of its line to SIGKILL */
#define JAILS_WAIT   (10 * CB_USEC_PER_SEC) /* for the last jails at the end */
#define LIST_STEP    (5 * CB_USEC_PER_MSEC)
#define LIST_QUEUED  8 /* JAIL packets waiting: each holds 14 descriptors */
#define CHILDREN_MAX 4096

/* -- the end --------------------------------------------------------------------------------- */

static void
s_end_jails (cb_warden *self)
{
    self->state = CB_WARDEN_JAILS_END;
    cb_jails_kill_all (&self->jails);
    cb_reactor_set (&self->reactor, &self->timer, cb_now () + JAILS_WAIT);
}

void
cb_warden_end (cb_warden *self, int exit_code, const char *why)
{
    if (self->state >= CB_WARDEN_BROKER_ENDS)
        return;
    cb_log_info ("ending", CB_STR ("why", why));
    cb_report_send (&self->report_fd, why);
    cb_place_mark (self->place, getpid (), "ending");
    self->exit_code = exit_code;
    self->state = CB_WARDEN_BROKER_ENDS;
    cb_reactor_set (&self->reactor, &self->timer, cb_now () + BROKER_AGAIN);
    if (self->broker.pid > 0)
        cb_broker_signal (&self->broker, SIGTERM);
    else
        s_end_jails (self);
}

static void
s_on_timer (void *context)
{
    cb_warden *self = context;

    switch (self->state) {
    case CB_WARDEN_STARTING:
        cb_broker_signal (&self->broker, SIGKILL);
        cb_warden_end (self, 1,
                       self->why[0] != '\0' ? self->why
                                            : "the broker did not get ready in time: see the log");
        return;
    case CB_WARDEN_SERVING:
        cb_broker_signal (&self->broker, SIGKILL);
        return;
    case CB_WARDEN_BROKER_ENDS:
        if (!self->asked_again) { /* ours is lost where another's was there and is not obeyed */
            self->asked_again = 1;
            cb_broker_signal (&self->broker, SIGTERM);
            cb_reactor_set (&self->reactor, &self->timer, cb_now () + BROKER_WAIT);
            return;
        }
        cb_log_warn ("the broker does not end: killed");
        cb_broker_signal (&self->broker, SIGKILL);
        s_end_jails (self);
        return;
    case CB_WARDEN_JAILS_END:
        self->given_up = 1;
        return;
    }
}

static int
s_is_over (const cb_warden *self)
{
    return self->given_up ||
           (self->state == CB_WARDEN_JAILS_END && self->broker.pid == 0 && self->jails.n == 0);
}

/* -- lines ----------------------------------------------------------------------------------- */

/* A broker without its line is of no use; mostly it is just ending. */
static void
s_on_broker_line_end (void *context)
{
    cb_warden *self = context;

    if (self->state < CB_WARDEN_BROKER_ENDS)
        cb_reactor_set (&self->reactor, &self->timer, cb_now () + LINE_WAIT);
}

static void
s_on_filer_line_end (void *context)
{
    (void)context; /* the broker starts another filer, or ends */
}

/* -- children -------------------------------------------------------------------------------- */

static void
s_on_broker_end (cb_warden *self, int status)
{
    cb_err err = CB_ERR_INIT;

    cb_log_warn ("broker ended", CB_INT ("signal", WIFSIGNALED (status) ? WTERMSIG (status) : 0),
                 CB_INT ("status", WIFEXITED (status) ? WEXITSTATUS (status) : 0));
    self->listing = 0;
    cb_reactor_cancel (&self->reactor, &self->list_timer);
    switch (self->state) {
    case CB_WARDEN_STARTING:
        if (self->why[0] == '\0')
            (void)snprintf (self->why, sizeof self->why,
                            "the broker ended before it was ready: see %.900s",
                            self->place->log_path);
        cb_warden_end (self, 1, self->why);
        return;
    case CB_WARDEN_SERVING:
        cb_reactor_cancel (&self->reactor, &self->timer);
        if (cb_broker_start (&self->broker, &err) < 0) {
            cb_log_error ("broker not started again", CB_STR ("why", err.text));
            cb_warden_end (self, 1, err.text);
        }
        return;
    case CB_WARDEN_BROKER_ENDS:
        s_end_jails (self);
        return;
    case CB_WARDEN_JAILS_END:
        return;
    }
}

/* What it wrote last is still in its line. */
static void
s_drain_broker (cb_warden *self)
{
    cb_watch *watch = &self->broker.line.watch;

    if (self->broker.line.fd >= 0 && self->state == CB_WARDEN_STARTING)
        watch->on_ready (watch->context, POLLIN);
}

/* Orphans of our children become ours: nothing of the house is meant to live that way. */
static void
s_kill_orphans (cb_warden *self)
{
    static pid_t pids[CHILDREN_MAX];
    size_t n = cb_proc_children (pids, CHILDREN_MAX);

    for (size_t i = 0; i < n; i++)
        if (pids[i] != self->broker.pid && pids[i] != self->reloader &&
            !cb_jails_has_child (&self->jails, pids[i]))
            (void)kill (pids[i], SIGKILL);
}

static void
s_reap (cb_warden *self)
{
    for (;;) {
        siginfo_t info = {0};
        int status = 0;
        if (waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            break;
        int is_broker = info.si_pid == self->broker.pid;
        if (is_broker) {
            s_drain_broker (self);
            cb_broker_ended (&self->broker);
        }
        if (waitpid (info.si_pid, &status, 0) != info.si_pid)
            continue;
        if (info.si_pid == self->reloader)
            self->reloader = 0;
        else if (is_broker)
            s_on_broker_end (self, status);
        else
            (void)cb_jails_on_child (&self->jails, info.si_pid, status);
    }
    s_kill_orphans (self);
}

static void
s_on_signals (void *context, short events)
{
    cb_warden *self = context;
    struct signalfd_siginfo info;

    (void)events;
    while (read (self->signals, &info, sizeof info) == (ssize_t)sizeof info)
        switch ((int)info.ssi_signo) {
        case SIGHUP:
            cb_broker_signal (&self->broker, SIGHUP);
            break;
        case SIGTERM:
        case SIGINT:
            cb_warden_end (self, 0, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
            break;
        default:
            break;
        }
    s_reap (self);
}

/* -- the whole ------------------------------------------------------------------------------- */

static int
s_open_signals (cb_warden *self, cb_err *err)
{
    sigset_t set;

    (void)sigemptyset (&set);
    (void)sigaddset (&set, SIGTERM);
    (void)sigaddset (&set, SIGINT);
    (void)sigaddset (&set, SIGHUP);
    (void)sigaddset (&set, SIGCHLD);
    self->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signals < 0 || prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return cb_fail_errno (err, CB_E_IO, "signalfd");
    /* A janitor that somebody killed: end in order, and clean up ourselves. */
    (void)prctl (PR_SET_PDEATHSIG, SIGTERM);
    if (getppid () != self->janitor)
        return cb_fail (err, CB_E_GONE, "the janitor is gone");
    self->signal_watch = (cb_watch){
        .fd = self->signals, .events = POLLIN, .on_ready = s_on_signals, .context = self};
    cb_reactor_add (&self->reactor, &self->signal_watch);
    return 0;
}

static void
s_init (cb_warden *self, const cb_warden_config *config)
{
    cb_idmap map;
    uint64_t descriptors = cb_raise_nofile ();

    self->place = config->place;
    self->cgroups = config->cgroups;
    self->report_fd = config->report_fd;
    self->janitor = config->janitor;
    cb_reactor_init (&self->reactor);
    self->broker.config = config->broker;
    self->broker.line = (cb_line){.reactor = &self->reactor,
                                  .name = "broker",
                                  .on_packet = cb_warden_on_broker_packet,
                                  .on_end = s_on_broker_line_end,
                                  .context = self,
                                  .fd = -1};
    self->broker.filer = self->broker.line;
    self->broker.filer.name = "filer";
    self->broker.filer.on_packet = cb_warden_on_filer_packet;
    self->broker.filer.on_end = s_on_filer_line_end;
    self->jails.reactor = &self->reactor;
    self->jails.line = &self->broker.line;
    self->jails.place = config->place;
    self->jails.cgroups = config->cgroups;
    self->jails.nofile = config->nofile;
    self->jails.ceiling = (cb_ceiling){.memory = cb_ceiling_memory (),
                                       .runtime_dir = config->place->runtime_real,
                                       .state_dir = config->place->state_real};
    if (config->place->as_root) {
        cb_idmap_read (&map);
        cb_uids_init (&self->jails.uids, &map, config->place->broker_uid);
        cb_uids_exclude_files (&self->jails.uids);
    }
    cb_jails_init (&self->jails, descriptors);
    self->timer = (cb_timer){.on_time = s_on_timer, .context = self};
    self->list_timer = (cb_timer){.on_time = cb_warden_on_list_timer, .context = self};
}

/* What a warden and a janitor that were killed together left. */
static void
s_kill_strays (void)
{
    size_t n = cb_strays_kill ();

    if (n > 0)
        cb_log_warn ("jails without a warden killed", CB_INT ("jails", (int64_t)n));
}

static void
s_make_groups (cb_warden *self)
{
    const pid_t keepers[] = {getpid (), self->janitor};

    cb_cgroups_clean_stale (self->cgroups);
    cb_cgroups_make (self->cgroups, getpid (), keepers, CB_COUNT (keepers));
    if (self->cgroups->kind == CB_CGROUP_NONE)
        cb_log_warn ("no cgroups: memory of a jail as a whole is not limited",
                     CB_STR ("why", self->cgroups->why_none));
}

int
cb_warden_serve (const cb_warden_config *config)
{
    static cb_warden warden;
    cb_warden *self = &warden;
    cb_err err = CB_ERR_INIT;

    s_init (self, config);
    cb_place_mark (self->place, getpid (), "starting");
    if (s_open_signals (self, &err) < 0) {
        cb_report_send (&self->report_fd, err.text);
        return 1;
    }
    s_kill_strays ();
    s_make_groups (self);
    cb_reactor_set (&self->reactor, &self->timer, cb_now () + SERVING_WAIT);
    if (cb_broker_start (&self->broker, &err) < 0) {
        cb_log_error ("broker not started", CB_STR ("why", err.text));
        cb_warden_end (self, 1, err.text);
    }
    while (!s_is_over (self))
        if (cb_reactor_turn (&self->reactor, &err) < 0) {
            cb_log_error ("loop failed", CB_STR ("why", err.text));
            break;
        }
    cb_log_info ("ended", CB_INT ("code", self->exit_code));
    if (getppid () != self->janitor)
        cb_janitor_clean (self->place, self->cgroups, getpid ());
    return self->exit_code;
}
