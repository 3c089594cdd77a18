/* fdstore.h - the descriptors kept for a jail, so that a broker that comes after a crash gets all.
 */
#ifndef CB_WARDEN_FDSTORE_H
#define CB_WARDEN_FDSTORE_H

#include "jail/launchmsg.h"

typedef struct cb_fdstore {
    int listening[CB_CHANNEL__COUNT];
    int connected[CB_CHANNEL__COUNT];
    int connection;            /* memfd */
    int page;                  /* memfd */
    int quota;                 /* O_PATH of the quota tmpfs */
    int kernel;                /* pidfd of the kernel process */
    int init;                  /* pidfd of the jail's pid 1 */
    int facts[CB_FACT__COUNT]; /* by cb_fact, -1: cannot be had here */
} cb_fdstore;

/* Everything -1. */
void cb_fdstore_init (cb_fdstore *self);
void cb_fdstore_done (cb_fdstore *self);

/* Checks what came with START (sockets are Unix streams, memory files are files) and takes it. */
int cb_fdstore_take (cb_fdstore *self, cb_packet *packet, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Takes the quota tmpfs of STAGE_MOUNTS after a look at it. */
int cb_fdstore_take_quota (cb_fdstore *self, int *fd, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The row of CB_LAUNCH_JAIL, borrowed; how many. */
#define CB_FDSTORE_LIST (2 * CB_CHANNEL__COUNT + 4 + CB_FACT__COUNT)
size_t cb_fdstore_list (const cb_fdstore *self, int fds[CB_FDSTORE_LIST]);

/* The facts alone; how many, and in *ret_bits which. */
size_t cb_fdstore_facts (const cb_fdstore *self, int fds[CB_FACT__COUNT], uint32_t *ret_bits);

#endif
