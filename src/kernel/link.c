/* link.c - the connections to one kernel.
 *
 * Owns the peers of the five channels (no heartbeat is ever sent: the kernel's pidfd is on the
 * loop, but a kernel may expect somebody there) and the kernel's signer. Code in the jail has the
 * kernel's key, so a signature proves nothing: type and channel must be in the table of msgtype,
 * and output must belong to a request that was really made. What does not fit is dropped and
 * counted, and told to the log once a kind: a flood of forgeries must not become a flood of lines.
 */
#include "kernel/link.h"

#include "base/fdio.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bytes that may wait for a kernel that does not read: a cell's source, some inputs. */
#define OUT_LIMIT ((size_t)32 * 1024 * 1024)
/* Memory that what was sent may keep. */
#define KEEP_TOUCHED ((size_t)262144)
/* Characters of such a beginning. */
#define HIDDEN_SIZE 17
/* Frames of a message: six of the protocol, a topic, the buffers. */
#define PARTS_MAX (CB_BUFFERS_MAX + 16)

typedef enum {
    REFUSED_FRAMING, /* unreadable, or signed with another key */
    REFUSED_TYPE,    /* not on this channel */
    REFUSED_PARENT,  /* belongs to nothing */
    REFUSED_PLACE,   /* the receiver did not expect it */
    REFUSED_SIZE,    /* over the budget */
    REFUSED__COUNT
} refused_kind;

static const char *const s_refused[REFUSED__COUNT] = {
    "a message of the kernel makes no sense", "a kernel sent a type that does not belong there",
    "output of a kernel belongs to no request", "a message of the kernel is out of place",
    "a message of a kernel is too large to be kept"};

typedef struct peer_slot {
    cb_link *link;
    cb_channel channel;
    cb_zpeer *peer;
    cb_recvring ring;
    uint64_t before; /* bytes handled before the message that is being told */
    int held;
} peer_slot;

struct cb_link {
    const cb_link_events *events;
    void *context;
    cb_signer *signer;
    const char *name;
    const char *session;
    peer_slot slots[CB_CHANNEL__COUNT];
    cb_page *page;       /* borrowed */
    cb_parents *parents; /* in the page */
    char *hidden; /* in the page: how the ids of our own requests begin: random, so no client's does
                   */
    uint64_t refused[REFUSED__COUNT];
};

static const int s_channel_bit[CB_CHANNEL__COUNT] = {CB_ON_SHELL, CB_ON_IOPUB, CB_ON_STDIN,
                                                     CB_ON_CONTROL, 0};

static void
s_refuse (cb_link *self, refused_kind kind, cb_channel channel, const char *type, const char *why)
{
    if (self->refused[kind]++ == 0)
        cb_log_warn (s_refused[kind], CB_STR ("session", self->name),
                     CB_STR ("channel", cb_channel_name (channel)), CB_STR ("type", type),
                     CB_STR ("why", why));
}

void
cb_link_refuse (cb_link *self, cb_channel channel, const cb_jmsg *message, const char *why)
{
    s_refuse (self, REFUSED_PLACE, channel, message->msg_type, why);
}

/* Whether its parent is one of our requests. Announcements of the kernel itself have none. */
static int
s_parent_fits (cb_link *self, cb_channel channel, const cb_jmsg *message)
{
    if (message->parent_id[0] == '\0')
        return channel == CB_CHANNEL_IOPUB && (strcmp (message->msg_type, "status") == 0 ||
                                               strcmp (message->msg_type, "iopub_welcome") == 0);
    return cb_parents_has (self->parents, message->parent_id);
}

/* ---- what is handled ---- */

/* Into the state to come; in force with the next commit. */
static void
s_note (peer_slot *slot)
{
    cb_zmtp_saved *saved = &slot->link->page->work.channels[slot->channel];

    slot->before = saved->handled;
    if (slot->held)
        return;
    cb_zpeer_save (slot->peer, saved);
}

static void
s_commit (peer_slot *slot)
{
    cb_page *page = slot->link->page;

    if (page->shared->sending[slot->channel])
        page->shared->sending[slot->channel] =
            slot->peer != NULL && cb_zpeer_queued (slot->peer) > 0;
    cb_page_commit (page);
    slot->ring.kept = page->work.channels[slot->channel].handled;
}

void
cb_link_hold (cb_link *self, cb_channel channel)
{
    peer_slot *slot = &self->slots[channel];

    if (!slot->held)
        self->page->work.channels[channel].handled = slot->before;
    slot->held = 1;
}

