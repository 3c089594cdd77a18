/* client-run.c - the conveniences of libcellblock: one request and its reply. */
#include "client/client-int.h"

#include "base/name.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

/* Brokers that die one after the other while a harmless question is asked. */
#define ATTEMPTS_MAX 5

/* The events of one request on their way to their reply. */
typedef struct cb_wait {
    cellblock_client *client;
    int64_t request;
    uint64_t came_back; /* of the client, when the request was made */
    int resumes;        /* it is a run: it goes on with a new broker */
    int64_t interrupt;  /* request that asked for it, its reply is dropped; 0: none */
    int wants_interrupt;
    char session[CB_NAME_MAX]; /* "" until known */
    cellblock_on_event *on_event;
    void *context;
} cb_wait;

/* A fresh session has its name from the daemon: the notice "start" tells it. */
static void
s_learn_session (cb_wait *self, const cellblock_event *event)
{
    const char *name = NULL;
    const json_t *content;

    if (self->session[0] != '\0' || event->kind != CELLBLOCK_NOTICE ||
        strcmp (event->message->msg_type, "start") != 0)
        return;
    content = cb_jmsg_content (event->message, NULL);
    if (content != NULL &&
        cb_json_get_string (content, "session", sizeof self->session - 1, "", &name, NULL) == 0)
        (void)snprintf (self->session, sizeof self->session, "%s", name);
}

static void
s_maybe_interrupt (cb_wait *self)
{
    if (!self->wants_interrupt || self->interrupt != 0 || self->session[0] == '\0')
        return;
    int64_t request = cellblock_interrupt (self->client, self->session);
    if (request > 0)
        self->interrupt = request;
}

static void
s_tell (cb_wait *self, const cellblock_event *event)
{
    if (self->on_event != NULL && self->on_event (event, self->context) != 0)
        self->wants_interrupt = 1;
}

/* The event when it is the reply; 0 to go on; it is consumed in every other case. */
static int
s_sort_in (cb_wait *self, cellblock_event *event, cellblock_event **ret_reply)
{
    if (event->request == self->request && event->kind == CELLBLOCK_REPLY) {
        *ret_reply = event;
        return 0;
    }
    if (event->request != self->request &&
        (event->request == 0 || event->request != self->interrupt))
        return cb_client_keep (self->client, event);
    if (event->request == self->request) {
        s_learn_session (self, event);
        s_tell (self, event);
    }
    cellblock_event_free (&event);
    return 0;
}

/* The client has come back to a new broker: what is no run is lost, an interrupt asked for again.
 */
static int
s_is_cut_off (cb_wait *self)
{
    self->came_back = self->client->came_back;
    self->interrupt = 0;
    if (self->resumes)
        return 0;
    (void)cb_fail (&self->client->err, CB_E_GONE,
                   "the daemon's broker died before it answered, and was started again");
    return 1;
}

static cellblock_event *
s_wait_reply (cb_wait *self, cb_usec deadline)
{
    cellblock_event *reply = NULL;
    int failed = 0;

    while (reply == NULL && !failed) {
        s_maybe_interrupt (self);
        cellblock_event *event = cb_client_receive (self->client, deadline);
        if (self->client->came_back != self->came_back && s_is_cut_off (self)) {
            if (event != NULL)
                (void)cb_client_keep (self->client, event);
            return NULL;
        }
        if (event != NULL)
            failed = s_sort_in (self, event, &reply) < 0;
        else if (self->client->err.code == CELLBLOCK_E_INTERRUPTED && self->on_event != NULL)
            s_tell (self, NULL);
        else
            failed = 1;
    }
    if (self->client->link != NULL)
        cb_link_settle (self->client->link,
                        self->client->n_kept > 0 || !TAILQ_EMPTY (&self->client->missed));
    return reply;
}

