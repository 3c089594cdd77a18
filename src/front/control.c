/* control.c - the control API's door: connections, signatures, the table of verbs, answers.
 *
 * Owns the two sockets and the clients behind them. A request passes framing, signature and replay
 * (wire/jmsg), the fields of its row (wire/ctl), then its handler in verbs-*.c. A client that sends
 * what cannot be read is told why as far as that is possible and is shut out when it goes on. When
 * a client goes, what it waits for goes on without it: an ask keeps no pointer to it. */
#include "front/control-int.h"

#include "base/log.h"
#include "base/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unreadable messages of one client before it is shut out. */
#define FAULTS_MAX 16
/* A header that is quoted back to somebody whose signature is wrong. */
#define QUOTE_MAX 4096

typedef struct handler {
    const char *name;
    cb_on_verb *on_verb;
} handler;

static const handler s_handlers[] = {
    {"ask_request", cb_verb_ask},
    {"files_request", cb_verb_files},
    {"get_request", cb_verb_get},
    {"hello_request", cb_verb_hello},
    {"interrupt_request", cb_verb_interrupt},
    {"kernel_request", cb_verb_kernel},
    {"list_request", cb_verb_list},
    {"new_request", cb_verb_new},
    {"profile_request", cb_verb_profile},
    {"profiles_request", cb_verb_profiles},
    {"put_request", cb_verb_put},
    {"reload_request", cb_verb_reload},
    {"restart_request", cb_verb_restart},
    {"resume_request", cb_verb_resume},
    {"run_request", cb_verb_run},
    {"show_request", cb_verb_show},
    {"shutdown_request", cb_verb_shutdown},
    {"status_request", cb_verb_status},
    {"stop_request", cb_verb_stop},
};

cb_on_verb *
cb_verb_find (const char *msg_type)
{
    const handler *row = CB_TABLE_FIND (s_handlers, msg_type);

    return row != NULL ? row->on_verb : NULL;
}

static void
s_warn (cb_control *self, const char *what, const char *why)
{
    uint64_t more = 0;

    if (cb_calm_may (&self->calm, &more))
        cb_log_warn (what, CB_STR ("why", why), CB_INT ("more", more));
}

/* ---- answers ---- */

typedef struct answer {
    const char *msg_type;
    cb_part header;
    json_t *content; /* taken */
    cb_part buffer;  /* data NULL: none */
} answer;

static void
s_send (cb_client *client, const answer *reply)
{
    cb_owned (cb_json) json_t *content = reply->content != NULL ? reply->content : json_object ();
    cb_err err = CB_ERR_INIT;

    if (json_object_get (content, "status") == NULL)
        (void)json_object_set_new (content, "status", json_string ("ok"));
    cb_jmsg_draft draft = {.msg_type = reply->msg_type,
                           .parent = reply->header,
                           .content = content,
                           .buffers = reply->buffer.data != NULL ? &reply->buffer : NULL,
                           .n_buffers = reply->buffer.data != NULL};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (client->control->signer, &draft, &err);
    if (message == NULL || cb_zpeer_send_always (client->peer, message, 0, &err) < 0)
        cb_log_debug ("a client cannot be answered", CB_STR ("type", reply->msg_type),
                      CB_STR ("why", err.text));
}

static json_t *
s_error (const cb_err *err, const char *msg_type)
{
    json_t *content = json_pack ("{s:s, s:s, s:o, s:[]}", "status", "error", "ename",
                                 cb_err_name (err->code != 0 ? err->code : CB_E_IO), "evalue",
                                 cb_json_words (err->text), "traceback");

    /* A run has a status of its own; this says that none took place. */
    if (content != NULL && strcmp (msg_type, "run_reply") == 0)
        (void)json_object_set_new (content, "refused", json_true ());
    return content;
}

static cb_part
s_header (const cb_request *request)
{
    return request->message->dicts[CB_DICT_HEADER];
}

void
cb_request_done (cb_request *request, json_t *content)
{
    answer reply = {
        .msg_type = request->verb->reply, .header = s_header (request), .content = content};
    s_send (request->client, &reply);
}

/* ---- asks ---- */

