/* fdpass.c - packets with descriptors: every descriptor that arrives is owned, counted, closed. */
#include "base/fdpass.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control {
    char bytes[CMSG_SPACE (sizeof (int) * CB_FDPASS_MAX) + CMSG_SPACE (sizeof (struct ucred))];
    struct cmsghdr align;
};

int
cb_packet_send (int socket, const void *bytes, size_t size, const int *fds, size_t n_fds,
                cb_err *err)
{
    struct iovec part = {.iov_base = (void *)(size_t)bytes, .iov_len = size};
    union control control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (n_fds > CB_FDPASS_MAX)
        return cb_fail (err, CB_E_LIMIT, "more than %d descriptors in a packet", CB_FDPASS_MAX);
    if (n_fds > 0) {
        memset (&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE (sizeof (int) * n_fds);
        struct cmsghdr *head = &control.align; /* CMSG_FIRSTHDR, without its NULL */
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN (sizeof (int) * n_fds);
        memcpy (CMSG_DATA (head), fds, sizeof (int) * n_fds);
    }
    for (;;) {
        ssize_t sent = sendmsg (socket, &message, MSG_NOSIGNAL);
        if (sent >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return cb_fail (err, CB_E_BUSY, "the peer does not read its packets");
        if (errno == EPIPE || errno == ECONNRESET)
            return cb_fail (err, CB_E_GONE, "the peer is gone");
        return cb_fail_errno (err, CB_E_IO, "sendmsg");
    }
}

/* A peer may send a TCP socket that lingers: to close the last copy of it would wait for as long as
 * he likes. */
static void
s_close_foreign (int *fd)
{
    const struct linger none = {0, 0};

    if (*fd >= 0)
        (void)setsockopt (*fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    cb_close (fd);
}

/* Where no credentials come, the kernel fills their room with descriptors too: more than
 * CB_FDPASS_MAX. Those are closed at once: -1. */
static int
s_take_fds (const struct cmsghdr *head, cb_packet *packet)
{
    size_t n = (head->cmsg_len - CMSG_LEN (0)) / sizeof (int);
    size_t over = n > CB_FDPASS_MAX ? n - CB_FDPASS_MAX : 0;

    packet->n_fds = n - over;
    memcpy (packet->fds, CMSG_DATA (head), sizeof (int) * packet->n_fds);
    for (size_t i = packet->n_fds; i < n; i++) {
        int fd;
        memcpy (&fd, CMSG_DATA (head) + i * sizeof fd, sizeof fd);
        s_close_foreign (&fd);
    }
    return over > 0 ? -1 : 0;
}

static int
s_take_control (struct msghdr *message, cb_packet *packet)
{
    int result = 0;

    for (struct cmsghdr *head = CMSG_FIRSTHDR (message); head != NULL;
         head = CMSG_NXTHDR (message, head)) {
        if (head->cmsg_level != SOL_SOCKET)
            continue;
        if (head->cmsg_type == SCM_RIGHTS) {
            result = s_take_fds (head, packet);
        } else if (head->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy (&sender, CMSG_DATA (head), sizeof sender);
            packet->sender.pid = sender.pid;
            packet->sender.uid = sender.uid;
        }
    }
    return result;
}

int
cb_packet_recv (int socket, void *bytes, size_t room, cb_packet *ret_packet, cb_err *err)
{
    struct iovec part = {.iov_base = bytes, .iov_len = room};
    union control control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    cb_packet packet = {0};
    ssize_t got;

    /* A peer that closed with packets of ours unread: the kernel tells that once, before the
     * packets that the peer had sent, so they are asked for again. */
    do {
        got = recvmsg (socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0 && errno == EAGAIN)
        return CB_PACKET_AGAIN;
    if (got < 0)
        return cb_fail_errno (err, CB_E_IO, "recvmsg");
    int taken = s_take_control (&message, &packet);
    if (taken < 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        cb_packet_done (&packet);
        return cb_fail (err, CB_E_PROTO, "a packet is over %zu bytes or %d descriptors", room,
                        CB_FDPASS_MAX);
    }
    if (got == 0 && packet.n_fds == 0)
        return CB_PACKET_CLOSED;
    packet.size = (size_t)got;
    *ret_packet = packet;
    return CB_PACKET_OK;
}

void
cb_packet_done (cb_packet *packet)
{
    for (size_t i = 0; i < packet->n_fds; i++)
        s_close_foreign (&packet->fds[i]);
    packet->n_fds = 0;
}
