/* loop.c - the one event loop, on sd-event (libsystemd; needs no systemd as init).
 *
 * The only file that includes sd-event.h. A cb_source is a thin coat around an sd_event_source: it
 * carries the callback with its right type. A callback may destroy its own source: the trampoline
 * does not touch it afterwards, and sd-event itself keeps what it dispatches until the call ends.
 */
#include "loop/loop.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-event.h>

/* sd-event gathers timers within this window into one wake-up; its own default is 250 ms, which is
 * far too coarse for a grace period of 1 s. */
#define TIMER_ACCURACY (CB_USEC_PER_MSEC)

struct cb_loop {
    sd_event *event;
    char scratch[CB_LOOP_SCRATCH]; /* no connection owns memory for reading while it is idle */
};

struct cb_source {
    sd_event_source *source;
    void *context;
    unsigned char oneshot; /* timers and deferred work are switched on for one call */
    unsigned char deferred;
    union {
        cb_on_io *io;
        cb_on_time *time;
        cb_on_signal *signal;
        cb_on_defer *defer;
    } on;
};

static int
s_fail (cb_err *err, int result, const char *what)
{
    errno = -result;
    return cb_fail_errno (err, result == -ENOMEM ? CB_E_NOMEM : CB_E_IO, "%s", what);
}

cb_loop *
cb_loop_new (cb_err *err)
{
    cb_loop *self = calloc (1, sizeof *self);
    if (self == NULL) {
        cb_fail_nomem (err);
        return NULL;
    }
    int r = sd_event_new (&self->event);
    if (r < 0) {
        free (self);
        s_fail (err, r, "cannot make an event loop");
        return NULL;
    }
    return self;
}

void
cb_loop_destroy (cb_loop **self_at)
{
    cb_loop *self = *self_at;
    *self_at = NULL;
    if (self == NULL)
        return;
    sd_event_unref (self->event);
    free (self);
}

int
cb_loop_run (cb_loop *self, cb_err *err)
{
    int r = sd_event_loop (self->event);
    if (r < 0)
        return s_fail (err, r, "the event loop failed");
    return r;
}

int
cb_loop_turn (cb_loop *self, cb_usec patience, cb_err *err)
{
    int r = sd_event_run (self->event, patience);
    return r < 0 && r != -EINTR ? s_fail (err, r, "the event loop failed") : 0;
}

void
cb_loop_exit (cb_loop *self, int code)
{
    (void)sd_event_exit (self->event, code);
}

cb_usec
cb_loop_now (cb_loop *self)
{
    uint64_t now = 0;
    int r = sd_event_now (self->event, CLOCK_MONOTONIC, &now);
    return r < 0 ? cb_now () : now;
}

char *
cb_loop_scratch (cb_loop *self)
{
    return self->scratch;
}

static int
s_on_io (sd_event_source *source, int fd, uint32_t events, void *context)
{
    (void)source;
    cb_source *self = context;
    self->on.io (self, fd, events, self->context);
    return 0;
}

static int
s_on_time (sd_event_source *source, uint64_t when, void *context)
{
    (void)source;
    (void)when;
    cb_source *self = context;
    self->on.time (self, self->context);
    return 0;
}

static int
s_on_signal (sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
    (void)source;
    cb_source *self = context;
    self->on.signal (self, (int)info->ssi_signo, (pid_t)info->ssi_pid, self->context);
    return 0;
}

static int
s_on_defer (sd_event_source *source, void *context)
{
    (void)source;
    cb_source *self = context;
    self->on.defer (self, self->context);
    return 0;
}

/* Owned; NULL with err. */
static cb_source *
s_source_new (void *context, int oneshot, cb_err *err)
{
    cb_source *self = calloc (1, sizeof *self);
    if (self == NULL) {
        cb_fail_nomem (err);
        return NULL;
    }
    self->context = context;
    self->oneshot = oneshot != 0;
    return self;
}

/* Gives the source out, or takes it apart when sd-event refused it. */
static int
s_finish (cb_source *self, int result, const char *what, cb_source **ret_source, cb_err *err)
{
    if (result < 0) {
        cb_source_destroy (&self);
        return s_fail (err, result, what);
    }
    *ret_source = self;
    return 0;
}

