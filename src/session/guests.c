/* guests.c - what attached clients see of a session and say to its kernel.
 *
 * Everything the kernel publishes goes to every reader of iopub, signed with the session's key;
 * what is an answer goes to who asked, found by the request's message id and never by a session in
 * a header. A question of the running cell (input_request) goes to the client whose cell it is,
 * attached or of the control API, and to nobody else; when that client cannot answer the kernel
 * gets an end of file, so that it never hangs. */
#include "session/session-int.h"

#include "base/calm.h"
#include "base/log.h"
#include "session/fair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- iopub ---- */

void
cb_guests_publish_ (cb_session *self, const cb_jmsg *message, cb_news news)
{
    cb_jmsg shown = *message;
    cb_scoped (cb_buf) cb_buf room = {.data = NULL};

    /* A greeting is for our own subscription. */
    if (self->readers == NULL || strcmp (message->msg_type, "iopub_welcome") == 0)
        return;
    if (cb_readers_count (self->readers) == 0)
        cb_readers_pass (self->readers);
    else if (cb_shown_ (self, message->msg_type, &shown.dicts[CB_DICT_CONTENT], &room))
        cb_readers_send (self->readers, &shown, news);
}

static void
s_word (cb_session *self, const cb_word *word)
{
    if (self->readers != NULL)
        cb_readers_tell (self->readers, word);
}

void
cb_guests_status_ (cb_session *self, const char *state, cb_part parent)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:s}", "execution_state", state);
    cb_word word = {.topic = "status",
                    .msg_type = "status",
                    .parent = parent,
                    .content = content,
                    .news = strcmp (state, "idle") == 0 ? CB_NEWS_IDLE : CB_NEWS_STATUS};

    s_word (self, &word);
}

void
cb_guests_note_ (cb_session *self, cb_part parent, const char *text)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:s, s:s}", "name", "stderr", "text", text);

    cb_guests_stream_ (self, parent, content);
}

void
cb_guests_stream_ (cb_session *self, cb_part parent, const json_t *content)
{
    int is_error = strcmp (json_string_value (json_object_get (content, "name")), "stderr") == 0;
    cb_word word = {.topic = is_error ? "stream.stderr" : "stream.stdout",
                    .msg_type = "stream",
                    .parent = parent,
                    .content = content,
                    .news = CB_NEWS_STATUS};

    s_word (self, &word);
}

void
cb_guests_close_comm_ (cb_session *self, cb_part parent, const char *comm_id)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:s, s:{}}", "comm_id", comm_id, "data");
    cb_word word = {.topic = "comm_close",
                    .msg_type = "comm_close",
                    .parent = parent,
                    .content = content,
                    .news = CB_NEWS_STATUS};

    s_word (self, &word);
}

void
cb_guests_error_ (cb_session *self, cb_part parent, const json_t *content)
{
    cb_word word = {.topic = "error",
                    .msg_type = "error",
                    .parent = parent,
                    .content = content,
                    .news = CB_NEWS_STATUS};

    s_word (self, &word);
}

json_t *
cb_guests_error_content_ (const char *ename, const char *evalue)
{
    cb_owned (cb_json) json_t *words = cb_json_words (evalue);

    return json_pack ("{s:s, s:s, s:O, s:[s++]}", "status", "error", "ename", ename, "evalue",
                      words, "traceback", ename, ": ", json_string_value (words));
}

json_t *
cb_guests_death_content_ (const cb_session *self, const cb_death *death, int began)
{
    char text[CB_DEATH_WORDS];

    cb_session_death_words_ (self, death, began, text);
    return cb_guests_error_content_ (cb_limit_death_ename (death, began), text);
}

/* The kernel is done with a request: one that has no answer leaves nothing to wait for. */
static void
s_is_done (cb_session *self, const char *msg_id)
{
    cb_asked_row *row = cb_asked_find (&self->asked, msg_id);

    if (strcmp (msg_id, self->beside) == 0)
        self->beside[0] = '\0';
    if (row != NULL && row->type != NULL && row->type->reply == NULL)
        cb_asked_drop (&self->asked, &row);
}

void
cb_guests_on_iopub_ (cb_session *self, cb_jmsg *message)
{
    int is_status = message->type != NULL && message->type->role == CB_ROLE_STATUS;
    cb_news news = CB_NEWS_OUTPUT;
    uint64_t size = cb_cells_size_ (message);

    /* The kernel's words about itself are told by us. */
    if (message->parent_id[0] == '\0')
        return;
    if (is_status) {
        news = cb_cells_is_idle_ (message) ? CB_NEWS_IDLE : CB_NEWS_STATUS;
        if (news == CB_NEWS_IDLE)
            s_is_done (self, message->parent_id);
    } else if (size > self->profile.output - self->late) {
        if (self->late != self->profile.output)
            cb_log_warn ("output of no running cell goes over the limit",
                         CB_STR ("session", self->name));
        self->late = self->profile.output;
        return;
    } else {
        self->late += size;
    }
    cb_guests_publish_ (self, message, news);
}

/* ---- answers ---- */

