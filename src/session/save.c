/* save.c - a session writes down what a broker after us must know, and is made again from that.
 *
 * Everything that changes goes into the page's next state and is in force with the commit that
 * follows: the kernel's link commits after each message and before it sends one, the fan-out before
 * it tells a client something, and this file where a clock or a person changed something. A cell is
 * in force with the bytes of its request before the kernel gets the first of them: should we die in
 * between, who comes next sends the rest. */
#include "session/session-int.h"

#include "base/log.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void
s_note_session (const cb_session *self, cb_saved *saved)
{
    saved->ephemeral = self->ephemeral != 0;
    saved->output_used = self->output_used != 0;
    saved->output_mtime = self->output_mtime;
    saved->readers = self->readers != NULL ? (uint32_t)cb_readers_count (self->readers) : 0;
    saved->published = self->readers != NULL ? cb_readers_published (self->readers) : 0;
    saved->round = self->round;
    saved->clients = self->clients;
    saved->executions = self->executions;
    saved->restarts = self->restarts;
    cb_owner_save_ (&self->owner, &saved->owner);
    saved->crashes = self->crashes;
    memcpy (saved->crashed_at, self->crashed_at, sizeof saved->crashed_at);
}

void
cb_save_fixed_ (cb_page *page, void *context)
{
    const cb_session *self = context;
    cb_saved_fixed *fixed = s_fixed (page);
    const cb_profile *profile = &self->profile;
    size_t size = offsetof (cb_profile, jail) + offsetof (cb_jail_spec, inputs) +
                  profile->jail.n_inputs * sizeof profile->jail.inputs[0];

    memcpy (fixed->name, self->name, sizeof fixed->name);
    memcpy (fixed->key, self->key, sizeof fixed->key);
    memcpy (fixed->front, self->front, sizeof fixed->front);
    memcpy (fixed->file, self->owner.file, sizeof fixed->file);
    fixed->order = self->owner.order;
    fixed->created = self->created;
    memcpy (&fixed->profile, profile, size);
    s_note_session (self, (cb_saved *)(void *)page->work.above);
    cb_page_commit (page);
    page->shared->named = 1;
}

void
cb_save_ready_ (cb_session *self)
{
    cb_page *page = cb_kernel_page (self->kernel);

    cb_session_commit_ (self);
    page->shared->ready = 1;
}

void
cb_session_note_ (cb_session *self)
{
    cb_saved *saved = cb_session_saved_ (self);
    const cb_entry *entry = self->running;

    s_note_session (self, saved);
    if (entry == NULL || entry->run == NULL)
        return;
    cb_run_save (entry->run, &saved->run);
    if (entry->fanout != NULL)
        cb_fanout_lost (entry->fanout, &saved->lost_messages, &saved->lost_bytes);
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
    cb_part id = cb_entry_identity_ (entry);

    saved->channel = entry->channel;
    saved->stop_on_error = entry->stop_on_error != 0;
    saved->identity_size = (uint32_t)id.size;
    memcpy (saved->identity, id.data, id.size);
}

void
cb_save_keep_ (cb_session *self, cb_fanout *fanout)
{
    cb_keep keep = {.journal = &cb_session_saved_ (self)->journal,
                    .tape = {cb_kernel_page (self->kernel), CB_AREA_JOURNAL},
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

    cb_left_keep_ (self);
    saved->what = CB_SAVED_NOTHING;
    page->shared->given = 0;
    saved->told_before = entry->fanout != NULL ? cb_fanout_told (entry->fanout) : 0;
    cb_journal_reset (&saved->journal, &(cb_tape){page, CB_AREA_JOURNAL}, saved->told_before);
    cb_page_commit (page);
    if (header.size > CB_PAGE_HEADER)
        return;
    memcpy (page->shared->header, header.data, header.size);
    saved->header_size = (uint32_t)header.size;
    saved->may_ask = entry->may_ask != 0;
    if (entry->fanout != NULL)
        cb_save_keep_ (self, entry->fanout);
    else
        s_note_guest (saved, entry);
    saved->what = entry->fanout != NULL ? CB_SAVED_RUN : CB_SAVED_CELL;
    cb_session_note_ (self);
}

void
cb_save_asking_ (cb_session *self, const cb_entry *entry)
{
    cb_page *page = cb_kernel_page (self->kernel);
    cb_saved_question *to = (cb_saved_question *)(void *)page->shared->question;
    cb_part header = entry->request->dicts[CB_DICT_HEADER];
    cb_part id = cb_entry_identity_ (entry);

    if (entry->answered || entry->aborted || entry->query.on_answer != NULL ||
        entry->request->type == NULL || entry->request->type->reply == NULL)
        return;
    /* The last one's is in force perhaps. */
    cb_session_commit_ (self);
    page->shared->given = 0;
    to->header_size = (uint32_t)header.size;
    memcpy (to->header, header.data, header.size);
    to->identity_size = (uint32_t)id.size;
    memcpy (to->identity, id.data, id.size);
    cb_session_saved_ (self)->asking = 1;
    cb_session_note_ (self);
}

void
cb_save_asked_ (cb_session *self)
{
    if (self->kernel != NULL)
        cb_session_saved_ (self)->asking = 0;
}

void
cb_save_over_ (cb_session *self, int keep)
{
    if (self->kernel == NULL)
        return;
    cb_saved *saved = cb_session_saved_ (self);
    saved->what = keep ? CB_SAVED_OVER : CB_SAVED_NOTHING;
    saved->over_at = cb_now ();
    cb_kernel_let_go (self->kernel, CB_CHANNEL_SHELL);
    if (!keep)
        cb_session_commit_ (self);
}

int
cb_saved_fixed_read_ (cb_page *page, cb_saved_fixed *ret_fixed, cb_err *err)
{
    *ret_fixed = *s_fixed (page);
    ret_fixed->name[sizeof ret_fixed->name - 1] = '\0';
    ret_fixed->key[sizeof ret_fixed->key - 1] = '\0';
    ret_fixed->front[sizeof ret_fixed->front - 1] = '\0';
    ret_fixed->file[sizeof ret_fixed->file - 1] = '\0';
    cb_jail_spec *jail = &ret_fixed->profile.jail;
    if (jail->n_inputs > CB_SPEC_INPUTS_MAX)
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    ret_fixed->profile.name[sizeof ret_fixed->profile.name - 1] = '\0';
    jail->name[sizeof jail->name - 1] = '\0';
    jail->profile[sizeof jail->profile - 1] = '\0';
    jail->workdir_path[sizeof jail->workdir_path - 1] = '\0';
    for (uint32_t i = 0; i < jail->n_inputs; i++) {
        jail->inputs[i].path[sizeof jail->inputs[i].path - 1] = '\0';
        jail->inputs[i].name[sizeof jail->inputs[i].name - 1] = '\0';
    }
    return cb_name_check ("session", ret_fixed->name, err);
}

void
cb_session_name_in (const cb_page *page, char name[CB_NAME_MAX])
{
    const cb_saved_fixed *fixed = (const cb_saved_fixed *)(const void *)page->shared->fixed;

    (void)snprintf (name, CB_NAME_MAX, "%.*s", CB_NAME_MAX - 1, fixed->name);
}
