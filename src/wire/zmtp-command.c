/* zmtp-command.c - the handshake's READY, commands, subscriptions (RFC 23, RFC 37, RFC 29 for
 * publishers).
 *
 * What a peer says is never repeated into an error's text without being made printable. Topics of a
 * peer are a set: a second subscription to the same topic changes nothing, as with libzmq. */
#include "base/cleanup.h"
#include "wire/zmtp-int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SOCKET_TYPE "Socket-Type"
#define IDENTITY    "Identity"
/* Bytes of a peer's words that go into an error's text. */
#define QUOTE_MAX 64
/* RFC 37: a PING's context has at most this many bytes. */
#define PING_CONTEXT_MAX 16

/* RFC 23, "socket type combinations". */
static const cb_zmtp_type s_types[] = {
    {"DEALER", " REP DEALER ROUTER ", 1, 0},
    {"PUB", " SUB XSUB ", 0, 1},
    {"REP", " REQ DEALER ", 0, 0},
    {"REQ", " REP ROUTER ", 1, 0},
    {"ROUTER", " REQ DEALER ROUTER ", 1, 0},
    {"SUB", " PUB XPUB ", 0, 0},
    {"XPUB", " SUB XSUB ", 0, 1},
    {"XSUB", " PUB XPUB ", 0, 0},
};

/* Borrowed bytes that are eaten from the front. */
typedef struct s_reader {
    const unsigned char *at;
    size_t left;
} s_reader;

static s_reader
s_reader_of (cb_part part)
{
    return (s_reader){(const unsigned char *)part.data, part.size};
}

/* Takes size bytes; NULL when there are fewer. */
static const char *
s_take (s_reader *reader, size_t size)
{
    if (reader->left < size)
        return NULL;
    const char *taken = (const char *)reader->at;
    reader->at += size;
    reader->left -= size;
    return taken;
}

/* Takes a length of `width` bytes, most significant first, and that many bytes behind it. */
static int
s_take_string (s_reader *reader, size_t width, cb_part *ret_string)
{
    const unsigned char *digits = reader->at;
    if (s_take (reader, width) == NULL)
        return 0;
    size_t size = 0;
    for (size_t i = 0; i < width; i++)
        size = size << 8 | digits[i];
    const char *bytes = s_take (reader, size);
    if (bytes == NULL)
        return 0;
    *ret_string = (cb_part){bytes, size};
    return 1;
}

static int
s_is (cb_part string, const char *text)
{
    size_t size = strlen (text);
    return string.size == size && memcmp (string.data, text, size) == 0;
}

/* RFC 23: names of properties are not case-sensitive. */
static int
s_is_property (cb_part name, const char *text)
{
    size_t size = strlen (text);
    return name.size == size && strncasecmp (name.data, text, size) == 0;
}

static const char *
s_printable (cb_part string, char text[QUOTE_MAX])
{
    size_t size = string.size < QUOTE_MAX - 1 ? string.size : QUOTE_MAX - 1;
    for (size_t i = 0; i < size; i++)
        text[i] = string.data[i] >= ' ' && string.data[i] <= '~' ? string.data[i] : '?';
    text[size] = '\0';
    return text;
}

const cb_zmtp_type *
cb_zmtp_type_find (const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof s_types / sizeof s_types[0]; i++)
        if (s_is ((cb_part){name, size}, s_types[i].name))
            return &s_types[i];
    return NULL;
}

static int
s_compatible (const cb_zmtp_type *ours, const cb_zmtp_type *theirs)
{
    const char *found = strstr (ours->peers, theirs->name);
    size_t size = strlen (theirs->name);
    while (found != NULL && (found[-1] != ' ' || found[size] != ' '))
        found = strstr (found + 1, theirs->name);
    return found != NULL;
}

/* Begins a command frame whose body has size bytes, its name included. */
static int
s_put_command (cb_buf *into, const char *name, size_t size)
{
    char header[CB_ZMTP_HEADER_MAX];
    size_t length = strlen (name);
    size_t header_size = cb_zmtp_header (header, 1 + length + size, 0);
    header[0] |= CB_ZMTP_COMMAND;
    const char length_byte = (char)length;
    CB_TRY (cb_buf_reserve (into, header_size + 1 + length + size));
    CB_TRY (cb_buf_put (into, header, header_size));
    CB_TRY (cb_buf_put (into, &length_byte, 1));
    return cb_buf_put (into, name, length);
}

