/* run-save.c - a run as plain data and back. */
#include "session/run-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
cb_run_save (const cb_run *self, cb_run_saved *ret_saved)
{
    cb_run_saved *to = ret_saved;

    memcpy (to->name, self->name, sizeof to->name);
    memcpy (to->msg_id, self->msg_id, sizeof to->msg_id);
    to->wall = self->wall;
    to->grace = self->grace;
    to->output_limit = self->output_limit;
    to->begun_at = self->begun_at;
    to->wall_at = self->wall_at;
    to->hard_at = self->hard_at;
    to->kill_at = self->kill_at;
    to->over_at = self->idle ? self->over_at : CB_USEC_NEVER;
    to->paused_at = self->paused_at;
    to->paused = self->paused;
    to->output = self->output;
    to->dropped = self->dropped;
    to->usage_before = self->usage_before;
    to->facts = self->facts;
    to->interrupt_due = self->interrupt_due != 0;
    to->interrupted = self->interrupted != 0;
    to->begun = self->begun != 0;
    to->timed_out = self->timed_out != 0;
    to->capped = self->capped != 0;
    to->idle = self->idle != 0;
}

cb_run *
cb_run_restore (const cb_run_saved *saved, const char *session, cb_err *err)
{
    cb_run *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_run){.wall = saved->wall,
                     .grace = saved->grace,
                     .output_limit = saved->output_limit,
                     .live = 1,
                     .begun_at = saved->begun_at,
                     .wall_at = saved->wall_at,
                     .hard_at = saved->hard_at,
                     .kill_at = saved->kill_at,
                     .over_at = saved->over_at,
                     .paused_at = saved->paused_at,
                     .paused = saved->paused,
                     .output = saved->output,
                     .dropped = saved->dropped,
                     .usage_before = saved->usage_before,
                     .facts = saved->facts,
                     .interrupt_due = saved->interrupt_due,
                     .interrupted = saved->interrupted,
                     .begun = saved->begun,
                     .timed_out = saved->timed_out,
                     .capped = saved->capped,
                     .idle = saved->idle};
    (void)snprintf (self->session, sizeof self->session, "%s", session);
    (void)snprintf (self->name, sizeof self->name, "%.*s", (int)sizeof self->name - 1, saved->name);
    (void)snprintf (self->msg_id, sizeof self->msg_id, "%.*s", (int)sizeof self->msg_id - 1,
                    saved->msg_id);
    return self;
}
