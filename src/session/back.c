/* back.c - after a crash of the broker before: a session is made again from its page, and whoever
 * was connected comes back.
 *
 * Attached clients (libzmq) connect again by themselves within 100 ms, so nothing is read of the
 * kernel until those that are known are there, or the time for that is up. A client of the control
 * API says which run he wants and how much of it he has had. Nothing new begins before the client
 * of a cell that ended meanwhile has its last words: they lie where the next cell's would. */
#include "session/session-int.h"

#include "base/log.h"

#include <string.h>

/* For attached clients. A subscription comes a moment after its connection. */
#define HOLD_MAX (2 * CB_USEC_PER_SEC)
#define HOLD_MIN (60 * CB_USEC_PER_MSEC)
/* A cell's client comes back within so long (libcellblock tries for 10 s): for the last words of a
 * session that was made for the cell, for those of another cell, for a question of the cell. */
#define LINGER_MAX (15 * CB_USEC_PER_SEC)
#define WAIT_MAX   (10 * CB_USEC_PER_SEC)
/* A cell that ended so long before we took over: its client had its last words, or comes at once.
 */
#define OVER_LATELY (5 * CB_USEC_PER_SEC)
#define OVER_WAIT   (3 * CB_USEC_PER_SEC)
#define ASK_MAX     (15 * CB_USEC_PER_SEC)

/* ---- clients of the control API ---- */

static cb_entry *
s_find (const cb_session *self, const char *msg_id)
{
    cb_entry *entry = self->running;

    if (entry == NULL || entry->fanout == NULL || strcmp (cb_entry_msg_id_ (entry), msg_id) != 0)
        entry = self->queue;
    while (entry != NULL &&
           (entry->fanout == NULL || strcmp (cb_entry_msg_id_ (entry), msg_id) != 0))
        entry = entry->next;
    return entry;
}

/* It is over, and no other has begun since. */
static int
s_is_last (const cb_session *self, const char *msg_id)
{
    const cb_saved *saved = self->kernel != NULL ? cb_session_saved_ (self) : NULL;

    return saved != NULL && saved->what == CB_SAVED_OVER && strcmp (saved->run.msg_id, msg_id) == 0;
}

int
cb_session_has_cell (const cb_session *self, const char *msg_id)
{
    if (s_find (self, msg_id) != NULL)
        return 1;
    return s_is_last (self, msg_id) || cb_left_find_ (self, msg_id) != NULL;
}

int
cb_session_may_resume (const cb_session *self, const char *msg_id, cb_err *err)
{
    const cb_entry *entry = s_find (self, msg_id);

    if (entry != NULL && !cb_fanout_is_absent (entry->fanout))
        return cb_fail (err, CB_E_EXISTS, "the client of this cell is here");
    return 0;
}

/* It waits, or runs. */
static void
s_resume_entry (cb_session *self, cb_entry *entry, const cb_resume *resume)
{
    int runs = entry == self->running;
    cb_part header = cb_fanout_header (entry->fanout);
    cb_retold rest = {.peer = resume->peer,
                      .run = cb_run_name (entry->run),
                      .header = header,
                      .after = resume->after,
                      .told = cb_fanout_told (entry->fanout),
                      .has_begun = runs,
                      .forgotten_bytes = cb_session_saved_ (self)->journal.begin,
                      .ahead = runs ? 0 : cb_cells_ahead_ (self, entry)};

    if (runs)
        rest.told = cb_session_saved_ (self)->told_before;
    cb_runs_resend_ (self, &rest);
    cb_fanout_resume (entry->fanout, resume->peer);
    entry->peer = resume->peer;
    if (runs)
        cb_session_ask_on_ (self);
}

/* The last one, which is over. */
static void
s_resume_last (cb_session *self, const cb_resume *resume)
{
    const cb_saved *saved = cb_session_saved_ (self);
    const cb_page *page = cb_kernel_page (self->kernel);
    cb_retold rest = {.peer = resume->peer,
                      .run = saved->run.name,
                      .header = {page->shared->header, saved->header_size},
                      .after = resume->after,
                      .told = saved->told_before,
                      .has_begun = 1,
                      .forgotten_bytes = saved->journal.begin};
    cb_runs_resend_ (self, &rest);
    /* Its client has it all. */
    if (self->linger_at != CB_USEC_NEVER)
        self->linger_at = cb_now () + HOLD_MIN;
    if (self->wait_until != CB_USEC_NEVER)
        self->wait_until = cb_now ();
    cb_session_arm_ (self);
}

