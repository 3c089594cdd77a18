/* test-launchmsg.c - packets pass a real socket pair; wrong sizes and descriptors are refused. */
#include "jail/launchmsg.h"

#include "base/cleanup.h"
#include "base/tap.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static int s_pair[2];
static _Alignas(uint64_t) char s_bytes[CB_LAUNCH_BYTES_MAX];
static cb_err s_err;
static int s_null = -1;

static int
s_send (uint32_t type, const void *body, size_t size, size_t n_fds)
{
    int fds[CB_FDPASS_MAX];
    cb_launch_out out = {.head = {.type = type, .serial = 7, .jail = 9},
                         .body = body,
                         .body_size = size,
                         .fds = fds,
                         .n_fds = n_fds};

    for (size_t i = 0; i < n_fds; i++)
        fds[i] = s_null;
    return cb_launch_send (s_pair[0], &out, &s_err);
}

static int
s_recv (cb_launch_in *in)
{
    return cb_launch_recv (s_pair[1], s_bytes, sizeof s_bytes, in, &s_err);
}

static void
s_test_passes (void)
{
    cb_launch_stage stage = {.stage = CB_STAGE_MOUNTS, .layers = 5, .text = "so far"};
    cb_launch_in in;

    ok (s_send (CB_LAUNCH_STAGE, &stage, sizeof stage, 1) == 0, "a stage with a descriptor");
    ok (s_recv (&in) == CB_PACKET_OK && in.head.type == CB_LAUNCH_STAGE && in.head.serial == 7 &&
            in.head.jail == 9 && in.body_size == sizeof stage &&
            memcmp (in.body, &stage, sizeof stage) == 0,
        "arrives as it went");
    ok (in.packet.n_fds == 1 && fcntl (in.packet.fds[0], F_GETFD) == FD_CLOEXEC,
        "its descriptor is close-on-exec");
    cb_packet_done (&in.packet);
    ok (s_send (CB_LAUNCH_KILL, NULL, 0, 0) == 0, "a packet without a body");
    ok (s_recv (&in) == CB_PACKET_OK && in.head.type == CB_LAUNCH_KILL && in.body_size == 0,
        "arrives");
    ok (s_recv (&in) == CB_PACKET_AGAIN, "then there is none");
}

static void
s_test_sender_refuses (void)
{
    cb_launch_stage stage = {.stage = CB_STAGE_INIT};

    ok (s_send (0, NULL, 0, 0) == -CB_E_PROTO, "type 0");
    ok (s_send (CB_LAUNCH__COUNT, NULL, 0, 0) == -CB_E_PROTO, "a type over the last");
    ok (s_send (CB_LAUNCH_STAGE, &stage, sizeof stage - 1, 0) == -CB_E_PROTO, "a body too short");
    ok (s_send (CB_LAUNCH_KILL, &stage, 1, 0) == -CB_E_PROTO, "a body too long");
    ok (s_send (CB_LAUNCH_STAGE, &stage, sizeof stage, 2) == -CB_E_PROTO, "too many descriptors");
    ok (s_send (CB_LAUNCH_START, s_bytes, 100, 11) == -CB_E_PROTO, "too few descriptors");
    ok (s_send (CB_LAUNCH_START, s_bytes, CB_SPEC_BYTES_MAX + 1, 12) == -CB_E_PROTO, "a huge spec");
    memset (stage.text, 'x', sizeof stage.text);
    ok (s_send (CB_LAUNCH_STAGE, &stage, sizeof stage, 0) == -CB_E_PROTO, "a text without end");
}

static void
s_test_receiver_refuses (void)
{
    cb_launch_head head = {.version = CB_LAUNCH_VERSION + 1, .type = CB_LAUNCH_KILL};
    cb_launch_in in;
    int fds[] = {s_null, s_null};

    for (uint32_t version = CB_LAUNCH_VERSION; version <= CB_LAUNCH_VERSION + 1; version++) {
        head.version = version;
        int result = cb_packet_send (s_pair[0], &head, sizeof head, fds, 2, &s_err);
        result = result < 0 ? result : s_recv (&in);
        ok (result == -CB_E_PROTO && in.packet.n_fds == 0, "refused, descriptors closed: %s",
            s_err.text);
    }
    int sent = cb_packet_send (s_pair[0], "short", 5, NULL, 0, &s_err);
    ok (sent == 0 && s_recv (&in) == -CB_E_PROTO, "a packet without a head");
    for (uint32_t type = 1; type < CB_LAUNCH__COUNT; type++)
        ok (strcmp (cb_launch_type_name (type), "unknown") != 0, "type %u has a row", type);
}

int
main (void)
{
    s_null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s_pair) < 0)
        return 1;
    s_test_passes ();
    s_test_sender_refuses ();
    s_test_receiver_refuses ();
    return tap_done ();
}
