/* channels.c - the five sockets of a kernel.
 *
 * The broker listens, connects to itself and takes the file away before the jail exists: the jail
 * gets the listening descriptors (ZMQ_USE_FD), the broker keeps the connected ends, and the first
 * accept of the kernel gives it the connection that has been waiting. So there is no socket folder
 * that the jail could write or a stranger could reach, and nothing to reconnect to. */
#include "kernel/channels.h"

#include "base/cleanup.h"
#include "base/fdio.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel's libzmq accepts one connection a channel; a second place costs nothing. */
#define BACKLOG 2

void
cb_channels_init (cb_channels *self)
{
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        self->listening[i] = -1;
        self->connected[i] = -1;
    }
}

void
cb_channels_done (cb_channels *self)
{
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        cb_close (&self->listening[i]);
        cb_close (&self->connected[i]);
    }
}

static int
s_socket (cb_err *err)
{
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot make a socket");
    return fd;
}

static int
s_make_one (cb_channels *self, int channel, int dir_fd, cb_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char token[17];
    char name[32];

    cb_random_hex (token, 8);
    (void)snprintf (name, sizeof name, ".k%s", token);
    (void)snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
    cb_auto_close int listening = s_socket (err);
    CB_TRY (listening);
    cb_auto_close int connected = s_socket (err);
    CB_TRY (connected);
    if (bind (listening, (struct sockaddr *)&address, sizeof address) != 0)
        return cb_fail_errno (err, CB_E_IO, "cannot bind a socket of the kernel");
    int good = listen (listening, BACKLOG) == 0 &&
               connect (connected, (struct sockaddr *)&address, sizeof address) == 0;
    int result = good ? 0 : cb_fail_errno (err, CB_E_IO, "cannot connect a socket of the kernel");
    (void)unlinkat (dir_fd, name, 0);
    CB_TRY (result);
    self->listening[channel] = cb_take_fd (&listening);
    self->connected[channel] = cb_take_fd (&connected);
    return 0;
}

int
cb_channels_make (cb_channels *self, int dir_fd, cb_err *err)
{
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        int result = s_make_one (self, i, dir_fd, err);
        if (result < 0) {
            cb_channels_done (self);
            return result;
        }
    }
    return 0;
}
