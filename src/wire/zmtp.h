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
/* Bytes of a topic that a peer may subscribe to. */
#define CB_ZMTP_TOPIC_MAX 255
/* Bytes that one cb_zmtp_feed may bring. */
#define CB_ZMTP_FEED_MAX 65536
/* What a part costs of max_message beside its bytes: its rows in our tables. */
#define CB_ZMTP_PART_COST 32

typedef struct cb_zmtp cb_zmtp;

/* Bytes of a message that is skipped, CB_ZMTP_PART_COST for each part included; over it the
 * connection ends in any case. */
#define CB_ZMTP_SKIP_MAX ((uint64_t)1 << 30)

typedef struct cb_zmtp_budget {
    size_t max_parts;    /* parts of a message */
    size_t max_frame;    /* bytes of a frame */
    size_t max_message;  /* bytes of a message, CB_ZMTP_PART_COST for each part included */
    size_t max_commands; /* command frames (PING ...) between two messages or cb_zmtp_calm */
    int skip; /* 1: a message over these bounds (up to CB_ZMTP_SKIP_MAX) is not kept but counted:
                 CB_ZMTP_SKIPPED; 0: it ends the connection */
    size_t max_subscriptions; /* live ones of a SUB peer, topics up to CB_ZMTP_TOPIC_MAX bytes */
} cb_zmtp_budget;

typedef struct cb_zmtp_config {
    const char *socket_type; /* what we are: "DEALER", "ROUTER", "SUB", "XPUB", "REQ", "REP" */
    const char *identity;    /* what we announce (borrowed during the call), may be NULL */
    size_t identity_size;
    cb_zmtp_budget budget;
    cb_quota *quota; /* borrowed; charged for what is held of unfinished messages; may be NULL */
    size_t spare;    /* bytes of an unfinished message, and of topics, that are not charged: a peer
                        that needs little has it whatever others hold */
} cb_zmtp_config;

typedef enum {
    CB_ZMTP_NEED_MORE,   /* nothing to tell before more bytes come */
    CB_ZMTP_READY,       /* the handshake is done: peer_type, identity */
    CB_ZMTP_MESSAGE,     /* message: every frame of it, so a REQ's empty delimiter too */
    CB_ZMTP_SKIPPED,     /* a message was over the budget and is gone: skipped */
    CB_ZMTP_SUBSCRIBE,   /* topic (\x01 message of 3.0 or SUBSCRIBE command of 3.1 alike) */
    CB_ZMTP_UNSUBSCRIBE, /* topic */
} cb_zmtp_kind;

typedef struct cb_zmtp_event {
    cb_zmtp_kind kind;
    cb_zmsg *message; /* MESSAGE: owned by the receiver of the event */
    cb_part topic;    /* SUBSCRIBE, UNSUBSCRIBE: borrowed until the next call */
    cb_part identity; /* READY: the peer's routing id, may be empty; borrowed from self */
    const char *peer_type;
    uint64_t skipped; /* SKIPPED: bytes of its parts */
} cb_zmtp_event;

/* Owned; the greeting is already in its output. NULL with err. */
cb_zmtp *cb_zmtp_new (const cb_zmtp_config *config, cb_err *err);
void cb_zmtp_destroy (cb_zmtp **self);

/* What a reader in another process needs beside the bytes that are not handled: plain data. */
typedef struct cb_zmtp_saved {
    uint64_t handled; /* bytes of the peer's stream whose meaning was told: whole messages */
    uint64_t left;    /* of a message that is skipped: bytes of its frame to come */
    uint64_t skipped; /* and its bytes so far */
    uint8_t traffic;  /* 1: the handshake is done, else there is nothing to go on with */
    uint8_t minor;    /* the peer's version 3.minor */
    uint8_t skipping;
    uint8_t open;
    uint8_t more;
} cb_zmtp_saved;

/* Of a connection whose peer sends no subscriptions. Right after cb_zmtp_next: what that told
 * counts as handled. */
void cb_zmtp_save (const cb_zmtp *self, cb_zmtp_saved *ret_saved);
/* A reader in the middle of a stream: the peer's next byte is number saved->handled. Topics of ours
 * are with the peer already. -CB_E_PROTO for what cannot be. Owned; NULL with err. */
cb_zmtp *cb_zmtp_resume (const cb_zmtp_config *config, const cb_zmtp_saved *saved, cb_err *err);

/* Takes in bytes from the peer (at most CB_ZMTP_FEED_MAX a call, and only after NEED_MORE) and,
 * called until it says NEED_MORE, gives what they mean. size may be 0. -CB_E_PROTO or -CB_E_LIMIT:
 * close the connection; every later call says the same. */
int cb_zmtp_feed (cb_zmtp *self, const char *bytes, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_zmtp_next (cb_zmtp *self, cb_zmtp_event *ret_event, cb_err *err)
    __attribute__ ((warn_unused_result));

/* In the middle of a large frame its bytes may be read straight to where they belong: room for the
 * next *ret_size bytes, borrowed until the next call, then cb_zmtp_filled with how many came. NULL:
 * not now, feed. The room grows with what came, never ahead to what was announced. */
char *cb_zmtp_room (cb_zmtp *self, size_t *ret_size);
void cb_zmtp_filled (cb_zmtp *self, size_t size);

/* Begins a new period for max_commands: a peer that only pings is welcome, if it pings slowly. */
void cb_zmtp_calm (cb_zmtp *self);

/* Appends the encoding of a message, skipping its first `skip` parts (a ROUTER's identity). */
int cb_zmtp_encode (const cb_zmsg *message, size_t skip, cb_buf *into, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The same in pieces, for a writer that does not copy: the header of a frame; its size. */
#define CB_ZMTP_HEADER_MAX 9
size_t cb_zmtp_header (char header[CB_ZMTP_HEADER_MAX], size_t size, int more);

/* Bytes that the parser itself wants to send (greeting, READY, PONG, SUBSCRIBE). Borrowed; the
 * caller consumes with cb_buf_consume what it sent, between two messages. Never more than a few
 * KiB: a peer that pings and does not read gets no more answers. */
cb_buf *cb_zmtp_output (cb_zmtp *self);

/* SUB side: ask for a topic ("" is all). At any time, also before READY. */
int cb_zmtp_subscribe (cb_zmtp *self, const char *topic, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* XPUB side: the peer has this subscription before it says so, as one that comes back had it. */
int cb_zmtp_presume (cb_zmtp *self, const char *topic, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Whether a message whose first part is topic matches a live subscription of the peer (XPUB). */
int cb_zmtp_wants (const cb_zmtp *self, const char *topic, size_t size);

/* The peer's routing id; empty before READY. Borrowed. */
cb_part cb_zmtp_identity (const cb_zmtp *self);

/* Frames that were ignored: unknown commands, messages without meaning towards an XPUB. */
size_t cb_zmtp_ignored (const cb_zmtp *self);

#endif
