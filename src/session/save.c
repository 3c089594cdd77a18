/* save.c - a session writes down what a broker after us must know, and is made again from that.
 *
 * Everything that changes goes into the page's next state and is in force with the commit that
 * follows: the kernel's link commits after each message, the fan-out before it tells a client
 * something, and this file where a clock or a person changed something. A cell is in force before
 * the kernel gets it: should we die in between, the page says that a request is cut off. */
#include "session/session-int.h"

#include "base/log.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Attached clients come back within so long (libzmq tries every 100 ms); nothing is read of the
 * kernel meanwhile. A subscription comes a moment after its connection. */
#define HOLD_MAX (2 * CB_USEC_PER_SEC)
#define HOLD_MIN (60 * CB_USEC_PER_MSEC)
/* A cell's session waits so long for the client who is to have its last words. */
#define LINGER (15 * CB_USEC_PER_SEC)
/* What a cell asks its client waits so long for him. */
#define ASK_MAX (15 * CB_USEC_PER_SEC)

cb_saved *
cb_session_saved_ (const cb_session *self)
{
    return (cb_saved *)(void *)cb_kernel_page (self->kernel)->work.above;
}

static cb_saved_fixed *
s_fixed (cb_page *page)
{
    return (cb_saved_fixed *)(void *)page->shared->fixed;
}

void
cb_save_fixed_ (cb_session *self)
{
    cb_page *page = cb_kernel_page (self->kernel);
    cb_saved_fixed *fixed = s_fixed (page);
    const cb_profile *profile = &self->profile;
    size_t size = offsetof (cb_profile, jail) + offsetof (cb_jail_spec, inputs) +
                  profile->jail.n_inputs * sizeof profile->jail.inputs[0];

    memcpy (fixed->name, self->name, sizeof fixed->name);
    memcpy (fixed->key, self->key, sizeof fixed->key);
    memcpy (fixed->front, self->front, sizeof fixed->front);
    fixed->created = self->created;
    memcpy (&fixed->profile, profile, size);
    cb_session_commit_ (self);
    page->shared->ready = 1;
}

void
cb_session_note_ (cb_session *self)
{
    cb_saved *saved = cb_session_saved_ (self);
    const cb_entry *entry = self->running;

    saved->ephemeral = self->ephemeral != 0;
    saved->output_used = self->output_used != 0;
    saved->output_mtime = self->output_mtime;
    saved->readers = self->readers != NULL ? (uint32_t)cb_readers_count (self->readers) : 0;
    saved->executions = self->executions;
    saved->restarts = self->restarts;
    saved->crashes = self->crashes;
    memcpy (saved->crashed_at, self->crashed_at, sizeof saved->crashed_at);
    if (entry == NULL || entry->run == NULL)
        return;
    cb_run_save (entry->run, &saved->run);
    saved->replied = entry->replied != 0;
    saved->idle_told = entry->idle_told != 0;
}

void
cb_session_commit_ (cb_session *self)
{
    if (self->kernel == NULL)
        return;
    cb_session_note_ (self);
    cb_page_commit (cb_kernel_page (self->kernel));
}

static void
s_commit (void *context)
{
    cb_session_commit_ (context);
}

/* ---- a cell ---- */

static cb_part
s_header_of (const cb_entry *entry)
{
    return entry->fanout != NULL ? cb_fanout_header (entry->fanout)
                                 : entry->request->dicts[CB_DICT_HEADER];
}

static void
s_note_guest (cb_saved *saved, const cb_entry *entry)
{
    cb_zpeer *peer = entry->guest != NULL ? entry->guest->peers[entry->channel] : NULL;
    cb_part id = peer != NULL ? cb_zpeer_identity (peer) : (cb_part){"", 0};

    saved->channel = entry->channel;
    saved->stop_on_error = entry->stop_on_error != 0;
    saved->identity_size = (uint32_t)id.size;
    memcpy (saved->identity, id.data, id.size);
}

static void
s_keep (cb_session *self, cb_fanout *fanout)
{
    cb_keep keep = {.journal = &cb_session_saved_ (self)->journal,
                    .page = cb_kernel_page (self->kernel),
                    .commit = s_commit,
                    .context = self};

    cb_fanout_keep (fanout, &keep);
}

