/* zpeer.h - one ZMTP connection on the loop: bounded in and out, told when it closes.
 *
 * Used towards kernels (we connect) and towards clients (we accept): the broker holds no libzmq. */
#ifndef CB_NET_ZPEER_H
#define CB_NET_ZPEER_H

#include "loop/loop.h"
#include "loop/stream.h"
#include "net/recvring.h"
#include "wire/zmtp.h"

typedef struct cb_zpeer cb_zpeer;

/* A libzmq peer shakes hands within a millisecond, a Python that is just starting within seconds
 * (the connection to a kernel waits in its backlog meanwhile: see options.handshake). */
#define CB_ZPEER_HANDSHAKE_MAX (10 * CB_USEC_PER_SEC)

typedef struct cb_zpeer_events {
    /* The handshake is done. May be NULL. */
    void (*on_ready) (cb_zpeer *peer, void *context);
    /* One message with all its frames (a routing id is not put before them: cb_zpeer_identity; a
     * REQ's empty delimiter is there), borrowed for the call (cb_zmsg_ref to keep). At most 16
     * calls a turn. */
    void (*on_message) (cb_zpeer *peer, cb_zmsg *message, void *context);
    /* Everything queued was handed to the kernel (or the handshake is done) after a send had said
     * CB_ZPEER_FULL. May be NULL. */
    void (*on_drained) (cb_zpeer *peer, void *context);
    /* The peer is gone, with the reason (code 0: it closed). Told once and never from within a call
     * of ours, after everything it had sent. The callee destroys peer. */
    void (*on_closed) (cb_zpeer *peer, const cb_err *reason, void *context);
    /* A message over the budget came and is gone (only with zmtp.budget.skip). May be NULL. */
    void (*on_skipped) (cb_zpeer *peer, uint64_t bytes, void *context);
    /* All that came was looked at. May be NULL; must not destroy the peer. */
    void (*on_starved) (cb_zpeer *peer, void *context);
    /* We publish, and it wants a topic that it did not want before. May be NULL. */
    void (*on_subscribed) (cb_zpeer *peer, cb_part topic, void *context);
} cb_zpeer_events;

typedef struct cb_zpeer_options {
    cb_zmtp_config zmtp;
    size_t out_limit; /* bytes queued towards the peer before a send says CB_ZPEER_FULL */
    cb_quota *quota;  /* borrowed: bytes queued both ways (zmtp.quota where that is NULL) */
    int priority;
    cb_recvring *ring; /* borrowed: where received bytes lie; NULL: nowhere in particular */
    cb_sendlog *log;   /* borrowed: how much was sent; NULL: nowhere */
    const cb_zmtp_saved *resume; /* of a stream that another process has begun; NULL: from its
                                    beginning. Ready at once, on_ready does not come */
    cb_usec handshake; /* time for it; 0: CB_ZPEER_HANDSHAKE_MAX; CB_USEC_NEVER: the caller looks */
} cb_zpeer_options;

/* Takes fd (a connected stream socket) also on failure; borrows events and context. A peer that is
 * not READY after CB_ZPEER_HANDSHAKE_MAX is closed. */
cb_zpeer *cb_zpeer_new (cb_loop *loop, int fd, const cb_zpeer_options *options,
                        const cb_zpeer_events *events, void *context, cb_err *err);
/* Drops what is still queued. Safe in its own callbacks. */
void cb_zpeer_destroy (cb_zpeer **self);

enum { CB_ZPEER_SENT, CB_ZPEER_FULL }; /* outcomes of cb_zpeer_send */

/* Queues a message (one more reference, no copy of large parts), skipping its first skip parts, and
 * writes at once what the kernel takes. An empty queue takes a message of any size. FULL: nothing
 * was queued (before on_ready nothing can be); on_drained comes. -CB_E_*: the connection is lost,
 * on_closed comes. */
int cb_zpeer_send (cb_zpeer *self, cb_zmsg *message, size_t skip, cb_err *err);
/* The same without the limit, for the few messages that must not be lost (a reply, "you lost n").
 * Before on_ready: -CB_E_BUSY. */
int cb_zpeer_send_always (cb_zpeer *self, cb_zmsg *message, size_t skip, cb_err *err);

/* What another process had queued and not sent, behind which the next message comes. */
int cb_zpeer_send_rest (cb_zpeer *self, const char *bytes, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Whether a send would take it. */
int cb_zpeer_has_room (const cb_zpeer *self, const cb_zmsg *message, size_t skip);

/* What is handled by now (a message that is being told counts). */
void cb_zpeer_save (const cb_zpeer *self, cb_zmtp_saved *ret_saved);

int cb_zpeer_subscribe (cb_zpeer *self, const char *topic, size_t size, cb_err *err);
/* As the functions of wire/zmtp. */
int cb_zpeer_presume (cb_zpeer *self, const char *topic, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_zpeer_wants (const cb_zpeer *self, const char *topic, size_t size);

/* Stops and resumes reading from the peer (back-pressure). */
void cb_zpeer_pause (cb_zpeer *self, int paused);
/* Does not read from the peer until everything queued towards it is written: for one who asks, is
 * sent what must not be lost, and does not read. Ends by itself, also when the peer goes. */
void cb_zpeer_hold (cb_zpeer *self);

/* The process at the other end, 0 when that is not known. */
pid_t cb_zpeer_pid (const cb_zpeer *self);
/* Bytes queued towards the peer. */
size_t cb_zpeer_queued (const cb_zpeer *self);
/* The peer's routing id; empty before on_ready. Borrowed. */
cb_part cb_zpeer_identity (const cb_zpeer *self);

/* A listening Unix socket below dir_fd (bound by way of /proc/self/fd, so paths stay short and the
 * folder may be unreachable by path); mode 0600. A stale file of a dead daemon is replaced. */
typedef struct cb_zlisten cb_zlisten;
typedef void cb_on_accept (cb_zlisten *listen, int fd, void *context); /* takes fd */
cb_zlisten *cb_zlisten_new (cb_loop *loop, int dir_fd, const char *name, cb_on_accept *on_accept,
                            void *context, cb_err *err);
/* Unlinks the socket file too. */
void cb_zlisten_destroy (cb_zlisten **self);

#endif