void
cb_link_let_go (cb_link *self, cb_channel channel)
{
    peer_slot *slot = &self->slots[channel];

    slot->held = 0;
    if (slot->peer == NULL)
        return;
    s_note (slot);
    slot->ring.kept = self->page->work.channels[channel].handled;
}

void
cb_link_pause (cb_link *self, cb_channel channel, int paused)
{
    if (self->slots[channel].peer != NULL)
        cb_zpeer_pause (self->slots[channel].peer, paused);
}

static void
s_on_starved (cb_zpeer *peer, void *context)
{
    peer_slot *slot = context;
    cb_zmtp_saved *saved = &slot->link->page->work.channels[slot->channel];
    uint64_t handled = saved->handled;

    (void)peer;
    s_note (slot);
    if (saved->handled != handled)
        s_commit (slot);
}

/* ---- what comes ---- */

static void
s_look_at (peer_slot *slot, cb_zmsg *raw)
{
    cb_link *self = slot->link;
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_jmsg) cb_jmsg *message = NULL;

    if (cb_jmsg_read (self->signer, raw, &message, &err) < 0) {
        s_refuse (self, REFUSED_FRAMING, slot->channel, "", err.text);
        return;
    }
    /* A type that is not in the table passes: kernels and frontends invent their own. */
    if (message->type != NULL && !(message->type->from_kernel & s_channel_bit[slot->channel])) {
        s_refuse (self, REFUSED_TYPE, slot->channel, message->msg_type, "");
        return;
    }
    if (!s_parent_fits (self, slot->channel, message)) {
        s_refuse (self, REFUSED_PARENT, slot->channel, message->msg_type, "");
        return;
    }
    self->events->on_message (self, slot->channel, message, self->context);
}

static void
s_on_message (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    peer_slot *slot = context;

    (void)peer;
    s_note (slot);
    s_look_at (slot, raw);
    /* Nothing is destroyed from within a message. */
    s_commit (slot);
}

static void
s_on_closed (cb_zpeer *peer, const cb_err *reason, void *context)
{
    peer_slot *slot = context;
    cb_link *self = slot->link;
    cb_err why = *reason;

    cb_zpeer_destroy (&peer);
    slot->peer = NULL;
    self->events->on_lost (self, slot->channel, &why, self->context);
}

static void
s_on_ready (cb_zpeer *peer, void *context)
{
    peer_slot *slot = context;

    (void)peer;
    slot->link->events->on_open (slot->link, slot->channel, slot->link->context);
}

static void
s_on_skipped (cb_zpeer *peer, uint64_t bytes, void *context)
{
    peer_slot *slot = context;

    (void)peer;
    s_refuse (slot->link, REFUSED_SIZE, slot->channel, "", "");
    slot->link->events->on_skipped (slot->link, slot->channel, bytes, slot->link->context);
}

static const cb_zpeer_events s_events = {.on_ready = s_on_ready,
                                         .on_message = s_on_message,
                                         .on_closed = s_on_closed,
                                         .on_skipped = s_on_skipped,
                                         .on_starved = s_on_starved};

/* The type of our end. The bytes of a message that is kept are the page's: a reply is two lines, or
 * carries a traceback; nothing is expected on hb. */
static const char *const s_types[CB_CHANNEL__COUNT] = {
    [CB_CHANNEL_SHELL] = "DEALER",   [CB_CHANNEL_IOPUB] = "SUB", [CB_CHANNEL_STDIN] = "DEALER",
    [CB_CHANNEL_CONTROL] = "DEALER", [CB_CHANNEL_HB] = "REQ",
};

/* ---- what goes ---- */

/* Behind what is on its way already; 0 when the page cannot have it: too large, or what is in the
 * queue is not all in the page. */
