/* zmsg.c - one ZeroMQ message: parts that share their bytes and their owners.
 *
 * A message that is copied lies in one allocation: struct, table of parts, bytes. One that the
 * parser received keeps the block into which it was received, so large frames are not copied.
 * Nothing in it changes after it was made; the broker is one thread, so the count is a plain one.
 */
#include "wire/zmsg.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An adopted block with up to this many bytes is copied behind its table: one allocation that fits
 * costs less than a second one with room to spare. */
#define COPY_MAX 4096

/* A part of another message is shared from this size on; smaller ones are cheaper copied. */
#define SHARE_FROM 4096

struct cb_zmsg {
    size_t refs;
    size_t n_parts;
    size_t cost;
    char *block; /* owned; NULL: the bytes lie behind parts */
    cb_zmsg *of; /* one reference: large parts lie in its bytes; NULL: none do */
    cb_part parts[];
};

/* Frames of 2^31 parts or messages near SIZE_MAX never come from a parser with budgets; the checks
 * keep the arithmetic honest for callers. */
static cb_zmsg *
s_alloc (size_t n_parts, size_t extra)
{
    if (n_parts > (SIZE_MAX / 4) / sizeof (cb_part) || extra > SIZE_MAX / 4)
        return NULL;
    size_t size = sizeof (cb_zmsg) + n_parts * sizeof (cb_part) + extra;
    cb_zmsg *self = malloc (size);
    if (self == NULL)
        return NULL;
    *self = (cb_zmsg){.refs = 1, .n_parts = n_parts, .cost = size};
    return self;
}

cb_zmsg *
cb_zmsg_new (const cb_part *parts, size_t n_parts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > SIZE_MAX / 4 - bytes)
            return NULL;
        bytes += parts[i].size;
    }
    cb_zmsg *self = s_alloc (n_parts, bytes);
    if (self == NULL)
        return NULL;
    char *at = (char *)(self->parts + n_parts);
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > 0)
            memcpy (at, parts[i].data, parts[i].size);
        self->parts[i] = (cb_part){at, parts[i].size};
        at += parts[i].size;
    }
    return self;
}

/* Whether the part is one of that message's, and large. */
static int
s_shared (const cb_part *part, const cb_zmsg *of)
{
    if (part->size < SHARE_FROM)
        return 0;
    for (size_t i = 0; i < of->n_parts; i++)
        if (of->parts[i].data == part->data && of->parts[i].size == part->size)
            return 1;
    return 0;
}

cb_zmsg *
cb_zmsg_share (const cb_part *parts, size_t n_parts, cb_zmsg *of)
{
    size_t bytes = 0;
    size_t shared = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > SIZE_MAX / 4 - bytes - shared)
            return NULL;
        *(s_shared (&parts[i], of) ? &shared : &bytes) += parts[i].size;
    }
    if (shared == 0)
        return cb_zmsg_new (parts, n_parts);
    cb_zmsg *self = s_alloc (n_parts, bytes);
    if (self == NULL)
        return NULL;
    self->of = cb_zmsg_ref (of);
    self->cost += shared;
    char *at = (char *)(self->parts + n_parts);
    for (size_t i = 0; i < n_parts; i++) {
        self->parts[i] = parts[i];
        if (s_shared (&parts[i], of))
            continue;
        if (parts[i].size > 0)
            memcpy (at, parts[i].data, parts[i].size);
        self->parts[i].data = at;
        at += parts[i].size;
    }
    return self;
}

/* The bytes of the block in a message of their own; the block is gone when that worked. */
static cb_zmsg *
s_adopt_copy (char *block, size_t size, size_t n_parts)
{
    cb_zmsg *self = s_alloc (n_parts, size);
    if (self == NULL)
        return NULL;
    if (size > 0)
        memcpy (self->parts + n_parts, block, size);
    free (block);
    return self;
}

static cb_zmsg *
s_adopt_block (char *block, size_t size, size_t room, size_t n_parts)
{
    cb_zmsg *self = s_alloc (n_parts, 0);
    if (self == NULL)
        return NULL;
    if (room - size > size / 8) {
        char *fitting = realloc (block, size);
        if (fitting != NULL) {
            block = fitting;
            room = size;
        }
    }
    self->block = block;
    self->cost += room;
    return self;
}

cb_zmsg *
cb_zmsg_adopt (char *block, size_t room, const size_t *sizes, size_t n_parts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n_parts; i++)
        bytes += sizes[i];
    assert (bytes <= room);
    cb_zmsg *self = bytes <= COPY_MAX ? s_adopt_copy (block, bytes, n_parts)
                                      : s_adopt_block (block, bytes, room, n_parts);
    if (self == NULL)
        return NULL;
    const char *at = self->block != NULL ? self->block : (const char *)(self->parts + n_parts);
    for (size_t i = 0; i < n_parts; i++) {
        self->parts[i] = (cb_part){at, sizes[i]};
        at += sizes[i];
    }
    return self;
}

cb_zmsg *
cb_zmsg_ref (cb_zmsg *self)
{
    self->refs++;
    return self;
}

void
cb_zmsg_destroy (cb_zmsg **self_at)
{
    cb_zmsg *self = *self_at;
    *self_at = NULL;
    if (self == NULL || --self->refs > 0)
        return;
    cb_zmsg_destroy (&self->of);
    free (self->block);
    free (self);
}

const cb_part *
cb_zmsg_parts (const cb_zmsg *self, size_t *ret_n_parts)
{
    *ret_n_parts = self->n_parts;
    return self->parts;
}

size_t
cb_zmsg_cost (const cb_zmsg *self)
{
    return self->cost;
}
