/* connfile.c - Jupyter connection files as text, every field checked both ways.
 *
 * jupyter_client writes them, kernels read them; ours (broker.json, sessions/NAME.json) have the
 * same fields, so one reader serves all. Unsigned connections exist in Jupyter (an empty key) and
 * are refused here. */
#include "wire/connfile.h"

#include "base/fdio.h"
#include "base/name.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>

/* A Unix socket's path without its end (unix(7)). */
#define SOCKET_PATH_MAX 107
#define SCHEME          "hmac-sha256"

static const char *const s_ports[CB_CHANNEL__COUNT] = {
    "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port",
};
static const char *const s_transports[CB_TRANSPORT__COUNT] = {"tcp", "ipc"};
/* Members that are Jupyter's; everything else goes to `more`. */
static const char *const s_known[] = {
    "control_port", "hb_port",          "iopub_port", "ip",         "kernel_name",
    "key",          "signature_scheme", "shell_port", "stdin_port", "transport",
};

void
cb_connfile_init (cb_connfile *self)
{
    *self = (cb_connfile){.transport = CB_TRANSPORT_IPC, .ports = {1, 2, 3, 4, 5}};
}

void
cb_connfile_done (cb_connfile *self)
{
    explicit_bzero (self->key, sizeof self->key);
    json_decref (self->more);
    cb_connfile_init (self);
}

void
cb_connfile_new_key (cb_connfile *self)
{
    cb_random_hex (self->key, 32);
}

/* A host or path that will stand in an endpoint: no blanks or control characters. */
static int
s_check_ip (const cb_connfile *self, cb_err *err)
{
    size_t size = strlen (self->ip);

    if (size == 0)
        return cb_fail (err, CB_E_INVALID, "connection file: field 'ip' is empty");
    if (!cb_utf8_valid (self->ip, size))
        return cb_fail (err, CB_E_INVALID, "connection file: field 'ip' is not UTF-8");
    for (const unsigned char *at = (const unsigned char *)self->ip; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f ||
            (self->transport == CB_TRANSPORT_TCP && (*at == ' ' || *at == '/')))
            return cb_fail (err, CB_E_INVALID,
                            "connection file: field 'ip' has a character that is not allowed");
    return 0;
}

static int
s_check_ports (const cb_connfile *self, cb_err *err)
{
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        if (self->ports[i] < 1 || self->ports[i] > 65535)
            return cb_fail (err, CB_E_INVALID, "connection file: field '%s' is %d, not a port",
                            s_ports[i], self->ports[i]);
        for (int j = 0; j < i; j++)
            if (self->ports[i] == self->ports[j])
                return cb_fail (err, CB_E_INVALID, "connection file: '%s' and '%s' are both %d",
                                s_ports[j], s_ports[i], self->ports[i]);
    }
    return 0;
}

static int
s_check (const cb_connfile *self, cb_err *err)
{
    char endpoint[CB_ENDPOINT_MAX];

    if (self->key[0] == '\0')
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "connection file: the key is empty, unsigned connections are refused");
    CB_TRY (s_check_ip (self, err));
    CB_TRY (s_check_ports (self, err));
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        CB_TRY (cb_connfile_endpoint (self, (cb_channel)i, endpoint, err));
    return 0;
}

/* Copies a text member; a missing one is `otherwise` (CB_JSON_REQUIRED: an error). */
static int
s_text (const json_t *object, const char *name, const char *otherwise, char *text, size_t room,
        cb_err *err)
{
    const char *value = NULL;

    CB_TRY (cb_json_get_string (object, name, room - 1, otherwise, &value, err));
    (void)snprintf (text, room, "%s", value);
    return 0;
}

static int
s_read_transport (cb_connfile *self, const json_t *object, cb_err *err)
{
    char name[16];

    CB_TRY (s_text (object, "transport", "tcp", name, sizeof name, err));
    for (int i = 0; i < CB_TRANSPORT__COUNT; i++)
        if (strcmp (name, s_transports[i]) == 0) {
            self->transport = (cb_transport)i;
            return 0;
        }
    return cb_fail (err, CB_E_UNSUPPORTED, "connection file: transport '%s' is not tcp or ipc",
                    name);
}

static int
s_read_ports (cb_connfile *self, const json_t *object, cb_err *err)
{
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        int64_t port = 0;
        if (json_object_get (object, s_ports[i]) == NULL)
            return cb_fail (err, CB_E_INVALID, "connection file: field '%s' is missing",
                            s_ports[i]);
        CB_TRY (cb_json_get_int (object, s_ports[i], 1, 65535, 0, &port, err));
        self->ports[i] = (int)port;
    }
    return 0;
}

