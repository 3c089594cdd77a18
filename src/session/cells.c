/* cells.c - the queue of a session: one request with the kernel at a time, collect, answer.
 *
 * The running cell stays `running` until its files are collected (collect.c). Whatever a kernel
 * says is only believed for the running request; output that an older one prints late goes to those
 * who look on (guests.c). Whose request it is makes no difference here: that is the entry's kind.
 */
#include "session/session-int.h"

#include "base/log.h"
#include "wire/ctl.h"

#include <string.h>

/* A request that is no cell and whose idle is here: its reply is on another connection, a moment
 * behind, and longer where the kernel gets no processor. IPython's kernel answers nothing to a
 * request that it could not read. */
#define REPLY_PATIENCE (2 * CB_USEC_PER_SEC)

/* Whether the kernel works on it. */
static int
s_is_live (const cb_entry *entry)
{
    return entry->run == NULL || cb_run_is_live (entry->run);
}

/* The running request has its answer: what comes next. */
static void
s_after_run (cb_session *self, int absent)
{
    cb_err err = CB_ERR_INIT;

    if (self->kernel_gone) {
        cb_guests_on_death_ (self);
        cb_session_after_death_ (self);
        return;
    }
    cb_kernel_done (self->kernel);
    if (self->state == CB_SESSION_BUSY)
        cb_session_become_ (self, CB_SESSION_IDLE);
    if (absent)
        cb_session_linger_ (self);
    else if (self->ephemeral && self->queue == NULL)
        (void)!cb_session_stop (self, "its cell is done", NULL, NULL, &err);
    else
        cb_cells_next_ (self);
    cb_session_arm_ (self);
}

void
cb_cells_finish_ (cb_session *self, json_t *artifacts, const char *trouble)
{
    cb_entry *entry = cb_take (self->running);

    cb_guests_forget_question_ (self);
    entry->kind->finish (entry, artifacts, trouble);
    int absent = entry->fanout != NULL && cb_fanout_is_awaited (entry->fanout);
    self->is_left = entry->fanout != NULL && cb_fanout_is_absent (entry->fanout);
    cb_entry_destroy (&entry);
    s_after_run (self, absent);
}

static void
s_end_running (cb_session *self)
{
    if (!self->running->idle_told)
        cb_hits_show_end_ (self);
    cb_run_end (self->running->run, cb_now ());
    cb_collect_ (self);
}

void
cb_cells_answered_ (cb_session *self)
{
    cb_owned (cb_json) json_t *none = json_array ();

    cb_cells_finish_ (self, none, "");
}

/* ---- the kernel's words ---- */

/* Reply or idle came. The first of them says that the work is done: what it cost is read then,
 * while the other is on its way. Only clients of the control API are told. */
static void
s_progress (cb_session *self)
{
    cb_usage usage;

    if (cb_run_is_complete (self->running->run)) {
        s_end_running (self);
        return;
    }
    if (self->running->fanout != NULL) {
        cb_kernel_usage (self->kernel, &usage);
        cb_run_note_usage (self->running->run, &usage);
    }
    cb_session_arm_ (self);
}

static void
s_on_reply (cb_session *self, cb_jmsg *message)
{
    cb_entry *entry = self->running;
    cb_run *run = entry->run;

    if (strcmp (message->msg_type, "execute_reply") != 0) {
        cb_kernel_refuse (self->kernel, CB_CHANNEL_SHELL, message, "not the reply of a cell");
        return;
    }
    switch (cb_run_on_reply (run, message, cb_now ())) {
    case CB_RUN_TWICE:
        cb_kernel_refuse (self->kernel, CB_CHANNEL_SHELL, message, "a second reply");
        return;
    case CB_RUN_BROKEN:
        cb_kernel_refuse (self->kernel, CB_CHANNEL_SHELL, message, "a reply that makes no sense");
        break;
    default:
        /* A broker before us may have passed it on. */
        if (!entry->replied)
            entry->replied = cb_guests_on_reply_ (self, CB_CHANNEL_SHELL, message);
        cb_kernel_page (self->kernel)->shared->given = entry->replied != 0;
        break;
    }
    cb_kernel_hold (self->kernel, CB_CHANNEL_SHELL);
    cb_hits_judge_ (self);
    if (entry->stop_on_error && cb_run_raised (run))
        cb_requests_stop_ (self, cb_entry_client_ (entry));
    s_progress (self);
}

