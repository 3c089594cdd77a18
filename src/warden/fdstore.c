/* fdstore.c - what the broker hands over is looked at once: nothing that could block or surprise
 * the stages is passed on. */
#include "warden/fdstore.h"

#include "base/cleanup.h"
#include "warden/bury.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

void
cb_fdstore_init (cb_fdstore *self)
{
    for (size_t i = 0; i < CB_CHANNEL__COUNT; i++)
        self->listening[i] = self->connected[i] = -1;
    self->connection = self->page = self->quota = self->kernel = self->init = -1;
    for (size_t i = 0; i < CB_FACT__COUNT; i++)
        self->facts[i] = -1;
}

void
cb_fdstore_done (cb_fdstore *self)
{
    for (size_t i = 0; i < CB_CHANNEL__COUNT; i++) {
        cb_close (&self->listening[i]);
        cb_close (&self->connected[i]);
    }
    cb_close (&self->connection);
    cb_close (&self->page);
    cb_bury (&self->quota);
    cb_close (&self->kernel);
    cb_close (&self->init);
    for (size_t i = 0; i < CB_FACT__COUNT; i++)
        cb_close (&self->facts[i]);
}

static int
s_option (int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt (fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

static int
s_is_stream (int fd, int listens)
{
    return s_option (fd, SO_DOMAIN) == AF_UNIX && s_option (fd, SO_TYPE) == SOCK_STREAM &&
           s_option (fd, SO_ACCEPTCONN) == listens;
}

static int
s_is_memory_file (int fd)
{
    return fcntl (fd, F_GET_SEALS) >= 0;
}

int
cb_fdstore_take (cb_fdstore *self, cb_packet *packet, cb_err *err)
{
    const size_t n = CB_CHANNEL__COUNT;

    if (packet->n_fds != 2 * n + 2)
        return cb_fail (err, CB_E_PROTO, "a start with %zu descriptors", packet->n_fds);
    for (size_t i = 0; i < 2 * n; i++)
        if (!s_is_stream (packet->fds[i], i < n))
            return cb_fail (err, CB_E_PROTO, "descriptor %zu of a start is no %s socket", i,
                            i < n ? "listening" : "connected");
    if (!s_is_memory_file (packet->fds[2 * n]) || !s_is_memory_file (packet->fds[2 * n + 1]))
        return cb_fail (err, CB_E_PROTO, "a start without its memory files");
    for (size_t i = 0; i < n; i++) {
        self->listening[i] = cb_take_fd (&packet->fds[i]);
        self->connected[i] = cb_take_fd (&packet->fds[n + i]);
    }
    self->connection = cb_take_fd (&packet->fds[2 * n]);
    self->page = cb_take_fd (&packet->fds[2 * n + 1]);
    return 0;
}

int
cb_fdstore_take_quota (cb_fdstore *self, int *fd, cb_err *err)
{
    struct stat status;
    struct statfs system;

    if (self->quota >= 0 || fstat (*fd, &status) < 0 || !S_ISDIR (status.st_mode) ||
        fstatfs (*fd, &system) < 0 || system.f_type != TMPFS_MAGIC)
        return cb_fail (err, CB_E_PROTO, "what a stage sent is not its tmpfs");
    self->quota = cb_take_fd (fd);
    return 0;
}

size_t
cb_fdstore_facts (const cb_fdstore *self, int fds[CB_FACT__COUNT], uint32_t *ret_bits)
{
    size_t n = 0;

    *ret_bits = 0;
    for (size_t i = 0; i < CB_FACT__COUNT; i++) {
        if (self->facts[i] < 0)
            continue;
        fds[n++] = self->facts[i];
        *ret_bits |= 1U << i;
    }
    return n;
}

size_t
cb_fdstore_list (const cb_fdstore *self, int fds[CB_FDSTORE_LIST])
{
    uint32_t bits;
    size_t at = 0;

    /* Of a jail that is starting there is less: the page stands for what is not there yet. */
    fds[at++] = self->quota >= 0 ? self->quota : self->page;
    fds[at++] = self->kernel >= 0 ? self->kernel : self->page;
    for (size_t i = 0; i < CB_CHANNEL__COUNT; i++)
        fds[at++] = self->listening[i];
    for (size_t i = 0; i < CB_CHANNEL__COUNT; i++)
        fds[at++] = self->connected[i];
    fds[at++] = self->connection;
    fds[at++] = self->page;
    return at + cb_fdstore_facts (self, fds + at, &bits);
}