void
cb_save_begin_ (cb_session *self, cb_entry *entry)
{
    cb_page *page = cb_kernel_page (self->kernel);
    cb_saved *saved = cb_session_saved_ (self);
    cb_part header = s_header_of (entry);

    saved->what = CB_SAVED_NOTHING;
    cb_journal_reset (&saved->journal, page,
                      entry->fanout != NULL ? cb_fanout_told (entry->fanout) : 0);
    cb_page_commit (page);
    if (header.size > CB_PAGE_HEADER)
        return;
    page->shared->sending[CB_CHANNEL_SHELL] = 1;
    memcpy (page->shared->header, header.data, header.size);
    saved->header_size = (uint32_t)header.size;
    saved->may_ask = entry->may_ask != 0;
    if (entry->fanout != NULL)
        s_keep (self, entry->fanout);
    else
        s_note_guest (saved, entry);
    saved->what = entry->fanout != NULL ? CB_SAVED_RUN : CB_SAVED_CELL;
    cb_session_commit_ (self);
}

void
cb_save_over_ (cb_session *self, int keep)
{
    if (self->kernel == NULL)
        return;
    cb_session_saved_ (self)->what = keep ? CB_SAVED_OVER : CB_SAVED_NOTHING;
    cb_kernel_let_go (self->kernel, CB_CHANNEL_SHELL);
    if (!keep)
        cb_session_commit_ (self);
}

/* ---- who comes back ---- */

static int
s_runs (const cb_session *self, const char *msg_id)
{
    const cb_entry *entry = self->running;

    return entry != NULL && entry->fanout != NULL && strcmp (cb_entry_msg_id_ (entry), msg_id) == 0;
}

int
cb_session_has_cell (const cb_session *self, const char *msg_id)
{
    if (s_runs (self, msg_id))
        return 1;
    const cb_saved *saved = self->kernel != NULL ? cb_session_saved_ (self) : NULL;
    return saved != NULL && saved->what == CB_SAVED_OVER && strcmp (saved->run.msg_id, msg_id) == 0;
}

int
cb_session_may_resume (const cb_session *self, const char *msg_id, cb_err *err)
{
    if (s_runs (self, msg_id) && !cb_fanout_is_absent (self->running->fanout))
        return cb_fail (err, CB_E_EXISTS, "the client of this cell is here");
    return 0;
}

void
cb_session_resume (cb_session *self, const char *msg_id, const cb_resume *resume)
{
    if (s_runs (self, msg_id)) {
        cb_fanout_resume (self->running->fanout, resume->peer, resume->after);
        cb_session_ask_on_ (self);
        return;
    }
    const cb_saved *saved = cb_session_saved_ (self);
    cb_journal_resend (&saved->journal, cb_kernel_page (self->kernel), resume->after, resume->peer);
    /* Its client has it all. */
    if (self->linger_at != CB_USEC_NEVER)
        self->linger_at = cb_now () + HOLD_MIN;
    cb_session_arm_ (self);
}

void
cb_session_linger_ (cb_session *self)
{
    self->linger_at = cb_now () + LINGER;
    cb_session_arm_ (self);
}

static void
s_maybe_go_on (cb_session *self)
{
    const cb_entry *entry = self->running;
    size_t readers = self->readers != NULL ? cb_readers_count (self->readers) : 0;

    if (self->hold_until == CB_USEC_NEVER || readers < self->awaited_readers ||
        (entry != NULL && entry->request != NULL && entry->guest == NULL))
        return;
    cb_usec soon = cb_now () + HOLD_MIN;
    if (soon < self->hold_until)
        self->hold_until = soon;
    cb_session_arm_ (self);
}

void
cb_session_go_on_ (cb_session *self)
{
    self->hold_until = CB_USEC_NEVER;
    if (self->kernel == NULL)
        return;
    cb_kernel_pause (self->kernel, 0);
    if (self->ask_at != CB_USEC_NEVER)
        cb_kernel_pause_input (self->kernel, 1);
}

void
cb_session_ask_on_ (cb_session *self)
{
    if (self->ask_at == CB_USEC_NEVER)
        return;
    self->ask_at = CB_USEC_NEVER;
    if (self->kernel != NULL && self->hold_until == CB_USEC_NEVER)
        cb_kernel_pause_input (self->kernel, 0);
}