static int
s_put_property (cb_buf *into, const char *name, const char *value, size_t size)
{
    const char name_size = (char)strlen (name);
    const char value_size[4] = {0, 0, 0, (char)size};
    CB_TRY (cb_buf_put (into, &name_size, 1));
    CB_TRY (cb_buf_puts (into, name));
    CB_TRY (cb_buf_put (into, value_size, sizeof value_size));
    return cb_buf_put (into, value, size);
}

int
cb_zmtp_write_ready (cb_zmtp *self, const cb_zmtp_config *config, cb_err *err)
{
    if (config->identity_size > CB_ZMTP_IDENTITY_MAX)
        return cb_fail (err, CB_E_INVALID, "a routing id has at most %d bytes",
                        CB_ZMTP_IDENTITY_MAX);
    cb_scoped (cb_buf) cb_buf body;
    cb_buf_init (&body, CB_ZMTP_HANDSHAKE_MAX);
    const char *type = self->type->name;
    int r = s_put_property (&body, SOCKET_TYPE, type, strlen (type));
    if (r == 0 && self->type->names_itself)
        r = s_put_property (&body, IDENTITY, config->identity, config->identity_size);
    if (r == 0)
        r = s_put_command (&self->ready, "READY", body.size);
    if (r == 0)
        r = cb_buf_put (&self->ready, body.data, body.size);
    return r < 0 ? cb_fail_nomem (err) : 0;
}

static int
s_set_identity (cb_zmtp *self, cb_part value, cb_err *err)
{
    if (value.size == 0)
        return 0;
    /* RFC 28: ids that begin with a zero byte are made by ROUTERs for peers without one. */
    if (value.size > CB_ZMTP_IDENTITY_MAX || value.data[0] == '\0' || self->identity != NULL)
        return cb_fail (err, CB_E_PROTO, "the peer's routing id is not a valid one");
    self->identity = malloc (value.size);
    if (self->identity == NULL)
        return cb_fail_nomem (err);
    memcpy (self->identity, value.data, value.size);
    self->identity_size = value.size;
    return 0;
}

static int
s_set_peer_type (cb_zmtp *self, cb_part value, cb_err *err)
{
    char text[QUOTE_MAX];
    self->peer_type = cb_zmtp_type_find (value.data, value.size);
    if (self->peer_type == NULL || !s_compatible (self->type, self->peer_type))
        return cb_fail (err, CB_E_PROTO, "the peer is a %s socket, which a %s cannot talk to",
                        s_printable (value, text), self->type->name);
    return 0;
}

static int
s_on_ready (cb_zmtp *self, s_reader body, cb_zmtp_event *ret_event, cb_err *err)
{
    while (body.left > 0) {
        cb_part name;
        cb_part value;
        if (!s_take_string (&body, 1, &name) || !s_take_string (&body, 4, &value) || name.size == 0)
            return cb_fail (err, CB_E_PROTO, "the peer's READY is malformed");
        if (s_is_property (name, SOCKET_TYPE))
            CB_TRY (s_set_peer_type (self, value, err));
        else if (s_is_property (name, IDENTITY))
            CB_TRY (s_set_identity (self, value, err));
    }
    if (self->peer_type == NULL)
        return cb_fail (err, CB_E_PROTO, "the peer's READY names no socket type");
    self->state = CB_ZMTP_STATE_TRAFFIC;
    self->n_commands = 0;
    CB_TRY (cb_zmtp_write_subscriptions (self, err));
    *ret_event = (cb_zmtp_event){.kind = CB_ZMTP_READY,
                                 .identity = cb_zmtp_identity (self),
                                 .peer_type = self->peer_type->name};
    return CB_ZMTP_STEP_EVENT;
}

