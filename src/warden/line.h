/* line.h - the warden's end of a SEQPACKET pair to the broker or the filer: launchmsg both ways,
 * never waiting. What cannot be sent at once is queued, and nothing more is read meanwhile. */
#ifndef CB_WARDEN_LINE_H
#define CB_WARDEN_LINE_H

#include "jail/launchmsg.h"
#include "warden/reactor.h"

/* Packets waiting for a peer that does not read. One that lets more pile up is given up. */
#define CB_LINE_QUEUE_MAX 4096

/* A packet that was understood; its descriptors are closed afterwards unless taken. */
typedef void cb_on_launch (const cb_launch_in *in, cb_packet *packet, void *context);
/* The peer is gone, or has been given up. Called once; the line is closed. */
typedef void cb_on_line_end (void *context);

typedef struct cb_line {
    cb_reactor *reactor; /* borrowed */
    const char *name;    /* borrowed: for logs */
    cb_on_launch *on_packet;
    cb_on_line_end *on_end;
    void *context; /* borrowed */
    int fd;        /* owned; -1: closed */
    cb_watch watch;
    cb_timer again;
    struct cb_line_item *first; /* owned queue */
    struct cb_line_item **last;
    size_t n_queued;
    uint64_t n_refused;
} cb_line;

/* Embedded; all but reactor, name, callbacks and context is filled in here. Takes fd. */
void cb_line_open (cb_line *self, int fd);
void cb_line_close (cb_line *self);

/* Sends, or queues a copy (descriptors duplicated). A closed line drops it. */
void cb_line_send (cb_line *self, const cb_launch_out *out);

/* Answers a packet. */
void cb_line_answer (cb_line *self, const cb_launch_head *to, uint32_t type, const void *body,
                     size_t body_size);
void cb_line_fail (cb_line *self, const cb_launch_head *to, const cb_err *err);

#endif
