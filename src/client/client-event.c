/* client-event.c - what came from the daemon, as the user of the library sees it. */
#include "client/client-int.h"

#include "wire/ctl.h"

#include <stdlib.h>
#include <string.h>

/* "run_reply": a reply of a verb. Others of this shape are not ours. */
static int
s_is_reply (const char *type)
{
    char request[CB_MSG_TYPE_MAX + 8];
    size_t size = strlen (type);

    if (size < 6 || strcmp (type + size - 6, "_reply") != 0)
        return 0;
    (void)snprintf (request, sizeof request, "%.*s_request", (int)size - 6, type);
    return cb_ctl_find (request) != NULL;
}

/* The kind; 0: nothing that a daemon says. A verb that this library does not know is still a verb:
 * its reply ends with _reply and is no type of Jupyter's. */
static int
s_kind (const cb_jmsg *message)
{
    size_t size = strlen (message->msg_type);

    if (s_is_reply (message->msg_type))
        return CELLBLOCK_REPLY;
    if (cb_ctl_forwards (message->type))
        return CELLBLOCK_KERNEL;
    if (message->type != NULL)
        return strcmp (message->msg_type, "input_request") == 0 ? CELLBLOCK_KERNEL : 0;
    if (size > 6 && strcmp (message->msg_type + size - 6, "_reply") == 0)
        return CELLBLOCK_REPLY;
    return CELLBLOCK_NOTICE;
}

/* SESSION_NUMBER -> number; 0 for another's. */
static int64_t
s_request_of (const cellblock_client *client, const char *id)
{
    size_t size = strlen (client->session);
    int64_t number = 0;

    if (strncmp (id, client->session, size) != 0 || id[size] != '_')
        return 0;
    for (const char *at = id + size + 1; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > INT64_MAX / 10 - 1)
            return 0;
        number = number * 10 + (*at - '0');
    }
    return number <= client->last_request ? number : 0;
}

/* Content and metadata, each with an end byte, in one block. */
static int
s_copy_texts (cellblock_event *self, cb_err *err)
{
    const cb_part *content = &self->message->dicts[CB_DICT_CONTENT];
    const cb_part *metadata = &self->message->dicts[CB_DICT_METADATA];

    self->content = malloc (content->size + metadata->size + 2);
    if (self->content == NULL)
        return cb_fail_nomem (err);
    memcpy (self->content, content->data, content->size);
    self->content[content->size] = '\0';
    self->metadata = self->content + content->size + 1;
    memcpy (self->metadata, metadata->data, metadata->size);
    self->metadata[metadata->size] = '\0';
    return 0;
}

/* A refusal: status error and, of a run, "refused": a run whose code raised is none. */
static int
s_read_code (cellblock_event *self, cb_err *err)
{
    const char *status = NULL;
    const char *ename = NULL;
    int refused = 0;
    const json_t *content = cb_jmsg_content (self->message, err);

    if (content == NULL)
        return -CB_E_PROTO;
    CB_TRY (cb_json_get_string (content, "status", 64, "", &status, err));
    CB_TRY (cb_json_get_bool (content, "refused", 0, &refused, err));
    if (strcmp (status, "error") != 0)
        return 0;
    if (strcmp (self->message->msg_type, "run_reply") == 0 && !refused)
        return 0;
    CB_TRY (cb_json_get_string (content, "ename", 256, "", &ename, err));
    self->code = cellblock_code_of (ename);
    return 0;
}

static int
s_fill (cellblock_client *client, cellblock_event *self, cb_zmsg *raw, cb_err *err)
{
    CB_TRY (cb_jmsg_read (client->signer, raw, &self->message, err));
    int kind = s_kind (self->message);
    if (kind == 0)
        return cb_fail (err, CB_E_PROTO, "the daemon sent a message of type '%s'",
                        self->message->msg_type);
    self->kind = (enum cellblock_kind)kind;
    self->request = s_request_of (client, self->message->parent_id);
    CB_TRY (s_copy_texts (self, err));
    return self->kind == CELLBLOCK_REPLY ? s_read_code (self, err) : 0;
}

cellblock_event *
cb_event_new (cellblock_client *client, cb_zmsg *raw, cb_err *err)
{
    cellblock_event *self = calloc (1, sizeof *self);

    if (self == NULL)
        (void)cb_fail_nomem (err);
    else if (s_fill (client, self, raw, err) < 0)
        cellblock_event_free (&self);
    return self;
}

void
cellblock_event_free (cellblock_event **event)
{
    if (event == NULL || *event == NULL)
        return;
    cb_jmsg_destroy (&(*event)->message);
    free ((*event)->content);
    free (*event);
    *event = NULL;
}

enum cellblock_kind
cellblock_event_kind (const cellblock_event *event)
{
    return event->kind;
}

int64_t
cellblock_event_request (const cellblock_event *event)
{
    return event->request;
}

const char *
cellblock_event_type (const cellblock_event *event)
{
    return event->message->msg_type;
}

const char *
cellblock_event_content (const cellblock_event *event, size_t *ret_size)
{
    if (ret_size != NULL)
        *ret_size = event->message->dicts[CB_DICT_CONTENT].size;
    return event->content;
}

const char *
cellblock_event_metadata (const cellblock_event *event)
{
    return event->metadata;
}

const void *
cellblock_event_buffer (const cellblock_event *event, size_t index, size_t *ret_size)
{
    if (index >= event->message->n_buffers)
        return NULL;
    const cb_part *buffer = &event->message->buffers[index];
    if (ret_size != NULL)
        *ret_size = buffer->size;
    return buffer->size > 0 ? buffer->data : "";
}

int
cellblock_event_code (const cellblock_event *event)
{
    return event->code;
}
