/* zmtp.c - ZMTP 3.0 and 3.1 (RFC 23, 37), NULL mechanism: greeting, frames, what they mean.
 *
 * Bytes lie in `in` until they are understood. Command frames are small and waited for whole; the
 * bytes of a message go on into its draft (zmtp-message.c), which is where every budget of messages
 * is checked. A parser that once found a fault stays dead. */
#include "wire/zmtp.h"

#include "base/cleanup.h"
#include "wire/zmtp-int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GREETING_SIZE    64
#define SIGNATURE_SIZE   10
#define MECHANISM_OFFSET 12
#define MECHANISM_SIZE   20
/* Topics of our own SUB: one ("") is what Jupyter uses. */
#define OUR_TOPICS_MAX 16

/* Signature, version 3.1, NULL, as-server 0, filler (RFC 37). */
static const char s_greeting[GREETING_SIZE] = "\xFF\0\0\0\0\0\0\0\1\x7F\3\1NULL";

cb_zmtp *
cb_zmtp_new (const cb_zmtp_config *config, cb_err *err)
{
    cb_owned (cb_zmtp) cb_zmtp *self = calloc (1, sizeof *self);
    if (self == NULL) {
        cb_fail_nomem (err);
        return NULL;
    }
    self->budget = config->budget;
    self->quota = config->quota;
    self->spare = config->spare;
    self->type = cb_zmtp_type_find (config->socket_type, strlen (config->socket_type));
    if (self->type == NULL) {
        cb_fail (err, CB_E_INVALID, "unknown socket type %s", config->socket_type);
        return NULL;
    }
    if (!self->type->is_publisher)
        self->budget.max_subscriptions = OUR_TOPICS_MAX;
    cb_buf_init (&self->in, CB_ZMTP_FEED_MAX + CB_ZMTP_HANDSHAKE_MAX + CB_ZMTP_HEADER_MAX);
    cb_buf_init (&self->out, CB_ZMTP_OUTPUT_MAX);
    cb_buf_init (&self->ready, CB_ZMTP_HANDSHAKE_MAX);
    cb_buf_init (&self->topics, self->budget.max_subscriptions * (CB_ZMTP_TOPIC_MAX + 1));
    if (cb_zmtp_write_ready (self, config, err) < 0)
        return NULL;
    if (cb_buf_put (&self->out, s_greeting, sizeof s_greeting) < 0) {
        cb_fail_nomem (err);
        return NULL;
    }
    return cb_take (self);
}

void
cb_zmtp_destroy (cb_zmtp **self_at)
{
    cb_zmtp *self = *self_at;
    *self_at = NULL;
    if (self == NULL)
        return;
    cb_zmtp_draft_drop (self);
    if (self->topics_charged > 0)
        cb_quota_release (self->quota, self->topics_charged);
    cb_buf_done (&self->in);
    cb_buf_done (&self->out);
    cb_buf_done (&self->ready);
    cb_buf_done (&self->topics);
    free (self->identity);
    free (self);
}

void
cb_zmtp_save (const cb_zmtp *self, cb_zmtp_saved *ret_saved)
{
    const cb_zmtp_draft *draft = &self->draft;

    *ret_saved = (cb_zmtp_saved){
        .handled = draft->n_sizes > 0 ? self->message : self->fed - (self->in.size - self->in_at),
        .traffic = self->state == CB_ZMTP_STATE_TRAFFIC,
        .minor = (uint8_t)self->minor};
    if (!draft->skipping)
        return;
    ret_saved->left = draft->frame_left;
    ret_saved->skipped = draft->skipped;
    ret_saved->skipping = 1;
    ret_saved->open = draft->open != 0;
    ret_saved->more = draft->more != 0;
}

cb_zmtp *
cb_zmtp_resume (const cb_zmtp_config *config, const cb_zmtp_saved *saved, cb_err *err)
{
    cb_owned (cb_zmtp) cb_zmtp *self = cb_zmtp_new (config, err);

    if (self == NULL)
        return NULL;
    if (!saved->traffic || self->type->is_publisher || saved->left > CB_ZMTP_SKIP_MAX ||
        saved->skipped > CB_ZMTP_SKIP_MAX) {
        (void)cb_fail (err, CB_E_PROTO, "a connection cannot be gone on with");
        return NULL;
    }
    cb_buf_done (&self->out);
    cb_buf_done (&self->ready);
    self->state = CB_ZMTP_STATE_TRAFFIC;
    self->minor = saved->minor;
    self->fed = saved->handled;
    self->draft.skipping = saved->skipping != 0;
    self->draft.open = saved->open != 0;
    self->draft.more = saved->more != 0;
    self->draft.skipped = saved->skipped;
    self->draft.frame_left = (size_t)saved->left;
    return cb_take (self);
}

