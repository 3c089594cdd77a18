/* test-base.c - errors, buffers, names, quota, packets, folders. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fdio.h"
#include "base/fdpass.h"
#include "base/name.h"
#include "base/quota.h"
#include "base/runtime.h"
#include "base/tap.h"
#include "base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_err (void)
{
    cb_err err = CB_ERR_INIT;

    ok (cb_fail (&err, CB_E_LIMIT, "over %d", 5) == -CB_E_LIMIT, "a fault is negative");
    ok (err.code == CB_E_LIMIT && strcmp (err.text, "over 5") == 0, "code and sentence");
    errno = ENOSPC;
    (void)cb_fail_errno (&err, CB_E_IO, "write");
    ok (strcmp (err.text, "write: No space left on device") == 0, "the system's words");
    int named = 1;
    for (int i = 1; i < CB_E__COUNT; i++)
        named = named && cb_err_code (cb_err_name (i)) == i;
    ok (named, "each code has a name of its own");
    ok (cb_err_code ("nonsense") == CB_E_INVALID, "an unknown name");
}

static void
test_buf (void)
{
    cb_scoped (cb_buf) cb_buf buf;

    cb_buf_init (&buf, 1000);
    ok (cb_buf_puts (&buf, "abc") == 0 && cb_buf_printf (&buf, "%d", 42) == 0 &&
            strcmp (buf.data, "abc42") == 0,
        "append");
    cb_buf_consume (&buf, 3);
    ok (buf.size == 2 && strcmp (buf.data, "42") == 0, "consume");
    char many[999] = {0};
    ok (cb_buf_put (&buf, many, sizeof many) == -CB_E_LIMIT && buf.size == 2,
        "the limit holds and nothing is half appended");
    ok (cb_buf_put (&buf, many, 998) == 0, "up to the limit");
}

static void
test_names (void)
{
    ok (cb_name_check ("session", "amber-1", NULL) == 0, "a good name");
    const char *const bad[] = {"",    "-x",       "a b",
                               "a/b", "\xc3\xa4", "0123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok (cb_name_check ("session", bad[i], NULL) == -CB_E_INVALID, "a bad name: %zu", i);
    ok (cb_file_name_check ("t\xc3\xa4g.csv", NULL) == 0, "a file name in UTF-8");
    ok (cb_file_name_check ("\xe2\x80\x93 \xe2\x82\xac \xf0\x9f\x90\x8d", NULL) == 0,
        "and in other scripts");
    ok (cb_utf8_shown ("") == 0 && cb_utf8_shown ("\xe2\x80") == 0 && cb_utf8_shown ("\t") == 0 &&
            cb_utf8_shown ("\xe2\x80\xab") == 0 && cb_utf8_shown ("\xe2\x80\xafx") == 3,
        "what a terminal may see");
    const char *const bad_files[] = {"",
                                     ".",
                                     "..",
                                     "a/b",
                                     "a\nb",
                                     "\x1b[2J",
                                     "a\xc2\x9b",
                                     "\xff",
                                     "\xed\xa0\x80",
                                     "a\xe2\x80\xaegpj.exe",
                                     "\xe2\x81\xa6x"};
    for (size_t i = 0; i < sizeof bad_files / sizeof bad_files[0]; i++)
        ok (cb_file_name_check (bad_files[i], NULL) == -CB_E_INVALID, "a bad file name: %zu", i);
}

static void
test_quota (void)
{
    cb_quota all, one;

    cb_quota_init (&all, NULL, 10);
    cb_quota_init (&one, &all, 100);
    ok (cb_quota_charge (&one, 8) == 0 && all.used == 8, "a charge goes up");
    ok (cb_quota_charge (&one, 3) == -CB_E_LIMIT && one.used == 8 && all.used == 8,
        "the upper bound holds and nothing is charged");
    ok (cb_quota_charge (&one, UINT64_MAX) == -CB_E_LIMIT, "no overflow");
    cb_quota_release (&one, 8);
    ok (one.used == 0 && all.used == 0, "released");
}

/* What a peer sent before it closed arrives, also when it had left packets of ours unread. */
static void
test_last_words (void)
{
    int pair[2];
    cb_packet packet;
    char bytes[8];

    ok (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "another pair");
    ok (cb_packet_send (pair[1], "x", 1, NULL, 0, NULL) == 0 &&
            cb_packet_send (pair[0], "last", 4, NULL, 0, NULL) == 0,
        "both ways");
    cb_close (&pair[0]);
    ok (cb_packet_recv (pair[1], bytes, sizeof bytes, &packet, NULL) == CB_PACKET_OK &&
            packet.size == 4,
        "last words");
    ok (cb_packet_recv (pair[1], bytes, sizeof bytes, &packet, NULL) == CB_PACKET_CLOSED, "closed");
    cb_close (&pair[1]);
}

