/* kernel.c - one kernel from its start to its end.
 *
 * Owned by a session. Owns the link, the watch on the jail, the pidfd and one timer that serves all
 * of its deadlines (start, the next probe, a closed channel, an end that is not reported). The
 * kernel counts as ready when reply, busy and idle of a probe of ours were seen: then iopub is
 * known to arrive. An end is told in on_gone after the warden has cleaned up and iopub was read to
 * its end, so no output is lost and the cause is a fact. */
#include "kernel/kernel-int.h"

#include "base/fdio.h"
#include "base/log.h"
#include "base/table.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* A probe whose busy and idle were published before the subscription arrived is sent again. */
#define PROBE_AGAIN (20 * CB_USEC_PER_MSEC)
/* A channel that closes is part of a death whose pidfd tells soon; else the kernel is broken. */
#define CLOSED_LIMIT CB_USEC_PER_SEC
/* The end of iopub is in the socket when the jail is gone; reading up to it takes no longer. */
#define DRAIN_LIMIT (5 * CB_USEC_PER_SEC)
/* The warden tells an end within milliseconds; a fork bomb takes 116 ms. */
#define DYING_LIMIT (20 * CB_USEC_PER_SEC)
/* For what Python does at its end. jupyter_client waits 2.5 s for a kernel that was shut down. */
#define LEAVING_LIMIT (1500 * CB_USEC_PER_MSEC)

/* A kernel's words about itself are about a KiB. */
#define INFO_MAX ((size_t)CB_PAGE_INFO)

#define SEEN_REPLY 1U
#define SEEN_BUSY  2U
#define SEEN_IDLE  4U
#define SEEN_ALL   7U

static void
s_become (cb_kernel *self, cb_kernel_state next)
{
    assert (cb_kernel_may_become (self->state, next));
    self->state = next;
}

static void
s_arm (cb_kernel *self)
{
    cb_source_at (self->timer, self->deadline < self->probe_at ? self->deadline : self->probe_at);
}

static void
s_probe (cb_kernel *self)
{
    cb_err err = CB_ERR_INIT;

    cb_link_hidden_id (self->link, self->probe);
    self->seen = 0;
    self->probe_at = CB_USEC_NEVER;
    cb_link_request request = {
        .channel = CB_CHANNEL_SHELL, .msg_type = "kernel_info_request", .msg_id = self->probe};
    if (cb_link_send (self->link, &request, &err) < 0)
        cb_log_debug ("a probe could not be sent", CB_STR ("session", self->spec->name),
                      CB_STR ("why", err.text));
}

/* ---- the end ---- */

static void
s_gone (cb_kernel *self)
{
    s_become (self, CB_KERNEL_GONE);
    cb_source_at (self->timer, CB_USEC_NEVER);
    self->events->on_gone (self, &self->death, self->context);
}

/* From now on only the end is awaited. */
static void
s_dying (cb_kernel *self)
{
    s_become (self, CB_KERNEL_DYING);
    self->probe_at = CB_USEC_NEVER;
    self->deadline = cb_now () + DYING_LIMIT;
    s_arm (self);
}

static int
s_ending (const cb_kernel *self)
{
    return self->state == CB_KERNEL_DYING || self->state == CB_KERNEL_GONE;
}

void
cb_kernel_kill (cb_kernel *self, const char *why)
{
    if (s_ending (self))
        return;
    self->death.before_ready = self->state < CB_KERNEL_IDLE;
    (void)snprintf (self->why, sizeof self->why, "%s", why);
    s_dying (self);
    cb_launcher_kill (self->launcher, &self->watch);
}

void
cb_kernel_shut_down (cb_kernel *self, const char *why)
{
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_json) json_t *content = json_pack ("{s:b}", "restart", 0);
    cb_link_request request = {
        .channel = CB_CHANNEL_CONTROL, .msg_type = "shutdown_request", .content = content};

    if (self->leaving)
        return;
    if (self->state != CB_KERNEL_IDLE || content == NULL ||
        cb_link_send (self->link, &request, &err) < 0) {
        cb_kernel_kill (self, why);
        return;
    }
    self->leaving = 1;
    (void)snprintf (self->why, sizeof self->why, "%s", why);
    self->deadline = cb_now () + LEAVING_LIMIT;
    s_arm (self);
}

static void
s_on_failed (cb_launch_watch *watch, const cb_launch_failed *failed)
{
    cb_kernel *self = (cb_kernel *)((char *)watch - offsetof (cb_kernel, watch));

    cb_death_of_start (&self->death, failed);
    s_gone (self);
}

