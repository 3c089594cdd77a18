/* owner.c - who a session ends with, and what becomes of it when he goes.
 *
 * A session of the control API that is bound ends with its client's connection. A session of a
 * frontend outlives its shim by CB_OWNER_GRACE: a shim with the same connection file and key takes
 * it over, with a new kernel, because for the frontend the process that it started *is* the kernel.
 * The same shim that comes back after the broker died finds its kernel as it was. After a broker's
 * death a bound client is known by its process. */
#include "session/session-int.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>

void
cb_owner_init_ (cb_owner *self)
{
    *self = (cb_owner){.pidfd = -1, .until = CB_USEC_NEVER};
}

void
cb_owner_done_ (cb_owner *self)
{
    cb_source_destroy (&self->watch);
    cb_close (&self->pidfd);
}

/* ---- a client of the control API ---- */

static void
s_end (cb_session *session, const char *why)
{
    cb_err err = CB_ERR_INIT;

    (void)!cb_session_stop (session, why, NULL, NULL, &err);
}

static void
s_on_end (cb_source *source, int fd, uint32_t events, void *context)
{
    cb_session *session = context;

    (void)source;
    (void)fd;
    (void)events;
    cb_owner_done_ (&session->owner);
    s_end (session, "its client is gone");
}

/* The client was with a broker before us; it comes back when it wants something. */
static void
s_watch (cb_session *session)
{
    cb_owner *self = &session->owner;
    cb_err err = CB_ERR_INIT;

    self->pidfd = pidfd_open (self->pid, 0);
    if (self->pidfd >= 0 && cb_loop_io (session->services->loop, self->pidfd, EPOLLIN, s_on_end,
                                        session, &self->watch, &err) == 0)
        return;
    /* Gone, or it cannot be known: then the session would stay for ever. */
    cb_owner_done_ (self);
    self->until = cb_now ();
}

void
cb_session_bind (cb_session *self, const cb_zpeer *peer)
{
    self->owner.peer = peer;
    self->owner.pid = cb_zpeer_pid (peer);
    cb_session_commit_ (self);
}

/* ---- a frontend ---- */

void
cb_owner_leave_ (cb_session *session, cb_leave why, const char *words)
{
    cb_owner *self = &session->owner;
    cb_on_leave *on_leave = self->on_leave;

    self->on_leave = NULL;
    self->peer = NULL;
    if (self->file[0] == '\0')
        return;
    self->fresh |= why == CB_LEAVE_RESTART || why == CB_LEAVE_DIED;
    self->until = cb_now () + CB_OWNER_GRACE;
    cb_session_arm_ (session);
    if (on_leave != NULL)
        on_leave (why, words, self->context);
}

void
cb_owner_gone_ (cb_session *session, const cb_zpeer *peer)
{
    cb_owner *self = &session->owner;
    int back = self->peer == NULL && self->pid > 0 && cb_zpeer_pid (peer) == self->pid;

    if (self->peer != peer && !(back && self->file[0] == '\0'))
        return;
    if (self->file[0] == '\0') {
        s_end (session, "its client is gone");
        return;
    }
    cb_log_info ("the shim of a session is gone", CB_STR ("session", session->name));
    cb_owner_leave_ (session, CB_LEAVE_LOST, "");
}

int
cb_owner_has_ (const cb_session *session, const cb_guest *guest)
{
    const cb_owner *self = &session->owner;

    if (self->file[0] == '\0' || self->pid <= 0 || guest == NULL)
        return 0;
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        if (guest->peers[i] != NULL && cb_zpeer_pid (guest->peers[i]) == self->pid)
            return 1;
    return 0;
}

int
cb_session_is_of (const cb_session *self, const char *file, const char *key)
{
    return self->state != CB_SESSION_STOPPING && self->owner.file[0] != '\0' &&
           strcmp (self->owner.file, file) == 0 && strcmp (self->key, key) == 0;
}

uint64_t
cb_session_order_of (const cb_session *self)
{
    return self->owner.order;
}

int
cb_session_may_meet (const cb_session *self, const char *word, cb_err *err)
{
    if (self->owner.peer == NULL || strcmp (self->owner.word, word) == 0)
        return 0;
    return cb_fail (err, CB_E_EXISTS,
                    "another process (%d) uses this connection file: it is session '%s'",
                    (int)self->owner.pid, self->name);
}

/* Another kernel; one that cannot even be asked for would be told to nobody later. */
static int
s_restart (cb_session *self, cb_err *err)
{
    CB_TRY (cb_session_restart (self, NULL, NULL, err));
    if (self->state != CB_SESSION_DEAD)
        return 0;
    return cb_fail (err, CB_E_GONE, "session '%s' has no kernel: %.800s", self->name,
                    self->death.text);
}

int
cb_session_meet (cb_session *self, const cb_shim *shim, cb_err *err)
{
    cb_owner *owner = &self->owner;
    int same = strcmp (owner->word, shim->word) == 0;
    int first = owner->word[0] == '\0';

    CB_TRY (cb_session_may_meet (self, shim->word, err));
    if (!first && !same && (!owner->fresh || self->state == CB_SESSION_DEAD))
        CB_TRY (s_restart (self, err));
    cb_owner_leave_ (self, CB_LEAVE_LOST, "");
    owner->peer = shim->peer;
    owner->pid = cb_zpeer_pid (shim->peer);
    (void)snprintf (owner->word, sizeof owner->word, "%s", shim->word);
    owner->fresh = 0;
    owner->until = CB_USEC_NEVER;
    owner->on_leave = shim->on_leave;
    owner->context = shim->context;
    cb_session_commit_ (self);
    cb_session_touch (self);
    return 0;
}

/* ---- what outlives a broker ---- */

void
cb_owner_save_ (const cb_owner *self, cb_saved_owner *to)
{
    to->pid = (int32_t)self->pid;
    to->fresh = self->fresh != 0;
    memcpy (to->word, self->word, sizeof to->word);
}

void
cb_owner_restore_ (cb_session *session, const cb_saved_owner *from)
{
    cb_owner *self = &session->owner;

    self->pid = from->pid;
    self->fresh = from->fresh != 0;
    memcpy (self->word, from->word, sizeof self->word);
    self->word[sizeof self->word - 1] = '\0';
    if (self->file[0] != '\0')
        self->until = cb_now () + CB_OWNER_GRACE;
    else if (self->pid > 0)
        s_watch (session);
}