int
cb_ask_new (cb_request *request, cb_ask **ret_ask, cb_err *err)
{
    cb_client *client = request->client;
    cb_part header = s_header (request);

    if (client->n_asks >= CB_ASKS_MAX)
        return cb_fail (err, CB_E_BUSY, "%d requests of this client wait already", CB_ASKS_MAX);
    cb_ask *self = calloc (1, sizeof *self);
    if (self == NULL || (self->header = malloc (header.size + 1)) == NULL) {
        free (self);
        return cb_fail_nomem (err);
    }
    memcpy (self->header, header.data, header.size);
    self->header_size = header.size;
    self->client = client;
    self->verb = request->verb;
    self->next = client->asks;
    if (self->next != NULL)
        self->next->before = self;
    client->asks = self;
    client->n_asks++;
    *ret_ask = self;
    return 0;
}

void
cb_ask_destroy (cb_ask **self_at)
{
    cb_ask *self = *self_at;

    if (self == NULL)
        return;
    if (self->client != NULL) {
        *(self->before != NULL ? &self->before->next : &self->client->asks) = self->next;
        if (self->next != NULL)
            self->next->before = self->before;
        self->client->n_asks--;
    }
    free (self->header);
    free (self);
    *self_at = NULL;
}

void
cb_ask_done_buffer (cb_ask **self_at, json_t *content, cb_part buffer)
{
    cb_ask *self = *self_at;
    answer reply = {.msg_type = self->verb->reply,
                    .header = {self->header, self->header_size},
                    .content = content,
                    .buffer = buffer};
    if (self->client != NULL)
        s_send (self->client, &reply);
    else
        json_decref (content);
    cb_ask_destroy (self_at);
}

void
cb_ask_done (cb_ask **self_at, json_t *content)
{
    cb_ask_done_buffer (self_at, content, (cb_part){NULL, 0});
}

void
cb_ask_tell (cb_ask *self, const char *msg_type, json_t *content)
{
    answer word = {
        .msg_type = msg_type, .header = {self->header, self->header_size}, .content = content};

    if (self->client != NULL)
        s_send (self->client, &word);
    else
        json_decref (content);
}

void
cb_ask_fail (cb_ask **self_at, const cb_err *err)
{
    cb_ask_done (self_at, s_error (err, (*self_at)->verb->reply));
}

/* ---- requests ---- */

int
cb_request_session (cb_request *request, cb_session **ret_session, cb_err *err)
{
    const char *name = cb_request_text (request, "session");

    if (name == NULL)
        return cb_fail (err, CB_E_INVALID, "field 'session' is missing");
    return cb_registry_get (request->control->registry, name, ret_session, err);
}

const char *
cb_request_text (const cb_request *request, const char *name)
{
    return json_string_value (json_object_get (request->content, name));
}

int
cb_request_flag (const cb_request *request, const char *name, int otherwise)
{
    const json_t *member = json_object_get (request->content, name);

    return json_is_boolean (member) ? json_is_true (member) : otherwise;
}

uint64_t
cb_request_size (const cb_request *request, const char *name, uint64_t otherwise)
{
    const json_t *member = json_object_get (request->content, name);

    return json_is_integer (member) ? (uint64_t)json_integer_value (member) : otherwise;
}

static int
s_dispatch (cb_request *request, cb_err *err)
{
    cb_on_verb *on_verb = cb_verb_find (request->message->msg_type);

    request->content = cb_jmsg_content (request->message, err);
    if (request->content == NULL)
        return -CB_E_INVALID;
    CB_TRY (cb_ctl_check (request->verb, request->content, request->message->n_buffers, err));
    return on_verb (request, err);
}

/* An answer to input (). One that is too late (interrupted, over) is dropped: it is no mistake. */
static int
s_on_input (cb_request *request, cb_err *err)
{
    request->content = cb_jmsg_content (request->message, err);
    if (request->content == NULL)
        return -CB_E_INVALID;
    CB_TRY (cb_ctl_check (request->verb, request->content, request->message->n_buffers, err));
    int outcome = cb_registry_input (request->control->registry, request->client->peer,
                                     request->message, err);
    if (outcome == CB_INPUT_STALE)
        cb_log_debug ("an answer that nobody waits for is dropped",
                      CB_STR ("parent", request->message->parent_id));
    return outcome < 0 ? outcome : 0;
}

/* The header of a message that did not pass, so that the error finds its request. It goes back to
 * where it came from, so nothing is believed by quoting it. */