static int
s_on_error (s_reader body, cb_err *err)
{
    char text[QUOTE_MAX];
    cb_part reason = {"", 0};
    (void)s_take_string (&body, 1, &reason);
    return cb_fail (err, CB_E_PROTO, "the peer refused the connection: %s",
                    s_printable (reason, text));
}

static int
s_on_ping (cb_zmtp *self, s_reader body, cb_err *err)
{
    if (s_take (&body, 2) == NULL || body.left > PING_CONTEXT_MAX)
        return cb_fail (err, CB_E_PROTO, "the peer's PING is malformed");
    if (self->out.size > CB_ZMTP_PONG_MAX)
        return CB_ZMTP_STEP_ON;
    if (s_put_command (&self->out, "PONG", body.left) < 0 ||
        cb_buf_put (&self->out, body.at, body.left) < 0)
        return cb_fail_nomem (err);
    return CB_ZMTP_STEP_ON;
}

/* Where in topics a topic begins, its length byte included; NULL when it is not there. */
static char *
s_find_topic (const cb_zmtp *self, cb_part topic)
{
    char *at = self->topics.data;
    for (size_t i = 0; i < self->n_topics; i++) {
        size_t size = (unsigned char)at[0];
        if (size == topic.size && memcmp (at + 1, topic.data, size) == 0)
            return at;
        at += 1 + size;
    }
    return NULL;
}

/* The topics will have this many bytes. */
static int
s_charge_topics (cb_zmtp *self, size_t bytes, cb_err *err)
{
    uint64_t due = bytes > self->spare ? bytes - self->spare : 0;
    if (self->quota == NULL)
        return 0;
    if (due > self->topics_charged && cb_quota_charge (self->quota, due - self->topics_charged) < 0)
        return cb_fail (err, CB_E_LIMIT, "no memory is left for subscriptions");
    if (due < self->topics_charged)
        cb_quota_release (self->quota, self->topics_charged - due);
    self->topics_charged = due;
    return 0;
}

static int
s_add_topic (cb_zmtp *self, cb_part topic, cb_err *err)
{
    if (topic.size > CB_ZMTP_TOPIC_MAX)
        return cb_fail (err, CB_E_LIMIT, "a topic has at most %d bytes", CB_ZMTP_TOPIC_MAX);
    if (self->n_topics >= self->budget.max_subscriptions)
        return cb_fail (err, CB_E_LIMIT, "more than %zu subscriptions",
                        self->budget.max_subscriptions);
    size_t cost = topic.size + 1;
    CB_TRY (s_charge_topics (self, self->topics.size + cost, err));
    const char size = (char)topic.size;
    if (cb_buf_reserve (&self->topics, cost) < 0)
        return cb_fail_nomem (err);
    CB_TRY (cb_buf_put (&self->topics, &size, 1));
    CB_TRY (cb_buf_put (&self->topics, topic.data, topic.size));
    self->n_topics++;
    return 0;
}

static void
s_remove_topic (cb_zmtp *self, char *found)
{
    size_t cost = 1 + (size_t)(unsigned char)found[0];
    size_t before = (size_t)(found - self->topics.data);
    memmove (found, found + cost, self->topics.size - before - cost);
    self->topics.size -= cost;
    self->n_topics--;
    (void)!s_charge_topics (self, self->topics.size, NULL); /* less: it cannot fail */
}

/* A peer asks for a topic, or no longer. Only what changes something is an event (and free of the
 * budget of commands: the set is bounded and events are counted by the caller). */
static int
s_on_topic (cb_zmtp *self, cb_part topic, int wanted, cb_zmtp_event *ret_event, cb_err *err)
{
    char *found = s_find_topic (self, topic);
    if ((found != NULL) == wanted)
        return CB_ZMTP_STEP_ON;
    if (wanted)
        CB_TRY (s_add_topic (self, topic, err));
    else
        s_remove_topic (self, found);
    self->n_commands--;
    *ret_event =
        (cb_zmtp_event){.kind = wanted ? CB_ZMTP_SUBSCRIBE : CB_ZMTP_UNSUBSCRIBE, .topic = topic};
    return CB_ZMTP_STEP_EVENT;
}