int
cb_zmtp_feed (cb_zmtp *self, const char *bytes, size_t size, cb_err *err)
{
    if (self->state == CB_ZMTP_STATE_DEAD)
        return cb_fail (err, CB_E_PROTO, "the connection has failed before");
    assert (size <= CB_ZMTP_FEED_MAX);
    if (size == 0)
        return 0;
    int r = cb_buf_put (&self->in, bytes, size);
    if (r == -CB_E_NOMEM)
        return cb_fail_nomem (err);
    /* What is left after NEED_MORE is less than one command: only a caller can overfill it. */
    assert (r == 0);
    self->fed += size;
    return r;
}

/* Unused bytes of `in`. */
static cb_part
s_rest (const cb_zmtp *self)
{
    if (self->in.size == 0)
        return (cb_part){"", 0};
    return (cb_part){self->in.data + self->in_at, self->in.size - self->in_at};
}

/* What came of the greeting is judged as it comes: a peer that speaks something else is not waited
 * for. */
static int
s_check_greeting (cb_part rest, cb_err *err)
{
    const unsigned char *bytes = (const unsigned char *)rest.data;
    if (rest.size >= 1 && bytes[0] != 0xFF)
        return cb_fail (err, CB_E_PROTO, "the peer does not speak ZMTP 3");
    if (rest.size >= SIGNATURE_SIZE && bytes[SIGNATURE_SIZE - 1] != 0x7F)
        return cb_fail (err, CB_E_PROTO, "the peer does not speak ZMTP 3");
    if (rest.size > SIGNATURE_SIZE && bytes[SIGNATURE_SIZE] < 3)
        return cb_fail (err, CB_E_PROTO, "the peer speaks ZMTP %u, we need 3",
                        (unsigned)bytes[SIGNATURE_SIZE]);
    if (rest.size < GREETING_SIZE)
        return 0;
    if (memcmp (bytes + MECHANISM_OFFSET, s_greeting + MECHANISM_OFFSET, MECHANISM_SIZE) != 0)
        return cb_fail (err, CB_E_PROTO, "the peer wants a security mechanism, we speak NULL");
    return 0;
}

static int
s_step_greeting (cb_zmtp *self, cb_err *err)
{
    cb_part rest = s_rest (self);
    CB_TRY (s_check_greeting (rest, err));
    if (rest.size < GREETING_SIZE)
        return CB_ZMTP_STEP_STARVED;
    /* A major version above 3 has to understand ours (RFC 23), so it is treated as the newest. */
    int newer = (unsigned char)rest.data[SIGNATURE_SIZE] > 3;
    self->minor = newer ? 1 : (unsigned char)rest.data[SIGNATURE_SIZE + 1];
    self->in_at += GREETING_SIZE;
    if (cb_buf_put (&self->out, self->ready.data, self->ready.size) < 0)
        return cb_fail_nomem (err);
    cb_buf_done (&self->ready);
    self->state = CB_ZMTP_STATE_HANDSHAKE;
    return CB_ZMTP_STEP_ON;
}

/* The header of the next frame; 0 in frame.header while it has not come whole. */
static int
s_read_header (cb_part rest, cb_zmtp_frame *frame, cb_err *err)
{
    const unsigned char *bytes = (const unsigned char *)rest.data;
    *frame = (cb_zmtp_frame){0};
    if (rest.size == 0)
        return 0;
    unsigned flags = bytes[0];
    if (flags > (CB_ZMTP_MORE | CB_ZMTP_LONG | CB_ZMTP_COMMAND) ||
        (flags & (CB_ZMTP_MORE | CB_ZMTP_COMMAND)) == (CB_ZMTP_MORE | CB_ZMTP_COMMAND))
        return cb_fail (err, CB_E_PROTO, "a frame has impossible flags 0x%02x", flags);
    size_t header = flags & CB_ZMTP_LONG ? CB_ZMTP_HEADER_MAX : 2;
    if (rest.size < header)
        return 0;
    uint64_t size = 0;
    for (size_t i = 1; i < header; i++)
        size = size << 8 | bytes[i];
    *frame = (cb_zmtp_frame){.size = size, .header = header, .flags = flags};
    return 0;
}

