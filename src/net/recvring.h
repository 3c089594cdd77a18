/* recvring.h - bytes of a stream that were received and are not handled yet, in memory that
 * outlives the process: whoever comes after a crash goes on at the very byte.
 *
 * The kernel itself writes how much it delivered: recvmmsg stores the length in a struct that lies
 * in the shared memory too, and a process that is killed leaves a system call before it dies. So
 * there is no moment at which bytes have left the socket and are not accounted for. */
#ifndef CB_NET_RECVRING_H
#define CB_NET_RECVRING_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Bytes of one read. */
#define CB_RECVRING_STEP ((size_t)65536)

/* In the shared memory. `turn` says which of the two is in force; the other one is written, then
 * turn changes, then the kernel is called: so every state that can be found is a whole one. */
typedef struct cb_recvlog {
    uint32_t turn;
    uint32_t room; /* bytes of the ring */
    struct {
        uint64_t from;       /* bytes of the stream that came before this read */
        uint64_t shift;      /* byte N of the stream lies at (N + shift) % room */
        struct mmsghdr call; /* msg_len: bytes that came with this read; the rest means nothing */
    } turns[2];
} cb_recvlog;

/* In the process. */
typedef struct cb_recvring {
    cb_recvlog *log; /* borrowed, shared */
    char *bytes;     /* borrowed, shared: log->room bytes, at a page's border */
    uint64_t kept;   /* bytes of the stream before this one are needed no longer */
    uint64_t given;  /* and up to here they were given to the reader */
    size_t touched;  /* bytes of the ring that hold memory */
} cb_recvring;

/* An empty one: the stream begins. */
void cb_recvring_init (cb_recvring *self, cb_recvlog *log, char *bytes, uint32_t room);
/* One that was left behind; the reader goes on at byte `handled`. -CB_E_PROTO when that cannot be.
 */
int cb_recvring_resume (cb_recvring *self, cb_recvlog *log, char *bytes, uint32_t room,
                        uint64_t handled, cb_err *err) __attribute__ ((warn_unused_result));

/* Whether something is left in memory that was not given. */
int cb_recvring_has_more (const cb_recvring *self);

/* What comes next: from memory what was left behind, else read from fd. Outcomes of
 * cb_stream_read. The bytes are borrowed until the next call. -CB_E_LIMIT: the ring is full. */
int cb_recvring_read (cb_recvring *self, int fd, const char **ret_bytes, size_t *ret_size,
                      cb_err *err) __attribute__ ((warn_unused_result));

#endif