void
cb_session_reader_back (cb_session *self)
{
    s_maybe_go_on (self);
}

void
cb_session_guest_back (cb_session *self, cb_guest *guest, cb_part identity)
{
    cb_entry *entry = self->running;
    cb_err err = CB_ERR_INIT;

    if (self->hold_until == CB_USEC_NEVER || entry == NULL || entry->request == NULL ||
        guest->peers[entry->channel] == NULL ||
        (entry->may_ask && guest->peers[CB_CHANNEL_STDIN] == NULL))
        return;
    const cb_saved *saved = cb_session_saved_ (self);
    if (entry->guest != NULL || identity.size != saved->identity_size ||
        memcmp (identity.data, saved->identity, identity.size) != 0)
        return;
    entry->guest = guest;
    if (!entry->replied &&
        cb_asked_add (&self->asked, guest, entry->channel, entry->request, &err) < 0)
        cb_log_warn ("a client who is back cannot be answered", CB_STR ("why", err.text));
    s_maybe_go_on (self);
}

/* ---- a session that was left behind ---- */

static int
s_restore_entry (cb_session *self, cb_err *err)
{
    const cb_saved *saved = cb_session_saved_ (self);
    const cb_page *page = cb_kernel_page (self->kernel);
    cb_part header = {page->shared->header, saved->header_size};
    cb_entry *entry = NULL;

    if (saved->header_size > CB_PAGE_HEADER || saved->identity_size > CB_ZMTP_IDENTITY_MAX)
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    CB_TRY (saved->what == CB_SAVED_RUN ? cb_runs_restore_ (self, saved, header, &entry, err)
                                        : cb_requests_restore_ (self, saved, header, &entry, err));
    if (entry->fanout != NULL)
        s_keep (self, entry->fanout);
    self->running = entry;
    self->state = CB_SESSION_BUSY;
    cb_kernel_resume_busy (self->kernel);
    return 0;
}

int
cb_session_restore_ (cb_session *self, const cb_saved *saved, cb_err *err)
{
    self->ephemeral = saved->ephemeral != 0;
    self->output_used = saved->output_used != 0;
    self->output_mtime = saved->output_mtime;
    self->executions = saved->executions;
    self->restarts = saved->restarts;
    self->crashes = saved->crashes;
    memcpy (self->crashed_at, saved->crashed_at, sizeof self->crashed_at);
    self->awaited_readers = saved->readers;
    self->state = CB_SESSION_IDLE;
    if (saved->what == CB_SAVED_RUN || saved->what == CB_SAVED_CELL)
        CB_TRY (s_restore_entry (self, err));
    else if (self->ephemeral)
        self->linger_at = cb_now () + LINGER;
    if (self->awaited_readers > 0 || saved->what == CB_SAVED_CELL) {
        self->hold_until = cb_now () + HOLD_MAX;
        cb_kernel_pause (self->kernel, 1);
    }
    if (saved->what == CB_SAVED_RUN && saved->may_ask) {
        self->ask_at = cb_now () + ASK_MAX;
        cb_kernel_pause_input (self->kernel, 1);
    }
    cb_session_arm_ (self);
    return 0;
}

int
cb_saved_fixed_read_ (cb_page *page, cb_saved_fixed *ret_fixed, cb_err *err)
{
    *ret_fixed = *s_fixed (page);
    ret_fixed->name[sizeof ret_fixed->name - 1] = '\0';
    ret_fixed->key[sizeof ret_fixed->key - 1] = '\0';
    ret_fixed->front[sizeof ret_fixed->front - 1] = '\0';
    if (ret_fixed->profile.jail.n_inputs > CB_SPEC_INPUTS_MAX)
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    return cb_name_check ("session", ret_fixed->name, err);
}

void
cb_session_name_in (const cb_page *page, char name[CB_NAME_MAX])
{
    const cb_saved_fixed *fixed = (const cb_saved_fixed *)(const void *)page->shared->fixed;

    (void)snprintf (name, CB_NAME_MAX, "%.*s", CB_NAME_MAX - 1, fixed->name);
}
