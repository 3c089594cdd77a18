/* requests.c - attached clients' requests: what becomes of each type, and their turn in the queue.
 *
 * Requests on shell take their turn with everybody's cells, one with the kernel at a time, so the
 * session always knows what runs and whose it is. Requests on control go to the kernel at once.
 * Some types mean something to the session itself and have a row in s_rows; whatever else comes
 * passes untouched. A kernel never hears of stop_on_error: IPython's aborts what others sent. */
#include "session/session-int.h"

#include "base/log.h"
#include "base/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Requests of all guests in the queue of a session. */
#define WAITING_MAX 2048

static int s_send_cell (cb_entry *self, cb_err *err);
static int s_send_other (cb_entry *self, cb_err *err);
static int s_send_aborted (cb_entry *self, cb_err *err);
static void s_finish_cell (cb_entry *self, json_t *artifacts, const char *trouble);
static void s_finish_other (cb_entry *self, json_t *artifacts, const char *trouble);
static void s_fail (cb_entry *self, const cb_death *death);

const cb_entry_kind cb_requests_cell_ = {s_send_cell, s_finish_cell, s_fail};
const cb_entry_kind cb_requests_other_ = {s_send_other, s_finish_other, s_fail};
static const cb_entry_kind s_aborted = {s_send_aborted, s_finish_other, s_fail};

static cb_part
s_header (const cb_entry *self)
{
    return self->request->dicts[CB_DICT_HEADER];
}

/* ---- answers of ours ---- */

/* A reply of ours to a request that a guest made. */
static void
s_reply (cb_session *session, cb_guest *guest, const cb_request_from *from, const json_t *content)
{
    const cb_jmsg *request = from->message;
    cb_part header = request->dicts[CB_DICT_HEADER];
    char *bytes = (char *)(uintptr_t)header.data;
    cb_asked_row row = {
        .guest = guest, .channel = from->channel, .header = bytes, .header_size = header.size};

    if (guest != NULL && request->type != NULL && request->type->reply != NULL)
        cb_guests_tell_ (session, &row, request->type->reply, content);
}

static void
s_reply_to (cb_entry *self, const json_t *content)
{
    cb_request_from from = {self->request, self->channel};

    s_reply (self->session, self->guest, &from, content);
    self->replied = 1;
}

static void
s_tell_idle (cb_entry *self)
{
    if (!self->idle_told)
        cb_guests_status_ (self->session, "idle", s_header (self));
    self->idle_told = 1;
}

/* A frontend takes the kernel's process for the kernel: when that ends it knows, and an answer
 * would look like one of the code. What happened stands on iopub. */
static int
s_knows_by_itself (const cb_entry *self)
{
    const cb_session *session = self->session;

    return (session->kernel_gone || session->kernel == NULL) &&
           cb_owner_has_ (session, self->guest);
}

/* It does not get further: error on iopub (of a cell), reply, idle, whatever of them is owed. */
static void
s_fail_with (cb_entry *self, const json_t *error)
{
    if (!self->replied) {
        if (self->run != NULL)
            cb_guests_error_ (self->session, s_header (self), error);
        if (!s_knows_by_itself (self))
            s_reply_to (self, error);
    }
    s_tell_idle (self);
}

static void
s_fail (cb_entry *self, const cb_death *death)
{
    cb_owned (cb_json) json_t *error = cb_guests_death_content_ (self->session, death, 0);

    if (!self->answered)
        cb_guests_status_ (self->session, "busy", s_header (self));
    self->replied |= self->answered;
    s_fail_with (self, error);
}

void
cb_session_refuse (cb_session *self, cb_guest *guest, const cb_request_from *from,
                   const cb_err *why)
{
    cb_part header = from->message->dicts[CB_DICT_HEADER];
    cb_owned (cb_json) json_t *error =
        cb_guests_error_content_ (cb_err_name (why->code), why->text);

    /* Others must not take it for the end of what has the same id. */
    const char *msg_id = from->message->msg_id;
    int alone = cb_asked_find (&self->asked, msg_id) == NULL &&
                (self->running == NULL || strcmp (cb_entry_msg_id_ (self->running), msg_id) != 0);
    if (alone)
        cb_guests_status_ (self, "busy", header);
    s_reply (self, guest, from, error);
    if (alone)
        cb_guests_status_ (self, "idle", header);
}

/* ---- the queue's side ---- */