/* A reply of so many bytes passes the limits of all where no more waits for its client. */
#define SMALL_REPLY ((size_t)64 * 1024)

/* The message for an attached client: owned; NULL when there is none. */
static cb_zmsg *
s_shown (cb_session *self, const cb_jmsg *message)
{
    cb_jmsg shown = *message;
    cb_scoped (cb_buf) cb_buf room = {.data = NULL};
    cb_err err = CB_ERR_INIT;

    if (!cb_shown_ (self, message->msg_type, &shown.dicts[CB_DICT_CONTENT], &room))
        return NULL;
    return cb_jmsg_resign (&shown, self->signer, NULL, 0, &err);
}

static int
s_give (const cb_asked_row *row, cb_zmsg *message)
{
    cb_zpeer *peer = row->guest->peers[row->channel];
    cb_err err = CB_ERR_INIT;

    if (peer == NULL || message == NULL)
        return CB_ZPEER_SENT;
    size_t fair = cb_zmsg_cost (message) <= SMALL_REPLY ? SMALL_REPLY : 0;
    int result = cb_send_fair (peer, message, fair, &err);
    if (result < 0)
        cb_log_debug ("a client cannot be answered", CB_STR ("why", err.text));
    return result;
}

/* What a stranger or a cell can make us say as often as it likes. */
static void
s_warn (cb_session *self, const char *what)
{
    uint64_t more = 0;

    if (cb_calm_may (&self->calm, &more))
        cb_log_warn (what, CB_STR ("session", self->name), CB_INT ("more", more));
}

/* An answer that does not fit: somebody who reads, and whose room others took, knows it at least.
 */
static void
s_lose (cb_session *self, const cb_asked_row *row, const char *msg_type)
{
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_json) json_t *content = cb_guests_error_content_ (
        cb_err_name (CB_E_LIMIT),
        "the answer is lost: too much waits for clients that do not read");
    cb_jmsg_draft draft = {
        .msg_type = msg_type, .parent = {row->header, row->header_size}, .content = content};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (self->signer, &draft, &err);

    s_warn (self, "a reply is lost: too much waits for clients that do not read");
    (void)s_give (row, message);
}

void
cb_guests_tell_ (cb_session *self, const cb_asked_row *row, const char *msg_type,
                 const json_t *content)
{
    cb_err err = CB_ERR_INIT;
    cb_jmsg_draft draft = {
        .msg_type = msg_type, .parent = {row->header, row->header_size}, .content = content};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (self->signer, &draft, &err);

    if (s_give (row, message) == CB_ZPEER_FULL)
        s_lose (self, row, msg_type);
}

int
cb_guests_on_reply_ (cb_session *self, cb_channel channel, cb_jmsg *message)
{
    cb_asked_row *row = cb_asked_find (&self->asked, message->parent_id);

    (void)channel;
    if (row == NULL || (row->type != NULL && (row->type->reply == NULL ||
                                              strcmp (row->type->reply, message->msg_type) != 0)))
        return 0;
    cb_owned (cb_zmsg) cb_zmsg *copy = s_shown (self, message);
    if (s_give (row, copy) == CB_ZPEER_FULL)
        s_lose (self, row, message->msg_type);
    cb_asked_drop (&self->asked, &row);
    return 1;
}

/* ---- input () ---- */

void
cb_guests_forget_question_ (cb_session *self)
{
    cb_question *question = &self->question;

    if (question->header != NULL && self->kernel != NULL)
        cb_kernel_let_go (self->kernel, CB_CHANNEL_STDIN);
    free (question->header);
    *question = (cb_question){.guest = NULL};
    if (self->running != NULL && self->running->run != NULL)
        cb_run_resume (self->running->run, cb_now ());
    cb_session_arm_ (self);
}

/* Nobody answers: an end of file. */
static void
s_end_question (cb_session *self)
{
    if (self->question.header == NULL || self->kernel == NULL)
        return;
    cb_kernel_input (self->kernel, (cb_part){self->question.header, self->question.header_size},
                     CB_INPUT_END);
    cb_guests_forget_question_ (self);
}

static int
s_keep_question (cb_session *self, const cb_asker *whom, const cb_jmsg *message)
{
    cb_guest *guest = self->running->guest;
    cb_part header = message->dicts[CB_DICT_HEADER];
    char *copy = malloc (header.size + 1);

    if (copy == NULL)
        return 0;
    memcpy (copy, header.data, header.size);
    cb_guests_forget_question_ (self);
    self->question = (cb_question){
        .guest = guest, .peer = whom->peer, .header = copy, .header_size = header.size};
    (void)snprintf (self->question.msg_id, sizeof self->question.msg_id, "%s", message->msg_id);
    return 1;
}

/* Whom the running cell may ask; without a peer: nobody is there. */
static cb_asker
s_whom (const cb_session *self)
{
    const cb_entry *entry = self->running;
    const cb_guest *guest = entry->guest;
    const cb_asker *client = entry->fanout != NULL ? cb_fanout_first (entry->fanout) : NULL;

    if (entry->may_ask && client != NULL)
        return *client;
    if (entry->may_ask && guest != NULL && guest->peers[entry->channel] != NULL)
        return (cb_asker){.peer = guest->peers[CB_CHANNEL_STDIN], .signer = self->signer};
    return (cb_asker){.peer = NULL};
}

