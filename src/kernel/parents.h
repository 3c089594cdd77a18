/* parents.h - the last requests of one kernel: what its output may belong to. */
#ifndef CB_KERNEL_PARENTS_H
#define CB_KERNEL_PARENTS_H

#include <stddef.h>
#include <stdint.h>

/* Threads, tasks and widgets print late: output may belong to any of so many last requests. */
#define CB_PARENTS_MAX 1024

/* Keyed hashes of the message ids, not the ids: 8 KiB a kernel instead of 130. The key is random
 * and stays in this process, so a kernel cannot aim at a collision. */
typedef struct cb_parents {
    uint64_t key[2];
    uint64_t ring[CB_PARENTS_MAX];
    size_t used;
    size_t next;
} cb_parents;

void cb_parents_init (cb_parents *self);

/* Remembers a request; the oldest is forgotten. */
void cb_parents_add (cb_parents *self, const char *msg_id);

/* Whether it is among the last requests. */
int cb_parents_has (const cb_parents *self, const char *msg_id);

#endif