static cellblock_event *
s_call (cellblock_client *client, const char *verb, const char *content, int timeout_ms)
{
    cb_wait wait = {.client = client};

    wait.request = cellblock_request (client, verb, content, NULL, 0);
    wait.came_back = client->came_back;
    return wait.request < 0 ? NULL : s_wait_reply (&wait, cb_client_deadline (timeout_ms));
}

/* Verbs that change nothing: asked again when the broker died over them. Sorted. */
static const struct {
    const char *name;
} s_harmless[] = {{"files"}, {"get"}, {"list"}, {"profile"}, {"profiles"}, {"show"}, {"status"}};

cellblock_event *
cellblock_call (cellblock_client *client, const char *verb, const char *content, int timeout_ms)
{
    for (int attempt = 1;; attempt++) {
        cellblock_event *reply = s_call (client, verb, content, timeout_ms);
        if (reply != NULL || client->err.code != CB_E_GONE || client->link == NULL ||
            client->coming_back || attempt == ATTEMPTS_MAX ||
            CB_TABLE_FIND (s_harmless, verb) == NULL)
            return reply;
        if (cb_link_is_gone (client->link) && cb_client_come_back (client) < 0)
            return NULL;
    }
}

int64_t
cellblock_interrupt (cellblock_client *client, const char *session)
{
    cb_owned (cb_json) json_t *content = json_pack ("{ss}", "session", session);
    cb_auto_free char *text = content != NULL ? cb_json_text (content, NULL) : NULL;

    if (text == NULL)
        return cb_fail (&client->err, CB_E_INVALID, "not a session's name");
    return cellblock_request (client, "interrupt", text, NULL, 0);
}

/* [{"path": ...} ...]; NULL when out of memory or not UTF-8. Owned. */
static json_t *
s_inputs (const char *const *paths)
{
    cb_owned (cb_json) json_t *inputs = json_array ();

    for (; inputs != NULL && *paths != NULL; paths++)
        if (json_array_append_new (inputs, json_pack ("{ss}", "path", *paths)) < 0)
            return NULL;
    return cb_take (inputs);
}

/* The content of a run_request; NULL when something is not UTF-8 or memory is out. Owned. */
static char *
s_run_content (const char *code, const cellblock_run_options *options)
{
    cb_owned (cb_json) json_t *content = json_pack (
        "{ss ss* ss* sb sb}", "code", code, "session", options->session, "profile",
        options->profile, "silent", options->silent != 0, "allow_stdin", options->allow_stdin != 0);

    if (content == NULL)
        return NULL;
    if (options->inputs != NULL &&
        json_object_set_new (content, "inputs", s_inputs (options->inputs)) < 0)
        return NULL;
    if (options->timeout_s > 0 &&
        json_object_set_new (content, "timeout_s", json_real (options->timeout_s)) < 0)
        return NULL;
    return cb_json_text (content, NULL);
}

cellblock_event *
cellblock_run (cellblock_client *client, const char *code, const cellblock_run_options *options)
{
    cellblock_run_options own = {.size = sizeof own};

    if (options != NULL && options->size != sizeof own) {
        (void)cb_fail (&client->err, CB_E_INVALID, "run options: size is %zu instead of %zu",
                       options->size, sizeof own);
        return NULL;
    }
    if (options != NULL)
        own = *options;
    cb_auto_free char *content = s_run_content (code, &own);
    if (content == NULL) {
        (void)cb_fail (&client->err, CB_E_INVALID,
                       "code or an option is not UTF-8 text (or memory is out)");
        return NULL;
    }
    cb_wait wait = {.client = client, .on_event = own.on_event, .context = own.context};
    (void)snprintf (wait.session, sizeof wait.session, "%s",
                    own.session != NULL ? own.session : "");
    wait.request = cellblock_request (client, "run", content, NULL, 0);
    wait.came_back = client->came_back;
    wait.resumes = 1;
    return wait.request < 0 ? NULL : s_wait_reply (&wait, CB_USEC_NEVER);
}