/* A command, or a message to a publisher: small, and waited for whole. */
static int
s_step_small (cb_zmtp *self, const cb_zmtp_frame *frame, cb_zmtp_event *ret_event, cb_err *err)
{
    int handshake = self->state == CB_ZMTP_STATE_HANDSHAKE;
    size_t limit = handshake ? CB_ZMTP_HANDSHAKE_MAX : CB_ZMTP_COMMAND_MAX;
    if (frame->size > limit)
        return cb_fail (err, CB_E_LIMIT, "a command has %llu bytes, at most %zu are accepted",
                        (unsigned long long)frame->size, limit);
    cb_part rest = s_rest (self);
    size_t size = (size_t)frame->size;
    if (rest.size - frame->header < size)
        return CB_ZMTP_STEP_STARVED;
    if (!handshake && ++self->n_commands > self->budget.max_commands)
        return cb_fail (err, CB_E_LIMIT, "more than %zu commands without a message",
                        self->budget.max_commands);
    self->in_at += frame->header + size;
    cb_part body = {rest.data + frame->header, size};
    if (frame->flags & CB_ZMTP_COMMAND)
        return cb_zmtp_on_command (self, body, ret_event, err);
    return cb_zmtp_on_subscription (self, body, ret_event, err);
}

static int
s_step_frame (cb_zmtp *self, cb_zmtp_event *ret_event, cb_err *err)
{
    if (cb_zmtp_draft_open (self))
        return cb_zmtp_draft_take (self, ret_event, err);
    cb_zmtp_frame frame;
    cb_part rest = s_rest (self);
    CB_TRY (s_read_header (rest, &frame, err));
    if (frame.header == 0)
        return CB_ZMTP_STEP_STARVED;
    if (frame.flags & CB_ZMTP_COMMAND)
        return s_step_small (self, &frame, ret_event, err);
    if (self->state == CB_ZMTP_STATE_HANDSHAKE)
        return cb_fail (err, CB_E_PROTO, "a message came before the handshake was done");
    if (!self->type->is_publisher) {
        if (self->draft.n_sizes == 0)
            self->message = self->fed - rest.size;
        CB_TRY (cb_zmtp_draft_begin (self, &frame, err));
        self->in_at += frame.header;
        return CB_ZMTP_STEP_ON;
    }
    if (frame.flags & CB_ZMTP_MORE)
        return cb_fail (err, CB_E_PROTO, "a subscription has several parts");
    return s_step_small (self, &frame, ret_event, err);
}

/* Nothing more can be understood: only what is unused is kept, and no memory for nothing. */
static void
s_settle_input (cb_zmtp *self)
{
    cb_buf_consume (&self->in, self->in_at);
    self->in_at = 0;
    if (self->in.size == 0)
        cb_buf_done (&self->in);
}

int
cb_zmtp_next (cb_zmtp *self, cb_zmtp_event *ret_event, cb_err *err)
{
    if (self->state == CB_ZMTP_STATE_DEAD)
        return cb_fail (err, CB_E_PROTO, "the connection has failed before");
    cb_zmtp_event event = {.kind = CB_ZMTP_NEED_MORE};
    int step = CB_ZMTP_STEP_ON;
    while (step == CB_ZMTP_STEP_ON) {
        if (self->state == CB_ZMTP_STATE_GREETING)
            step = s_step_greeting (self, err);
        else
            step = s_step_frame (self, &event, err);
    }
    if (step < 0) {
        self->state = CB_ZMTP_STATE_DEAD;
        cb_zmtp_draft_drop (self);
        return step;
    }
    if (step == CB_ZMTP_STEP_STARVED)
        s_settle_input (self);
    *ret_event = event;
    return 0;
}

void
cb_zmtp_calm (cb_zmtp *self)
{
    self->n_commands = 0;
}

cb_buf *
cb_zmtp_output (cb_zmtp *self)
{
    return &self->out;
}

cb_part
cb_zmtp_identity (const cb_zmtp *self)
{
    return (cb_part){self->identity != NULL ? self->identity : "", self->identity_size};
}

size_t
cb_zmtp_ignored (const cb_zmtp *self)
{
    return self->n_ignored;
}
