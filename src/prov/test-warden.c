/* test-warden.c - opens with openat2 as the warden does; see the header for the misbehaviour. */
#include "prov/test-warden.h"

#include "base/cleanup.h"
#include "jail/launchmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Step by step without links, where there is no openat2 (valgrind 3.19 does not know it). */
static int
s_open_steps (int root, const char *path, const struct open_how *how)
{
    char name[256];
    int at = dup (root);

    for (size_t size; at >= 0 && path[size = strcspn (path, "/")] == '/'; path += size + 1) {
        (void)snprintf (name, sizeof name, "%.*s", (int)size, path);
        int below = openat (at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        cb_close (&at);
        at = below;
    }
    if (at < 0)
        return -1;
    int fd = openat (at, path, (int)how->flags | O_NOFOLLOW, (mode_t)how->mode);
    cb_close (&at);
    return fd;
}

static int
s_open (int root, const cb_launch_open *what)
{
    static const uint64_t flags[] = {
        [CB_OPEN_READ] = O_RDONLY,
        [CB_OPEN_FOLDER] = O_RDONLY | O_DIRECTORY,
        [CB_OPEN_CREATE] = O_WRONLY | O_CREAT | O_TRUNC,
        [CB_OPEN_WRITE] = O_WRONLY,
    };
    struct open_how how = {
        .flags = flags[what->mode] | O_NONBLOCK | O_CLOEXEC,
        .mode = what->mode == CB_OPEN_CREATE ? 0644 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall (SYS_openat2, root, what->path, &how, sizeof how);
    return fd < 0 && errno == ENOSYS ? s_open_steps (root, what->path, &how) : fd;
}

static void
s_answer (int socket, const cb_launch_head *head, const char *path, int fd)
{
    cb_launch_opened opened = {0};
    cb_launch_failed failed = {.code = errno == ENOENT ? CB_E_NOTFOUND : CB_E_INVALID};
    cb_launch_out out = {.head = *head};
    cb_err err = CB_ERR_INIT;

    (void)snprintf (failed.text, sizeof failed.text, "%.200s: %s", path, strerror (errno));
    out.head.type = fd >= 0 ? CB_LAUNCH_OPENED : CB_LAUNCH_FAILED;
    out.body = fd >= 0 ? (const void *)&opened : (const void *)&failed;
    out.body_size = fd >= 0 ? sizeof opened : sizeof failed;
    out.fds = &fd;
    out.n_fds = fd >= 0;
    if (cb_launch_send (socket, &out, &err) < 0)
        fprintf (stderr, "fake warden: %s\n", err.text);
}

static int
s_ends_with (const char *path, const char *name)
{
    size_t size = strlen (path);
    size_t name_size = strlen (name);

    return size >= name_size && strcmp (path + size - name_size, name) == 0;
}

/* Appends until its parent ends, some minutes at most; returns when that has begun. */
static void
s_grow (int root, const char *path)
{
    int begun[2];
    char byte;

    if (pipe (begun) < 0)
        return;
    if (fork () == 0) {
        (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
        int fd = openat (root, path, O_WRONLY | O_APPEND | O_CLOEXEC);
        for (int i = 0; i < 3000000 && write (fd, "more", 4) == 4; i++) {
            (void)!write (begun[1], "x", i == 0);
            (void)usleep (100);
        }
        _exit (0);
    }
    (void)close (begun[1]);
    (void)!read (begun[0], &byte, 1);
    (void)close (begun[0]);
}

static void
s_serve_one (int socket, int root, const cb_launch_in *in)
{
    const cb_launch_open *what = in->body;
    cb_auto_close int fd = -1;

    if (s_ends_with (what->path, "/die"))
        _exit (0);
    if (s_ends_with (what->path, "/grow"))
        s_grow (root, what->path);
    if (s_ends_with (what->path, "/vanish"))
        (void)unlinkat (root, what->path, 0);
    if (s_ends_with (what->path, "/stale")) {
        cb_launch_head other = in->head;
        other.serial += 1000;
        cb_auto_close int wrong = open ("/dev/null", O_RDONLY | O_CLOEXEC);
        s_answer (socket, &other, what->path, wrong);
    }
    errno = ENOENT;
    if (in->head.jail == 1)
        fd = s_open (root, what);
    s_answer (socket, &in->head, what->path, fd);
}

void
test_warden_serve (int socket, int root)
{
    static char bytes[CB_LAUNCH_BYTES_MAX] __attribute__ ((aligned (8)));
    cb_launch_in in;
    cb_err err = CB_ERR_INIT;

    (void)signal (SIGCHLD, SIG_IGN);
    while (cb_launch_recv (socket, bytes, sizeof bytes, &in, &err) == CB_PACKET_OK) {
        if (in.head.type == CB_LAUNCH_OPEN)
            s_serve_one (socket, root, &in);
        cb_packet_done (&in.packet);
    }
}