static cb_asked_row *
s_row_of (cb_entry *self)
{
    return cb_asked_find (&self->session->asked, self->request->msg_id);
}

/* To the kernel; its reply will find the guest. A cell on control is worked on like others. */
static int
s_forward (cb_entry *self, int work, cb_err *err)
{
    cb_session *session = self->session;
    cb_jmsg message = *self->request;

    if (self->content != NULL)
        message.dicts[CB_DICT_CONTENT] = (cb_part){self->content, strlen (self->content)};
    if (self->guest != NULL)
        CB_TRY (cb_asked_add (&session->asked, self->guest, self->channel, self->request, err));
    int result = cb_kernel_forward (session->kernel, CB_CHANNEL_SHELL, &message, work, err);
    cb_asked_row *row = s_row_of (self);
    if (result < 0 && row != NULL)
        cb_asked_drop (&session->asked, &row);
    return result;
}

/* The kernel is not blamed: others may have filled its queue. If it is dying, that is told soon. */
static void
s_not_sent (cb_entry *self, const cb_err *why)
{
    cb_request_from from = {self->request, self->channel};

    if (self->guest != NULL)
        cb_session_refuse (self->session, self->guest, &from, why);
}

static int
s_send_cell (cb_entry *self, cb_err *err)
{
    if (s_forward (self, 1, err) == 0)
        return CB_ENTRY_RUNS;
    s_not_sent (self, err);
    return CB_ENTRY_PASSED;
}

static int
s_send_other (cb_entry *self, cb_err *err)
{
    cb_session *session = self->session;
    const cb_msgtype *type = self->request->type;
    int awaited = type != NULL && type->reply != NULL;

    if (self->answered) {
        s_tell_idle (self);
        return CB_ENTRY_PASSED;
    }
    if (s_forward (self, awaited, err) < 0) {
        s_not_sent (self, err);
        return CB_ENTRY_PASSED;
    }
    if (awaited)
        return CB_ENTRY_RUNS;
    (void)snprintf (session->beside, sizeof session->beside, "%s", self->request->msg_id);
    return CB_ENTRY_PASSED;
}

void
cb_requests_abort_ (cb_entry *self)
{
    cb_places_leave_ (self);
    cb_run_destroy (&self->run);
    self->kind = &s_aborted;
    self->aborted = 1;
    cb_waiting_told_ (self);
}

/* They are answered when it is their turn, as by IPython's kernel, so that answers keep the order
 * of the questions. */
void
cb_requests_stop_ (cb_session *self, uint64_t client)
{
    for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        if (entry->client == client && entry->kind == &cb_requests_cell_)
            cb_requests_abort_ (entry);
}

static int
s_send_aborted (cb_entry *self, cb_err *err)
{
    cb_owned (cb_json) json_t *aborted = json_pack ("{s:s}", "status", "aborted");

    (void)err;
    cb_guests_status_ (self->session, "busy", s_header (self));
    s_reply_to (self, aborted);
    s_tell_idle (self);
    return CB_ENTRY_PASSED;
}

static void
s_finish_cell (cb_entry *self, json_t *artifacts, const char *trouble)
{
    cb_session *session = self->session;
    cb_asked_row *row = s_row_of (self);

    if (row != NULL)
        cb_asked_drop (&session->asked, &row);
    if (trouble[0] != '\0')
        cb_log_info ("files of an attached client's cell are missing",
                     CB_STR ("session", session->name), CB_STR ("why", trouble));
    if (!self->replied) {
        cb_owned (cb_json) json_t *result = cb_run_result (self->run, artifacts);
        const json_t *why = json_object_get (result, "error");
        const char *ename = json_string_value (json_object_get (why, "ename"));
        const char *evalue = json_string_value (json_object_get (why, "evalue"));
        cb_owned (cb_json) json_t *error =
            cb_guests_error_content_ (ename != NULL ? ename : "KernelProtocolError",
                                      evalue != NULL ? evalue : "the kernel gave no answer");
        s_fail_with (self, error);
    }
    s_tell_idle (self);
    cb_save_over_ (session, 0);
}

/* Answered, or the patience is used up, or the kernel is dead. IPython's kernel is silent about a
 * request that it could not read: nobody has to wait for ever because of that. */