void
cb_guests_on_input_ (cb_session *self, cb_jmsg *message)
{
    cb_entry *entry = self->running;
    cb_asker whom = s_whom (self);
    cb_err err = CB_ERR_INIT;

    if (whom.peer != NULL && cb_run_account (entry->run, cb_cells_size_ (message)) &&
        s_keep_question (self, &whom, message)) {
        cb_owned (cb_zmsg) cb_zmsg *copy =
            entry->fanout != NULL ? cb_jmsg_resign (message, whom.signer, NULL, 0, &err)
                                  : s_shown (self, message);
        if (copy != NULL && cb_zpeer_send (whom.peer, copy, 0, &err) == CB_ZPEER_SENT) {
            cb_run_pause (entry->run, cb_now ());
            cb_kernel_hold (self->kernel, CB_CHANNEL_STDIN);
            return;
        }
        cb_guests_forget_question_ (self);
    }
    s_warn (self, "nobody can be asked for input");
    cb_kernel_input (self->kernel, message->dicts[CB_DICT_HEADER], CB_INPUT_END);
}

int
cb_session_input (cb_session *self, const cb_guest *guest, const cb_jmsg *reply, cb_err *err)
{
    if (self->question.header == NULL || self->question.guest != guest || self->kernel == NULL)
        return cb_fail (err, CB_E_INVALID, "nothing is asked of this client");
    /* jupyter_client's replies have no parent. */
    if (reply->parent_id[0] != '\0' && strcmp (reply->parent_id, self->question.msg_id) != 0)
        return cb_fail (err, CB_E_INVALID, "it answers another question");
    cb_session_touch (self);
    CB_TRY (cb_kernel_forward (self->kernel, CB_CHANNEL_STDIN, reply, 0, err));
    cb_guests_forget_question_ (self);
    return 0;
}

int
cb_session_input_from (cb_session *self, const cb_zpeer *peer, const cb_jmsg *reply, cb_err *err)
{
    const cb_question *question = &self->question;

    if (question->header == NULL || question->guest != NULL || question->peer != peer ||
        self->kernel == NULL || strcmp (reply->parent_id, question->msg_id) != 0)
        return CB_INPUT_STALE;
    cb_session_touch (self);
    CB_TRY (cb_kernel_forward (self->kernel, CB_CHANNEL_STDIN, reply, 0, err));
    cb_guests_forget_question_ (self);
    return CB_INPUT_TAKEN;
}

/* ---- ends ---- */

void
cb_guests_asked_gone_ (cb_session *self, const cb_zpeer *peer)
{
    if (self->question.header == NULL || self->question.peer != peer)
        return;
    s_warn (self, "a client is gone while it is asked for input");
    s_end_question (self);
}

void
cb_session_guest_lost (cb_session *self, const cb_guest *guest)
{
    const cb_entry *entry = self->running;

    if (self->question.guest != guest || entry == NULL ||
        (guest->peers[CB_CHANNEL_STDIN] != NULL && guest->peers[entry->channel] != NULL))
        return;
    s_warn (self, "a client is gone while it is asked for input");
    s_end_question (self);
}

void
cb_session_guest_gone (cb_session *self, const cb_guest *guest)
{
    if (self->question.header != NULL && self->question.guest == guest)
        s_end_question (self);
    cb_asked_forget (&self->asked, guest);
    if (self->running != NULL && self->running->guest == guest)
        self->running->guest = NULL;
    for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        if (entry->guest == guest)
            entry->guest = NULL;
}

void
cb_guests_on_death_ (cb_session *self)
{
    cb_owned (cb_json) json_t *error = cb_guests_death_content_ (self, &self->death, 1);
    cb_asked kept = {.first = NULL};
    cb_asked_row *row;

    cb_guests_forget_question_ (self);
    while ((row = cb_asked_take (&self->asked, NULL)) != NULL) {
        /* Who asked for the restart is told when it is done. */
        if (row->type != NULL && strcmp (row->type->name, "shutdown_request") == 0) {
            row->next = kept.first;
            kept.first = row;
            kept.count++;
            row->guest->n_asked++;
            continue;
        }
        if (row->type != NULL && row->type->reply != NULL)
            cb_guests_tell_ (self, row, row->type->reply, error);
        cb_guests_status_ (self, "idle", (cb_part){row->header, row->header_size});
        cb_asked_row_destroy (&row);
    }
    self->asked = kept;
}

void
cb_guests_done_ (cb_session *self)
{
    free (self->question.header);
    self->question = (cb_question){.guest = NULL};
    cb_asked_done (&self->asked);
    cb_readers_destroy (&self->readers);
    cb_signer_destroy (&self->signer);
}

cb_readers *
cb_session_readers (cb_session *self)
{
    return self->readers;
}

cb_signer *
cb_session_signer (cb_session *self)
{
    return self->signer;
}

int
cb_session_beats (const cb_session *self)
{
    return self->state != CB_SESSION_DEAD && self->state != CB_SESSION_STOPPING;
}
