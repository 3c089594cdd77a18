/* attach-client.c - connections of Jupyter clients: who they are, what they send.
 *
 * Connections on shell, stdin and control with one routing id are one guest: his replies go back on
 * the channel he asked on, a question of his cell to his stdin. A second live connection with a
 * routing id on the same channel is closed (libzmq's ROUTER_HANDOVER would leave the first deaf for
 * good); the id is free when the first is closed. Signature, replay and framing are checked here
 * (wire/jmsg), what a type means is the session's. */
#include "front/attach-int.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Unreadable messages of one connection before it is closed. */
#define FAULTS_MAX 16
/* A heartbeat: jupyter_client sends four bytes. */
#define BEAT_MAX 1024
/* A subscription: its topic and a byte before it. */
#define SUBSCRIPTION_MAX 1024

static int
s_is_named (cb_channel channel)
{
    return channel != CB_CHANNEL_IOPUB && channel != CB_CHANNEL_HB;
}

/* ---- guests ---- */

static int
s_same_id (cb_part a, cb_part b)
{
    return a.size == b.size && memcmp (a.data, b.data, a.size) == 0;
}

/* The guest with this routing id; one without an id is always somebody else. */
static cb_named_guest *
s_find_guest (const cb_door *door, cb_part id)
{
    if (id.size == 0)
        return NULL;
    for (const cb_connection *at = door->connections; at != NULL; at = at->next)
        if (at->guest != NULL && s_same_id (cb_zpeer_identity (at->peer), id))
            return at->guest;
    return NULL;
}

static int
s_join_guest (cb_connection *self, cb_err *err)
{
    cb_named_guest *guest = s_find_guest (self->door, cb_zpeer_identity (self->peer));

    if (guest == NULL)
        guest = calloc (1, sizeof *guest);
    if (guest == NULL)
        return cb_fail_nomem (err);
    if (guest->guest.peers[self->channel] != NULL)
        return cb_fail (err, CB_E_EXISTS,
                        "another connection with the same routing id is open already");
    guest->guest.peers[self->channel] = self->peer;
    guest->n_connections++;
    self->guest = guest;
    return 0;
}

static void
s_leave_guest (cb_connection *self)
{
    cb_named_guest *guest = cb_take (self->guest);
    cb_session *session = self->door->session;

    guest->guest.peers[self->channel] = NULL;
    cb_session_guest_lost (session, &guest->guest);
    if (--guest->n_connections > 0)
        return;
    cb_session_guest_gone (session, &guest->guest);
    free (guest);
}

/* ---- what comes ---- */

static void
s_drop (cb_connection *self, const char *what, const char *why)
{
    cb_door_warn_ (self->door, what, self->channel, why);
    cb_connection_destroy_ (&self);
}

static void
s_on_ready (cb_zpeer *peer, void *context)
{
    cb_connection *self = context;
    cb_err err = CB_ERR_INIT;
    int result = 0;

    if (s_is_named (self->channel))
        result = s_join_guest (self, &err);
    else if (self->channel == CB_CHANNEL_IOPUB)
        result = cb_readers_add (cb_session_readers (self->door->session), peer, &err);
    if (result < 0)
        s_drop (self, "an attaching client is refused", err.text);
    else if (self->guest != NULL)
        cb_session_guest_back (self->door->session, &self->guest->guest, cb_zpeer_identity (peer));
    else if (self->channel == CB_CHANNEL_IOPUB)
        cb_session_reader_back (self->door->session);
}

/* NULL: it cannot be read; the connection may be gone then. */
static cb_jmsg *
s_read (cb_connection *self, cb_zmsg *raw)
{
    cb_jmsg *message = NULL;
    cb_err err = CB_ERR_INIT;

    if (cb_jmsg_read (cb_session_signer (self->door->session), raw, &message, &err) == 0)
        return message;
    if (++self->faults >= FAULTS_MAX)
        s_drop (self, "an attached client is shut out", err.text);
    else
        cb_door_warn_ (self->door, "an attached client's message cannot be accepted", self->channel,
                       err.text);
    return NULL;
}

static void
s_on_request (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    cb_connection *self = context;
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_jmsg) cb_jmsg *message = s_read (self, raw);

    (void)peer;
    if (message == NULL)
        return;
    cb_request_from from = {cb_take (message), self->channel};
    if (cb_session_ask (self->door->session, &self->guest->guest, &from, &err) < 0) {
        cb_door_warn_ (self->door, "a request is refused", self->channel, err.text);
        cb_session_refuse (self->door->session, &self->guest->guest, &from, &err);
    }
    cb_jmsg_destroy (&from.message);
}

static void
s_on_input (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    cb_connection *self = context;
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_jmsg) cb_jmsg *message = s_read (self, raw);

    (void)peer;
    if (message == NULL)
        return;
    if (strcmp (message->msg_type, "input_reply") != 0)
        (void)cb_fail (&err, CB_E_INVALID, "'%s' does not belong on stdin", message->msg_type);
    else if (cb_session_input (self->door->session, &self->guest->guest, message, &err) == 0)
        return;
    cb_door_warn_ (self->door, "an input_reply is dropped", self->channel, err.text);
}

/* A reader has nothing to say; subscriptions never come here. */
static void
s_on_noise (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    (void)peer;
    (void)raw;
    (void)context;
}

static void
s_on_subscribed (cb_zpeer *peer, cb_part topic, void *context)
{
    cb_connection *self = context;

    cb_readers_welcome (cb_session_readers (self->door->session), peer, topic);
}