static void
s_on_exited (cb_launch_watch *watch, const cb_launch_exited *exited)
{
    cb_kernel *self = (cb_kernel *)((char *)watch - offsetof (cb_kernel, watch));
    int before_ready = s_ending (self) ? self->death.before_ready : self->state < CB_KERNEL_IDLE;

    /* A closed channel may be the beginning of an end that takes its time. */
    int is_own = strcmp (self->why, self->closed) == 0 && exited->signal != SIGKILL;
    cb_death_of_exit (&self->death, exited, self->spec, is_own ? "" : self->why);
    self->death.before_ready = before_ready;
    self->exited = 1;
    if (!s_ending (self))
        s_dying (self);
    if (self->iopub_closed) {
        s_gone (self);
        return;
    }
    self->deadline = cb_now () + DRAIN_LIMIT;
    s_arm (self);
}

static void
s_on_pidfd (cb_source *source, int fd, uint32_t events, void *context)
{
    cb_kernel *self = context;

    (void)fd;
    (void)events;
    cb_source_on (source, 0);
    if (s_ending (self))
        return;
    self->death.before_ready = self->state < CB_KERNEL_IDLE;
    s_dying (self);
}

/* ---- the start ---- */

static void
s_ready (cb_kernel *self)
{
    s_become (self, CB_KERNEL_IDLE);
    self->deadline = CB_USEC_NEVER;
    self->probe_at = CB_USEC_NEVER;
    s_arm (self);
    cb_log_info ("kernel ready", CB_STR ("session", self->spec->name),
                 CB_INT ("pid", self->started.kernel_pid),
                 CB_INT ("ms", (cb_now () - self->asked_at) / CB_USEC_PER_MSEC));
    self->events->on_ready (self, self->context);
}

static void
s_on_started (cb_launch_watch *watch, const cb_launch_started *started, cb_packet *packet)
{
    cb_kernel *self = (cb_kernel *)((char *)watch - offsetof (cb_kernel, watch));
    cb_err err = CB_ERR_INIT;

    self->started = *started;
    self->tree = cb_take_fd (&packet->fds[0]);
    self->pidfd = cb_take_fd (&packet->fds[1]);
    cb_fact_files_take (&self->facts, started->facts, packet->fds + 2, packet->n_fds - 2);
    if (self->state != CB_KERNEL_LAUNCHING)
        return;
    s_become (self, CB_KERNEL_PROBING);
    if (cb_kernel_watch_process_ (self, &err) < 0) {
        cb_kernel_kill (self, err.text);
        return;
    }
    if (self->seen == SEEN_ALL) /* it was faster than the warden's word */
        s_ready (self);
}

int
cb_kernel_watch_process_ (cb_kernel *self, cb_err *err)
{
    cb_usage_open (&self->usage, self->started.kernel_pid);
    CB_TRY (
        cb_loop_io (self->loop, self->pidfd, EPOLLIN, s_on_pidfd, self, &self->pidfd_source, err));
    cb_source_priority (self->pidfd_source, CB_PRIORITY_DEATH);
    return 0;
}

const cb_launch_watch_events cb_kernel_watch_events_ = {s_on_started, s_on_failed, s_on_exited};

static unsigned
s_probe_sign (cb_jmsg *message)
{
    const char *execution = NULL;

    if (strcmp (message->msg_type, "kernel_info_reply") == 0)
        return SEEN_REPLY;
    if (strcmp (message->msg_type, "status") != 0)
        return 0;
    const json_t *content = cb_jmsg_content (message, NULL);
    if (content == NULL ||
        cb_json_get_string (content, "execution_state", 32, "", &execution, NULL) < 0)
        return 0;
    return strcmp (execution, "busy") == 0   ? SEEN_BUSY
           : strcmp (execution, "idle") == 0 ? SEEN_IDLE
                                             : 0;
}

/* Kept for those who ask while a cell runs; a novel is not. */
static void
s_keep_info (cb_kernel *self, cb_part content)
{
    cb_page_shared *shared = self->page->shared;

    if (shared->info_size > 0 || content.size > INFO_MAX)
        return;
    memcpy (shared->info, content.data, content.size);
    shared->info_size = (uint32_t)content.size;
}

static void
s_on_probe (cb_kernel *self, cb_jmsg *message)
{
    unsigned sign = s_probe_sign (message);

    self->seen |= sign;
    if (sign == SEEN_REPLY)
        s_keep_info (self, message->dicts[CB_DICT_CONTENT]);
    if (self->seen == SEEN_ALL) {
        self->probe_at = CB_USEC_NEVER;
        if (self->state == CB_KERNEL_PROBING)
            s_ready (self);
    } else if ((self->seen & SEEN_REPLY) && self->probe_at == CB_USEC_NEVER) {
        self->probe_at = cb_now () + PROBE_AGAIN;
        s_arm (self);
    }
}