int
cb_zmtp_on_subscription (cb_zmtp *self, cb_part body, cb_zmtp_event *ret_event, cb_err *err)
{
    if (body.size == 0 || (body.data[0] != '\0' && body.data[0] != '\1')) {
        self->n_ignored++;
        return CB_ZMTP_STEP_ON;
    }
    cb_part topic = {body.data + 1, body.size - 1};
    return s_on_topic (self, topic, body.data[0] == '\1', ret_event, err);
}

int
cb_zmtp_on_command (cb_zmtp *self, cb_part body, cb_zmtp_event *ret_event, cb_err *err)
{
    s_reader reader = s_reader_of (body);
    cb_part name;
    if (!s_take_string (&reader, 1, &name) || name.size == 0)
        return cb_fail (err, CB_E_PROTO, "a command has no name");
    cb_part rest = {(const char *)reader.at, reader.left};
    if (s_is (name, "ERROR"))
        return s_on_error (reader, err);
    if (self->state == CB_ZMTP_STATE_HANDSHAKE) {
        if (!s_is (name, "READY"))
            return cb_fail (err, CB_E_PROTO, "the peer's first command is not READY");
        return s_on_ready (self, reader, ret_event, err);
    }
    if (s_is (name, "PING"))
        return s_on_ping (self, reader, err);
    if (self->type->is_publisher && s_is (name, "SUBSCRIBE"))
        return s_on_topic (self, rest, 1, ret_event, err);
    if (self->type->is_publisher && s_is (name, "CANCEL"))
        return s_on_topic (self, rest, 0, ret_event, err);
    if (!s_is (name, "PONG"))
        self->n_ignored++;
    return CB_ZMTP_STEP_ON;
}

/* One topic of ours, in the peer's dialect. */
static int
s_put_subscription (cb_zmtp *self, cb_part topic, cb_err *err)
{
    int r = 0;
    if (self->minor > 0) {
        r = s_put_command (&self->out, "SUBSCRIBE", topic.size);
    } else {
        char header[CB_ZMTP_HEADER_MAX];
        size_t size = cb_zmtp_header (header, topic.size + 1, 0);
        r = cb_buf_put (&self->out, header, size);
        if (r == 0)
            r = cb_buf_put (&self->out, "\1", 1);
    }
    if (r == 0)
        r = cb_buf_put (&self->out, topic.data, topic.size);
    return r < 0 ? cb_fail_nomem (err) : 0;
}

int
cb_zmtp_write_subscriptions (cb_zmtp *self, cb_err *err)
{
    if (self->type->is_publisher)
        return 0;
    const char *at = self->topics.data;
    for (size_t i = 0; i < self->n_topics; i++) {
        size_t size = (unsigned char)at[0];
        CB_TRY (s_put_subscription (self, (cb_part){at + 1, size}, err));
        at += 1 + size;
    }
    return 0;
}

int
cb_zmtp_subscribe (cb_zmtp *self, const char *topic, size_t size, cb_err *err)
{
    cb_part part = {topic, size};
    if (self->type->is_publisher)
        return cb_fail (err, CB_E_INVALID, "a %s does not subscribe", self->type->name);
    if (s_find_topic (self, part) != NULL)
        return 0;
    CB_TRY (s_add_topic (self, part, err));
    return self->state == CB_ZMTP_STATE_TRAFFIC ? s_put_subscription (self, part, err) : 0;
}

int
cb_zmtp_presume (cb_zmtp *self, const char *topic, size_t size, cb_err *err)
{
    cb_part part = {topic, size};
    if (!self->type->is_publisher)
        return cb_fail (err, CB_E_INVALID, "a %s has no subscribers", self->type->name);
    return s_find_topic (self, part) == NULL ? s_add_topic (self, part, err) : 0;
}

int
cb_zmtp_wants (const cb_zmtp *self, const char *topic, size_t size)
{
    const char *at = self->topics.data;
    for (size_t i = 0; i < self->n_topics; i++) {
        size_t prefix = (unsigned char)at[0];
        if (prefix <= size && memcmp (at + 1, topic, prefix) == 0)
            return 1;
        at += 1 + prefix;
    }
    return 0;
}