static void
s_on_beat (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    cb_connection *self = context;
    cb_err err = CB_ERR_INIT;

    /* A silence is how clients learn that the kernel is dead. */
    if (cb_session_beats (self->door->session))
        (void)!cb_zpeer_send (peer, raw, 0, &err);
}

static void
s_on_drained (cb_zpeer *peer, void *context)
{
    cb_connection *self = context;

    if (self->channel == CB_CHANNEL_IOPUB)
        cb_readers_drained (cb_session_readers (self->door->session), peer);
}

static void
s_on_closed (cb_zpeer *peer, const cb_err *reason, void *context)
{
    cb_connection *self = context;

    (void)peer;
    if (reason->code == CB_E_PROTO || reason->code == CB_E_LIMIT)
        cb_door_warn_ (self->door, "an attached client broke the protocol", self->channel,
                       reason->text);
    cb_connection_destroy_ (&self);
}

/* ---- connections ---- */

#define EVENTS(handler)                                                              \
    {                                                                                \
        .on_ready = s_on_ready, .on_message = (handler), .on_drained = s_on_drained, \
        .on_closed = s_on_closed, .on_subscribed = s_on_subscribed                   \
    }

static const struct {
    const char *socket_type;
    cb_zpeer_events events;
    size_t max_message;
    size_t out_limit;
    size_t max_parts;
    size_t max_commands;
    size_t max_topics;
    int priority;
} s_rows[CB_CHANNEL__COUNT] = {
    [CB_CHANNEL_SHELL] = {"ROUTER", EVENTS (s_on_request), CB_ATTACH_REQUEST_MAX,
                          CB_ATTACH_REPLIES_MAX, CB_BUFFERS_MAX + CB_IDENTITIES_MAX + 6, 64, 0,
                          CB_PRIORITY_NORMAL},
    [CB_CHANNEL_IOPUB] = {"XPUB", EVENTS (s_on_noise), SUBSCRIPTION_MAX, CB_READER_QUEUE_MAX, 2,
                          CB_ATTACH_TOPICS_MAX * 2, CB_ATTACH_TOPICS_MAX, CB_PRIORITY_NORMAL},
    [CB_CHANNEL_STDIN] = {"ROUTER", EVENTS (s_on_input), CB_ATTACH_INPUT_MAX, CB_ATTACH_REPLIES_MAX,
                          CB_BUFFERS_MAX + CB_IDENTITIES_MAX + 6, 64, 0, CB_PRIORITY_NORMAL},
    [CB_CHANNEL_CONTROL] = {"ROUTER", EVENTS (s_on_request), CB_ATTACH_REQUEST_MAX,
                            CB_ATTACH_REPLIES_MAX, CB_BUFFERS_MAX + CB_IDENTITIES_MAX + 6, 64, 0,
                            CB_PRIORITY_CONTROL},
    [CB_CHANNEL_HB] = {"REP", EVENTS (s_on_beat), BEAT_MAX, BEAT_MAX * 8, 8, 64, 0,
                       CB_PRIORITY_NORMAL},
};

static cb_zpeer *
s_peer (cb_connection *self, int fd, cb_err *err)
{
    cb_attach *attach = self->door->attach;
    __typeof__ (&s_rows[0]) row = &s_rows[self->channel];
    cb_quota *out = self->channel == CB_CHANNEL_IOPUB ? &attach->readers : &attach->out;
    cb_zpeer_options options = {
        .zmtp = {.socket_type = row->socket_type,
                 .budget = {.max_parts = row->max_parts,
                            .max_frame = row->max_message,
                            .max_message = row->max_message + row->max_parts * CB_ZMTP_PART_COST,
                            .max_commands = row->max_commands,
                            .max_subscriptions = row->max_topics},
                 .quota = &attach->in,
                 .spare = CB_ATTACH_IN_SPARE},
        .out_limit = row->out_limit,
        .quota = out,
        .priority = row->priority};

    return cb_zpeer_new (attach->loop, fd, &options, &row->events, self, err);
}

int
cb_connection_open_ (cb_door *door, cb_channel channel, int fd, cb_err *err)
{
    cb_auto_close int taken = fd;
    cb_attach *attach = door->attach;

    if (door->n_connections >= CB_ATTACH_A_SESSION_MAX ||
        attach->n_connections >= CB_ATTACH_CONNECTIONS_MAX)
        return cb_fail (err, CB_E_LIMIT, "%zu connections are open, %zu to this session",
                        attach->n_connections, door->n_connections);
    cb_connection *self = calloc (1, sizeof *self);
    if (self == NULL)
        return cb_fail_nomem (err);
    self->door = door;
    self->channel = channel;
    self->peer = s_peer (self, cb_take_fd (&taken), err);
    if (self->peer == NULL) {
        free (self);
        return -CB_E_IO;
    }
    self->next = door->connections;
    if (self->next != NULL)
        self->next->before = self;
    door->connections = self;
    door->n_connections++;
    attach->n_connections++;
    return 0;
}

void
cb_connection_destroy_ (cb_connection **self_at)
{
    cb_connection *self = cb_take (*self_at);
    cb_door *door = self->door;

    *(self->before != NULL ? &self->before->next : &door->connections) = self->next;
    if (self->next != NULL)
        self->next->before = self->before;
    door->n_connections--;
    door->attach->n_connections--;
    if (self->channel == CB_CHANNEL_IOPUB)
        cb_readers_remove (cb_session_readers (door->session), self->peer);
    if (self->guest != NULL)
        s_leave_guest (self);
    cb_zpeer_destroy (&self->peer);
    free (self);
}
