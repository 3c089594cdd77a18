/* waiters.c - those who wait until a session is ready, or over. Each is told once. */
#include "session/session-int.h"

#include "base/err.h"

int
cb_waiters_add_ (cb_session *self, const cb_waiter *waiter, cb_err *err)
{
    if (self->n_waiters == CB_SESSION_WAITERS_MAX)
        return cb_fail (err, CB_E_BUSY, "too many wait for session '%s' already", self->name);
    self->waiters[self->n_waiters++] = *waiter;
    return 0;
}

void
cb_waiters_settle_ (cb_session *self, int for_end, const cb_err *err)
{
    cb_waiter told[CB_SESSION_WAITERS_MAX];
    size_t n_told = 0;
    size_t n_left = 0;

    for (size_t i = 0; i < self->n_waiters; i++)
        if (self->waiters[i].for_end == for_end)
            told[n_told++] = self->waiters[i];
        else
            self->waiters[n_left++] = self->waiters[i];
    self->n_waiters = n_left;
    for (size_t i = 0; i < n_told; i++)
        told[i].on_settled (err, told[i].context);
}

void
cb_session_forget_waiter (cb_session *self, const void *context)
{
    size_t n_left = 0;

    for (size_t i = 0; i < self->n_waiters; i++)
        if (self->waiters[i].context != context)
            self->waiters[n_left++] = self->waiters[i];
    self->n_waiters = n_left;
}

int
cb_session_when_ready (cb_session *self, cb_on_settled *on_settled, void *context, cb_err *err)
{
    cb_waiter waiter = {on_settled, context, 0};
    cb_err none = CB_ERR_INIT;

    switch (self->state) {
    case CB_SESSION_IDLE:
    case CB_SESSION_BUSY:
        on_settled (&none, context);
        return 0;
    case CB_SESSION_STARTING:
    case CB_SESSION_RESTARTING:
        return cb_waiters_add_ (self, &waiter, err);
    default:
        return cb_fail (err, CB_E_GONE, "session '%s' is %s: %s", self->name,
                        cb_session_state_name (self->state), self->death.text);
    }
}
