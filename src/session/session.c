/* session.c - one session from its first start to its end.
 *
 * Owns the kernel (one after the other: after.c), the cells (cells.c) and those who wait
 * (waiters.c). The only writer of `state` is cb_session_become_. */
#include "session/session-int.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message of a kernel that is kept: a cell's whole output in one piece, and its headers. What is
 * larger is over the output limit in any case. */
#define MESSAGE_ROOM ((uint64_t)1024 * 1024)

static const struct {
    const char *name;
    unsigned next;
} s_states[CB_SESSION__COUNT] = {
    [CB_SESSION_STARTING] = {"starting", 1U << CB_SESSION_IDLE | 1U << CB_SESSION_RESTARTING |
                                             1U << CB_SESSION_DEAD | 1U << CB_SESSION_STOPPING},
    [CB_SESSION_IDLE] = {"idle", 1U << CB_SESSION_BUSY | 1U << CB_SESSION_RESTARTING |
                                     1U << CB_SESSION_DEAD | 1U << CB_SESSION_STOPPING},
    [CB_SESSION_BUSY] = {"busy", 1U << CB_SESSION_IDLE | 1U << CB_SESSION_RESTARTING |
                                     1U << CB_SESSION_DEAD | 1U << CB_SESSION_STOPPING},
    [CB_SESSION_RESTARTING] = {"restarting", 1U << CB_SESSION_IDLE | 1U << CB_SESSION_DEAD |
                                                 1U << CB_SESSION_STOPPING},
    [CB_SESSION_DEAD] = {"dead", 1U << CB_SESSION_RESTARTING | 1U << CB_SESSION_STOPPING},
    [CB_SESSION_STOPPING] = {"stopping", 0},
};

const char *
cb_session_state_name (cb_session_state state)
{
    assert (state < CB_SESSION__COUNT);
    return s_states[state].name;
}

int
cb_session_may_become (cb_session_state from, cb_session_state to)
{
    assert (from < CB_SESSION__COUNT && to < CB_SESSION__COUNT);
    return (s_states[from].next >> to & 1U) != 0;
}

void
cb_session_become_ (cb_session *self, cb_session_state next)
{
    assert (cb_session_may_become (self->state, next));
    cb_log_debug ("session moves", CB_STR ("session", self->name),
                  CB_STR ("from", s_states[self->state].name), CB_STR ("to", s_states[next].name));
    self->state = next;
    self->last_used = cb_now ();
}

/* ---- time ---- */

static cb_usec
s_expiry (const cb_session *self)
{
    int resting = self->state == CB_SESSION_IDLE || self->state == CB_SESSION_DEAD;

    /* A notebook is left open overnight: its frontend knows when it needs it no more. */
    if (!resting || self->services->idle_expiry == 0 || self->owner.file[0] != '\0')
        return CB_USEC_NEVER;
    return self->last_used + self->services->idle_expiry;
}

static cb_usec
s_deadline (const cb_session *self)
{
    cb_usec cell = cb_cells_deadline_ (self);
    cb_usec expiry = s_expiry (self);

    cb_usec least = cell < expiry ? cell : expiry;

    if (self->hold_until < least)
        least = self->hold_until;
    if (self->ask_at < least)
        least = self->ask_at;
    if (self->wait_until < least)
        least = self->wait_until;
    if (self->owner.until < least)
        least = self->owner.until;
    if (self->places_at < least)
        least = self->places_at;
    return self->linger_at < least ? self->linger_at : least;
}

/* The timer is only ever moved forward: a deadline that went away costs one empty call later, and
 * a short cell costs no system call. */
void
cb_session_arm_ (cb_session *self)
{
    cb_usec deadline = s_deadline (self);

    if (deadline >= self->armed)
        return;
    self->armed = deadline;
    cb_source_at (self->timer, deadline);
}

static void
s_on_time (cb_source *source, void *context)
{
    cb_session *self = context;
    cb_usec now = cb_now ();

    (void)source;
    self->armed = CB_USEC_NEVER;
    if (now >= self->hold_until)
        cb_session_go_on_ (self);
    if (now >= self->ask_at)
        cb_session_ask_on_ (self);
    if (now >= self->wait_until)
        self->wait_until = CB_USEC_NEVER;
    cb_cells_tick_ (self, now);
    cb_cells_next_ (self);
    if (now >= self->places_at)
        cb_places_look_ (self);
    if (now >= self->linger_at) {
        cb_err err = CB_ERR_INIT;
        self->linger_at = CB_USEC_NEVER;
        /* Somebody may use it meanwhile: then it ends behind his cell. */
        if (self->running == NULL && self->queue == NULL)
            (void)!cb_session_stop (self, "its cell is done", NULL, NULL, &err);
    }
    if (now >= self->owner.until) {
        cb_err err = CB_ERR_INIT;
        self->owner.until = CB_USEC_NEVER;
        (void)!cb_session_stop (self, "its client is gone", NULL, NULL, &err);
    }
    if (now >= s_expiry (self)) {
        cb_err err = CB_ERR_INIT;
        cb_log_info ("session expires", CB_STR ("session", self->name));
        (void)!cb_session_stop (self, "nobody used the session for long", NULL, NULL, &err);
    }
    cb_session_arm_ (self);
}

