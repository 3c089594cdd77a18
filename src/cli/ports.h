/* ports.h - the five places that a frontend's connection file names: TCP ports or Unix sockets. */
#ifndef CB_CLI_PORTS_H
#define CB_CLI_PORTS_H

#include "loop/loop.h"
#include "wire/connfile.h"

typedef struct cb_ports cb_ports;

/* Somebody connected; fd is the callee's. */
typedef void cb_on_connection (cb_channel channel, int fd, void *context);

/* Binds all five, or none: the sentence names the one that is in use. Nobody is let in yet.
 * Borrows loop and context. Owned; NULL with err. */
cb_ports *cb_ports_new (cb_loop *loop, const cb_connfile *file, cb_on_connection *on_connection,
                        void *context, cb_err *err);
/* Unlinks Unix sockets too. */
void cb_ports_destroy (cb_ports **self);

/* Lets in who comes to a channel, or leaves them waiting. */
void cb_ports_let_in (cb_ports *self, cb_channel channel, int on);

#endif