static void
s_finish_other (cb_entry *self, json_t *artifacts, const char *trouble)
{
    cb_asked_row *row = s_row_of (self);

    (void)artifacts;
    (void)trouble;
    if (row != NULL)
        cb_asked_drop (&self->session->asked, &row);
    int dead = self->session->kernel_gone;
    cb_owned (cb_json) json_t *error =
        dead ? cb_guests_death_content_ (self->session, &self->session->death, 1)
             : cb_guests_error_content_ ("KernelProtocolError", "the kernel gave no answer");
    if (!self->replied && !s_knows_by_itself (self))
        s_reply_to (self, error);
    if (dead)
        s_tell_idle (self);
    cb_save_asked_ (self->session);
}

/* ---- entries ---- */

static int
s_check_room (const cb_session *self, const cb_guest *guest, const cb_jmsg *request, cb_err *err)
{
    const cb_quota *cells = self->services->cells;
    size_t cost = cb_zmsg_cost (request->raw);

    if (guest->n_waiting >= CB_GUEST_WAITING_MAX ||
        (self->n_queued >= WAITING_MAX && guest->n_waiting >= CB_GUEST_WAITING_SURE))
        return cb_fail (err, CB_E_BUSY, "%zu requests wait already", self->n_queued);
    /* Of what all sessions share nobody takes more than he leaves. */
    if (cost > CB_GUEST_BYTES_MAX - guest->waiting_bytes ||
        guest->waiting_bytes + cost > cells->limit - cells->used)
        return cb_fail (err, CB_E_BUSY, "%zu bytes of requests wait already", guest->waiting_bytes);
    return 0;
}

/* Takes the message out of from on success. */
static int
s_entry_new (cb_session *session, cb_guest *guest, cb_request_from *from, cb_entry **ret_entry,
             cb_err *err)
{
    CB_TRY (cb_cells_takes_ (session, err));
    CB_TRY (s_check_room (session, guest, from->message, err));
    cb_entry *self = calloc (1, sizeof *self);
    if (self == NULL)
        return cb_fail_nomem (err);
    *self = (cb_entry){.kind = &cb_requests_other_,
                       .session = session,
                       .guest = guest,
                       .channel = from->channel,
                       .over_at = CB_USEC_NEVER};
    int result = cb_entry_charge_ (self, cb_zmsg_cost (from->message->raw), err);
    if (result < 0) {
        cb_entry_destroy (&self);
        return result;
    }
    self->request = cb_take (from->message);
    *ret_entry = self;
    return 0;
}

/* ---- types ---- */

typedef int on_ask (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err);

/* Straight to the kernel, beside what runs. */
static int
s_ask_control (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    const cb_jmsg *message = from->message;

    CB_TRY (cb_cells_takes_ (self, err));
    if (self->kernel == NULL)
        return cb_fail (err, CB_E_BUSY, "the kernel is %s", cb_session_state_name (self->state));
    CB_TRY (cb_asked_add (&self->asked, guest, from->channel, message, err));
    int result = cb_kernel_forward (self->kernel, CB_CHANNEL_CONTROL, message, 0, err);
    cb_asked_row *row = cb_asked_find (&self->asked, message->msg_id);
    if (result < 0 && row != NULL)
        cb_asked_drop (&self->asked, &row);
    cb_session_touch (self);
    return result;
}

/* The next kernel answers on control what it answers on shell as well. */
static int
s_is_for_the_next (const cb_session *self, const cb_msgtype *type)
{
    int is_early = self->state == CB_SESSION_STARTING || self->state == CB_SESSION_RESTARTING;

    return is_early && type != NULL && (type->from_client & CB_ON_SHELL) != 0;
}

static int
s_ask_other (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    cb_entry *entry = NULL;

    if (from->channel == CB_CHANNEL_CONTROL && !s_is_for_the_next (self, from->message->type))
        return s_ask_control (self, guest, from, err);
    CB_TRY (s_entry_new (self, guest, from, &entry, err));
    (void)cb_cells_append_ (self, entry);
    return 0;
}

