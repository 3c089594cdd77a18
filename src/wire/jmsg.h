/* jmsg.h - a Jupyter message: read from a ZeroMQ message and checked, or written into one.
 *
 * Frames: [identity ...] "<IDS|MSG>" signature header parent_header metadata content [buffer ...].
 * The bytes of the four dicts are kept as they came, so what is relayed is only signed again. */
#ifndef CB_WIRE_JMSG_H
#define CB_WIRE_JMSG_H

#include "base/jsonx.h"
#include "wire/msgtype.h"
#include "wire/sign.h"
#include "wire/zmsg.h"

/* Bytes of a msg_id or session that we accept, end included (jupyter_client: 36 and some). */
#define CB_MSG_ID_MAX 129
/* Bytes of a msg_type, end included. */
#define CB_MSG_TYPE_MAX 65
/* Bytes of one header or parent_header. */
#define CB_HEADER_MAX 65536
/* Binary buffers of a message, identity frames before the delimiter. */
#define CB_BUFFERS_MAX    64
#define CB_IDENTITIES_MAX 8

enum { CB_DICT_HEADER, CB_DICT_PARENT, CB_DICT_METADATA, CB_DICT_CONTENT, CB_DICT__COUNT };

typedef struct cb_jmsg {
    cb_zmsg *raw;              /* one reference of ours */
    const cb_part *identities; /* borrowed from raw */
    size_t n_identities;
    cb_part dicts[CB_DICT__COUNT];
    const cb_part *buffers;
    size_t n_buffers;
    const cb_msgtype *type; /* NULL: a type we do not know; it passes */
    char msg_type[CB_MSG_TYPE_MAX];
    char msg_id[CB_MSG_ID_MAX];
    char session[CB_MSG_ID_MAX];
    char parent_id[CB_MSG_ID_MAX]; /* "" without a parent */
    json_t *content_;              /* use cb_jmsg_content */
} cb_jmsg;

/* Takes a reference of raw. Checks framing, signature, replay, header and parent_header (types,
 * lengths, UTF-8, depth); content is only parsed by cb_jmsg_content. Owned in *ret_message. */
int cb_jmsg_read (cb_signer *signer, cb_zmsg *raw, cb_jmsg **ret_message, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_jmsg_destroy (cb_jmsg **self);

/* The content as an object, parsed at the first call. Borrowed; NULL with err. */
json_t *cb_jmsg_content (cb_jmsg *self, cb_err *err);

/* Another content instead (JSON text that was checked, borrowed as long as the message lives). */
void cb_jmsg_set_content (cb_jmsg *self, cb_part content);

/* The same dicts and buffers, signed with another key, behind other leading frames (identities or a
 * topic; may be none). Owned; NULL with err. */
cb_zmsg *cb_jmsg_resign (const cb_jmsg *self, cb_signer *signer, const cb_part *leading,
                         size_t n_leading, cb_err *err);

typedef struct cb_jmsg_draft {
    const cb_part *leading; /* identities or a topic */
    size_t n_leading;
    const char *msg_type;
    const char *msg_id;    /* NULL: a new one */
    const char *session;   /* NULL: "cellblock" */
    cb_part parent;        /* bytes of the parent's header; empty: {} */
    cb_part metadata;      /* JSON text; empty: {} */
    const json_t *content; /* borrowed; NULL: content_text */
    cb_part content_text;  /* JSON text; empty: {} */
    const cb_part *buffers;
    size_t n_buffers;
} cb_jmsg_draft;

/* A new message with a header of ours (date, username "cellblock", version of the protocol). */
cb_zmsg *cb_jmsg_write (cb_signer *signer, const cb_jmsg_draft *draft, cb_err *err);

/* A new message id into text (36 characters, RFC 4122 random). */
void cb_msg_id_new (char text[CB_MSG_ID_MAX]);

#endif
