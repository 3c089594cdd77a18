/* fake-broker.c - stands in for the broker in test-warden: passes packets between the warden and
 * whoever connects to the socket "ctl" in the runtime folder, so that the test is the broker.
 *
 * --set fake.mode=MODE: serve (default), crash (ends at once with status 3), refuse (says why it
 * cannot start), loose (its configuration switches layers off), silent (never serving), garbage
 * (sends nonsense before it serves), stubborn (ignores SIGTERM), litter (leaves files and a process
 * behind). Its /proc/self/status is written to "broker-status" in the state folder. The first
 * connection is the broker's line, the second the filer's. */
#include "base/cleanup.h"
#include "base/fdio.h"
#include "jail/launchmsg.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FD_WARDEN = 3, FD_FILER, FD_RUNTIME, FD_STATE };

#define LINES 2

static _Alignas(uint64_t) char s_bytes[CB_LAUNCH_BYTES_MAX];

static void
s_say (uint32_t type, const void *body, size_t size)
{
    cb_launch_out out = {.head.type = type, .body = body, .body_size = size};

    if (cb_launch_send (FD_WARDEN, &out, NULL) < 0)
        _exit (9);
}

static void
s_copy_status (void)
{
    cb_scoped (cb_buf) cb_buf text;
    cb_buf_init (&text, 65536);

    if (cb_read_file (AT_FDCWD, "/proc/self/status", &text, NULL) == 0)
        (void)!cb_write_file (FD_STATE, "broker-status", text.data, text.size, NULL);
}

static int
s_listen (void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)snprintf (name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d/ctl", FD_RUNTIME);
    (void)unlinkat (FD_RUNTIME, "ctl", 0);
    if (fd < 0 || bind (fd, (struct sockaddr *)&name, sizeof name) < 0 || listen (fd, 4) < 0)
        _exit (8);
    return fd;
}

/* One packet from one socket to the other; 0 when the source is closed. */
static int
s_pass (int from, int to)
{
    cb_packet packet;
    int outcome = cb_packet_recv (from, s_bytes, sizeof s_bytes, &packet, NULL);

    if (outcome != CB_PACKET_OK)
        return 0;
    if (to >= 0 && cb_packet_send (to, s_bytes, packet.size, packet.fds, packet.n_fds, NULL) < 0)
        (void)fprintf (stderr, "fake-broker: packet dropped\n");
    cb_packet_done (&packet);
    return 1;
}

static void
s_litter (void)
{
    (void)mkdirat (FD_RUNTIME, "sessions", 0700);
    (void)!cb_write_file (FD_RUNTIME, "sessions/a.json", "{}", 2, NULL);
    (void)!symlinkat ("/etc", FD_RUNTIME, "link");
    if (fork () == 0) {
        (void)setsid ();
        for (int fd = 0; fd < 64; fd++)
            (void)close (fd);
        for (;;)
            (void)pause ();
    }
}

static void
s_begin (const char *mode)
{
    cb_launch_failed failed = {.code = CB_E_INVALID, .text = "the fake configuration is bad"};
    cb_launch_serving serving = {.off = strcmp (mode, "loose") == 0 ? ~0U : 0};

    if (strcmp (mode, "crash") == 0)
        _exit (3);
    if (strcmp (mode, "refuse") == 0) {
        s_say (CB_LAUNCH_FAILED, &failed, sizeof failed);
        _exit (1);
    }
    if (strcmp (mode, "garbage") == 0) {
        (void)send (FD_WARDEN, "nonsense", 8, 0);
        (void)send (FD_FILER, s_bytes, sizeof s_bytes, 0);
        s_say (CB_LAUNCH_LISTED, NULL, 0);
    }
    if (strcmp (mode, "stubborn") == 0)
        (void)signal (SIGTERM, SIG_IGN);
    if (strcmp (mode, "litter") == 0)
        s_litter ();
    if (strcmp (mode, "silent") != 0)
        s_say (CB_LAUNCH_SERVING, &serving, sizeof serving);
}

static int
s_serve (int listening)
{
    int peers[LINES] = {-1, -1};
    const int wardens[LINES] = {FD_WARDEN, FD_FILER};

    for (;;) {
        struct pollfd fds[1 + 2 * LINES] = {{.fd = listening, .events = POLLIN}};
        for (int i = 0; i < LINES; i++) {
            fds[1 + i] = (struct pollfd){.fd = wardens[i], .events = POLLIN};
            fds[1 + LINES + i] = (struct pollfd){.fd = peers[i], .events = POLLIN};
        }
        if (poll (fds, 1 + 2 * LINES, -1) < 0)
            return 7;
        for (int i = 0; i < LINES; i++) {
            if (fds[1 + i].revents != 0 && !s_pass (wardens[i], peers[i]))
                return 0;
            if (fds[1 + LINES + i].revents != 0 && !s_pass (peers[i], wardens[i]))
                cb_close (&peers[i]);
        }
        if (fds[0].revents != 0) {
            int peer = accept (listening, NULL, NULL);
            peers[peers[0] >= 0 ? 1 : 0] = peer;
        }
    }
}

int
main (int argc, char **argv)
{
    const char *mode = "serve";

    for (int i = 1; i < argc; i++)
        if (strncmp (argv[i], "fake.mode=", 10) == 0)
            mode = argv[i] + 10;
    s_copy_status ();
    int listening = s_listen ();
    s_begin (mode);
    return s_serve (listening);
}