uint64_t
cb_cells_size_ (const cb_jmsg *message)
{
    uint64_t size = message->dicts[CB_DICT_METADATA].size + message->dicts[CB_DICT_CONTENT].size;

    for (size_t i = 0; i < message->n_buffers; i++)
        size += message->buffers[i].size;
    return size;
}

/* Borrowed from the message; "" when it says nothing. */
static const char *
s_state (cb_jmsg *message)
{
    const char *state =
        json_string_value (json_object_get (cb_jmsg_content (message, NULL), "execution_state"));

    return state != NULL ? state : "";
}

int
cb_cells_is_idle_ (cb_jmsg *message)
{
    return strcmp (s_state (message), "idle") == 0;
}

/* To the one who asked and to those who look on. */
static void
s_spread (cb_session *self, cb_jmsg *message, cb_news news)
{
    /* These first: the fan-out puts in force that all were told. */
    cb_guests_publish_ (self, message, news);
    /* Comms and debug events are for those who look on alone. */
    if (self->running->fanout != NULL && cb_ctl_forwards (message->type))
        cb_fanout_send (self->running->fanout, message);
}

static void
s_on_status (cb_session *self, cb_jmsg *message)
{
    cb_entry *entry = self->running;
    const char *state = s_state (message);

    /* Charged like output: a flood of "busy" is a flood. */
    if (strcmp (state, "idle") != 0) {
        /* Before it is told, so that a broker after us knows both or neither. */
        if (strcmp (state, "busy") == 0)
            cb_run_on_busy (entry->run, cb_now ());
        if (cb_run_account (entry->run, cb_cells_size_ (message)))
            s_spread (self, message, CB_NEWS_STATUS);
        cb_session_arm_ (self);
        return;
    }
    if (cb_run_on_idle (entry->run, cb_now ()) == CB_RUN_TWICE) {
        cb_kernel_refuse (self->kernel, CB_CHANNEL_IOPUB, message, "a second idle");
        return;
    }
    cb_hits_show_end_ (self);
    s_spread (self, message, CB_NEWS_IDLE);
    entry->idle_told = 1;
    s_progress (self);
}

static void
s_on_iopub (cb_session *self, cb_jmsg *message)
{
    cb_entry *entry = self->running;

    cb_run_on_output (entry->run, cb_now ());
    if (message->type != NULL && message->type->role == CB_ROLE_STATUS)
        s_on_status (self, message);
    else if (cb_hits_admit_ (self, message))
        s_spread (self, message, CB_NEWS_OUTPUT);
}

/* ---- a request that is no cell ---- */

/* An attached client that is gone by now has its answer all the same: nobody waits for more. */
static int
s_is_its_reply (const cb_entry *entry, const cb_jmsg *message)
{
    const cb_msgtype *type = entry->request != NULL ? entry->request->type : NULL;

    return type != NULL && type->reply != NULL && strcmp (type->reply, message->msg_type) == 0;
}

/* Reply and idle are here, or the second of them is awaited a little: nothing of the next request
 * comes between. */
static void
s_on_half (cb_session *self)
{
    cb_entry *entry = self->running;

    if (entry->replied && entry->idle_told) {
        cb_cells_answered_ (self);
    } else if (entry->over_at == CB_USEC_NEVER) {
        entry->over_at = cb_now () + REPLY_PATIENCE;
        cb_session_arm_ (self);
    }
}

static void
s_on_question (cb_session *self, cb_channel channel, cb_jmsg *message)
{
    cb_entry *entry = self->running;

    if (channel == CB_CHANNEL_IOPUB) {
        int idle = message->type != NULL && message->type->role == CB_ROLE_STATUS &&
                   cb_cells_is_idle_ (message);
        entry->idle_told |= idle;
        cb_guests_on_iopub_ (self, message);
        if (idle)
            s_on_half (self);
    } else if (channel == CB_CHANNEL_SHELL &&
               (cb_queries_on_reply_ (self, message) ||
                cb_guests_on_reply_ (self, channel, message) || s_is_its_reply (entry, message))) {
        entry->replied = 1;
        cb_kernel_page (self->kernel)->shared->given = 1;
        s_on_half (self);
    } else {
        cb_kernel_refuse (self->kernel, channel, message, "not what was asked for");
    }
}

/* ---- by channel ---- */

