/* ports.c - binds what a frontend's connection file names.
 *
 * The ports were guessed by the frontend before it started us, so one may be taken by now: that is
 * told, and nothing stays bound. A Unix socket's file that nobody listens on is a dead shim's. */
#include "cli/ports.h"

#include "base/cleanup.h"
#include "base/table.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Those that may wait to be let in. */
#define BACKLOG 128
/* Without a free descriptor a waiting connection would wake us for ever: look again after this. */
#define OUT_OF_FDS_PAUSE (100 * CB_USEC_PER_MSEC)

typedef struct place {
    cb_ports *ports;
    int fd;
    int lets_in;
    cb_source *io;
    char path[sizeof ((struct sockaddr_un *)0)->sun_path]; /* of a Unix socket that is ours */
    ino_t inode;
} place;

struct cb_ports {
    cb_on_connection *on_connection;
    void *context;
    cb_source *resume;
    place places[CB_CHANNEL__COUNT];
};

static void
s_on_resume (cb_source *source, void *context)
{
    cb_ports *self = context;

    (void)source;
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        cb_source_on (self->places[i].io, self->places[i].lets_in);
}

static void
s_on_connection (cb_source *source, int fd, uint32_t events, void *context)
{
    place *self = context;
    cb_channel channel = (cb_channel)(self - self->ports->places);

    (void)events;
    int peer = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer >= 0) {
        self->ports->on_connection (channel, peer, self->ports->context);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        cb_source_on (source, 0);
        cb_source_at (self->ports->resume, cb_now () + OUT_OF_FDS_PAUSE);
    }
}

/* ---- TCP ---- */

static int
s_bind_address (place *self, const struct addrinfo *at)
{
    const int one = 1;
    cb_auto_close int fd = socket (at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* A port whose last connections are just being forgotten is free. */
    if (fd < 0 || setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind (fd, at->ai_addr, at->ai_addrlen) < 0 || listen (fd, BACKLOG) < 0)
        return -1;
    self->fd = cb_take_fd (&fd);
    return 0;
}

/* A name (localhost) is the address of version 4 that ZeroMQ's clients connect to. */
static int
s_find_address (const char *host, int port, struct addrinfo **ret_found)
{
    static const int families[] = {AF_INET, AF_INET6};
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    char service[8];
    int failed = EAI_NONAME;

    (void)snprintf (service, sizeof service, "%d", port);
    for (size_t i = 0; i < CB_COUNT (families) && failed != 0; i++) {
        wanted.ai_family = families[i];
        failed = getaddrinfo (host, service, &wanted, ret_found);
    }
    return failed;
}

static int
s_bind_port (place *self, const char *host, int port, cb_err *err)
{
    struct addrinfo *found = NULL;

    /* As ZeroMQ has it: all of this machine's. */
    int any = strcmp (host, "*") == 0;
    int failed = s_find_address (any ? "0.0.0.0" : host, port, &found);
    if (failed != 0)
        return cb_fail (err, CB_E_INVALID,
                        "connection file: '%s' is no address of this machine: %s", host,
                        gai_strerror (failed));
    int result = s_bind_address (self, found);
    int saved = errno;
    freeaddrinfo (found);
    errno = saved;
    if (result == 0)
        return 0;
    if (errno == EADDRINUSE)
        return cb_fail (err, CB_E_EXISTS,
                        "port %d of %s is in use: by another kernel with the same connection file, "
                        "or by another program",
                        port, host);
    return cb_fail_errno (err, CB_E_IO, "cannot listen on port %d of %s", port, host);
}

/* ---- Unix sockets ---- */

/* Whether somebody listens behind the file. */
static int
s_is_served (const struct sockaddr_un *address)
{
    cb_auto_close int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd < 0 || connect (fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
           errno != ECONNREFUSED;
}

/* A socket's file that a dead shim left. */
static int
s_clear (const struct sockaddr_un *address, cb_err *err)
{
    struct stat status;

    if (lstat (address->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : cb_fail_errno (err, CB_E_IO, "%s", address->sun_path);
    if (!S_ISSOCK (status.st_mode))
        return cb_fail (err, CB_E_EXISTS, "%s is in the way of a socket", address->sun_path);
    if (s_is_served (address))
        return cb_fail (err, CB_E_EXISTS,
                        "%s is in use: by another kernel with the same connection file",
                        address->sun_path);
    (void)unlink (address->sun_path);
    return 0;
}

static int
s_bind_path (place *self, const char *path, cb_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    cb_auto_close int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "no descriptor for a socket");
    int length = snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
    if (length < 0 || (size_t)length >= sizeof address.sun_path)
        return cb_fail (err, CB_E_LIMIT, "%s is too long for a socket", path);
    CB_TRY (s_clear (&address, err));
    /* The file takes its mode from the socket: never open to others, not even for a moment. */
    if (fchmod (fd, 0600) < 0 || bind (fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot listen on %s", path);
    (void)snprintf (self->path, sizeof self->path, "%s", address.sun_path);
    self->inode = lstat (path, &status) == 0 ? status.st_ino : 0;
    if (listen (fd, BACKLOG) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot listen on %s", path);
    self->fd = cb_take_fd (&fd);
    return 0;
}

/* ---- all ---- */

static int
s_open (cb_ports *self, cb_loop *loop, const cb_connfile *file, cb_err *err)
{
    static const char scheme[] = "ipc://";
    char endpoint[CB_ENDPOINT_MAX];

    CB_TRY (cb_loop_at (loop, CB_USEC_NEVER, s_on_resume, self, &self->resume, err));
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        place *at = &self->places[i];
        CB_TRY (cb_connfile_endpoint (file, (cb_channel)i, endpoint, err));
        if (file->transport == CB_TRANSPORT_TCP)
            CB_TRY (s_bind_port (at, file->ip, file->ports[i], err));
        else
            CB_TRY (s_bind_path (at, endpoint + sizeof scheme - 1, err));
        CB_TRY (cb_loop_io (loop, at->fd, EPOLLIN, s_on_connection, at, &at->io, err));
        cb_source_on (at->io, 0);
    }
    return 0;
}

cb_ports *
cb_ports_new (cb_loop *loop, const cb_connfile *file, cb_on_connection *on_connection,
              void *context, cb_err *err)
{
    cb_ports *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->on_connection = on_connection;
    self->context = context;
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        self->places[i] = (place){.ports = self, .fd = -1};
    if (s_open (self, loop, file, err) < 0)
        cb_ports_destroy (&self);
    return self;
}

void
cb_ports_destroy (cb_ports **self_at)
{
    cb_ports *self = cb_take (*self_at);
    struct stat status;

    if (self != NULL)
        cb_source_destroy (&self->resume);
    for (int i = 0; self != NULL && i < CB_CHANNEL__COUNT; i++) {
        place *at = &self->places[i];
        cb_source_destroy (&at->io);
        cb_close (&at->fd);
        /* Another shim's may lie there by now. */
        if (at->path[0] != '\0' && lstat (at->path, &status) == 0 && status.st_ino == at->inode)
            (void)unlink (at->path);
    }
    free (self);
}

void
cb_ports_let_in (cb_ports *self, cb_channel channel, int on)
{
    self->places[channel].lets_in = on;
    cb_source_on (self->places[channel].io, on);
}
