/* zmtp-message.c - the message that is being received, and the writing of messages.
 *
 * Always holds: memory of the draft is at most twice what really came, plus one step; what a
 * frame announces is compared with the budgets and never allocated. Everything allocated is charged
 * to the quota before, and un-charged when the message is whole (it is the receiver's then) or
 * dropped. */
#include "base/cleanup.h"
#include "wire/zmtp-int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* First room of a draft, and of its table of sizes, which is kept for the next message. */
#define FIRST_ROOM  1024
#define FIRST_SIZES 16
/* A frame that misses more than this is read straight into its place. */
#define LARGE_FRAME 16384
/* What the room for such a frame grows by at least. */
#define LARGE_STEP 65536

int
cb_zmtp_draft_open (const cb_zmtp *self)
{
    return self->draft.open;
}

static int
s_charge (cb_zmtp *self, size_t amount, cb_err *err)
{
    cb_zmtp_draft *draft = &self->draft;
    size_t held = draft->held + amount;
    uint64_t due = held > self->spare ? held - self->spare : 0;
    if (self->quota == NULL)
        return 0;
    if (due > draft->charged) {
        if (cb_quota_charge (self->quota, due - draft->charged) < 0)
            return cb_fail (err, CB_E_LIMIT,
                            "no memory is left for messages of this connection (%zu)", amount);
        draft->charged = due;
    }
    draft->held = held;
    return 0;
}

static void
s_uncharge (cb_zmtp *self)
{
    if (self->draft.charged > 0)
        cb_quota_release (self->quota, self->draft.charged);
    self->draft.charged = 0;
    self->draft.held = 0;
}

/* The room to have when `need` bytes must fit: it grows by half at least, or a million small frames
 * would mean a million moves, but not over the end of a last frame nor over the budget. */
static size_t
s_next_room (const cb_zmtp *self, size_t need)
{
    const cb_zmtp_draft *draft = &self->draft;
    size_t room = draft->room + draft->room / 2;
    if (room < FIRST_ROOM)
        room = FIRST_ROOM;
    size_t most = self->budget.max_message;
    if (!draft->more && draft->used + draft->frame_left < most)
        most = draft->used + draft->frame_left;
    if (room > most)
        room = most;
    return room < need ? need : room;
}

/* Makes room for `more` bytes that came or are about to. */
static int
s_grow (cb_zmtp *self, size_t more, cb_err *err)
{
    cb_zmtp_draft *draft = &self->draft;
    size_t need = draft->used + more;
    if (need <= draft->room)
        return 0;
    size_t room = s_next_room (self, need);
    CB_TRY (s_charge (self, room - draft->room, err));
    char *block = realloc (draft->block, room);
    if (block == NULL)
        return cb_fail_nomem (err);
    draft->block = block;
    draft->room = room;
    return 0;
}

static int
s_add_part (cb_zmtp *self, size_t size, cb_err *err)
{
    cb_zmtp_draft *draft = &self->draft;
    if (draft->n_sizes == draft->sizes_room) {
        size_t room = draft->sizes_room == 0 ? FIRST_SIZES : draft->sizes_room * 2;
        CB_TRY (s_charge (self, (room - draft->sizes_room) * sizeof *draft->sizes, err));
        size_t *sizes = realloc (draft->sizes, room * sizeof *sizes);
        if (sizes == NULL)
            return cb_fail_nomem (err);
        draft->sizes = sizes;
        draft->sizes_room = room;
    }
    draft->sizes[draft->n_sizes++] = size;
    return 0;
}

/* Whether the frame is within the budgets of its message. */
static int
s_check_frame (const cb_zmtp *self, const cb_zmtp_frame *frame, cb_err *err)
{
    const cb_zmtp_draft *draft = &self->draft;
    const cb_zmtp_budget *budget = &self->budget;
    if (frame->size > budget->max_frame)
        return cb_fail (err, CB_E_LIMIT, "a frame of %llu bytes, at most %zu are accepted",
                        (unsigned long long)frame->size, budget->max_frame);
    if (draft->n_sizes >= budget->max_parts)
        return cb_fail (err, CB_E_LIMIT, "a message of more than %zu parts", budget->max_parts);
    size_t left = budget->max_message - draft->weight;
    if (left < CB_ZMTP_PART_COST || frame->size > left - CB_ZMTP_PART_COST)
        return cb_fail (err, CB_E_LIMIT, "a message of more than %zu bytes", budget->max_message);
    return 0;
}

/* What came of the message is given up, what is still to come is only counted: its bytes, and what
 * its parts cost, or empty ones could go on for ever. */
static int
s_begin_skipping (cb_zmtp *self, const cb_zmtp_frame *frame, cb_err *err)
{
    cb_zmtp_draft *draft = &self->draft;
    uint64_t bytes = draft->skipping ? draft->skipped : draft->used;
    uint64_t weight = draft->weight + CB_ZMTP_PART_COST;
    if (frame->size > CB_ZMTP_SKIP_MAX || weight > CB_ZMTP_SKIP_MAX - frame->size)
        return cb_fail (err, CB_E_LIMIT, "a message of more than %llu bytes",
                        (unsigned long long)CB_ZMTP_SKIP_MAX);
    cb_zmtp_draft_drop (self);
    draft->skipping = 1;
    draft->skipped = bytes + frame->size;
    draft->weight = (size_t)(weight + frame->size);
    draft->more = (frame->flags & CB_ZMTP_MORE) != 0;
    draft->frame_left = (size_t)frame->size;
    draft->open = 1;
    return 0;
}

