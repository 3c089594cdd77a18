/* after.c - what follows a kernel's end.
 *
 * It is handled in one place, cb_session_after_death_, once the cells have their answers: depending
 * on why it ended the session starts another kernel, stays dead, or is over. */
#include "session/session-int.h"

#include "base/log.h"
#include "session/limits.h"

#include <stdio.h>

static void
s_forget_kernel (cb_session *self)
{
    cb_job job = {.kind = CB_JOB_FORGET};
    cb_err err = CB_ERR_INIT;

    if (self->kernel == NULL)
        return;
    job.jail = cb_kernel_jail (self->kernel);
    if (self->readers != NULL)
        cb_readers_keep_not (self->readers);
    for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        cb_waiting_forget_ (self, entry);
    if (cb_files_submit (self->services->files, &job, NULL, NULL, &err) < 0)
        cb_log_debug ("the file helper cannot be told", CB_STR ("why", err.text));
    cb_kernel_destroy (&self->kernel);
}

/* Whether another automatic restart is within the bound. Cells that ran over their time are no
 * crashes: they cannot follow each other faster than clients ask. */
static int
s_may_restart (const cb_session *self, cb_usec now)
{
    cb_usec oldest = self->crashed_at[self->crashes % CB_RESTARTS_MAX];

    return self->by_clock || self->crashes < CB_RESTARTS_MAX || now - oldest >= CB_RESTARTS_WITHIN;
}

static void
s_count_crash (cb_session *self, cb_usec now)
{
    if (!self->by_clock)
        self->crashed_at[self->crashes++ % CB_RESTARTS_MAX] = now;
}

const char *
cb_session_aftermath_ (const cb_session *self)
{
    if (self->ephemeral || self->state == CB_SESSION_STOPPING)
        return "";
    if (self->restart_asked || s_may_restart (self, cb_now ()))
        return "the session's variables are gone and a new kernel is started for it";
    return "the session's variables are gone, and as its kernels keep dying no other one is "
           "started: "
           "see cellblock restart";
}

void
cb_session_death_words_ (const cb_session *self, const cb_death *death, int began,
                         char text[CB_DEATH_WORDS])
{
    cb_limit_death_words (death, began, death->before_ready ? "" : cb_session_aftermath_ (self),
                          text, CB_DEATH_WORDS);
}

static void
s_stay_dead (cb_session *self)
{
    cb_err why = {.code = self->death.code};

    (void)snprintf (why.text, sizeof why.text, "%s", self->death.text);
    cb_session_become_ (self, CB_SESSION_DEAD);
    cb_guests_status_ (self, "dead", (cb_part){NULL, 0});
    cb_log_warn ("session is dead", CB_STR ("session", self->name), CB_STR ("why", why.text));
    cb_waiters_settle_ (self, 0, &why);
    cb_owner_leave_ (self, CB_LEAVE_DIED, self->death.text);
    cb_session_arm_ (self);
}

static void
s_launch_again (cb_session *self)
{
    cb_err err = CB_ERR_INIT;

    if (self->state != CB_SESSION_RESTARTING)
        cb_session_become_ (self, CB_SESSION_RESTARTING);
    cb_guests_status_ (self, "restarting", (cb_part){NULL, 0});
    self->restarts++;
    self->by_clock = 0;
    if (cb_session_launch_ (self, &err) == 0) {
        for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
            cb_waiting_keep_ (self, entry);
        return;
    }
    self->death = (cb_death){.before_ready = 1, .code = err.code};
    (void)snprintf (self->death.text, sizeof self->death.text, "%s", err.text);
    cb_cells_fail_queued_ (self);
    s_stay_dead (self);
}

/* The first start came to nothing. Whoever waited knows why: then the name is free again. */
static void
s_never_started (cb_session *self)
{
    cb_err why = {.code = self->death.code};
    int told =
        self->n_waiters > 0 || self->executions > 0 || self->ephemeral || self->owner.peer != NULL;

    (void)snprintf (why.text, sizeof why.text, "%s", self->death.text);
    cb_waiters_settle_ (self, 0, &why);
    if (told)
        cb_session_over_ (self);
    else
        s_stay_dead (self);
}

void
cb_session_after_death_ (cb_session *self)
{
    int asked = self->restart_asked;

    cb_left_keep_ (self);
    s_forget_kernel (self);
    self->restart_asked = 0;
    if (self->state == CB_SESSION_STOPPING)
        cb_session_over_ (self);
    else if (asked)
        s_launch_again (self);
    else if (self->state == CB_SESSION_STARTING)
        s_never_started (self);
    else if (self->ephemeral)
        cb_session_over_ (self);
    else if (s_may_restart (self, cb_now ())) {
        s_count_crash (self, cb_now ());
        cb_owner_leave_ (self, CB_LEAVE_DIED, self->death.text);
        s_launch_again (self);
    } else
        s_stay_dead (self);
}

int
cb_session_restart (cb_session *self, cb_on_settled *on_settled, void *context, cb_err *err)
{
    cb_waiter waiter = {on_settled, context, 0};

    if (self->state == CB_SESSION_STOPPING)
        return cb_fail (err, CB_E_GONE, "session '%s' is stopping", self->name);
    if (on_settled != NULL)
        CB_TRY (cb_waiters_add_ (self, &waiter, err));
    self->restart_asked = 1;
    cb_cells_doom_queued_ (self);
    cb_log_info ("session restarts", CB_STR ("session", self->name));
    if (self->kernel == NULL) {
        s_launch_again (self);
        return 0;
    }
    if (self->state != CB_SESSION_RESTARTING)
        cb_session_become_ (self, CB_SESSION_RESTARTING);
    cb_session_end_kernel_ (self, "the session was restarted");
    return 0;
}