void
cb_session_resume (cb_session *self, const char *msg_id, const cb_resume *resume)
{
    cb_entry *entry = s_find (self, msg_id);
    const cb_left *left = cb_left_find_ (self, msg_id);

    if (entry != NULL) {
        s_resume_entry (self, entry, resume);
    } else if (s_is_last (self, msg_id)) {
        s_resume_last (self, resume);
    } else if (left != NULL) {
        cb_retold rest = cb_left_retold_ (left);
        rest.peer = resume->peer;
        rest.after = resume->after;
        cb_runs_resend_ (self, &rest);
    }
}

void
cb_session_linger_ (cb_session *self)
{
    cb_usec now = cb_now ();

    if (self->ephemeral && self->queue == NULL)
        self->linger_at = now + LINGER_MAX;
    else
        self->wait_until = now + WAIT_MAX;
    cb_session_arm_ (self);
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

/* ---- attached clients ---- */

/* Whether the guest whose it is has not come back. One without a routing id is never known again.
 */
static int
s_is_missed (const cb_entry *entry)
{
    return entry->request != NULL && entry->guest == NULL && entry->identity_size > 0;
}

static int
s_misses_guest (const cb_session *self)
{
    if (self->running != NULL && s_is_missed (self->running))
        return 1;
    for (const cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        if (s_is_missed (entry))
            return 1;
    return 0;
}

static void
s_maybe_go_on (cb_session *self)
{
    size_t readers = self->readers != NULL ? cb_readers_count (self->readers) : 0;

    if (self->hold_until == CB_USEC_NEVER || readers < self->awaited_readers ||
        s_misses_guest (self))
        return;
    cb_usec soon = cb_now () + HOLD_MIN;
    if (soon < self->hold_until)
        self->hold_until = soon;
    cb_session_arm_ (self);
}

int
cb_session_waits_ (const cb_session *self)
{
    return self->hold_until != CB_USEC_NEVER || self->wait_until != CB_USEC_NEVER;
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
cb_session_reader_back (cb_session *self)
{
    s_maybe_go_on (self);
}

static int
s_is_his (const cb_entry *entry, cb_part identity)
{
    return s_is_missed (entry) && entry->identity_size == identity.size &&
           memcmp (entry->identity, identity.data, identity.size) == 0;
}

/* The running one has its reply to come and may ask. */
static void
s_running_is_his (cb_session *self, cb_guest *guest)
{
    cb_entry *entry = self->running;
    cb_err err = CB_ERR_INIT;

    entry->guest = guest;
    if (!entry->replied &&
        cb_asked_add (&self->asked, guest, entry->channel, entry->request, &err) < 0)
        cb_log_warn ("a client who is back cannot be answered", CB_STR ("why", err.text));
}

void
cb_session_guest_back (cb_session *self, cb_guest *guest, cb_part identity)
{
    cb_entry *running = self->running;

    if (running != NULL && s_is_his (running, identity) && guest->peers[running->channel] != NULL &&
        (!running->may_ask || guest->peers[CB_CHANNEL_STDIN] != NULL))
        s_running_is_his (self, guest);
    for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next) {
        if (!s_is_his (entry, identity) || guest->peers[entry->channel] == NULL)
            continue;
        entry->guest = guest;
        if (guest->number == 0)
            guest->number = entry->client;
        guest->n_waiting++;
        guest->waiting_bytes += cb_zmsg_cost (entry->request->raw);
    }
    s_maybe_go_on (self);
}

/* ---- a session that was left behind ---- */

static int
s_restore_cell (cb_session *self, const cb_saved *saved, cb_entry **ret_entry, cb_err *err)
{
    cb_page *page = cb_kernel_page (self->kernel);
    cb_part header = {page->shared->header, saved->header_size};

    if (saved->header_size > CB_PAGE_HEADER || saved->identity_size > CB_ZMTP_IDENTITY_MAX ||
        saved->told_before > CB_PAGE_WAITING)
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    if (saved->what == CB_SAVED_CELL) {
        CB_TRY (cb_requests_restore_ (self, saved, header, ret_entry, err));
        cb_entry_note_identity_ (*ret_entry, (cb_part){saved->identity, saved->identity_size});
        return 0;
    }
    CB_TRY (cb_runs_restore_ (self, saved, header, ret_entry, err));
    cb_fanout_has_lost ((*ret_entry)->fanout, saved->lost_messages, saved->lost_bytes);
    cb_save_keep_ (self, (*ret_entry)->fanout);
    if (saved->may_ask) {
        self->ask_at = cb_now () + ASK_MAX;
        cb_kernel_pause_input (self->kernel, 1);
    }
    return 0;
}

static int
s_restore_asking (cb_session *self, cb_entry **ret_entry, cb_err *err)
{
    const cb_page *page = cb_kernel_page (self->kernel);
    const cb_saved_question *from = (const cb_saved_question *)(const void *)page->shared->question;

    if (from->header_size > CB_HEADER_MAX || from->identity_size > CB_ZMTP_IDENTITY_MAX)
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    CB_TRY (cb_requests_asking_ (self, (cb_part){from->header, from->header_size}, ret_entry, err));
    cb_entry_note_identity_ (*ret_entry, (cb_part){from->identity, from->identity_size});
    return 0;
}

static int
s_restore_running (cb_session *self, const cb_saved *saved, cb_err *err)
{
    int is_cell = saved->what == CB_SAVED_RUN || saved->what == CB_SAVED_CELL;
    cb_entry *entry = NULL;

    if (!is_cell && !saved->asking)
        return 0;
    CB_TRY (is_cell ? s_restore_cell (self, saved, &entry, err)
                    : s_restore_asking (self, &entry, err));
    self->running = entry;
    entry->replied |= cb_kernel_page (self->kernel)->shared->given;
    self->state = CB_SESSION_BUSY;
    cb_kernel_resume_busy (self->kernel);
    return 0;
}

void
cb_session_restore_counts_ (cb_session *self, const cb_saved *saved)
{
    self->ephemeral = saved->ephemeral != 0;
    self->executions = saved->executions;
    self->restarts = saved->restarts;
    self->crashes = saved->crashes;
    memcpy (self->crashed_at, saved->crashed_at, sizeof self->crashed_at);
    cb_owner_restore_ (self, &saved->owner);
}

/* Nothing runs; the last cell's client may be about to ask for its end. */
static void
s_restore_over (cb_session *self, const cb_saved *saved)
{
    cb_usec now = cb_now ();

    if (self->ephemeral && self->queue == NULL)
        self->linger_at = now + LINGER_MAX;
    else if (saved->what == CB_SAVED_OVER && now - saved->over_at < OVER_LATELY)
        self->wait_until = now + OVER_WAIT;
}

int
cb_session_restore_ (cb_session *self, const cb_saved *saved, cb_err *err)
{
    const cb_tape journal = {cb_kernel_page (self->kernel), CB_AREA_JOURNAL};
    const cb_tape queue = {journal.page, CB_AREA_QUEUE};

    CB_TRY (cb_journal_check (&saved->journal, &journal, err));
    CB_TRY (cb_journal_check (&saved->queue, &queue, err));
    cb_session_restore_counts_ (self, saved);
    self->output_used = saved->output_used != 0;
    self->output_mtime = saved->output_mtime;
    self->awaited_readers = saved->readers;
    self->state = CB_SESSION_IDLE;
    CB_TRY (s_restore_running (self, saved, err));
    cb_waiting_restore_ (self, cb_kernel_page (self->kernel));
    if (self->running == NULL)
        s_restore_over (self, saved);
    if (self->awaited_readers > 0 || s_misses_guest (self)) {
        self->hold_until = cb_now () + HOLD_MAX;
        cb_kernel_pause (self->kernel, 1);
    }
    /* What waits begins from the loop. */
    if (self->queue != NULL && self->running == NULL && !cb_session_waits_ (self))
        self->wait_until = cb_now ();
    cb_session_arm_ (self);
    return 0;
}
