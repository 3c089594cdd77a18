/* stream.h - a non-blocking stream socket on the loop, with a bounded queue of what is to be
 * written. Bytes only: what they mean is the business of net/.
 *
 * Nothing is called back from within put, flush or pause, only from the loop, so a caller never
 * vanishes under its own hands. */
#ifndef CB_LOOP_STREAM_H
#define CB_LOOP_STREAM_H

#include "base/quota.h"
#include "loop/loop.h"

#include <stddef.h>
#include <sys/socket.h>

typedef struct cb_stream cb_stream;

/* How many bytes of a stream were ever written, in memory that outlives the process: the kernel
 * itself stores what it took (sendmmsg), so a process that is killed leaves the truth. `turn` says
 * which of the two is in force. */
typedef struct cb_sendlog {
    uint32_t turn;
    struct {
        uint64_t from;       /* bytes before this write */
        struct mmsghdr call; /* msg_len: bytes that it took; the rest means nothing */
    } turns[2];
} cb_sendlog;

static inline uint64_t
cb_sendlog_sent (const cb_sendlog *self)
{
    return self->turns[self->turn & 1].from + self->turns[self->turn & 1].call.msg_len;
}

typedef struct cb_stream_events {
    /* Something can be read, or it has ended, or writing failed (cb_stream_broken). */
    void (*on_readable) (cb_stream *stream, void *context);
    /* Everything queued is written after an admission said CB_STREAM_FULL or cb_stream_want_drained
     * asked; while paused also when writing failed, so that nobody waits for it in vain. */
    void (*on_drained) (cb_stream *stream, void *context);
} cb_stream_events;

typedef struct cb_stream_options {
    size_t out_limit; /* bytes queued before an admission says CB_STREAM_FULL */
    cb_quota *quota;  /* borrowed: charged for the queue; may be NULL */
    int priority;
    cb_sendlog *log; /* borrowed: goes on from what it says; NULL: none */
} cb_stream_options;

/* Takes fd also on failure; borrows events and context. Owned; NULL with err. */
cb_stream *cb_stream_new (cb_loop *loop, int fd, const cb_stream_options *options,
                          const cb_stream_events *events, void *context, cb_err *err);
/* Drops what is still queued and closes. Safe in callbacks. */
void cb_stream_destroy (cb_stream **self);

enum { CB_STREAM_READ, CB_STREAM_AGAIN, CB_STREAM_END }; /* outcomes of cb_stream_read */

/* Reads once what is there, *ret_size bytes. -CB_E_IO: as good as ended, with the reason. */
int cb_stream_read (cb_stream *self, char *bytes, size_t room, size_t *ret_size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Borrowed: for a reader with a way of its own. */
int cb_stream_fd (const cb_stream *self);

enum { CB_STREAM_ADMITTED, CB_STREAM_FULL }; /* outcomes of cb_stream_admit */

/* Asks to queue size bytes. ADMITTED: they are charged, put them at once. FULL: the limit or the
 * quota would be passed, or less of the quota be left than this queue has; on_drained comes. An
 * empty queue takes any size that the quota allows. */
int cb_stream_admit (cb_stream *self, size_t size);
/* Whether it would be. */
int cb_stream_has_room (const cb_stream *self, size_t size);
/* The same without limits. */
void cb_stream_admit_always (cb_stream *self, size_t size);

/* Queues bytes: copied, or shared until release (owner) is called (also when this fails). */
int cb_stream_put (cb_stream *self, const char *bytes, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));
typedef void cb_release (void *owner);
typedef struct cb_shared {
    const char *data;
    size_t size;
    void *owner;
    cb_release *release;
} cb_shared;
int cb_stream_put_shared (cb_stream *self, const cb_shared *bytes, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Writes now what the kernel takes; the loop does the rest. */
void cb_stream_flush (cb_stream *self);
/* on_drained comes once the queue is empty, also when it is already. */
void cb_stream_want_drained (cb_stream *self);

/* Bytes queued. */
size_t cb_stream_queued (const cb_stream *self);
/* Why writing has failed for good; NULL while it has not. Borrowed. */
const char *cb_stream_broken (const cb_stream *self);
/* Stops and resumes on_readable. */
void cb_stream_pause (cb_stream *self, int paused);

#endif
