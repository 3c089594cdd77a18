/* fdpass.h - packets with descriptors over a SOCK_SEQPACKET pair (SCM_RIGHTS, unix(7)). */
#ifndef CB_BASE_FDPASS_H
#define CB_BASE_FDPASS_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Descriptors in one packet: more than any of our messages needs, far below the kernel's 253. */
#define CB_FDPASS_MAX 64

typedef struct cb_packet {
    size_t size;            /* bytes received */
    int fds[CB_FDPASS_MAX]; /* owned by the receiver, close-on-exec */
    size_t n_fds;
    struct {
        pid_t pid; /* the sender in our pid namespace; 0 without SO_PASSCRED */
        uid_t uid;
    } sender;
} cb_packet;

enum { CB_PACKET_OK, CB_PACKET_AGAIN, CB_PACKET_CLOSED }; /* outcomes of cb_packet_recv */

/* Sends one packet. The descriptors are borrowed. A full queue gives -CB_E_BUSY (non-blocking
 * socket), a closed peer -CB_E_GONE. Never raises SIGPIPE. */
int cb_packet_send (int socket, const void *bytes, size_t size, const int *fds, size_t n_fds,
                    cb_err *err) __attribute__ ((warn_unused_result));

/* Receives one packet of at most room bytes. A packet that is longer, or carries more descriptors,
 * is dropped whole with -CB_E_PROTO; its descriptors are closed. */
int cb_packet_recv (int socket, void *bytes, size_t room, cb_packet *ret_packet, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Closes the descriptors that were not taken (cb_take_fd) from the packet. */
void cb_packet_done (cb_packet *packet);

#endif
