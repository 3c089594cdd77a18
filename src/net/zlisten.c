/* zlisten.c - a listening Unix socket on the loop.
 *
 * The folder is named by its descriptor (/proc/self/fd/N/name), so its path may be longer than a
 * socket's address holds, or not reachable for us at all. Whoever holds the daemon's lock owns the
 * names in it: a socket that lies there is a dead daemon's. */
#include "net/zpeer.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Connections that are accepted in one turn. */
#define TURN_ACCEPTS 16
/* Those that may wait in the kernel meanwhile. */
#define BACKLOG 128
/* Without a free descriptor a waiting connection would wake us for ever: look again after this. */
#define OUT_OF_FDS_PAUSE (100 * CB_USEC_PER_MSEC)

struct cb_zlisten {
    cb_loop *loop;
    int dir_fd;
    int fd;
    cb_source *io;
    cb_source *resume;
    cb_on_accept *on_accept;
    void *context;
    char *name; /* owned */
    ino_t inode;
    unsigned char busy; /* in a turn: destroying leaves the struct to it */
    unsigned char gone; /* destroyed in that turn */
};

static void
on_resume (cb_source *source, void *context)
{
    (void)source;
    cb_zlisten *self = context;
    cb_source_on (self->io, 1);
}

static void
s_pause (cb_zlisten *self, int error)
{
    cb_log_warn ("cannot accept a connection", CB_STR ("reason", strerrordesc_np (error)),
                 CB_STR ("socket", self->name));
    cb_source_on (self->io, 0);
    cb_source_at (self->resume, cb_loop_now (self->loop) + OUT_OF_FDS_PAUSE);
}

static void
on_connection (cb_source *source, int fd, uint32_t events, void *context)
{
    (void)source;
    (void)events;
    cb_zlisten *self = context;
    self->busy = 1;
    for (int i = 0; i < TURN_ACCEPTS && !self->gone; i++) {
        int peer = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (peer >= 0) {
            self->on_accept (self, peer, self->context);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            s_pause (self, errno);
        break;
    }
    self->busy = 0;
    if (self->gone)
        free (self);
}

/* Removes a socket of that name, nothing else. */
static int
s_clear_name (int dir_fd, const char *name, cb_err *err)
{
    struct stat status;
    if (fstatat (dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : cb_fail_errno (err, CB_E_IO, "cannot look at %s", name);
    if (!S_ISSOCK (status.st_mode))
        return cb_fail (err, CB_E_EXISTS, "%s is in the way of a socket", name);
    if (unlinkat (dir_fd, name, 0) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot remove the old socket %s", name);
    return 0;
}

static int
s_bind (cb_zlisten *self, cb_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s",
                           self->dir_fd, self->name);
    if (length < 0 || (size_t)length >= sizeof address.sun_path || strchr (self->name, '/') != NULL)
        return cb_fail (err, CB_E_INVALID, "%s is no name for a socket", self->name);
    CB_TRY (s_clear_name (self->dir_fd, self->name, err));
    /* The file takes its mode from the socket (unix(7), Linux only): never open to others, not even
     * for a moment. */
    if (fchmod (self->fd, 0600) < 0 ||
        bind (self->fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen (self->fd, BACKLOG) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot listen on %s", self->name);
    struct stat status;
    if (fstatat (self->dir_fd, self->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot look at %s", self->name);
    self->inode = status.st_ino;
    return 0;
}

static int
s_open (cb_zlisten *self, int dir_fd, const char *name, cb_err *err)
{
    self->name = strdup (name);
    if (self->name == NULL)
        return cb_fail_nomem (err);
    self->dir_fd = fcntl (dir_fd, F_DUPFD_CLOEXEC, 0);
    self->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->dir_fd < 0 || self->fd < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot make a socket");
    CB_TRY (s_bind (self, err));
    CB_TRY (cb_loop_io (self->loop, self->fd, EPOLLIN, on_connection, self, &self->io, err));
    return cb_loop_at (self->loop, CB_USEC_NEVER, on_resume, self, &self->resume, err);
}

cb_zlisten *
cb_zlisten_new (cb_loop *loop, int dir_fd, const char *name, cb_on_accept *on_accept, void *context,
                cb_err *err)
{
    cb_zlisten *self = calloc (1, sizeof *self);
    if (self == NULL) {
        cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_zlisten){
        .loop = loop, .dir_fd = -1, .fd = -1, .on_accept = on_accept, .context = context};
    if (s_open (self, dir_fd, name, err) < 0)
        cb_zlisten_destroy (&self);
    return self;
}

void
cb_zlisten_destroy (cb_zlisten **self_at)
{
    cb_zlisten *self = *self_at;
    *self_at = NULL;
    if (self == NULL)
        return;
    struct stat status;
    if (self->inode != 0 && fstatat (self->dir_fd, self->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        status.st_ino == self->inode)
        (void)unlinkat (self->dir_fd, self->name, 0);
    cb_source_destroy (&self->io);
    cb_source_destroy (&self->resume);
    cb_close (&self->fd);
    cb_close (&self->dir_fd);
    free (self->name);
    self->gone = 1;
    if (!self->busy)
        free (self);
}