static int
s_lowest_free (void)
{
    int fd = dup (0);
    int lowest = fd;

    cb_close (&fd);
    return lowest;
}

/* The kernel takes up to 253 descriptors a packet: n of them, past cb_packet_send's own bound. */
static int
s_send_many (int socket, size_t n)
{
    char control[CMSG_SPACE (sizeof (int) * 253)] = "";
    struct iovec part = {.iov_base = control, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE (sizeof (int) * n)};
    struct cmsghdr head = {
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN (sizeof (int) * n)};

    memcpy (control, &head, sizeof head);
    for (size_t i = 0; i < n; i++)
        memcpy (control + CMSG_LEN (sizeof (int) * i), &socket, sizeof socket);
    return sendmsg (socket, &message, 0) == 1;
}

/* Each number of descriptors around the bound: refused or complete, and none stays open. */
static void
test_many_descriptors (void)
{
    struct {
        cb_packet packet;
        char behind[64]; /* must stay as it is */
    } in;
    char untouched[sizeof in.behind];
    char bytes[8];
    int pair[2];
    int lowest = s_lowest_free ();

    memset (untouched, 0x5a, sizeof untouched);
    for (size_t n = CB_FDPASS_MAX - 1; n < CB_FDPASS_MAX + 12; n++) {
        memset (&in, 0x5a, sizeof in);
        ok (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 &&
                s_send_many (pair[0], n),
            "%zu descriptors", n);
        int outcome = cb_packet_recv (pair[1], bytes, sizeof bytes, &in.packet, NULL);
        ok (outcome == (n > CB_FDPASS_MAX ? -CB_E_PROTO : CB_PACKET_OK), "judged");
        if (outcome == CB_PACKET_OK) {
            ok (in.packet.n_fds == n, "all there");
            cb_packet_done (&in.packet);
        }
        ok (memcmp (in.behind, untouched, sizeof untouched) == 0, "nothing is written behind");
        cb_close (&pair[0]);
        cb_close (&pair[1]);
        ok (s_lowest_free () == lowest, "none is left");
    }
}

static void
test_packets (void)
{
    int pair[2];
    char bytes[8];
    cb_packet packet;

    ok (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0,
        "a pair");
    ok (cb_packet_recv (pair[1], bytes, sizeof bytes, &packet, NULL) == CB_PACKET_AGAIN,
        "nothing yet");
    ok (cb_packet_send (pair[0], "hello", 5, pair, 1, NULL) == 0, "send with a descriptor");
    ok (cb_packet_recv (pair[1], bytes, sizeof bytes, &packet, NULL) == CB_PACKET_OK &&
            packet.size == 5 && packet.n_fds == 1,
        "received");
    ok ((fcntl (packet.fds[0], F_GETFD) & FD_CLOEXEC) != 0, "close-on-exec");
    cb_packet_done (&packet);
    ok (cb_packet_send (pair[0], "too long for it", 15, pair, 2, NULL) == 0, "a long one");
    ok (cb_packet_recv (pair[1], bytes, sizeof bytes, &packet, NULL) == -CB_E_PROTO, "is refused");
    cb_close (&pair[0]);
    ok (cb_packet_recv (pair[1], bytes, sizeof bytes, &packet, NULL) == CB_PACKET_CLOSED, "closed");
    ok (cb_packet_send (pair[1], "x", 1, NULL, 0, NULL) == -CB_E_GONE, "no SIGPIPE");
    test_last_words ();
    cb_close (&pair[1]);
}