/* ---- the kernel ---- */

void
cb_session_end_kernel_ (cb_session *self, const char *why)
{
    int by_itself = self->gently && self->running == NULL && self->beside[0] == '\0';

    self->gently = 0;
    (by_itself ? cb_kernel_shut_down : cb_kernel_kill) (self->kernel, why);
}

void
cb_session_over_ (cb_session *self)
{
    cb_err none = CB_ERR_INIT;
    cb_err gone = {.code = CB_E_GONE};
    int asked = self->state == CB_SESSION_STOPPING;

    (void)snprintf (gone.text, sizeof gone.text, "session '%s' was stopped", self->name);
    if (!asked)
        cb_session_become_ (self, CB_SESSION_STOPPING);
    cb_session_withdraw (self);
    cb_waiters_settle_ (self, 0, &gone);
    cb_waiters_settle_ (self, 1, &none);
    cb_owner_leave_ (self, asked ? CB_LEAVE_OVER : CB_LEAVE_FAILED, self->death.text);
    self->owner.until = CB_USEC_NEVER;
    cb_log_info ("session over", CB_STR ("session", self->name));
    self->on_over (self, self->context);
}

static void
s_on_ready (cb_kernel *kernel, void *context)
{
    cb_session *self = context;
    cb_err none = CB_ERR_INIT;

    (void)kernel;
    if (self->state == CB_SESSION_STOPPING)
        return;
    self->restart_asked = 0;
    cb_session_become_ (self, CB_SESSION_IDLE);
    cb_collect_ready_ (self);
    cb_save_ready_ (self);
    if (self->queue == NULL)
        cb_guests_status_ (self, "idle", (cb_part){NULL, 0});
    cb_waiters_settle_ (self, 0, &none);
    cb_cells_next_ (self);
    cb_session_arm_ (self);
}

static void
s_on_message (cb_kernel *kernel, cb_channel channel, cb_jmsg *message, void *context)
{
    cb_scoped (cb_buf) cb_buf room;

    if (cb_shown_shape_ (context, message, &room) < 0)
        cb_kernel_refuse (kernel, channel, message, "its fields make no sense");
    else
        cb_cells_on_message_ (context, channel, message);
    cb_session_note_ (context);
}

static void
s_on_gone (cb_kernel *kernel, const cb_death *death, void *context)
{
    cb_session *self = context;

    (void)kernel;
    self->death = *death;
    self->kernel_gone = 1;
    cb_log_at (self->state == CB_SESSION_STOPPING ? CB_LOG_INFO : CB_LOG_WARN, "kernel gone",
               CB_STR ("session", self->name), CB_STR ("why", death->text),
               CB_INT ("dropped", cb_kernel_dropped (self->kernel)));
    cb_cells_on_death_ (self);
}

static void
s_on_skipped (cb_kernel *kernel, cb_channel channel, uint64_t bytes, void *context)
{
    (void)kernel;
    cb_cells_on_skipped_ (context, channel, bytes);
    cb_session_note_ (context);
}

const cb_kernel_events cb_session_kernel_events_ = {s_on_ready, s_on_message, s_on_skipped,
                                                    s_on_gone};

cb_kernel_options
cb_session_kernel_options_ (const cb_session *self)
{
    return (cb_kernel_options){.spec = &self->profile.jail,
                               .runtime_fd = self->services->runtime_fd,
                               .max_message = (size_t)(self->profile.output + MESSAGE_ROOM),
                               .quota = self->services->kernels,
                               .active_output = self->profile.active_output == CB_ACTIVE_FULL,
                               .on_page = cb_save_fixed_};
}

/* Starts a kernel. A fault is a death: told and handled as one. */
int
cb_session_launch_ (cb_session *self, cb_err *err)
{
    cb_kernel_options options = cb_session_kernel_options_ (self);
    cb_usec limit = self->services->start_limit;

    self->profile.jail.start_seconds = (uint32_t)(limit / CB_USEC_PER_SEC);
    self->kernel_gone = 0;
    self->gently = 0;
    self->beside[0] = '\0';
    self->kernel = cb_kernel_new (self->services->loop, self->services->launcher, &options,
                                  &cb_session_kernel_events_, self, err);
    if (self->kernel == NULL)
        return -CB_E_IO;
    if (self->readers != NULL)
        cb_readers_keep (self->readers, cb_kernel_page (self->kernel)->shared->readers, 0);
    return 0;
}