static int
s_keep (peer_slot *slot, const cb_zmsg *message)
{
    cb_page *page = slot->link->page;
    cb_page_out *out = &page->work.outs[slot->channel];
    size_t queued = cb_zpeer_queued (slot->peer);
    uint64_t end = cb_sendlog_sent (&page->shared->sends[slot->channel]) + queued;
    size_t n_parts = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);

    if (queued > 0 && end != out->end)
        return 0;
    cb_page_out next = {.base = queued > 0 ? out->base : end, .end = end};
    if (queued == 0 && out->end - out->base > KEEP_TOUCHED)
        (void)madvise (page->outs[slot->channel], cb_page_out_size (slot->channel), MADV_REMOVE);
    for (size_t i = 0; i < n_parts; i++) {
        char header[CB_ZMTP_HEADER_MAX];
        char *at = page->outs[slot->channel] + (next.end - next.base);
        size_t left = cb_page_out_size (slot->channel) - (size_t)(next.end - next.base);
        size_t size = cb_zmtp_header (header, parts[i].size, i + 1 < n_parts);
        if (left < size || parts[i].size > left - size)
            return 0;
        memcpy (at, header, size);
        memcpy (at + size, parts[i].data, parts[i].size);
        next.end += size + parts[i].size;
    }
    *out = next;
    return 1;
}

/* It is in force before it goes out, together with what the floor above has noted of it: who comes
 * after us sends the rest. */
static int
s_send (peer_slot *slot, cb_zmsg *message, cb_err *err)
{
    cb_page *page = slot->link->page;
    uint8_t *sending = &page->shared->sending[slot->channel];
    cb_page_out before = page->work.outs[slot->channel];
    int kept = s_keep (slot, message);

    /* Half a message in the socket would make nonsense of what another broker sends. */
    if (!kept)
        *sending = 1;
    cb_page_commit (page);
    int result = cb_zpeer_send (slot->peer, message, 0, err);
    if (!kept)
        *sending = cb_zpeer_queued (slot->peer) > 0;
    CB_TRY (result);
    if (result == CB_ZPEER_FULL) {
        page->work.outs[slot->channel] = before;
        return cb_fail (err, CB_E_BUSY, "the kernel does not read what it is sent");
    }
    return 0;
}

/* What the broker before us had on its way. */
static int
s_send_rest (peer_slot *slot, cb_err *err)
{
    const cb_page *page = slot->link->page;
    const cb_page_out *out = &page->work.outs[slot->channel];
    uint64_t sent = cb_sendlog_sent (&page->shared->sends[slot->channel]);

    if (sent >= out->end)
        return 0;
    cb_log_info ("a request goes on to a kernel", CB_STR ("session", slot->link->name),
                 CB_STR ("channel", cb_channel_name (slot->channel)),
                 CB_INT ("bytes", out->end - sent));
    return cb_zpeer_send_rest (slot->peer, page->outs[slot->channel] + (sent - out->base),
                               (size_t)(out->end - sent), err);
}

static int
s_open_ring (peer_slot *slot, int resume, cb_err *err)
{
    cb_page *page = slot->link->page;
    unsigned i = slot->channel;

    if (resume)
        return cb_recvring_resume (&slot->ring, &page->shared->logs[i], page->rings[i],
                                   page->rooms[i], page->work.channels[i].handled, err);
    cb_recvring_init (&slot->ring, &page->shared->logs[i], page->rings[i], page->rooms[i]);
    return 0;
}

static int
s_open (cb_link *self, cb_loop *loop, cb_channels *channels, const cb_link_options *options,
        cb_err *err)
{
    for (unsigned i = 0; i < CB_CHANNEL__COUNT; i++) {
        size_t own = cb_page_channel_max ((cb_channel)i);
        size_t max = own > 0 ? own : options->max_message;
        int named = i != CB_CHANNEL_IOPUB && i != CB_CHANNEL_HB;
        cb_zpeer_options peer = {
            .zmtp = {.socket_type = s_types[i],
                     /* One id on shell, stdin and control: a kernel asks for input on stdin by the
                      * identity that the request had on shell. */
                     .identity = named ? options->session : NULL,
                     .identity_size = named ? strlen (options->session) : 0,
                     .budget = {.max_parts = PARTS_MAX,
                                .max_frame = max,
                                .max_message = max,
                                .max_commands = 64,
                                .skip = 1,
                                .max_subscriptions = 0},
                     .quota = options->quota},
            .out_limit = OUT_LIMIT,
            .quota = options->quota,
            .handshake = CB_USEC_NEVER, /* a Python is starting; the kernel's own deadline counts */
            .priority = i == CB_CHANNEL_CONTROL ? CB_PRIORITY_CONTROL : CB_PRIORITY_NORMAL};
        const cb_zmtp_saved *saved = &self->page->work.channels[i];
        self->slots[i].link = self;
        self->slots[i].channel = (cb_channel)i;
        /* A heartbeat that never began is not needed. */
        if (options->resume && i == CB_CHANNEL_HB && !saved->traffic)
            continue;
        CB_TRY (s_open_ring (&self->slots[i], options->resume, err));
        peer.ring = &self->slots[i].ring;
        peer.resume = options->resume ? saved : NULL;
        peer.log = &self->page->shared->sends[i];
        self->slots[i].peer = cb_zpeer_new (loop, cb_take_fd (&channels->connected[i]), &peer,
                                            &s_events, &self->slots[i], err);
        if (self->slots[i].peer == NULL)
            return -CB_E_IO;
        if (options->resume)
            CB_TRY (s_send_rest (&self->slots[i], err));
    }
    if (options->resume)
        return 0;
    return cb_zpeer_subscribe (self->slots[CB_CHANNEL_IOPUB].peer, "", 0, err);
}

