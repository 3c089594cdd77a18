/* link.h - the ZeroMQ below a client: a DEALER, its monitor, and a descriptor without traps. */
#ifndef CB_CLIENT_LINK_H
#define CB_CLIENT_LINK_H

#include "base/clock.h"
#include "base/err.h"
#include "wire/zmsg.h"

typedef struct cb_link cb_link;

/* Bytes of a message from the daemon: over its bound for a client's whole queue. */
#define CB_LINK_MESSAGE_MAX 67108864
/* Frames of a message: what wire/jmsg can accept. */
#define CB_LINK_PARTS_MAX 96

/* Connects; says nothing about whether anybody is there. Owned; NULL with err. */
cb_link *cb_link_new (const char *endpoint, cb_err *err);
void cb_link_destroy (cb_link **self);

/* Hands a message over to be sent; never waits. -CB_E_BUSY: too many are waiting. -CB_E_GONE. */
int cb_link_send (cb_link *self, const cb_zmsg *message, cb_err *err);

enum { CB_LINK_MESSAGE, CB_LINK_NOTHING, CB_LINK_INTERRUPTED }; /* outcomes of cb_link_receive */

/* Waits until deadline (CB_USEC_NEVER, or 0: not at all) for a message, owned in *ret_message.
 * -CB_E_GONE once the peer is gone and everything it had sent was given; -CB_E_PROTO or
 * -CB_E_LIMIT for one message that was dropped. */
int cb_link_receive (cb_link *self, cb_usec deadline, cb_zmsg **ret_message, cb_err *err);

/* Whether the peer is gone, as far as that is known without waiting. */
int cb_link_is_gone (cb_link *self);

/* Level-triggered: readable while there is something to receive. Borrowed. */
int cb_link_fd (const cb_link *self);
/* To be called at the end of every function of the interface that touched the link: sets the
 * descriptor. more: the caller has something to give besides. */
void cb_link_settle (cb_link *self, int more);

#endif
