/* adopt.c - a session that a broker before us left behind: with its kernel, or, when that was only
 * about to start, with another one. */
#include "session/session-int.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static int
s_take_fixed (cb_session *self, cb_page *page, cb_err *err)
{
    /* Large (it has room for all inputs), so it is not on the stack. */
    cb_auto_free cb_saved_fixed *fixed = calloc (1, sizeof *fixed);

    if (fixed == NULL)
        return cb_fail_nomem (err);
    CB_TRY (cb_saved_fixed_read_ (page, fixed, err));
    memcpy (self->name, fixed->name, sizeof self->name);
    memcpy (self->key, fixed->key, sizeof self->key);
    memcpy (self->front, fixed->front, sizeof self->front);
    memcpy (self->owner.file, fixed->file, sizeof self->owner.file);
    self->owner.order = fixed->order;
    self->created = fixed->created;
    self->profile = fixed->profile;
    return 0;
}

/* Nothing of the code has run: its kernel is started once more, and what waits for it waits on. */
static int
s_start_anew (cb_session *self, cb_launch_left *left, cb_err *err)
{
    cb_page *page = left->page;
    const cb_saved *saved = (const cb_saved *)(const void *)page->work.above;
    const cb_tape queue = {page, CB_AREA_QUEUE};

    CB_TRY (cb_journal_check (&saved->queue, &queue, err));
    cb_launcher_kill_left (self->services->launcher, left->jail);
    cb_session_restore_counts_ (self, saved);
    self->state = self->restarts > 0 ? CB_SESSION_RESTARTING : CB_SESSION_STARTING;
    cb_waiting_restore_ (self, page);
    CB_TRY (cb_session_launch_ (self, err));
    for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        cb_waiting_keep_ (self, entry);
    return 0;
}

static int
s_go_on (cb_session *self, cb_launch_left *left, cb_err *err)
{
    cb_kernel_options options = cb_session_kernel_options_ (self);

    options.left = left;
    self->kernel = cb_kernel_adopt (self->services->loop, self->services->launcher, &options,
                                    &cb_session_kernel_events_, self, err);
    if (self->kernel == NULL)
        return -CB_E_PROTO;
    return cb_session_restore_ (self, cb_session_saved_ (self), err);
}

cb_session *
cb_session_adopt (const cb_services *services, cb_launch_left *left, cb_on_session_over *on_over,
                  void *context, cb_err *err)
{
    cb_owned (cb_session) cb_session *self = cb_session_bare_ (services, on_over, context, err);
    int is_ready = left->page->shared->ready != 0;

    if (self == NULL || s_take_fixed (self, left->page, err) < 0)
        return NULL;
    if ((is_ready ? s_go_on (self, left, err) : s_start_anew (self, left, err)) < 0)
        return NULL;
    cb_log_info ("session taken over", CB_STR ("session", self->name),
                 CB_STR ("state", cb_session_state_name (self->state)));
    return cb_take (self);
}