static cb_part
s_quote (cb_zmsg *raw, char *msg_type, size_t room)
{
    size_t n_parts;
    const cb_part *parts = cb_zmsg_parts (raw, &n_parts);
    cb_owned (cb_json) json_t *header = NULL;
    const char *type = NULL;

    for (size_t i = 0; i + 2 < n_parts && i < CB_IDENTITIES_MAX; i++) {
        if (parts[i].size != 9 || memcmp (parts[i].data, "<IDS|MSG>", 9) != 0)
            continue;
        const cb_part *text = &parts[i + 2];
        if (text->size > QUOTE_MAX ||
            cb_json_parse ("header", text->data, text->size, &header, NULL) < 0 ||
            cb_json_get_string (header, "msg_type", CB_MSG_TYPE_MAX - 1, "", &type, NULL) < 0)
            break;
        const cb_ctl_verb *verb = cb_ctl_find (type);
        (void)snprintf (msg_type, room, "%s", verb != NULL ? verb->reply : "error_reply");
        return *text;
    }
    (void)snprintf (msg_type, room, "error_reply");
    return (cb_part){NULL, 0};
}

static void
s_on_unreadable (cb_client *client, cb_zmsg *raw, const cb_err *err)
{
    char msg_type[CB_MSG_TYPE_MAX];
    answer reply = {.header = s_quote (raw, msg_type, sizeof msg_type), .msg_type = msg_type};

    if (client->faults++ == 0)
        s_warn (client->control, "a client's message cannot be accepted", err->text);
    reply.content = s_error (err, msg_type);
    s_send (client, &reply);
}

static void
s_on_unknown (cb_client *client, const cb_jmsg *message)
{
    cb_err err = CB_ERR_INIT;
    answer reply = {.msg_type = "error_reply", .header = message->dicts[CB_DICT_HEADER]};

    (void)cb_fail (&err, CB_E_UNSUPPORTED, "this daemon does not know '%s'", message->msg_type);
    reply.content = s_error (&err, reply.msg_type);
    s_send (client, &reply);
}

static void s_drop_client (cb_client *client);

/* One who asks and does not read waits with his next request until he has read. */
static void
s_slow_down (cb_client *client)
{
    size_t queued = cb_zpeer_queued (client->peer);

    if (queued > CB_CLIENT_ANSWERS_MAX ||
        (queued > CB_CLIENT_FAIR_PART &&
         client->control->out.used > CB_CLIENTS_QUEUE_MAX - CB_CLIENT_FAIR_PART))
        cb_zpeer_hold (client->peer);
}

static void
s_on_message (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    cb_client *client = context;
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_jmsg) cb_jmsg *message = NULL;

    (void)peer;
    s_slow_down (client);
    if (cb_jmsg_read (client->control->signer, raw, &message, &err) < 0) {
        s_on_unreadable (client, raw, &err);
        if (client->faults >= FAULTS_MAX) {
            s_warn (client->control, "a client is shut out", err.text);
            s_drop_client (client);
        }
        return;
    }
    cb_request request = {.control = client->control,
                          .client = client,
                          .message = message,
                          .verb = cb_ctl_find (message->msg_type)};
    int is_input = strcmp (message->msg_type, cb_ctl_input ()->name) == 0;
    if (is_input)
        request.verb = cb_ctl_input ();
    if (request.verb == NULL) {
        s_on_unknown (client, message);
        return;
    }
    if ((is_input ? s_on_input (&request, &err) : s_dispatch (&request, &err)) < 0)
        cb_request_done (&request, s_error (&err, request.verb->reply));
}

static void
s_on_echo (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    cb_err err = CB_ERR_INIT;

    (void)context;
    if (cb_zpeer_send (peer, raw, 0, &err) < 0)
        cb_log_debug ("a heartbeat cannot be answered", CB_STR ("why", err.text));
}

/* ---- clients ---- */

static void
s_drop_client (cb_client *client)
{
    cb_control *self = client->control;

    if (!client->echo)
        cb_registry_client_gone (self->registry, client->peer);
    for (cb_ask *ask = client->asks, *next; ask != NULL; ask = next) {
        next = ask->next;
        ask->client = NULL;
        ask->next = NULL;
        ask->before = NULL;
    }
    *(client->before != NULL ? &client->before->next : &self->clients) = client->next;
    if (client->next != NULL)
        client->next->before = client->before;
    self->n_clients--;
    cb_zpeer_destroy (&client->peer);
    free (client);
    self->events->on_clients_changed (self->context);
}

