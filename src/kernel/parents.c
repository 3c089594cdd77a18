/* parents.c - the last requests of one kernel, as keyed hashes (SipHash-1-3, Aumasson and
 * Bernstein 2012) in a ring. */
#include "kernel/parents.h"

#include "base/fdio.h"

#include <string.h>

static inline uint64_t
s_rotate (uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void
s_round (uint64_t v[4])
{
    v[0] += v[1];
    v[1] = s_rotate (v[1], 13) ^ v[0];
    v[0] = s_rotate (v[0], 32);
    v[2] += v[3];
    v[3] = s_rotate (v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = s_rotate (v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = s_rotate (v[1], 17) ^ v[2];
    v[2] = s_rotate (v[2], 32);
}

static uint64_t
s_hash (const uint64_t key[2], const char *text)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU,
                     key[0] ^ 0x6c7967656e657261U, key[1] ^ 0x7465646279746573U};
    size_t size = strlen (text);

    for (size_t at = 0; at <= size; at += 8) {
        uint64_t word = 0;
        size_t left = size - at;
        memcpy (&word, text + at, left < 8 ? left : 8);
        if (left < 8)
            word |= (uint64_t)size << 56;
        v[3] ^= word;
        s_round (v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        s_round (v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
cb_parents_init (cb_parents *self)
{
    *self = (cb_parents){.used = 0};
    cb_random (self->key, sizeof self->key);
}

void
cb_parents_add (cb_parents *self, const char *msg_id)
{
    self->ring[self->next] = s_hash (self->key, msg_id);
    self->next = (self->next + 1) % CB_PARENTS_MAX;
    if (self->used < CB_PARENTS_MAX)
        self->used++;
}

int
cb_parents_has (const cb_parents *self, const char *msg_id)
{
    uint64_t hash = s_hash (self->key, msg_id);

    /* Backwards: what comes nearly always belongs to the newest. */
    for (size_t i = 0; i < self->used; i++) {
        size_t at = (self->next + CB_PARENTS_MAX - 1 - i) % CB_PARENTS_MAX;
        if (self->ring[at] == hash)
            return 1;
    }
    return 0;
}
