/* test-daemon.c - see test-daemon.h. What it answers is in s_serve, by the request's type. */
#include "client/test-daemon.h"

#include "base/fdio.h"
#include "base/jsonx.h"
#include "base/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define PARTS_MAX 20

static void
s_send_raw (cb_scripted *self, const cb_zmsg *message)
{
    size_t n;
    const cb_part *parts = cb_zmsg_parts (message, &n);

    for (size_t i = 0; i < n; i++)
        (void)zmq_send (self->router, parts[i].data, parts[i].size, i + 1 < n ? ZMQ_SNDMORE : 0);
}

static cb_zmsg *
s_answer (cb_signer *signer, const cb_jmsg *to, const char *type, const char *content)
{
    static const cb_part buffer = {"\0buffer", 7};
    const cb_jmsg_draft draft = {.leading = to->identities,
                                 .n_leading = to->n_identities,
                                 .msg_type = type,
                                 .parent = to->dicts[CB_DICT_HEADER],
                                 .content_text = {content, strlen (content)},
                                 .buffers = &buffer,
                                 .n_buffers = strcmp (type, "get_reply") == 0};
    return cb_jmsg_write (signer, &draft, NULL);
}

static void
s_say (cb_scripted *self, const cb_jmsg *to, const char *type, const char *content)
{
    cb_zmsg *message = s_answer (self->signer, to, type, content);
    s_send_raw (self, message);
    cb_zmsg_destroy (&message);
}

static void
s_run (cb_scripted *self, cb_jmsg *request)
{
    s_say (self, request, "start", "{\"session\":\"fresh-1\",\"run\":\"r1\"}");
    s_say (self, request, "stream", "{\"name\":\"stdout\",\"text\":\"hello\\n\"}");
    const char *code =
        json_string_value (json_object_get (cb_jmsg_content (request, NULL), "code"));
    if (strcmp (code, "ask") == 0)
        s_say (self, request, "input_request", "{\"prompt\":\"who? \",\"password\":false}");
    if (strcmp (code, "forever") == 0 || strcmp (code, "ask") == 0)
        self->run = cb_zmsg_ref (request->raw);
    else if (strcmp (code, "raise") == 0)
        s_say (self, request, "run_reply",
               "{\"status\":\"error\",\"error\":{\"ename\":\"E\",\"evalue\":\"\"}}");
    else
        s_say (self, request, "run_reply", "{\"status\":\"ok\",\"session\":\"fresh-1\"}");
}

/* The reply of the run that waits. */
static void
s_end_run (cb_scripted *self, const char *content)
{
    cb_jmsg *run = NULL;
    cb_signer *again = cb_signer_new (self->file.key, "hmac-sha256", NULL);

    if (self->run != NULL && cb_jmsg_read (again, self->run, &run, NULL) == 0)
        s_say (self, run, "run_reply", content);
    cb_zmsg_destroy (&self->run);
    cb_jmsg_destroy (&run);
    cb_signer_destroy (&again);
}

static void
s_interrupt (cb_scripted *self, cb_jmsg *request)
{
    const char *session =
        json_string_value (json_object_get (cb_jmsg_content (request, NULL), "session"));

    s_say (self, request, "interrupt_reply", "{\"status\":\"ok\"}");
    if (strcmp (session, "fresh-1") == 0)
        s_end_run (self, "{\"status\":\"interrupted\"}");
}

/* What the client answered goes into the reply, with the type of what it answered. */
static void
s_input (cb_scripted *self, cb_jmsg *reply)
{
    cb_owned (cb_json) json_t *parent = NULL;
    cb_part header = reply->dicts[CB_DICT_PARENT];
    const char *value =
        json_string_value (json_object_get (cb_jmsg_content (reply, NULL), "value"));
    char content[256];

    if (cb_json_parse ("parent", header.data, header.size, &parent, NULL) < 0)
        return;
    const char *type = json_string_value (json_object_get (parent, "msg_type"));
    (void)snprintf (content, sizeof content, "{\"status\":\"ok\",\"got\":\"%s of %s\"}",
                    value[0] == 4 ? "an end" : value, type);
    s_end_run (self, content);
}

/* Misbehaving on purpose. */
static void
s_misbehave (cb_scripted *self, const cb_jmsg *request)
{
    cb_zmsg *message;

    if (strcmp (request->msg_type, "forge_request") == 0) {
        message = s_answer (self->stranger, request, "forge_reply", "{\"status\":\"ok\"}");
        s_send_raw (self, message);
    } else {
        message = s_answer (self->signer, request, "replay_reply", "{\"status\":\"ok\"}");
        s_send_raw (self, message);
        s_send_raw (self, message);
    }
    cb_zmsg_destroy (&message);
    s_say (self, request, "after_reply", "{\"status\":\"ok\"}");
}

