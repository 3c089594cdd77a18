/* zmsg.h - one ZeroMQ message: its parts in one allocation, immutable, shared by counting. */
#ifndef CB_WIRE_ZMSG_H
#define CB_WIRE_ZMSG_H

#include "base/err.h"

#include <stddef.h>

/* Borrowed bytes. */
typedef struct cb_part {
    const char *data;
    size_t size;
} cb_part;

typedef struct cb_zmsg cb_zmsg;

/* Copies the parts. Owned, count 1; NULL when out of memory. */
cb_zmsg *cb_zmsg_new (const cb_part *parts, size_t n_parts);

/* For the parser: parts of these sizes lie one behind the other at the start of block (malloc,
 * room bytes; NULL when all are empty). Takes block, unless it fails: then NULL. Owned. */
cb_zmsg *cb_zmsg_adopt (char *block, size_t room, const size_t *sizes, size_t n_parts);

/* The same, but large parts that lie in the bytes of `of` are not copied: the message keeps a
 * reference of it. Parts of other places are copied. Owned; NULL when out of memory. */
cb_zmsg *cb_zmsg_share (const cb_part *parts, size_t n_parts, cb_zmsg *of);

/* One more owner. Returns self. */
cb_zmsg *cb_zmsg_ref (cb_zmsg *self);

/* One owner less; frees with the last. Accepts NULL, nulls the pointer. */
void cb_zmsg_destroy (cb_zmsg **self);

/* The parts, borrowed for as long as the message lives. */
const cb_part *cb_zmsg_parts (const cb_zmsg *self, size_t *ret_n_parts);

/* Bytes of memory the message costs: what is charged to a quota for it. */
size_t cb_zmsg_cost (const cb_zmsg *self);

#endif
