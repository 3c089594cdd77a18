/* relay.h - bytes between a frontend's connections and a session's sockets: both ways, untouched,
 * with bounded buffers. */
#ifndef CB_CLI_RELAY_H
#define CB_CLI_RELAY_H

#include "base/channel.h"
#include "loop/loop.h"

/* Connections of one channel: far over what frontends open, and of all five well below what a
 * session's door takes, so a stranger who floods a port leaves room for who attaches elsewhere. */
#define CB_RELAY_CONNECTIONS_MAX 64

typedef struct cb_relay cb_relay;

/* A connection of the channel is gone (there is room), or the last one after cb_relay_finish. */
typedef void cb_on_less (cb_relay *relay, void *context);

/* Borrows loop and context. Owned; NULL with err. */
cb_relay *cb_relay_new (cb_loop *loop, cb_on_less *on_less, void *context, cb_err *err);
/* Closes all. */
void cb_relay_destroy (cb_relay **self);

/* Connects what was accepted (fd is taken, also on failure) with the Unix socket at path. */
int cb_relay_add (cb_relay *self, cb_channel channel, int fd, const char *path, cb_err *err)
    __attribute__ ((warn_unused_result));
size_t cb_relay_count (const cb_relay *self, cb_channel channel);
size_t cb_relay_total (const cb_relay *self);

/* The session is over: what it has said is passed on, nothing more is read of frontends. */
void cb_relay_finish (cb_relay *self);

#endif