static void
s_serve (cb_scripted *self, cb_jmsg *request)
{
    const char *type = request->msg_type;

    if (strcmp (type, "hello_request") == 0)
        s_say (self, request, "hello_reply", "{\"status\":\"ok\",\"protocol\":1}");
    else if (strcmp (type, "run_request") == 0)
        s_run (self, request);
    else if (strcmp (type, "interrupt_request") == 0)
        s_interrupt (self, request);
    else if (strcmp (type, "input_reply") == 0)
        s_input (self, request);
    else if (strcmp (type, "get_request") == 0)
        s_say (self, request, "get_reply", "{\"status\":\"ok\",\"size\":7}");
    else if (strcmp (type, "forge_request") == 0 || strcmp (type, "replay_request") == 0)
        s_misbehave (self, request);
    else if (strcmp (type, "show_request") == 0)
        s_say (self, request, "show_reply",
               "{\"status\":\"error\",\"ename\":\"not_found\",\"evalue\":\"no session\"}");
    else if (strcmp (type, "silent_request") != 0)
        s_say (self, request, "status_reply", "{\"status\":\"ok\"}");
    self->is_over = strcmp (type, "shutdown_request") == 0;
}

static cb_zmsg *
s_receive (cb_scripted *self)
{
    zmq_msg_t frames[PARTS_MAX];
    cb_part parts[PARTS_MAX];
    size_t n = 0;
    int more = 1;

    for (; more && n < PARTS_MAX; n++) {
        (void)zmq_msg_init (&frames[n]);
        (void)zmq_msg_recv (&frames[n], self->router, 0);
        parts[n] = (cb_part){zmq_msg_data (&frames[n]), zmq_msg_size (&frames[n])};
        more = zmq_msg_more (&frames[n]);
    }
    cb_zmsg *message = cb_zmsg_new (parts, n);
    while (n > 0)
        (void)zmq_msg_close (&frames[--n]);
    return message;
}

static void *
s_main (void *context)
{
    cb_scripted *self = context;

    while (!self->is_over) {
        cb_jmsg *request = NULL;
        cb_zmsg *raw = s_receive (self);
        if (cb_jmsg_read (self->signer, raw, &request, NULL) == 0)
            s_serve (self, request);
        cb_jmsg_destroy (&request);
        cb_zmsg_destroy (&raw);
    }
    (void)zmq_close (self->router);
    (void)zmq_ctx_term (self->context);
    return NULL;
}

void
cb_scripted_write (const cb_scripted *self, const char *text)
{
    cb_auto_close int folder = open (self->folder, O_DIRECTORY | O_CLOEXEC);

    (void)cb_write_file (folder, "broker.json", text, strlen (text), NULL);
}

bool
cb_scripted_start (cb_scripted *self)
{
    char endpoint[CB_ENDPOINT_MAX];

    memset (self, 0, sizeof *self);
    (void)snprintf (self->folder, sizeof self->folder, "/tmp/cb-test-XXXXXX");
    if (mkdtemp (self->folder) == NULL)
        return false;
    cb_connfile_init (&self->file);
    cb_connfile_new_key (&self->file);
    (void)snprintf (self->file.ip, sizeof self->file.ip, "%s/c", self->folder);
    self->file.more = json_pack ("{si si ss ss}", "protocol", 1, "warden_pid", 77, "version", "0.1",
                                 "state_dir", "/state");
    self->signer = cb_signer_new (self->file.key, "hmac-sha256", NULL);
    self->stranger = cb_signer_new ("another", "hmac-sha256", NULL);
    cb_auto_free char *text = cb_connfile_write (&self->file, NULL, NULL);
    cb_scripted_write (self, text);
    if (cb_connfile_endpoint (&self->file, CB_CHANNEL_SHELL, endpoint, NULL) < 0)
        return false;
    self->context = zmq_ctx_new ();
    self->router = zmq_socket (self->context, ZMQ_ROUTER);
    return zmq_bind (self->router, endpoint) == 0 &&
           pthread_create (&self->thread, NULL, s_main, self) == 0;
}

void
cb_scripted_stop (cb_scripted *self)
{
    cb_signer_destroy (&self->signer);
    cb_signer_destroy (&self->stranger);
    cb_connfile_done (&self->file);
    cb_zmsg_destroy (&self->run);
    (void)cb_remove_tree (AT_FDCWD, self->folder, NULL);
}
