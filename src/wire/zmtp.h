/* zmtp.h - ZMTP 3.0 and 3.1 (RFC 23 and 37), NULL mechanism: bytes in, messages out; no I/O.
 *
 * Bounds everything a hostile peer may send: parts, frame and message bytes, command frames, the
 * handshake, subscriptions. libzmq bounds none of the multipart ones (measured: 3 GB of MORE frames
 * cost its receiver 3,017 MiB); this parser never holds more than its budget. */
#ifndef CB_WIRE_ZMTP_H
#define CB_WIRE_ZMTP_H

#include "base/buf.h"
#include "base/quota.h"
#include "wire/zmsg.h"

/* Bytes of a routing id (RFC 28: 1 to 255). */
#define CB_ZMTP_IDENTITY_MAX 255

typedef struct cb_zmtp cb_zmtp;

typedef struct cb_zmtp_budget {
    size_t max_parts;         /* parts of a message */
    size_t max_frame;         /* bytes of a frame */
    size_t max_message;       /* bytes of a message, parts' overhead included */
    size_t max_commands;      /* command frames (PING ...) between two messages */
    size_t max_subscriptions; /* live ones of an accepting SUB peer, topics up to 255 bytes */
} cb_zmtp_budget;

typedef struct cb_zmtp_config {
    const char *socket_type; /* what we are: "DEALER", "ROUTER", "SUB", "XPUB", "REQ", "REP" */
    const char *identity;    /* what we announce (borrowed during the call), may be NULL */
    size_t identity_size;
    cb_zmtp_budget budget;
    cb_quota *quota; /* borrowed; charged for what is held of unfinished messages; may be NULL */
} cb_zmtp_config;

typedef enum {
    CB_ZMTP_NEED_MORE,   /* nothing to tell before more bytes come */
    CB_ZMTP_READY,       /* the handshake is done: peer_type, identity */
    CB_ZMTP_MESSAGE,     /* message */
    CB_ZMTP_SUBSCRIBE,   /* topic (\x01 message of 3.0 or SUBSCRIBE command of 3.1 alike) */
    CB_ZMTP_UNSUBSCRIBE, /* topic */
} cb_zmtp_kind;

typedef struct cb_zmtp_event {
    cb_zmtp_kind kind;
    cb_zmsg *message; /* MESSAGE: owned by the receiver of the event */
    cb_part topic;    /* SUBSCRIBE, UNSUBSCRIBE: borrowed until the next call */
    cb_part identity; /* READY: the peer's routing id, may be empty; borrowed from self */
    const char *peer_type;
} cb_zmtp_event;

/* Owned; the greeting is already in its output. NULL with err. */
cb_zmtp *cb_zmtp_new (const cb_zmtp_config *config, cb_err *err);
void cb_zmtp_destroy (cb_zmtp **self);

/* Takes in bytes from the peer (at most 64 KiB a call) and, called until it says NEED_MORE, gives
 * what they mean. size may be 0. -CB_E_PROTO or -CB_E_LIMIT: close the connection. */
int cb_zmtp_feed (cb_zmtp *self, const char *bytes, size_t size, cb_err *err);
int cb_zmtp_next (cb_zmtp *self, cb_zmtp_event *ret_event, cb_err *err);

/* Appends the encoding of a message, skipping its first `skip` parts (a ROUTER's identity). */
int cb_zmtp_encode (cb_zmtp *self, const cb_zmsg *message, size_t skip, cb_buf *into, cb_err *err);

/* Bytes that the parser itself wants to send (greeting, READY, PONG, SUBSCRIBE). Borrowed; the
 * caller consumes with cb_buf_consume what it sent. */
cb_buf *cb_zmtp_output (cb_zmtp *self);

/* SUB side: ask for a topic ("" is all). */
int cb_zmtp_subscribe (cb_zmtp *self, const char *topic, size_t size, cb_err *err);

/* Whether a message whose first part is topic matches a live subscription of the peer (XPUB). */
int cb_zmtp_wants (const cb_zmtp *self, const char *topic, size_t size);

#endif
