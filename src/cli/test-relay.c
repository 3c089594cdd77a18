/* test-relay.c - bytes between frontends and a session: all, in order, bounded, and the end of
 * either side told to the other; and the places that a connection file names. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "cli/ports.h"
#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Far over what two sockets and one read of the relay's hold. */
#define MANY     ((size_t)32 << 20)
#define BOUND    ((size_t)8 << 20)
#define TURN     (5 * CB_USEC_PER_MSEC)
#define PATIENCE (60 * CB_USEC_PER_SEC)
#define PIECE    ((size_t)60000)
#define PAUSE    (100 * CB_USEC_PER_MSEC)

typedef struct world {
    char folder[64];
    char path[96]; /* where the session listens */
    int listener;
    cb_loop *loop;
    cb_relay *relay;
    int less; /* calls of on_less */
    int frontend;
    int session;
    cb_ports *ports;
    int came[CB_CHANNEL__COUNT];
} world;

/* ---- accept4 of a process without descriptors ---- */

static int s_without; /* so often */

int __real_accept4 (int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4 (int fd, struct sockaddr *address, socklen_t *size, int flags);

int
__wrap_accept4 (int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    if (s_without == 0)
        return __real_accept4 (fd, address, size, flags);
    s_without--;
    errno = EMFILE;
    return -1;
}

/* ---- the world ---- */

static void
on_less (cb_relay *relay, void *context)
{
    world *self = context;

    (void)relay;
    self->less++;
}

/* Lets the relay do what it can, or waits a moment. */
static void
turn (world *self)
{
    cb_err err = CB_ERR_INIT;

    if (cb_loop_turn (self->loop, TURN, &err) < 0)
        abort ();
}

static int
listen_at (const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf (address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || bind (fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen (fd, 8) < 0)
        abort ();
    return fd;
}

static void
begin (world *self)
{
    cb_err err = CB_ERR_INIT;

    *self = (world){.frontend = -1, .session = -1};
    (void)snprintf (self->folder, sizeof self->folder, "/tmp/cb-relay-XXXXXX");
    if (mkdtemp (self->folder) == NULL)
        abort ();
    (void)snprintf (self->path, sizeof self->path, "%s/s", self->folder);
    self->listener = listen_at (self->path);
    self->loop = cb_loop_new (&err);
    if (self->loop == NULL)
        abort ();
    self->relay = cb_relay_new (self->loop, on_less, self, &err);
}

static void
end (world *self)
{
    cb_ports_destroy (&self->ports);
    cb_relay_destroy (&self->relay);
    cb_loop_destroy (&self->loop);
    cb_close (&self->listener);
    cb_close (&self->frontend);
    cb_close (&self->session);
    (void)unlink (self->path);
    ok (rmdir (self->folder) == 0, "nothing is left in the folder");
}

/* A frontend's connection, and the session's end of it. */
static void
join (world *self)
{
    int pair[2];
    cb_err err = CB_ERR_INIT;

    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        abort ();
    self->frontend = pair[0];
    ok (cb_relay_add (self->relay, CB_CHANNEL_SHELL, pair[1], self->path, &err) == 0, "joined");
    self->session = accept4 (self->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ok (self->session >= 0 && cb_relay_count (self->relay, CB_CHANNEL_SHELL) == 1 &&
            cb_relay_total (self->relay) == 1,
        "one connection");
}

static void
leave (world *self)
{
    cb_close (&self->frontend);
    cb_close (&self->session);
    cb_relay_destroy (&self->relay);
    cb_err err = CB_ERR_INIT;
    self->relay = cb_relay_new (self->loop, on_less, self, &err);
    self->less = 0;
}

/* The byte at a place of the stream. */
static char
byte_at (size_t at)
{
    return (char)(at * 31 + at / 251);
}

static size_t
say (int fd, size_t from, size_t to)
{
    static char bytes[PIECE];
    size_t size = to - from < sizeof bytes ? to - from : sizeof bytes;

    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at (from + i);
    ssize_t sent = send (fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? (size_t)sent : 0;
}

/* Reads what is there; 0 in *good when a byte is not the one of its place. 1: that was the end. */
static int
hear (int fd, size_t *at, int *good)
{
    static char bytes[PIECE];

    for (;;) {
        ssize_t size = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (size <= 0)
            return size == 0 || errno == ECONNRESET;
        for (ssize_t i = 0; i < size; i++)
            *good &= bytes[i] == byte_at ((*at)++);
    }
}

static int
is_ended (world *self, int fd)
{
    cb_usec until = cb_now () + PATIENCE;
    size_t at = 0;
    int good = 1;

    while (!hear (fd, &at, &good) && cb_now () < until)
        turn (self);
    return cb_now () < until;
}

/* ---- the relay ---- */

/* Both talk at once; nobody reads before it is clear that the relay holds little. */
static void
test_much (world *self)
{
    size_t said[2] = {0, 0};
    size_t heard[2] = {0, 0};
    int good[2] = {1, 1};
    cb_usec until = cb_now () + PATIENCE;

    join (self);
    const int ends[2] = {self->frontend, self->session};
    for (int quiet = 0; quiet < 20; quiet++) {
        size_t before = said[0] + said[1];
        for (int i = 0; i < 2; i++)
            for (size_t size; said[i] < MANY && (size = say (ends[i], said[i], MANY)) > 0;)
                said[i] += size;
        quiet = said[0] + said[1] == before ? quiet : 0;
        turn (self);
    }
    ok (said[0] < BOUND && said[1] < BOUND, "who is not read may not go on: %zu and %zu bytes",
        said[0], said[1]);
    while ((heard[0] < MANY || heard[1] < MANY) && cb_now () < until) {
        for (int i = 0; i < 2; i++) {
            for (size_t size; said[i] < MANY && (size = say (ends[i], said[i], MANY)) > 0;)
                said[i] += size;
            (void)hear (ends[!i], &heard[i], &good[i]);
        }
        turn (self);
    }
    ok (heard[0] == MANY && heard[1] == MANY && good[0] && good[1],
        "all of it came both ways, in order");
    leave (self);
}

/* One side ends behind what it said; the other one may still answer. */
static void
test_half (world *self, int frontend_first)
{
    size_t said = 0;
    size_t heard = 0;
    int good = 1;

    join (self);
    int first = frontend_first ? self->frontend : self->session;
    int second = frontend_first ? self->session : self->frontend;
    while (said < PIECE)
        said += say (first, said, PIECE);
    (void)shutdown (first, SHUT_WR);
    cb_usec until = cb_now () + PATIENCE;
    while (!hear (second, &heard, &good) && cb_now () < until)
        turn (self);
    ok (heard == PIECE && good, "the end comes behind what was said");
    ok (self->less == 0 && cb_relay_total (self->relay) == 1, "and the other side may answer");
    heard = said = 0;
    while (said < PIECE)
        said += say (second, said, PIECE);
    (void)shutdown (second, SHUT_WR);
    while (!hear (first, &heard, &good) && cb_now () < until)
        turn (self);
    ok (heard == PIECE && good, "its answer comes, and its end");
    while (self->less == 0 && cb_now () < until)
        turn (self);
    ok (self->less == 1 && cb_relay_total (self->relay) == 0, "then the connection is over");
    leave (self);
}

/* One side is gone altogether, while the other one talks. */
static void
test_gone (world *self, int frontend)
{
    join (self);
    size_t said = 0;
    int stays = frontend ? self->session : self->frontend;
    for (size_t size; said < MANY && (size = say (stays, said, MANY)) > 0;)
        said += size;
    turn (self);
    cb_close (frontend ? &self->frontend : &self->session);
    ok (is_ended (self, stays), "who stays hears that the other one is gone");
    cb_close (frontend ? &self->session : &self->frontend);
    cb_usec until = cb_now () + PATIENCE;
    while (self->less == 0 && cb_now () < until)
        turn (self);
    ok (self->less == 1 && cb_relay_total (self->relay) == 0, "the connection is over");
    leave (self);
}

/* A side that ended and leaves the other open for ever is not waited for. */
static void
test_half_for_ever (world *self)
{
    join (self);
    (void)shutdown (self->frontend, SHUT_WR);
    cb_usec until = cb_now () + PATIENCE;
    while (self->less == 0 && cb_now () < until)
        turn (self);
    ok (self->less == 1 && is_ended (self, self->session) && is_ended (self, self->frontend),
        "half a connection is closed after a time");
    leave (self);
}

static void
test_finish (world *self)
{
    size_t said = 0;
    size_t heard = 0;
    int good = 1;

    join (self);
    while (said < PIECE)
        said += say (self->session, said, PIECE);
    cb_close (&self->session);
    cb_relay_finish (self->relay);
    cb_usec until = cb_now () + PATIENCE;
    while (!hear (self->frontend, &heard, &good) && cb_now () < until)
        turn (self);
    ok (heard == PIECE && good && self->less == 1, "the last words of a session come");
    leave (self);
    join (self);
    cb_relay_finish (self->relay);
    turn (self);
    ok (self->less == 1 && cb_relay_total (self->relay) == 0, "a silent one is not waited for");
    leave (self);
}

static void
test_no_session (world *self)
{
    char longer[200];
    int pair[2];
    cb_err err = CB_ERR_INIT;

    memset (longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const char *const paths[] = {"/nowhere/s", longer};
    const int codes[] = {CB_E_GONE, CB_E_LIMIT};
    for (int i = 0; i < 2; i++) {
        if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            abort ();
        ok (cb_relay_add (self->relay, CB_CHANNEL_HB, pair[1], paths[i], &err) == -codes[i] &&
                strstr (err.text, i == 0 ? "/nowhere/s" : "xxx") != NULL,
            "no session: %.40s", err.text);
        char byte;
        ok (recv (pair[0], &byte, 1, 0) == 0 && cb_relay_total (self->relay) == 0,
            "the frontend is told by its connection's end");
        cb_close (&pair[0]);
    }
}

/* ---- the places ---- */

static void
on_connection (cb_channel channel, int fd, void *context)
{
    world *self = context;

    self->came[channel]++;
    cb_close (&fd);
}

/* Five ports that were free a moment ago. */
static void
free_ports (cb_connfile *file)
{
    int fds[CB_CHANNEL__COUNT];

    file->transport = CB_TRANSPORT_TCP;
    (void)snprintf (file->ip, sizeof file->ip, "127.0.0.1");
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        fds[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind (fds[i], (const struct sockaddr *)&address, size) < 0 ||
            getsockname (fds[i], (struct sockaddr *)&address, &size) < 0)
            abort ();
        file->ports[i] = ntohs (address.sin_port);
    }
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        cb_close (&fds[i]);
}

/* A connection to a place, or -1. */
static int
call (const cb_connfile *file, cb_channel channel)
{
    struct sockaddr_in tcp = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                              .sin_port = htons ((uint16_t)file->ports[channel])};
    struct sockaddr_un ipc = {.sun_family = AF_UNIX};
    int is_tcp = file->transport == CB_TRANSPORT_TCP;

    (void)snprintf (ipc.sun_path, sizeof ipc.sun_path, "%.80s-%d", file->ip, file->ports[channel]);
    const void *address = is_tcp ? (const void *)&tcp : (const void *)&ipc;
    cb_auto_close int fd = socket (is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect (fd, address, is_tcp ? sizeof tcp : sizeof ipc) < 0)
        return -1;
    return cb_take_fd (&fd);
}

static void
test_let_in (world *self, const cb_connfile *file)
{
    cb_auto_close int one = call (file, CB_CHANNEL_SHELL);
    cb_auto_close int other = call (file, CB_CHANNEL_CONTROL);

    turn (self);
    ok (one >= 0 && other >= 0 && self->came[CB_CHANNEL_SHELL] == 0, "nobody is let in at first");
    cb_ports_let_in (self->ports, CB_CHANNEL_SHELL, 1);
    cb_usec until = cb_now () + PATIENCE;
    while (self->came[CB_CHANNEL_SHELL] == 0 && cb_now () < until)
        turn (self);
    ok (self->came[CB_CHANNEL_SHELL] == 1 && self->came[CB_CHANNEL_CONTROL] == 0,
        "then who comes to that channel");
    self->came[CB_CHANNEL_SHELL] = 0;
}

/* Strangers have used them up: one more who waits must not keep us busy. */
static void
test_without_descriptors (world *self)
{
    cb_scoped (cb_connfile) cb_connfile file;
    cb_err err = CB_ERR_INIT;

    cb_connfile_init (&file);
    (void)snprintf (file.ip, sizeof file.ip, "%s/k", self->folder);
    self->ports = cb_ports_new (self->loop, &file, on_connection, self, &err);
    cb_auto_close int one = call (&file, CB_CHANNEL_SHELL);
    cb_usec begun = cb_now ();
    s_without = 3;
    cb_ports_let_in (self->ports, CB_CHANNEL_SHELL, 1);
    while (self->came[CB_CHANNEL_SHELL] == 0 && cb_now () < begun + PATIENCE)
        turn (self);
    ok (one >= 0 && self->came[CB_CHANNEL_SHELL] == 1, "who waits is let in when there are some");
    ok (cb_now () - begun >= 3 * PAUSE, "and is looked for a few times in a second");
    self->came[CB_CHANNEL_SHELL] = 0;
    cb_ports_destroy (&self->ports);
}

static void
test_tcp (world *self)
{
    cb_scoped (cb_connfile) cb_connfile file;
    cb_err err = CB_ERR_INIT;

    cb_connfile_init (&file);
    free_ports (&file);
    self->ports = cb_ports_new (self->loop, &file, on_connection, self, &err);
    ok (self->ports != NULL, "five ports");
    test_let_in (self, &file);
    cb_ports *second = cb_ports_new (self->loop, &file, on_connection, self, &err);
    ok (second == NULL && err.code == CB_E_EXISTS && strstr (err.text, "in use") != NULL,
        "used by another: %s", err.text);
    cb_ports_destroy (&self->ports);
    ok (call (&file, CB_CHANNEL_SHELL) < 0, "nobody is there afterwards");

    int used = file.ports[1];
    free_ports (&file);
    file.ports[CB_CHANNEL__COUNT - 1] = used;
    cb_connfile holder = file;
    free_ports (&holder);
    holder.ports[0] = used;
    self->ports = cb_ports_new (self->loop, &holder, on_connection, self, &err);
    second = cb_ports_new (self->loop, &file, on_connection, self, &err);
    ok (self->ports != NULL && second == NULL && call (&file, 0) < 0,
        "with one in use none stays bound");
    cb_ports_destroy (&self->ports);

    /* Kept for documents (RFC 5737). */
    (void)snprintf (file.ip, sizeof file.ip, "192.0.2.1");
    ok (cb_ports_new (self->loop, &file, on_connection, self, &err) == NULL &&
            strstr (err.text, "192.0.2.1") != NULL,
        "%s", err.text);
}

static void
path_of (const cb_connfile *file, int channel, char path[300])
{
    (void)snprintf (path, 300, "%s-%d", file->ip, file->ports[channel]);
}

static void
test_unix (world *self)
{
    cb_scoped (cb_connfile) cb_connfile file;
    struct stat status;
    char path[300];
    cb_err err = CB_ERR_INIT;

    cb_connfile_init (&file);
    (void)snprintf (file.ip, sizeof file.ip, "%s/k", self->folder);
    path_of (&file, 0, path);
    int dead = listen_at (path);
    cb_close (&dead);
    self->ports = cb_ports_new (self->loop, &file, on_connection, self, &err);
    ok (self->ports != NULL, "a dead one's socket is taken over");
    ok (lstat (path, &status) == 0 && S_ISSOCK (status.st_mode) && (status.st_mode & 0777) == 0600,
        "and is nobody else's");
    test_let_in (self, &file);
    ok (cb_ports_new (self->loop, &file, on_connection, self, &err) == NULL &&
            strstr (err.text, "in use") != NULL && lstat (path, &status) == 0,
        "one that is served is not: %s", err.text);

    (void)unlink (path);
    int other = listen_at (path);
    cb_ports_destroy (&self->ports);
    ok (lstat (path, &status) == 0, "what another one has put there stays");
    cb_close (&other);
    (void)unlink (path);
    path_of (&file, 1, path);
    ok (lstat (path, &status) < 0, "its own ones are gone");

    other = open (path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    cb_close (&other);
    ok (cb_ports_new (self->loop, &file, on_connection, self, &err) == NULL &&
            strstr (err.text, "in the way") != NULL && lstat (path, &status) == 0,
        "a file in the way stays: %s", err.text);
    (void)unlink (path);
    path_of (&file, 0, path);
    ok (lstat (path, &status) < 0, "and no place before it is left");
}

int
main (void)
{
    static world self;

    begin (&self);
    test_much (&self);
    test_half (&self, 1);
    test_half (&self, 0);
    test_gone (&self, 1);
    test_gone (&self, 0);
    test_half_for_ever (&self);
    test_finish (&self);
    test_no_session (&self);
    test_without_descriptors (&self);
    test_tcp (&self);
    test_unix (&self);
    end (&self);
    return tap_done ();
}