/* ---- making it ---- */

cb_session *
cb_session_bare_ (const cb_services *services, cb_on_session_over *on_over, void *context,
                  cb_err *err)
{
    cb_owned (cb_session) cb_session *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->services = services;
    self->on_over = on_over;
    self->context = context;
    self->last_used = cb_now ();
    cb_owner_init_ (&self->owner);
    self->armed = CB_USEC_NEVER;
    self->hold_until = CB_USEC_NEVER;
    self->linger_at = CB_USEC_NEVER;
    self->places_at = CB_USEC_NEVER;
    self->ask_at = CB_USEC_NEVER;
    self->wait_until = CB_USEC_NEVER;
    if (cb_loop_at (services->loop, CB_USEC_NEVER, s_on_time, self, &self->timer, err) < 0)
        return NULL;
    return cb_take (self);
}

cb_session *
cb_session_new (const cb_services *services, const cb_session_options *options,
                cb_on_session_over *on_over, void *context, cb_err *err)
{
    cb_owned (cb_session) cb_session *self = cb_session_bare_ (services, on_over, context, err);

    if (self == NULL)
        return NULL;
    self->profile = *options->profile;
    self->ephemeral = options->ephemeral;
    self->created = time (NULL);
    if (options->key != NULL)
        (void)snprintf (self->key, sizeof self->key, "%s", options->key);
    else
        cb_random_hex (self->key, 32);
    if (options->file != NULL)
        (void)snprintf (self->owner.file, sizeof self->owner.file, "%s", options->file);
    self->owner.order = options->order;
    (void)snprintf (self->name, sizeof self->name, "%s", options->name);
    (void)snprintf (self->profile.jail.name, sizeof self->profile.jail.name, "%s", options->name);
    (void)snprintf (self->profile.jail.profile, sizeof self->profile.jail.profile, "%s",
                    self->profile.name);
    if (cb_session_launch_ (self, err) < 0)
        return NULL;
    cb_log_info ("session made", CB_STR ("session", self->name),
                 CB_STR ("profile", self->profile.name), CB_INT ("ephemeral", self->ephemeral));
    return cb_take (self);
}

void
cb_session_destroy (cb_session **self_at)
{
    cb_session *self = *self_at;
    cb_err gone = {.code = CB_E_GONE, .text = "the daemon was stopped"};

    if (self == NULL)
        return;
    if (self->state != CB_SESSION_STOPPING)
        cb_session_become_ (self, CB_SESSION_STOPPING);
    self->death = (cb_death){.code = CB_E_GONE, .text = "the daemon was stopped"};
    cb_cells_drop_ (self);
    cb_waiters_settle_ (self, 0, &gone);
    cb_waiters_settle_ (self, 1, &gone);
    cb_session_withdraw (self);
    cb_owner_leave_ (self, CB_LEAVE_OVER, self->death.text);
    cb_owner_done_ (&self->owner);
    cb_source_destroy (&self->timer);
    cb_guests_done_ (self);
    cb_left_done_ (self);
    cb_kernel_destroy (&self->kernel);
    explicit_bzero (self->key, sizeof self->key);
    free (self);
    *self_at = NULL;
}

/* ---- what people ask of it ---- */

int
cb_session_stop (cb_session *self, const char *why, cb_on_settled *on_settled, void *context,
                 cb_err *err)
{
    cb_waiter waiter = {on_settled, context, 1};

    if (on_settled != NULL)
        CB_TRY (cb_waiters_add_ (self, &waiter, err));
    if (self->state == CB_SESSION_STOPPING)
        return 0;
    cb_session_become_ (self, CB_SESSION_STOPPING);
    if (self->kernel == NULL)
        cb_session_over_ (self);
    else
        cb_session_end_kernel_ (self, why);
    return 0;
}

const char *
cb_session_name (const cb_session *self)
{
    return self->name;
}

cb_session_state
cb_session_state_of (const cb_session *self)
{
    return self->state;
}

const cb_profile *
cb_session_profile (const cb_session *self)
{
    return &self->profile;
}

int
cb_session_is_ephemeral (const cb_session *self)
{
    return self->ephemeral;
}

void
cb_session_keep (cb_session *self)
{
    self->ephemeral = 0;
}

uint64_t
cb_session_jail (const cb_session *self)
{
    return self->kernel != NULL && cb_kernel_facts (self->kernel) != NULL
               ? cb_kernel_jail (self->kernel)
               : 0;
}

void
cb_session_touch (cb_session *self)
{
    self->last_used = cb_now ();
}