/* Something he asked before is unanswered. */
static int
s_owes (const cb_session *self, const cb_guest *guest)
{
    const cb_entry *running = self->running;

    if (running != NULL && running->guest == guest && !running->replied)
        return 1;
    for (const cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        if (entry->guest == guest && !entry->answered)
            return 1;
    return 0;
}

/* Who joins late need not wait for the running cell: what the kernel said about itself is known.
 * Only the idle has to wait, because the kernel is not idle. Whom an answer is owed gets it first:
 * frontends count on the order of theirs. */
static int
s_ask_info (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    cb_part info = self->kernel != NULL ? cb_kernel_info (self->kernel) : (cb_part){NULL, 0};
    cb_scoped (cb_buf) cb_buf room = {.data = NULL};
    cb_owned (cb_json) json_t *content = NULL;
    cb_entry *entry = NULL;

    if (self->running == NULL || info.data == NULL || from->channel == CB_CHANNEL_CONTROL ||
        s_owes (self, guest) || !cb_shown_ (self, "kernel_info_reply", &info, &room) ||
        cb_json_parse ("kernel_info", info.data, info.size, &content, NULL) < 0)
        return s_ask_other (self, guest, from, err);
    CB_TRY (s_entry_new (self, guest, from, &entry, err));
    entry->answered = 1;
    cb_guests_status_ (self, "busy", s_header (entry));
    s_reply_to (entry, content);
    (void)cb_cells_append_ (self, entry);
    return 0;
}

/* Comms drive code in the frontend. Where nothing is active they are answered as by a kernel that
 * does not know their target: those that a client opens are closed. */
static int
s_ask_comm (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    cb_jmsg *message = from->message;
    cb_part header = message->dicts[CB_DICT_HEADER];
    const char *id = NULL;

    if (self->profile.active_output == CB_ACTIVE_FULL)
        return s_ask_other (self, guest, from, err);
    const json_t *content = cb_jmsg_content (message, err);
    if (content == NULL)
        return -CB_E_INVALID;
    CB_TRY (cb_json_get_string (content, "comm_id", CB_MSG_ID_MAX, CB_JSON_REQUIRED, &id, err));
    cb_guests_status_ (self, "busy", header);
    if (strcmp (message->msg_type, "comm_open") == 0)
        cb_guests_close_comm_ (self, header, id);
    cb_guests_status_ (self, "idle", header);
    return 0;
}

/* A kernel without a debugger answers {}. This is an error, also in the Debug Adapter Protocol. */
static int
s_ask_debug (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    static const char why[] = "the debugger needs a profile with loopback = on";
    cb_part header = from->message->dicts[CB_DICT_HEADER];

    if (self->profile.jail.loopback)
        return s_ask_other (self, guest, from, err);
    const json_t *asked = cb_jmsg_content (from->message, err);
    if (asked == NULL)
        return -CB_E_INVALID;
    cb_owned (cb_json) json_t *content = cb_guests_error_content_ (cb_err_name (CB_E_DENIED), why);
    (void)json_object_set_new (content, "type", json_string ("response"));
    (void)json_object_set (content, "request_seq", json_object_get (asked, "seq"));
    (void)json_object_set (content, "command", json_object_get (asked, "command"));
    (void)json_object_set_new (content, "success", json_false ());
    (void)json_object_set_new (content, "message", json_string (why));
    cb_guests_status_ (self, "busy", header);
    s_reply (self, guest, from, content);
    cb_guests_status_ (self, "idle", header);
    return 0;
}

static int
s_run_new (const cb_session *session, const char *msg_id, cb_run **ret_run, cb_err *err)
{
    cb_usec wall = 0;

    CB_TRY (cb_profile_wall (&session->profile, CB_DOOR_PERSON, 0, &wall, err));
    cb_run_options options = {.session = session->name,
                              .msg_id = msg_id,
                              .wall = wall,
                              .grace = session->profile.grace,
                              .output_limit = session->profile.output};

    *ret_run = cb_run_new (&options, err);
    return *ret_run != NULL ? 0 : -CB_E_NOMEM;
}

static int
s_ask_execute (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    cb_entry flags = {.kind = NULL};
    cb_entry *entry = NULL;
    cb_owned (cb_run) cb_run *run = NULL;

    CB_TRY (cb_requests_read_cell_ (from, guest->peers[CB_CHANNEL_STDIN] != NULL, &flags, err));
    cb_auto_free char *content = flags.content;
    CB_TRY (s_run_new (self, from->message->msg_id, &run, err));
    CB_TRY (s_entry_new (self, guest, from, &entry, err));
    entry->kind = &cb_requests_cell_;
    entry->run = cb_take (run);
    entry->content = cb_take (content);
    entry->stop_on_error = flags.stop_on_error;
    entry->may_ask = flags.may_ask;
    entry->silent = flags.silent;
    self->executions++;
    (void)cb_cells_append_ (self, entry);
    return 0;
}

/* The session's own business: a second one while the first is on its way changes nothing. */
static int
s_ask_interrupt (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    cb_owned (cb_json) json_t *ok = json_pack ("{s:s}", "status", "ok");
    cb_part header = from->message->dicts[CB_DICT_HEADER];

    (void)err;
    cb_guests_status_ (self, "busy", header);
    (void)cb_session_interrupt (self);
    s_reply (self, guest, from, ok);
    cb_guests_status_ (self, "idle", header);
    return 0;
}

static void
s_on_restarted (const cb_err *why, void *context)
{
    cb_session *self = context;
    cb_asked_row *row;
    cb_owned (cb_json) json_t *content =
        why->code == 0 ? json_pack ("{s:s, s:b}", "status", "ok", "restart", 1)
                       : cb_guests_error_content_ (cb_err_name (why->code), why->text);

    while ((row = cb_asked_take (&self->asked, "shutdown_request")) != NULL) {
        cb_guests_tell_ (self, row, "shutdown_reply", content);
        cb_asked_row_destroy (&row);
    }
}

/* To who asks, and on iopub to all, as ipykernel does. */
static void
s_answer_shutdown (cb_session *self, cb_guest *guest, cb_request_from *from, int restart)
{
    cb_owned (cb_json) json_t *ok = json_pack ("{s:s, s:b}", "status", "ok", "restart", restart);
    cb_word word = {.topic = "shutdown_reply",
                    .msg_type = "shutdown_reply",
                    .parent = from->message->dicts[CB_DICT_HEADER],
                    .content = ok,
                    .news = CB_NEWS_STATUS};

    s_reply (self, guest, from, ok);
    cb_readers_tell (self->readers, &word);
}

/* Answers before the session ends, which may be at once: nothing of it may be touched after. */
static int
s_shut_down (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    s_answer_shutdown (self, guest, from, 0);
    cb_log_info ("an attached client ends the session", CB_STR ("session", self->name));
    return cb_session_stop (self, "the session was stopped", NULL, NULL, err);
}

/* For a frontend the shim is the kernel: it has its answer, ends the shim and starts another one,
 * which finds the kernel that is started here. */
static int
s_hand_back (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    s_answer_shutdown (self, guest, from, 1);
    cb_log_info ("a frontend restarts its kernel", CB_STR ("session", self->name));
    cb_owner_leave_ (self, CB_LEAVE_RESTART, "");
    return cb_session_restart (self, NULL, NULL, err);
}

static int
s_ask_shutdown (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    const json_t *content = cb_jmsg_content (from->message, err);
    int restart = 0;

    if (content == NULL)
        return -CB_E_INVALID;
    CB_TRY (cb_json_get_bool (content, "restart", 0, &restart, err));
    self->gently = 1;
    if (!restart)
        return s_shut_down (self, guest, from, err);
    if (cb_owner_has_ (self, guest))
        return s_hand_back (self, guest, from, err);
    CB_TRY (cb_asked_add (&self->asked, guest, from->channel, from->message, err));
    int result = cb_session_restart (self, s_on_restarted, self, err);
    cb_asked_row *row = cb_asked_find (&self->asked, from->message->msg_id);
    if (result < 0 && row != NULL)
        cb_asked_drop (&self->asked, &row);
    return result;
}

/* Sorted by name. */
static const struct {
    const char *name;
    on_ask *on_ask;
} s_rows[] = {
    {"comm_close", s_ask_comm},          {"comm_msg", s_ask_comm},
    {"comm_open", s_ask_comm},           {"debug_request", s_ask_debug},
    {"execute_request", s_ask_execute},  {"interrupt_request", s_ask_interrupt},
    {"kernel_info_request", s_ask_info}, {"shutdown_request", s_ask_shutdown},
};

int
cb_session_ask (cb_session *self, cb_guest *guest, cb_request_from *from, cb_err *err)
{
    int bit = from->channel == CB_CHANNEL_SHELL ? CB_ON_SHELL : CB_ON_CONTROL;
    const cb_msgtype *type = from->message->type;
    __typeof__ (&s_rows[0]) row = CB_TABLE_FIND (s_rows, from->message->msg_type);

    if (type != NULL && (type->from_client & bit) == 0)
        return cb_fail (err, CB_E_INVALID, "'%s' does not belong on %s", type->name,
                        cb_channel_name (from->channel));
    return (row != NULL ? row->on_ask : s_ask_other) (self, guest, from, err);
}
