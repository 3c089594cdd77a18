/* channels.h - the five sockets of a kernel, made before its jail and never seen on a disk. */
#ifndef CB_KERNEL_CHANNELS_H
#define CB_KERNEL_CHANNELS_H

#include "base/err.h"
#include "jail/launchmsg.h"

typedef struct cb_channels {
    int listening[CB_CHANNEL__COUNT]; /* owned, for the jail */
    int connected[CB_CHANNEL__COUNT]; /* owned, ours; the connection waits in the backlog */
} cb_channels;

/* All descriptors -1. */
void cb_channels_init (cb_channels *self);

/* Makes each socket below dir_fd (a private folder, reached by descriptor), listens, connects and
 * unlinks it at once. */
int cb_channels_make (cb_channels *self, int dir_fd, cb_err *err)
    __attribute__ ((warn_unused_result));

void cb_channels_done (cb_channels *self);

#endif