static void
test_trees (void)
{
    char top[] = "/tmp/cb-test-XXXXXX";
    char path[100];
    cb_err err = CB_ERR_INIT;

    if (mkdtemp (top) == NULL)
        abort ();
    (void)snprintf (path, sizeof path, "%s/a/b", top);
    cb_auto_close int fd = cb_private_dir (path, 0, &err);
    ok (fd >= 0, "a private folder with its parents");
    ok (cb_write_file (fd, "x", "123", 3, &err) == 0, "a whole file");
    cb_scoped (cb_buf) cb_buf text;
    cb_buf_init (&text, 3);
    ok (cb_read_file (fd, "x", &text, &err) == 0 && strcmp (text.data, "123") == 0, "read back");
    cb_scoped (cb_buf) cb_buf small;
    cb_buf_init (&small, 2);
    ok (cb_read_file (fd, "x", &small, &err) == -CB_E_LIMIT, "over the limit: %s", err.text);
    ok (symlinkat ("/etc", fd, "link") == 0 && cb_read_file (fd, "link", &small, &err) < 0,
        "a symlink is not followed");
    (void)chmod (path, 0755);
    ok (cb_private_dir (path, 0, &err) == -CB_E_DENIED, "open to others: %s", err.text);
    (void)chmod (path, 0500);
    ok (cb_private_dir (path, 0, &err) == -CB_E_DENIED, "closed to its owner: %s", err.text);
    (void)snprintf (path, sizeof path, "%s/link", top);
    ok (symlink ("a/b", path) == 0 && cb_private_dir (path, 0, &err) == -CB_E_DENIED &&
            strstr (err.text, "symbolic link") != NULL,
        "a link to it: %s", err.text);
    (void)snprintf (path, sizeof path, "%s/a/b", top);
    (void)chmod (path, 0700);
    if (geteuid () == 0) {
        (void)chmod (path, 0700);
        ok (chown (path, 12345, 0) == 0 && cb_private_dir (path, 0, &err) == -CB_E_DENIED,
            "of another user: %s", err.text);
        cb_auto_close int allowed = cb_private_dir (path, 12345, &err);
        ok (allowed >= 0, "the broker's own is fine for root");
    }
    ok (cb_remove_tree (AT_FDCWD, top, &err) == 0 && access (top, F_OK) < 0, "the tree is gone");
    ok (access ("/etc/passwd", F_OK) == 0, "what a symlink named is not");
}

static void
test_runtime (void)
{
    char path[4096];
    cb_err err = CB_ERR_INIT;

    (void)setenv ("CELLBLOCK_RUNTIME_DIR", "/tmp/x", 1);
    ok (cb_runtime_dir (path, sizeof path, &err) == 0 && strcmp (path, "/tmp/x") == 0, "by name");
    (void)setenv ("CELLBLOCK_RUNTIME_DIR",
                  "/tmp/a-very-long-folder-name-that-leaves-no-room-for-any-socket", 1);
    ok (cb_runtime_dir (path, sizeof path, &err) == -CB_E_LIMIT, "too long: %s", err.text);
    (void)setenv ("CELLBLOCK_RUNTIME_DIR", "./r", 1);
    ok (cb_runtime_dir (path, sizeof path, &err) == -CB_E_INVALID &&
            strcmp (err.text, "CELLBLOCK_RUNTIME_DIR is no absolute path: './r'") == 0,
        "another one in each folder: %s", err.text);
    (void)setenv ("CELLBLOCK_STATE_DIR", "s", 1);
    ok (cb_state_dir (path, sizeof path, &err) == -CB_E_INVALID, "the same: %s", err.text);
    (void)setenv ("CELLBLOCK_STATE_DIR", "", 1);
    ok (cb_state_dir (path, sizeof path, &err) == 0, "empty is as not set");
    (void)unsetenv ("CELLBLOCK_STATE_DIR");
    (void)unsetenv ("CELLBLOCK_RUNTIME_DIR");
    (void)setenv ("XDG_RUNTIME_DIR", "/run/user/7", 1);
    ok (cb_runtime_dir (path, sizeof path, &err) == 0 &&
            strcmp (path, "/run/user/7/cellblock") == 0,
        "below XDG_RUNTIME_DIR");
}

static void
test_mend (void)
{
    static const struct {
        const char *raw;
        const char *mended;
    } cases[] = {
        {"", ""},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80x", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cb_scoped (cb_buf) cb_buf text;
        cb_buf_init (&text, 64);
        ok (cb_utf8_mend (cases[i].raw, strlen (cases[i].raw), &text) == 0 &&
                strcmp (text.data, cases[i].mended) == 0,
            "bytes that are not UTF-8 are replaced (%zu)", i);
    }
}

int
main (void)
{
    test_mend ();
    test_err ();
    test_buf ();
    test_names ();
    test_quota ();
    test_packets ();
    test_many_descriptors ();
    test_trees ();
    test_runtime ();
    return tap_done ();
}