/* Nothing of the running cell. */
static void
s_on_other (cb_session *self, cb_channel channel, cb_jmsg *message)
{
    if (channel == CB_CHANNEL_IOPUB)
        cb_guests_on_iopub_ (self, message);
    else if (channel == CB_CHANNEL_STDIN || !cb_guests_on_reply_ (self, channel, message))
        cb_kernel_refuse (self->kernel, channel, message, "not of the running cell");
}

void
cb_cells_on_message_ (cb_session *self, cb_channel channel, cb_jmsg *message)
{
    static void (*const on_cell[CB_CHANNEL__COUNT]) (cb_session *, cb_jmsg *) = {
        [CB_CHANNEL_SHELL] = s_on_reply,
        [CB_CHANNEL_IOPUB] = s_on_iopub,
        [CB_CHANNEL_STDIN] = cb_guests_on_input_,
    };
    int mine = self->running != NULL && s_is_live (self->running) &&
               strcmp (message->parent_id, cb_entry_msg_id_ (self->running)) == 0;

    if (channel == CB_CHANNEL_CONTROL && self->running != NULL && self->running->run != NULL &&
        strcmp (message->msg_type, "interrupt_reply") == 0)
        cb_run_interrupt_taken (self->running->run);
    if (!mine || on_cell[channel] == NULL)
        s_on_other (self, channel, message);
    else if (self->running->run == NULL)
        s_on_question (self, channel, message);
    else
        on_cell[channel](self, message);
}

/* Whose it was is not known: only the running cell can have made it and be told. Output of that
 * size is over the limit alone (or in too many parts): the cell is at its cap now. A reply is large
 * when it carries a huge exception. */
void
cb_cells_on_skipped_ (cb_session *self, cb_channel channel, uint64_t bytes)
{
    if (self->running == NULL || !s_is_live (self->running))
        return;
    if (self->running->run == NULL) {
        if (channel == CB_CHANNEL_SHELL)
            cb_cells_answered_ (self);
        return;
    }
    if (channel == CB_CHANNEL_IOPUB)
        cb_run_drop (self->running->run, bytes);
    if (channel == CB_CHANNEL_SHELL &&
        cb_run_on_huge_reply (self->running->run, cb_now ()) != CB_RUN_TWICE)
        s_progress (self);
}

/* ---- the queue ---- */

void
cb_cells_on_death_ (cb_session *self)
{
    if (self->restart_asked && self->state != CB_SESSION_STOPPING)
        cb_cells_fail_doomed_ (self);
    else
        cb_cells_fail_queued_ (self);
    if (self->running == NULL) {
        cb_guests_on_death_ (self);
        cb_session_after_death_ (self);
        return;
    }
    if (self->running->collecting)
        return;
    if (self->running->run == NULL) {
        cb_cells_answered_ (self);
        return;
    }
    cb_run_die (self->running->run, &self->death, cb_session_aftermath_ (self));
    s_end_running (self);
}

static void
s_becomes_running (cb_session *self, cb_entry *entry)
{
    cb_session_become_ (self, CB_SESSION_BUSY);
    self->running = entry;
}

/* Nothing of it is awaited: it was answered, or could not be sent. */
static void
s_passed (cb_session *self, cb_entry **entry)
{
    if (self->running == *entry) {
        self->running = NULL;
        cb_session_become_ (self, CB_SESSION_IDLE);
        cb_save_over_ (self, 0);
    }
    cb_save_asked_ (self);
    cb_entry_destroy (entry);
}

/* The first of the queue, to the kernel. */
static void
s_begin (cb_session *self)
{
    cb_entry *entry = self->queue;
    cb_err err = CB_ERR_INIT;
    cb_usage usage = {.known = 0};
    cb_facts facts;

    cb_cells_unlink_ (self, &self->queue);
    self->round = entry->round;
    if (entry->run != NULL) {
        s_becomes_running (self, entry);
        self->late = 0;
        if (entry->fanout != NULL)
            cb_kernel_usage_cpu (self->kernel, &usage);
        cb_kernel_look (self->kernel, 0, &facts);
        cb_run_begin (entry->run, cb_now (), &usage, &facts);
        cb_save_begin_ (self, entry);
    } else {
        cb_save_asking_ (self, entry);
    }
    int result = entry->kind->send (entry, &err);
    if (result == CB_ENTRY_PASSED) {
        s_passed (self, &entry);
        return;
    }
    if (entry->run == NULL)
        s_becomes_running (self, entry);
    /* That it runs is in force. */
    cb_waiting_forget_ (self, entry);
    cb_runs_tell_places_ (self, entry->client);
    cb_places_look_ (self);
    if (result < 0) {
        /* Its end is on the way, or it does not read: either way this kernel is done for. */
        cb_kernel_kill (self->kernel, err.text);
        return;
    }
    cb_session_arm_ (self);
}