cb_link *
cb_link_new (cb_loop *loop, cb_channels *channels, const cb_link_options *options,
             const cb_link_events *events, void *context, cb_err *err)
{
    cb_owned (cb_link) cb_link *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_link){.events = events,
                      .context = context,
                      .name = options->name,
                      .session = options->session,
                      .page = options->page,
                      .parents = &options->page->shared->parents,
                      .hidden = options->page->shared->hidden};
    if (!options->resume) {
        cb_parents_init (self->parents);
        cb_random_hex (self->hidden, 8);
        memcpy (self->hidden + HIDDEN_SIZE - 1, "-", 2);
    }
    self->signer = cb_signer_new (options->key, "hmac-sha256", err);
    if (self->signer == NULL || s_open (self, loop, channels, options, err) < 0)
        return NULL;
    return cb_take (self);
}

void
cb_link_destroy (cb_link **self_at)
{
    cb_link *self = *self_at;

    if (self == NULL)
        return;
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        cb_zpeer_destroy (&self->slots[i].peer);
    cb_signer_destroy (&self->signer);
    free (self);
    *self_at = NULL;
}

static int
s_closed (cb_channel channel, cb_err *err)
{
    return cb_fail (err, CB_E_GONE, "the kernel closed its %s channel", cb_channel_name (channel));
}

int
cb_link_send (cb_link *self, const cb_link_request *request, cb_err *err)
{
    char msg_id[CB_MSG_ID_MAX];
    cb_zpeer *peer = self->slots[request->channel].peer;

    if (peer == NULL)
        return s_closed (request->channel, err);
    if (request->msg_id == NULL)
        cb_link_hidden_id (self, msg_id);
    cb_jmsg_draft draft = {.msg_type = request->msg_type,
                           .msg_id = request->msg_id != NULL ? request->msg_id : msg_id,
                           .session = self->session,
                           .parent = request->parent,
                           .content = request->content};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (self->signer, &draft, err);
    if (message == NULL)
        return -CB_E_NOMEM;
    CB_TRY (s_send (&self->slots[request->channel], message, err));
    if (request->channel != CB_CHANNEL_STDIN)
        cb_parents_add (self->parents, draft.msg_id);
    return 0;
}

int
cb_link_forward (cb_link *self, cb_channel channel, const cb_jmsg *message, cb_err *err)
{
    cb_zpeer *peer = self->slots[channel].peer;

    if (peer == NULL)
        return s_closed (channel, err);
    cb_owned (cb_zmsg) cb_zmsg *copy = cb_jmsg_resign (message, self->signer, NULL, 0, err);
    if (copy == NULL)
        return -CB_E_NOMEM;
    CB_TRY (s_send (&self->slots[channel], copy, err));
    if (channel != CB_CHANNEL_STDIN)
        cb_parents_add (self->parents, message->msg_id);
    return 0;
}

void
cb_link_hidden_id (const cb_link *self, char msg_id[CB_MSG_ID_MAX])
{
    char id[CB_MSG_ID_MAX];

    cb_msg_id_new (id);
    (void)snprintf (msg_id, CB_MSG_ID_MAX, "%s%.64s", self->hidden, id);
}

int
cb_link_is_hidden (const cb_link *self, const char *msg_id)
{
    return strncmp (msg_id, self->hidden, HIDDEN_SIZE) == 0;
}

int
cb_link_knows (const cb_link *self, const char *msg_id)
{
    return cb_parents_has (self->parents, msg_id);
}

uint64_t
cb_link_dropped (const cb_link *self)
{
    uint64_t sum = 0;

    for (int i = 0; i < REFUSED__COUNT; i++)
        sum += self->refused[i];
    return sum;
}
