/* zmtp-int.h - what the files of the ZMTP parser share: its state, and the steps each file does. */
#ifndef CB_WIRE_ZMTP_INT_H
#define CB_WIRE_ZMTP_INT_H

#include "wire/zmtp.h"

/* A READY with its metadata: libzmq's own has 40 bytes and the routing id; room for more of the
 * peer's own properties. */
#define CB_ZMTP_HANDSHAKE_MAX 4096
/* A command after the handshake: SUBSCRIBE with a topic is the longest we know. */
#define CB_ZMTP_COMMAND_MAX 512
/* Answers to PING wait here while the peer does not read; over this none is given. */
#define CB_ZMTP_PONG_MAX 1024
/* Our own output: greeting, READY, SUBSCRIBE commands of a SUB. */
#define CB_ZMTP_OUTPUT_MAX 65536

/* Flags of a frame (RFC 23). */
enum { CB_ZMTP_MORE = 1, CB_ZMTP_LONG = 2, CB_ZMTP_COMMAND = 4 };

typedef struct cb_zmtp_type {
    const char *name;
    const char *peers; /* types that may be at the other end, each between spaces */
    int names_itself;  /* sends its routing id */
    int is_publisher;  /* reads subscriptions, no messages */
} cb_zmtp_type;

typedef enum {
    CB_ZMTP_STATE_GREETING,
    CB_ZMTP_STATE_HANDSHAKE,
    CB_ZMTP_STATE_TRAFFIC,
    CB_ZMTP_STATE_DEAD
} cb_zmtp_state;

typedef struct cb_zmtp_frame {
    uint64_t size;
    size_t header; /* bytes of the header itself */
    unsigned flags;
} cb_zmtp_frame;

/* The message that is being received. Its bytes lie one part behind the other in block. */
typedef struct cb_zmtp_draft {
    char *block; /* owned */
    size_t room;
    size_t used;
    size_t *sizes; /* owned: bytes of each part */
    size_t n_sizes;
    size_t sizes_room;
    size_t weight;     /* what counts towards max_message, or CB_ZMTP_SKIP_MAX */
    size_t frame_left; /* bytes of the current frame that have not come */
    size_t held;       /* bytes of block and sizes that were asked for */
    uint64_t charged;  /* to the quota: what is held over the spare bytes */
    int open;          /* a frame has begun and not ended */
    int more;          /* that frame is not the last of the message */
    int skipping;      /* over the budget: its bytes are counted, not kept */
    uint64_t skipped;  /* bytes of the parts of such a message so far, announced ones too */
} cb_zmtp_draft;

struct cb_zmtp {
    cb_zmtp_budget budget;
    cb_quota *quota;
    size_t spare;
    const cb_zmtp_type *type;
    const cb_zmtp_type *peer_type;
    cb_zmtp_state state;
    unsigned minor; /* the peer's: from 1 on subscriptions are commands */
    cb_buf in;      /* fed, not yet used up to in_at */
    size_t in_at;
    uint64_t fed;     /* bytes of the peer's stream that came */
    uint64_t message; /* where in them the unfinished message begins */
    cb_buf out;
    cb_buf ready; /* our READY, until the peer's greeting came */
    cb_zmtp_draft draft;
    cb_buf topics; /* a length byte and a topic, one behind the other */
    size_t n_topics;
    uint64_t topics_charged;
    char *identity; /* owned: the peer's routing id */
    size_t identity_size;
    size_t n_commands; /* since the last message or cb_zmtp_calm */
    size_t n_ignored;
};

/* Outcomes of a step. */
enum { CB_ZMTP_STEP_ON, CB_ZMTP_STEP_STARVED, CB_ZMTP_STEP_EVENT };

/* zmtp-message.c: a frame of a message begins (refused here, before anything is allocated for it);
 * bytes of it come; CB_ZMTP_STEP_EVENT when the message is whole. */
int cb_zmtp_draft_begin (cb_zmtp *self, const cb_zmtp_frame *frame, cb_err *err);
int cb_zmtp_draft_take (cb_zmtp *self, cb_zmtp_event *ret_event, cb_err *err);
/* Whether a frame of a message has begun and not ended. */
int cb_zmtp_draft_open (const cb_zmtp *self);
void cb_zmtp_draft_drop (cb_zmtp *self);

/* zmtp-command.c */
const cb_zmtp_type *cb_zmtp_type_find (const char *name, size_t size);
int cb_zmtp_write_ready (cb_zmtp *self, const cb_zmtp_config *config, cb_err *err);
/* A whole frame: a command, or a message to a publisher. */
int cb_zmtp_on_command (cb_zmtp *self, cb_part body, cb_zmtp_event *ret_event, cb_err *err);
int cb_zmtp_on_subscription (cb_zmtp *self, cb_part body, cb_zmtp_event *ret_event, cb_err *err);
/* The topics that were asked for before the handshake was done. */
int cb_zmtp_write_subscriptions (cb_zmtp *self, cb_err *err);

#endif
