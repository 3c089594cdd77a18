/* reactor.c - the warden's loop. The poll table is made anew each turn: the warden wakes rarely,
 * and a descriptor that a forked child still holds open cannot leave events behind (as with epoll).
 * A watch that is removed while its turn is being served is not called any more. */
#include "warden/reactor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void
cb_reactor_init (cb_reactor *self)
{
    memset (self, 0, sizeof *self);
}

void
cb_reactor_done (cb_reactor *self)
{
    free (self->fds);
    free (self->ready);
    memset (self, 0, sizeof *self);
}

void
cb_reactor_add (cb_reactor *self, cb_watch *watch)
{
    if (watch->back != NULL)
        return;
    watch->slot = 0;
    watch->next = self->watches;
    watch->back = &self->watches;
    if (watch->next != NULL)
        watch->next->back = &watch->next;
    self->watches = watch;
    self->n_watches++;
}

void
cb_reactor_remove (cb_reactor *self, cb_watch *watch)
{
    if (watch->back == NULL)
        return;
    *watch->back = watch->next;
    if (watch->next != NULL)
        watch->next->back = watch->back;
    watch->back = NULL;
    watch->next = NULL;
    if (watch->slot != 0)
        self->ready[watch->slot] = NULL;
    watch->slot = 0;
    self->n_watches--;
}

void
cb_reactor_set (cb_reactor *self, cb_timer *timer, cb_usec when)
{
    cb_reactor_cancel (self, timer);
    cb_timer **at = &self->timers;
    while (*at != NULL && (*at)->when <= when)
        at = &(*at)->next;
    timer->when = when;
    timer->next = *at;
    timer->back = at;
    if (timer->next != NULL)
        timer->next->back = &timer->next;
    *at = timer;
}

void
cb_reactor_cancel (cb_reactor *self, cb_timer *timer)
{
    (void)self;
    if (timer->back == NULL)
        return;
    *timer->back = timer->next;
    if (timer->next != NULL)
        timer->next->back = timer->back;
    timer->back = NULL;
    timer->next = NULL;
}

static int
s_fill (cb_reactor *self, cb_err *err)
{
    if (self->n_watches + 1 > self->room) {
        size_t room = 2 * (self->n_watches + 8);
        struct pollfd *fds = realloc (self->fds, room * sizeof *fds);
        if (fds == NULL)
            return cb_fail_nomem (err);
        self->fds = fds;
        cb_watch **ready = realloc (self->ready, room * sizeof (cb_watch *));
        if (ready == NULL)
            return cb_fail_nomem (err);
        self->ready = ready;
        self->room = room;
    }
    self->used = 1;
    for (cb_watch *watch = self->watches; watch != NULL; watch = watch->next) {
        watch->slot = self->used++;
        self->ready[watch->slot] = watch;
        self->fds[watch->slot] = (struct pollfd){.fd = watch->fd, .events = watch->events};
    }
    return 0;
}

static void
s_serve_timers (cb_reactor *self)
{
    cb_usec now = cb_now ();

    while (self->timers != NULL && self->timers->when <= now) {
        cb_timer *timer = self->timers;
        cb_reactor_cancel (self, timer);
        timer->on_time (timer->context);
    }
}

int
cb_reactor_turn (cb_reactor *self, cb_err *err)
{
    struct timespec wait = {0, 0};

    CB_TRY (s_fill (self, err));
    if (self->timers != NULL) {
        cb_usec now = cb_now ();
        cb_usec left = self->timers->when > now ? self->timers->when - now : 0;
        wait.tv_sec = (time_t)(left / CB_USEC_PER_SEC);
        wait.tv_nsec = (long)(left % CB_USEC_PER_SEC) * 1000;
    }
    int n =
        ppoll (self->fds + 1, (nfds_t)(self->used - 1), self->timers != NULL ? &wait : NULL, NULL);
    if (n < 0 && errno != EINTR)
        return cb_fail_errno (err, CB_E_IO, "ppoll");
    for (size_t slot = 1; n > 0 && slot < self->used; slot++) {
        cb_watch *watch = self->ready[slot];
        short events = self->fds[slot].revents;
        if (watch == NULL || events == 0)
            continue;
        watch->on_ready (watch->context, events);
    }
    for (cb_watch *watch = self->watches; watch != NULL; watch = watch->next)
        watch->slot = 0;
    s_serve_timers (self);
    return 0;
}