/* ---- the link ---- */

static void
s_on_message (cb_link *link, cb_channel channel, cb_jmsg *message, void *context)
{
    cb_kernel *self = context;

    (void)link;
    if (self->probe[0] != '\0' && strcmp (message->parent_id, self->probe) == 0) {
        if (self->state < CB_KERNEL_IDLE)
            s_on_probe (self, message);
        return;
    }
    if (self->state < CB_KERNEL_IDLE || self->state == CB_KERNEL_GONE ||
        cb_link_is_hidden (self->link, message->parent_id))
        return;
    self->events->on_message (self, channel, message, self->context);
}

static void
s_on_lost (cb_link *link, cb_channel channel, const cb_err *reason, void *context)
{
    cb_kernel *self = context;
    char why[200];

    (void)link;
    if (channel == CB_CHANNEL_IOPUB)
        self->iopub_closed = 1;
    if (self->exited && self->iopub_closed && self->state == CB_KERNEL_DYING) {
        s_gone (self);
        return;
    }
    if (s_ending (self))
        return;
    if (reason->code == CB_E_PROTO || reason->code == CB_E_LIMIT) {
        (void)snprintf (why, sizeof why, "the kernel broke the protocol on its %s channel: %.120s",
                        cb_channel_name (channel), reason->text);
        cb_kernel_kill (self, why);
        return;
    }
    if (self->leaving)
        return;
    /* Most likely its death, which the pidfd and the warden tell better. */
    if (self->closed[0] == '\0')
        (void)snprintf (self->closed, sizeof self->closed, "the kernel closed its %s channel",
                        cb_channel_name (channel));
    self->deadline = cb_now () + CLOSED_LIMIT;
    s_arm (self);
}

static void
s_on_open (cb_link *link, cb_channel channel, void *context)
{
    cb_kernel *self = context;

    (void)link;
    if (channel == CB_CHANNEL_SHELL && self->state < CB_KERNEL_IDLE)
        s_probe (self);
}

static void
s_on_skipped (cb_link *link, cb_channel channel, uint64_t bytes, void *context)
{
    cb_kernel *self = context;

    (void)link;
    if (self->state >= CB_KERNEL_IDLE && self->state != CB_KERNEL_GONE)
        self->events->on_skipped (self, channel, bytes, self->context);
}

const cb_link_events cb_kernel_link_events_ = {s_on_open, s_on_message, s_on_skipped, s_on_lost};

void
cb_kernel_on_time_ (cb_source *source, void *context)
{
    cb_kernel *self = context;
    cb_usec now = cb_now ();
    char why[256];

    (void)source;
    if (now >= self->probe_at && self->state < CB_KERNEL_IDLE)
        s_probe (self);
    if (now < self->deadline) {
        s_arm (self);
        return;
    }
    self->deadline = CB_USEC_NEVER;
    if (self->state == CB_KERNEL_DYING) {
        if (!self->exited) {
            cb_log_error ("the warden does not tell a kernel's end",
                          CB_STR ("session", self->spec->name));
            cb_launcher_abandon (self->launcher, &self->watch);
            self->death.code = CB_E_GONE;
            (void)snprintf (self->death.text, sizeof self->death.text, "%s",
                            self->why[0] != '\0' ? self->why : "the kernel process ended");
        }
        s_gone (self);
        return;
    }
    (void)snprintf (why, sizeof why, "%s", self->leaving ? self->why : self->closed);
    if (self->state < CB_KERNEL_IDLE && why[0] == '\0')
        (void)snprintf (why, sizeof why,
                        "the kernel did not answer within %u s of its start (start_limit in "
                        "[broker])",
                        self->spec->start_seconds);
    cb_kernel_kill (self, why);
}

/* ---- what it is and does ---- */

cb_kernel_state
cb_kernel_state_of (const cb_kernel *self)
{
    return self->state;
}

const cb_launch_started *
cb_kernel_facts (const cb_kernel *self)
{
    return self->tree >= 0 ? &self->started : NULL;
}

uint64_t
cb_kernel_jail (const cb_kernel *self)
{
    return self->jail;
}

int
cb_kernel_tree (const cb_kernel *self)
{
    return self->tree;
}

uint64_t
cb_kernel_dropped (const cb_kernel *self)
{
    return cb_link_dropped (self->link);
}

