/* link.h - the connections to one kernel: everything that comes is hostile until it is checked. */
#ifndef CB_KERNEL_LINK_H
#define CB_KERNEL_LINK_H

#include "kernel/channels.h"
#include "kernel/page.h"
#include "net/zpeer.h"
#include "wire/jmsg.h"

typedef struct cb_link cb_link;

typedef struct cb_link_events {
    /* The kernel answered the handshake on a channel: requests can be sent there. */
    void (*on_open) (cb_link *link, cb_channel channel, void *context);
    /* A message that may come there: signature, type and parent are checked. Borrowed. An output
     * belongs to one of the last CB_PARENTS_MAX requests; a reply, an idle or an input_request may
     * still belong to an old one: the receiver knows what runs. */
    void (*on_message) (cb_link *link, cb_channel channel, cb_jmsg *message, void *context);
    /* A message over max_message came and was not kept. */
    void (*on_skipped) (cb_link *link, cb_channel channel, uint64_t bytes, void *context);
    /* A connection is lost: the kernel closed it (reason->code 0) or broke the protocol. Once a
     * channel; everything that came before was delivered. The callee may destroy the link. */
    void (*on_lost) (cb_link *link, cb_channel channel, const cb_err *reason, void *context);
} cb_link_events;

typedef struct cb_link_options {
    const char *name;    /* for logs, borrowed for the link's life */
    const char *key;     /* the kernel's */
    const char *session; /* of our headers towards it; borrowed for the link's life */
    size_t max_message;  /* bytes of a message on iopub that is kept */
    cb_quota *quota;     /* borrowed; NULL: not accounted */
    cb_page *page;       /* borrowed: what is received lies there until it is handled */
    int resume;          /* 1: go on where the broker before was, as the page says */
} cb_link_options;

/* Takes the connected descriptors out of channels. Owned; NULL with err. */
cb_link *cb_link_new (cb_loop *loop, cb_channels *channels, const cb_link_options *options,
                      const cb_link_events *events, void *context, cb_err *err);
void cb_link_destroy (cb_link **self);

typedef struct cb_link_request {
    cb_channel channel;
    const char *msg_type;
    const char *msg_id;    /* NULL: a new hidden one */
    const json_t *content; /* borrowed */
    cb_part parent;        /* of an input_reply: the header it answers */
} cb_link_request;

/* Signs and sends; the id joins the requests that output may belong to. -CB_E_BUSY when the kernel
 * does not read what it is sent. */
int cb_link_send (cb_link *self, const cb_link_request *request, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Signs a client's message with the kernel's key, else as it came (a content that was replaced may
 * lie elsewhere), and sends it; its id joins the requests that output may belong to. */
int cb_link_forward (cb_link *self, cb_channel channel, const cb_jmsg *message, cb_err *err)
    __attribute__ ((warn_unused_result));

/* An id for a request of the broker's own: what belongs to it is nobody else's business. Those that
 * cb_link_send makes are of this kind. */
void cb_link_hidden_id (const cb_link *self, char msg_id[CB_MSG_ID_MAX]);
int cb_link_is_hidden (const cb_link *self, const char *msg_id);

/* The message that is being told does not count as handled, nor does what follows it on its
 * channel, until cb_link_let_go: a broker that comes after us hears it again. */
void cb_link_hold (cb_link *self, cb_channel channel);
void cb_link_let_go (cb_link *self, cb_channel channel);
/* Stops and resumes reading a channel. */
void cb_link_pause (cb_link *self, cb_channel channel, int paused);

/* Whether a request of this id was sent not long ago. */
int cb_link_knows (const cb_link *self, const char *msg_id);

/* Messages dropped so far because of what they were. */
uint64_t cb_link_dropped (const cb_link *self);

/* Counts (and logs once a kind) a message that the receiver found out of place. */
void cb_link_refuse (cb_link *self, cb_channel channel, const cb_jmsg *message, const char *why);

#endif