static void
s_on_closed (cb_zpeer *peer, const cb_err *reason, void *context)
{
    cb_client *client = context;

    (void)peer;
    /* One that just went (a connection that was reset) is nothing to tell. */
    if (reason->code == CB_E_PROTO || reason->code == CB_E_LIMIT)
        s_warn (client->control, "a client broke the protocol", reason->text);
    s_drop_client (client);
}

static const cb_zpeer_events s_shell_events = {.on_message = s_on_message,
                                               .on_closed = s_on_closed};
static const cb_zpeer_events s_echo_events = {.on_message = s_on_echo, .on_closed = s_on_closed};

static int
s_add_client (cb_control *self, int fd, int echo, cb_err *err)
{
    cb_auto_close int taken = fd;
    cb_zpeer_options options = {
        .zmtp = {.socket_type = echo ? "REP" : "ROUTER",
                 .budget = {.max_parts = CB_BUFFERS_MAX + CB_IDENTITIES_MAX + 6,
                            .max_frame = echo ? 4096 : CB_CTL_REQUEST_MAX,
                            .max_message = echo ? 8192 : CB_CTL_REQUEST_MAX + 1024 * 1024,
                            .max_commands = 64,
                            .max_subscriptions = 0},
                 .quota = &self->in,
                 .spare = CB_CLIENT_IN_SPARE},
        .out_limit = CB_CLIENT_QUEUE_MAX,
        .quota = &self->out,
        .priority = CB_PRIORITY_NORMAL};

    if (self->n_clients >= CB_CLIENTS_MAX)
        return cb_fail (err, CB_E_LIMIT, "%d clients are connected", CB_CLIENTS_MAX);
    cb_client *client = calloc (1, sizeof *client);
    if (client == NULL)
        return cb_fail_nomem (err);
    client->control = self;
    client->echo = echo;
    client->peer = cb_zpeer_new (self->loop, cb_take_fd (&taken), &options,
                                 echo ? &s_echo_events : &s_shell_events, client, err);
    if (client->peer == NULL) {
        free (client);
        return -CB_E_IO;
    }
    client->next = self->clients;
    if (client->next != NULL)
        client->next->before = client;
    self->clients = client;
    self->n_clients++;
    self->events->on_clients_changed (self->context);
    return 0;
}

static void
s_on_accept (cb_zlisten *listen, int fd, void *context)
{
    cb_control *self = context;
    cb_err err = CB_ERR_INIT;

    if (s_add_client (self, fd, listen == self->hb, &err) < 0)
        s_warn (self, "a client is refused", err.text);
}

static cb_zlisten *
s_listen (cb_control *self, const cb_control_options *options, cb_channel channel, cb_err *err)
{
    char name[32];

    (void)snprintf (name, sizeof name, "%.16s-%d", options->socket_front, (int)channel + 1);
    return cb_zlisten_new (self->loop, options->runtime_fd, name, s_on_accept, self, err);
}

cb_control *
cb_control_new (const cb_control_options *options, cb_err *err)
{
    cb_owned (cb_control) cb_control *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->loop = options->loop;
    self->registry = options->registry;
    self->facts = options->facts;
    self->events = options->events;
    self->context = options->context;
    cb_quota_init (&self->out, NULL, CB_CLIENTS_QUEUE_MAX);
    cb_quota_init (&self->in, NULL, CB_CLIENTS_QUEUE_MAX);
    self->signer = options->signer;
    if ((self->shell = s_listen (self, options, CB_CHANNEL_SHELL, err)) == NULL ||
        (self->hb = s_listen (self, options, CB_CHANNEL_HB, err)) == NULL)
        return NULL;
    return cb_take (self);
}

void
cb_control_destroy (cb_control **self_at)
{
    cb_control *self = *self_at;

    if (self == NULL)
        return;
    cb_zlisten_destroy (&self->shell);
    cb_zlisten_destroy (&self->hb);
    while (self->clients != NULL)
        s_drop_client (self->clients);
    free (self);
    *self_at = NULL;
}

size_t
cb_control_clients (const cb_control *self)
{
    return self->n_clients;
}