void
cb_kernel_usage (const cb_kernel *self, cb_usage *ret_usage)
{
    cb_usage_read (&self->usage, ret_usage);
}

void
cb_kernel_look (const cb_kernel *self, int closely, cb_facts *ret_facts)
{
    cb_facts_look (&self->facts, self->spec, self->tree, closely, ret_facts);
}

void
cb_kernel_usage_cpu (const cb_kernel *self, cb_usage *ret_usage)
{
    cb_usage_read_cpu (&self->usage, ret_usage);
}

int
cb_kernel_execute (cb_kernel *self, const char *msg_id, const json_t *content, cb_err *err)
{
    cb_link_request request = {.channel = CB_CHANNEL_SHELL,
                               .msg_type = "execute_request",
                               .msg_id = msg_id,
                               .content = content};

    if (self->state != CB_KERNEL_IDLE)
        return cb_fail (err, CB_E_BUSY, "the kernel is %s", cb_kernel_state_name (self->state));
    CB_TRY (cb_link_send (self->link, &request, err));
    s_become (self, CB_KERNEL_BUSY);
    return 0;
}

int
cb_kernel_forward (cb_kernel *self, cb_channel channel, const cb_jmsg *message, int work,
                   cb_err *err)
{
    if (self->state < CB_KERNEL_IDLE || s_ending (self) || (work && self->state != CB_KERNEL_IDLE))
        return cb_fail (err, CB_E_BUSY, "the kernel is %s", cb_kernel_state_name (self->state));
    CB_TRY (cb_link_forward (self->link, channel, message, err));
    if (work)
        s_become (self, CB_KERNEL_BUSY);
    return 0;
}

cb_part
cb_kernel_info (const cb_kernel *self)
{
    const cb_page_shared *shared = self->page->shared;

    return (cb_part){shared->info_size > 0 ? shared->info : NULL, shared->info_size};
}

cb_page *
cb_kernel_page (const cb_kernel *self)
{
    return self->page;
}

void
cb_kernel_hold (cb_kernel *self, cb_channel channel)
{
    cb_link_hold (self->link, channel);
}

void
cb_kernel_let_go (cb_kernel *self, cb_channel channel)
{
    cb_link_let_go (self->link, channel);
}

void
cb_kernel_pause (cb_kernel *self, int paused)
{
    static const cb_channel channels[] = {CB_CHANNEL_SHELL, CB_CHANNEL_IOPUB, CB_CHANNEL_STDIN};

    for (size_t i = 0; i < CB_COUNT (channels); i++)
        cb_link_pause (self->link, channels[i], paused);
}

void
cb_kernel_pause_input (cb_kernel *self, int paused)
{
    cb_link_pause (self->link, CB_CHANNEL_STDIN, paused);
}

void
cb_kernel_done (cb_kernel *self)
{
    if (self->state == CB_KERNEL_BUSY)
        s_become (self, CB_KERNEL_IDLE);
}

int
cb_kernel_knows (const cb_kernel *self, const char *msg_id)
{
    return cb_link_knows (self->link, msg_id);
}

/* What is asked of a kernel that may be gone already: a failure is not worth more than a line. */
static void
s_tell (cb_kernel *self, const cb_link_request *request)
{
    cb_err err = CB_ERR_INIT;

    if (s_ending (self) || cb_link_send (self->link, request, &err) == 0)
        return;
    cb_log_debug ("a kernel cannot be told", CB_STR ("session", self->spec->name),
                  CB_STR ("what", request->msg_type), CB_STR ("why", err.text));
}

void
cb_kernel_input (cb_kernel *self, cb_part header, const char *text)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:s}", "value", text);
    cb_link_request request = {.channel = CB_CHANNEL_STDIN,
                               .msg_type = "input_reply",
                               .content = content,
                               .parent = header};
    s_tell (self, &request);
}

void
cb_kernel_interrupt (cb_kernel *self)
{
    cb_link_request request = {.channel = CB_CHANNEL_CONTROL, .msg_type = "interrupt_request"};

    s_tell (self, &request);
}

void
cb_kernel_interrupt_hard (cb_kernel *self)
{
    cb_err err = CB_ERR_INIT;

    if (!s_ending (self) && cb_launcher_signal (self->launcher, &self->watch, SIGINT, &err) < 0)
        cb_log_warn ("a kernel cannot be signalled", CB_STR ("session", self->spec->name),
                     CB_STR ("why", err.text));
}

void
cb_kernel_refuse (cb_kernel *self, cb_channel channel, const cb_jmsg *message, const char *why)
{
    cb_link_refuse (self->link, channel, message, why);
}
