/* recvring.c - see recvring.h. The ring begins anew whenever it is empty, so a quiet stream touches
 * its first pages only; what one large message had touched is given back then. */
#include "net/recvring.h"

#include "loop/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Memory that an empty ring may keep. */
#define KEEP_TOUCHED ((size_t)262144)

static uint64_t
s_tail (const cb_recvlog *log)
{
    return log->turns[log->turn].from + log->turns[log->turn].call.msg_len;
}

void
cb_recvring_init (cb_recvring *self, cb_recvlog *log, char *bytes, uint32_t room)
{
    memset (log, 0, sizeof *log);
    log->room = room;
    *self = (cb_recvring){.log = log, .bytes = bytes};
}

int
cb_recvring_resume (cb_recvring *self, cb_recvlog *log, char *bytes, uint32_t room,
                    uint64_t handled, cb_err *err)
{
    if (log->room != room || log->turn > 1 || log->turns[log->turn].call.msg_len > room ||
        handled > s_tail (log) || s_tail (log) - handled > room)
        return cb_fail (err, CB_E_PROTO, "a stream's memory makes no sense");
    *self = (cb_recvring){
        .log = log, .bytes = bytes, .kept = handled, .given = handled, .touched = room};
    return 0;
}

int
cb_recvring_has_more (const cb_recvring *self)
{
    return self->given < s_tail (self->log);
}

/* A piece of the stream that lies in one piece in the ring. */
static size_t
s_piece (const cb_recvlog *log, uint64_t from, size_t size, uint64_t shift, size_t *ret_at)
{
    size_t at = (size_t)((from + shift) % log->room);

    *ret_at = at;
    if (size > log->room - at)
        size = log->room - at;
    return size > CB_RECVRING_STEP ? CB_RECVRING_STEP : size;
}

static uint64_t
s_begin_anew (cb_recvring *self, uint64_t tail)
{
    if (self->touched > KEEP_TOUCHED) {
        (void)madvise (self->bytes, self->log->room, MADV_REMOVE);
        self->touched = 0;
    }
    uint64_t beyond = tail % self->log->room;
    return beyond == 0 ? 0 : self->log->room - beyond;
}

int
cb_recvring_read (cb_recvring *self, int fd, const char **ret_bytes, size_t *ret_size, cb_err *err)
{
    cb_recvlog *log = self->log;
    uint32_t now = log->turn;
    uint32_t next = 1 - now;
    uint64_t tail = s_tail (log);
    uint64_t shift = log->turns[now].shift;
    size_t at = 0;

    if (self->given < tail) {
        *ret_size = s_piece (log, self->given, (size_t)(tail - self->given), shift, &at);
        *ret_bytes = self->bytes + at;
        self->given += *ret_size;
        return CB_STREAM_READ;
    }
    if (self->kept == tail)
        shift = s_begin_anew (self, tail);
    size_t room = s_piece (log, tail, log->room - (size_t)(tail - self->kept), shift, &at);
    if (room == 0)
        return cb_fail (err, CB_E_LIMIT, "more came than can be kept until it is handled");
    struct iovec into = {self->bytes + at, room};
    log->turns[next].from = tail;
    log->turns[next].shift = shift;
    log->turns[next].call = (struct mmsghdr){.msg_hdr = {.msg_iov = &into, .msg_iovlen = 1}};
    __atomic_store_n (&log->turn, next, __ATOMIC_SEQ_CST);
    int got = recvmmsg (fd, &log->turns[next].call, 1, MSG_DONTWAIT, NULL);
    __atomic_signal_fence (__ATOMIC_SEQ_CST);
    size_t size = log->turns[next].call.msg_len;
    if (got == 1 && size > 0) {
        if (at + size > self->touched)
            self->touched = at + size;
        self->given = tail + size;
        *ret_bytes = self->bytes + at;
        *ret_size = size;
        return CB_STREAM_READ;
    }
    if (got == 1 || errno == ECONNRESET)
        return CB_STREAM_END;
    if (errno == EAGAIN || errno == EINTR)
        return CB_STREAM_AGAIN;
    return cb_fail_errno (err, CB_E_IO, "reading failed");
}