/* What is left of the object is `more`. */
static int
s_read_more (cb_connfile *self, json_t *object, cb_err *err)
{
    cb_owned (cb_json) json_t *more = json_copy (object);

    /* json_copy goes on when a member cannot be copied. */
    if (more == NULL || json_object_size (more) != json_object_size (object))
        return cb_fail_nomem (err);
    for (size_t i = 0; i < CB_COUNT (s_known); i++)
        (void)json_object_del (more, s_known[i]);
    if (json_object_size (more) > 0)
        self->more = cb_take (more);
    return 0;
}

static int
s_read (cb_connfile *self, json_t *object, cb_err *err)
{
    char scheme[32];

    CB_TRY (s_read_transport (self, object, err));
    CB_TRY (s_text (object, "ip", CB_JSON_REQUIRED, self->ip, sizeof self->ip, err));
    CB_TRY (s_text (object, "key", "", self->key, sizeof self->key, err));
    CB_TRY (s_text (object, "signature_scheme", SCHEME, scheme, sizeof scheme, err));
    CB_TRY (s_text (object, "kernel_name", "", self->kernel_name, sizeof self->kernel_name, err));
    if (strcmp (scheme, SCHEME) != 0)
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "connection file: signature scheme '%s' is not " SCHEME, scheme);
    CB_TRY (s_read_ports (self, object, err));
    CB_TRY (s_check (self, err));
    return s_read_more (self, object, err);
}

int
cb_connfile_read (cb_connfile *self, const char *text, size_t size, cb_err *err)
{
    cb_owned (cb_json) json_t *object = NULL;
    cb_scoped (cb_connfile) cb_connfile fresh;

    cb_connfile_init (&fresh);
    if (size > CB_CONNFILE_MAX)
        return cb_fail (err, CB_E_LIMIT, "connection file: over %d bytes", CB_CONNFILE_MAX);
    CB_TRY (cb_json_parse ("connection file", text, size, &object, err));
    CB_TRY (s_read (&fresh, object, err));
    cb_connfile_done (self);
    *self = fresh;
    fresh.more = NULL;
    return 0;
}

/* json_object_update_missing would hide that a member could not be set. */
static int
s_write_more (json_t *object, json_t *more)
{
    for (void *at = json_object_iter (more); at != NULL; at = json_object_iter_next (more, at)) {
        const char *name = json_object_iter_key (at);
        if (json_object_get (object, name) == NULL &&
            json_object_set (object, name, json_object_iter_value (at)) < 0)
            return -1;
    }
    return 0;
}

char *
cb_connfile_write (const cb_connfile *self, size_t *ret_size, cb_err *err)
{
    if (s_check (self, err) < 0)
        return NULL;
    cb_owned (cb_json) json_t *object =
        json_pack ("{ss ss ss ss ss}", "transport", s_transports[self->transport], "ip", self->ip,
                   "key", self->key, "signature_scheme", SCHEME, "kernel_name", self->kernel_name);
    int bad = object == NULL;
    for (int i = 0; !bad && i < CB_CHANNEL__COUNT; i++)
        bad = json_object_set_new (object, s_ports[i], json_integer (self->ports[i])) < 0;
    bad = bad || s_write_more (object, self->more) < 0;
    cb_auto_free char *text = bad ? NULL : json_dumps (object, JSON_INDENT (2));
    size_t size = text != NULL ? strlen (text) : 0;
    char *whole = text != NULL ? realloc (text, size + 2) : NULL;
    if (whole == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    text = NULL;
    whole[size] = '\n';
    whole[size + 1] = '\0';
    if (ret_size != NULL)
        *ret_size = size + 1;
    return whole;
}

int
cb_connfile_endpoint (const cb_connfile *self, cb_channel channel, char text[CB_ENDPOINT_MAX],
                      cb_err *err)
{
    int port = self->ports[channel];
    int path = snprintf (NULL, 0, "%s-%d", self->ip, port);

    if (self->transport == CB_TRANSPORT_TCP) {
        (void)snprintf (text, CB_ENDPOINT_MAX, "tcp://%s:%d", self->ip, port);
        return 0;
    }
    if (path > SOCKET_PATH_MAX)
        return cb_fail (err, CB_E_LIMIT,
                        "connection file: the socket's path %s-%d is over %d bytes", self->ip, port,
                        SOCKET_PATH_MAX);
    (void)snprintf (text, CB_ENDPOINT_MAX, "ipc://%s-%d", self->ip, port);
    return 0;
}