int
cb_loop_io (cb_loop *self, int fd, uint32_t events, cb_on_io *on_io, void *context,
            cb_source **ret_source, cb_err *err)
{
    cb_source *source = s_source_new (context, 0, err);
    if (source == NULL)
        return -CB_E_NOMEM;
    source->on.io = on_io;
    int r = sd_event_add_io (self->event, &source->source, fd, events, s_on_io, source);
    return s_finish (source, r, "cannot watch a descriptor", ret_source, err);
}

int
cb_loop_at (cb_loop *self, cb_usec when, cb_on_time *on_time, void *context, cb_source **ret_source,
            cb_err *err)
{
    cb_source *source = s_source_new (context, 1, err);
    if (source == NULL)
        return -CB_E_NOMEM;
    source->on.time = on_time;
    int r = sd_event_add_time (self->event, &source->source, CLOCK_MONOTONIC, when, TIMER_ACCURACY,
                               s_on_time, source);
    return s_finish (source, r, "cannot set a timer", ret_source, err);
}

int
cb_loop_signal (cb_loop *self, int signal, cb_on_signal *on_signal, void *context,
                cb_source **ret_source, cb_err *err)
{
    cb_source *source = s_source_new (context, 0, err);
    if (source == NULL)
        return -CB_E_NOMEM;
    source->on.signal = on_signal;
    sigset_t set;
    sigemptyset (&set);
    sigaddset (&set, signal);
    int r = sigprocmask (SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
    if (r == 0)
        r = sd_event_add_signal (self->event, &source->source, signal, s_on_signal, source);
    return s_finish (source, r, "cannot watch a signal", ret_source, err);
}

int
cb_loop_defer (cb_loop *self, cb_on_defer *on_defer, void *context, cb_source **ret_source,
               cb_err *err)
{
    cb_source *source = s_source_new (context, 1, err);
    if (source == NULL)
        return -CB_E_NOMEM;
    source->on.defer = on_defer;
    source->deferred = 1;
    int r = sd_event_add_defer (self->event, &source->source, s_on_defer, source);
    return s_finish (source, r, "cannot defer work", ret_source, err);
}

void
cb_source_destroy (cb_source **self_at)
{
    cb_source *self = *self_at;
    *self_at = NULL;
    if (self == NULL)
        return;
    sd_event_source_disable_unref (self->source);
    free (self);
}

/* The setters cannot fail on a live source; what can is a bug of ours (or no memory for epoll's
 * entry, which is there already). Once the loop has ended, they refuse: so be it. */
static void
s_check (int result)
{
    assert (result >= 0 || result == -ESTALE);
    (void)result;
}

void
cb_source_set_events (cb_source *self, uint32_t events)
{
    s_check (sd_event_source_set_io_events (self->source, events));
}

void
cb_source_at (cb_source *self, cb_usec when)
{
    s_check (sd_event_source_set_time (self->source, when));
    s_check (sd_event_source_set_enabled (self->source, SD_EVENT_ONESHOT));
}

/* For sd-event a deferred source has been waiting since it was made, however often it ran: switched
 * on again in its own callback it would go before every I/O of its priority, for ever. So it is
 * made anew and stands at the end. Without memory for that it keeps its place. */
static void
s_defer_again (cb_source *self)
{
    sd_event_source *fresh = NULL;
    int64_t priority = 0;
    if (sd_event_source_get_enabled (self->source, NULL) > 0)
        return;
    s_check (sd_event_source_get_priority (self->source, &priority));
    sd_event *event = sd_event_source_get_event (self->source);
    if (sd_event_add_defer (event, &fresh, s_on_defer, self) >= 0) {
        s_check (sd_event_source_set_priority (fresh, priority));
        sd_event_source_disable_unref (self->source);
        self->source = fresh;
    }
    s_check (sd_event_source_set_enabled (self->source, SD_EVENT_ONESHOT));
}

void
cb_source_on (cb_source *self, int on)
{
    int how = self->oneshot ? SD_EVENT_ONESHOT : SD_EVENT_ON;
    if (on && self->deferred)
        s_defer_again (self);
    else
        s_check (sd_event_source_set_enabled (self->source, on ? how : SD_EVENT_OFF));
}

void
cb_source_priority (cb_source *self, int priority)
{
    s_check (sd_event_source_set_priority (self->source, priority));
}