int
cb_zmtp_draft_begin (cb_zmtp *self, const cb_zmtp_frame *frame, cb_err *err)
{
    cb_zmtp_draft *draft = &self->draft;
    if (self->budget.skip) {
        if (draft->skipping || s_check_frame (self, frame, NULL) < 0)
            return s_begin_skipping (self, frame, err);
    } else {
        CB_TRY (s_check_frame (self, frame, err));
    }
    size_t size = (size_t)frame->size;
    CB_TRY (s_add_part (self, size, err));
    draft->weight += size + CB_ZMTP_PART_COST;
    draft->more = (frame->flags & CB_ZMTP_MORE) != 0;
    draft->frame_left = size;
    draft->open = 1;
    return 0;
}

/* Forgets the message; its block is gone, or given away. */
static void
s_reset (cb_zmtp *self)
{
    cb_zmtp_draft *draft = &self->draft;
    s_uncharge (self);
    if (draft->sizes_room > FIRST_SIZES) {
        free (draft->sizes);
        draft->sizes = NULL;
        draft->sizes_room = 0;
    }
    *draft = (cb_zmtp_draft){.sizes = draft->sizes, .sizes_room = draft->sizes_room};
}

void
cb_zmtp_draft_drop (cb_zmtp *self)
{
    free (self->draft.block);
    free (self->draft.sizes);
    self->draft.sizes = NULL;
    self->draft.sizes_room = 0;
    s_reset (self);
}

static int
s_finish (cb_zmtp *self, cb_zmtp_event *ret_event, cb_err *err)
{
    cb_zmtp_draft *draft = &self->draft;
    cb_zmsg *message = cb_zmsg_adopt (draft->block, draft->room, draft->sizes, draft->n_sizes);
    if (message == NULL)
        return cb_fail_nomem (err);
    s_reset (self);
    self->n_commands = 0;
    *ret_event = (cb_zmtp_event){.kind = CB_ZMTP_MESSAGE, .message = message};
    return CB_ZMTP_STEP_EVENT;
}

static int
s_finish_skipping (cb_zmtp *self, cb_zmtp_event *ret_event)
{
    *ret_event = (cb_zmtp_event){.kind = CB_ZMTP_SKIPPED, .skipped = self->draft.skipped};
    s_reset (self);
    self->n_commands = 0;
    return CB_ZMTP_STEP_EVENT;
}

int
cb_zmtp_draft_take (cb_zmtp *self, cb_zmtp_event *ret_event, cb_err *err)
{
    cb_zmtp_draft *draft = &self->draft;
    size_t size = self->in.size - self->in_at;
    if (size > draft->frame_left)
        size = draft->frame_left;
    if (draft->skipping) {
        draft->frame_left -= size;
        self->in_at += size;
    } else if (size > 0) {
        CB_TRY (s_grow (self, size, err));
        memcpy (draft->block + draft->used, self->in.data + self->in_at, size);
        draft->used += size;
        draft->frame_left -= size;
        self->in_at += size;
    }
    if (draft->frame_left > 0)
        return CB_ZMTP_STEP_STARVED;
    draft->open = 0;
    if (draft->more)
        return CB_ZMTP_STEP_ON;
    return draft->skipping ? s_finish_skipping (self, ret_event) : s_finish (self, ret_event, err);
}

char *
cb_zmtp_room (cb_zmtp *self, size_t *ret_size)
{
    cb_zmtp_draft *draft = &self->draft;
    if (!draft->open || draft->skipping || draft->frame_left < LARGE_FRAME ||
        self->in.size > self->in_at)
        return NULL;
    if (draft->room - draft->used < LARGE_STEP && draft->room - draft->used < draft->frame_left) {
        size_t step = draft->frame_left < LARGE_STEP ? draft->frame_left : LARGE_STEP;
        /* Refused memory is told by the feed that follows. */
        if (s_grow (self, step, NULL) < 0)
            return NULL;
    }
    size_t room = draft->room - draft->used;
    *ret_size = room < draft->frame_left ? room : draft->frame_left;
    return draft->block + draft->used;
}

void
cb_zmtp_filled (cb_zmtp *self, size_t size)
{
    cb_zmtp_draft *draft = &self->draft;
    assert (draft->open && size <= draft->frame_left && size <= draft->room - draft->used);
    draft->used += size;
    draft->frame_left -= size;
    self->fed += size;
}

size_t
cb_zmtp_header (char header[CB_ZMTP_HEADER_MAX], size_t size, int more)
{
    header[0] = more ? CB_ZMTP_MORE : 0;
    if (size <= UINT8_MAX) {
        header[1] = (char)size;
        return 2;
    }
    header[0] |= CB_ZMTP_LONG;
    for (size_t i = CB_ZMTP_HEADER_MAX - 1; i > 0; i--) {
        header[i] = (char)(size & 0xFF);
        size >>= 8;
    }
    return CB_ZMTP_HEADER_MAX;
}

int
cb_zmtp_encode (const cb_zmsg *message, size_t skip, cb_buf *into, cb_err *err)
{
    size_t n_parts = 0;
    size_t before = into->size;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);
    for (size_t i = skip; i < n_parts; i++) {
        char header[CB_ZMTP_HEADER_MAX];
        size_t size = cb_zmtp_header (header, parts[i].size, i + 1 < n_parts);
        int r = cb_buf_put (into, header, size);
        if (r == 0)
            r = cb_buf_put (into, parts[i].data, parts[i].size);
        if (r < 0) {
            into->size = before;
            return cb_fail (err, -r, "no room for a message of %zu parts", n_parts);
        }
    }
    return 0;
}