void
cb_cells_next_ (cb_session *self)
{
    while (self->state == CB_SESSION_IDLE && self->queue != NULL && !cb_session_waits_ (self))
        s_begin (self);
}

int
cb_session_interrupt (cb_session *self)
{
    /* One that waits for the kernel alone is the next to run: it has the interrupt with it. */
    cb_entry *entry = self->running != NULL ? self->running : self->queue;
    /* The kernel comes to what runs after that. */
    int beside = self->beside[0] != '\0' && self->kernel != NULL;

    if (beside)
        cb_kernel_interrupt (self->kernel);
    if (entry == NULL || (self->running != NULL && !s_is_live (entry)))
        return beside;
    if (entry->run == NULL) {
        if (self->running != NULL && !beside)
            cb_kernel_interrupt (self->kernel);
        return self->running != NULL || beside;
    }
    cb_guests_forget_question_ (self);
    (void)cb_run_interrupt (entry->run, cb_now ());
    cb_cells_tick_ (self, cb_now ());
    cb_session_commit_ (self);
    cb_session_arm_ (self);
    return 1;
}

/* ---- time ---- */

cb_usec
cb_cells_deadline_ (const cb_session *self)
{
    if (self->running == NULL)
        return CB_USEC_NEVER;
    return self->running->run != NULL ? cb_run_deadline (self->running->run)
                                      : self->running->over_at;
}

void
cb_cells_tick_ (cb_session *self, cb_usec now)
{
    char why[200];
    cb_usage usage;

    if (self->running != NULL && self->running->run == NULL && now >= self->running->over_at)
        cb_cells_answered_ (self);
    while (self->running != NULL && self->running->run != NULL) {
        switch (cb_run_tick (self->running->run, now)) {
        case CB_RUN_INTERRUPT:
            cb_kernel_interrupt (self->kernel);
            cb_session_commit_ (self);
            break;
        case CB_RUN_INTERRUPT_HARD:
            cb_kernel_interrupt_hard (self->kernel);
            cb_session_commit_ (self);
            break;
        case CB_RUN_KILL:
            cb_kernel_usage (self->kernel, &usage);
            cb_run_note_usage (self->running->run, &usage);
            self->by_clock = cb_run_kill_words (self->running->run, why, sizeof why);
            cb_kernel_kill (self->kernel, why);
            break;
        case CB_RUN_OVER:
            s_end_running (self);
            return;
        default:
            return;
        }
    }
}

/* ---- clients ---- */

/* What waits and has no reader any more is not begun: nobody asks for it now (attached clients'
 * cells are: kernels do that). How many readers the others have. */
static size_t
s_forget_reader (cb_session *self, const cb_zpeer *peer)
{
    size_t readers = 0;

    for (cb_entry **at = &self->queue; *at != NULL;) {
        cb_entry *entry = *at;
        size_t left = entry->fanout != NULL ? cb_fanout_remove (entry->fanout, peer) : 1;
        readers += entry->fanout != NULL ? left : 0;
        if (left > 0) {
            at = &entry->next;
            continue;
        }
        cb_cells_unlink_ (self, at);
        cb_log_info ("a cell that waits is dropped, its client is gone",
                     CB_STR ("session", self->name), CB_STR ("run", cb_run_name (entry->run)));
        cb_entry_destroy (&entry);
        cb_session_commit_ (self);
    }
    return readers;
}

void
cb_session_client_gone (cb_session *self, const cb_zpeer *peer)
{
    size_t readers = s_forget_reader (self, peer);
    cb_err err = CB_ERR_INIT;

    cb_guests_asked_gone_ (self, peer);
    if (self->running != NULL && self->running->fanout != NULL)
        readers += cb_fanout_remove (self->running->fanout, peer);
    if (readers == 0 && self->ephemeral)
        (void)!cb_session_stop (self, "its client is gone", NULL, NULL, &err);
    cb_owner_gone_ (self, peer);
}

void
cb_cells_drop_ (cb_session *self)
{
    cb_entry *running = cb_take (self->running);

    if (running != NULL)
        running->kind->fail (running, &self->death);
    cb_entry_destroy (&running);
    cb_cells_fail_queued_ (self);
}
