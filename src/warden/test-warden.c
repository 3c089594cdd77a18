/* test-warden.c - the parts of the warden that decide: ceiling, uids, bubblewrap's list, cgroup
 * paths, tails. No process, no privilege needed. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdpass.h"
#include "base/idmap.h"
#include "base/runtime.h"
#include "base/tap.h"
#include "warden/bwrap.h"
#include "warden/ceiling.h"
#include "warden/cgroup.h"
#include "warden/fdstore.h"
#include "warden/open.h"
#include "warden/proc.h"
#include "warden/tail.h"
#include "warden/uids.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- bubblewrap ------------------------------------------------------------------------------ */

static const char *const s_golden[] = {
    "--unshare-user",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--unshare-net",
    "--uid",
    "1000",
    "--gid",
    "1000",
    "--disable-userns",
    "--hostname",
    "cell",
    "--die-with-parent",
    "--new-session",
    "--clearenv",
    "--bind",
    "/root",
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--bind",
    "/quota/shm",
    "/dev/shm",
    "--ro-bind",
    "/dev/null",
    "/proc/cmdline",
    "--ro-bind",
    "/dev/null",
    "/proc/kallsyms",
    "--remount-ro",
    "/proc",
    "--remount-ro",
    "/dev",
    "--chdir",
    "/work",
};

static void
s_test_bwrap (void)
{
    cb_buf args;
    size_t n = 0;
    int same = 1;

    cb_buf_init (&args, CB_BWRAP_BYTES_MAX);
    ok (cb_bwrap_args (1U << 0 | 1U << 5, &args, NULL) == 0, "bubblewrap's arguments");
    for (const char *at = args.data; at < args.data + args.size; at += strlen (at) + 1, n++) {
        int here = n < sizeof s_golden / sizeof s_golden[0] && strcmp (at, s_golden[n]) == 0;
        if (!here && same)
            printf ("# argument %zu is \"%s\"\n", n, at);
        same = same && here;
    }
    ok (same && n == sizeof s_golden / sizeof s_golden[0], "are the golden list, whole");
    cb_buf_done (&args);
    cb_buf_init (&args, 16);
    ok (cb_bwrap_args (0, &args, NULL) == -CB_E_LIMIT, "a list that does not fit is a fault");
    cb_buf_done (&args);
}

/* -- ceiling --------------------------------------------------------------------------------- */

static cb_jail_spec s_spec;
static cb_ceiling s_ceiling = {
    .memory = (uint64_t)4 << 30, .runtime_dir = "/run/cellblock", .state_dir = "/var/state/cb"};

static int
s_allowed (void)
{
    cb_err err = CB_ERR_INIT;
    int result = cb_ceiling_check (&s_ceiling, &s_spec, &err);

    if (result < 0 && err.text[0] == '\0')
        printf ("# refused without a sentence\n");
    return result == 0;
}

static void
s_reset (void)
{
    s_spec = (cb_jail_spec){.name = "amber",
                            .memory = 512 << 20,
                            .disk = 256 << 20,
                            .files = 4096,
                            .cpu_percent = 100,
                            .processes = 64,
                            .open_files = 512,
                            .start_seconds = 30};
    memset (s_spec.layers, CB_LAYER_AUTO, sizeof s_spec.layers);
}

#define REFUSED(field, value)                                     \
    do {                                                          \
        s_reset ();                                               \
        s_spec.field = (value);                                   \
        ok (!s_allowed (), "%s = %s is refused", #field, #value); \
    } while (0)

static void
s_test_ceiling_words (void)
{
    cb_err err = CB_ERR_INIT;

    s_reset ();
    s_spec.memory = (uint64_t)1 << 40;
    (void)!cb_ceiling_check (&s_ceiling, &s_spec, &err);
    ok (strcmp (err.text, "memory: 1 TiB is refused, this daemon gives a session 16 MiB to 4 GiB, "
                          "half of this machine's memory") == 0,
        "a refusal is for people: %s", err.text);
}

static void
s_test_ceiling_numbers (void)
{
    s_reset ();
    ok (s_allowed (), "the default profile is below the ceiling");
    REFUSED (memory, 0);
    REFUSED (memory, ((uint64_t)4 << 30) + 1);
    REFUSED (memory, UINT64_MAX);
    REFUSED (disk, 0);
    REFUSED (disk, ((uint64_t)8 << 30) + 1);
    REFUSED (files, 0);
    REFUSED (files, 1000001);
    REFUSED (processes, 0);
    REFUSED (processes, 4097);
    REFUSED (processes, UINT32_MAX);
    REFUSED (open_files, 0);
    REFUSED (open_files, 65537);
    REFUSED (start_seconds, 0);
    REFUSED (start_seconds, 3601);
    REFUSED (loopback, 2);
    REFUSED (subprocesses, 2);
    REFUSED (cpu_percent, 102401);
    REFUSED (n_inputs, CB_SPEC_INPUTS_MAX + 1);
    REFUSED (name[0], '/');
    s_reset ();
    s_spec.memory = (uint64_t)4 << 30;
    s_spec.processes = 4096;
    s_spec.cpu_percent = 0;
    ok (s_allowed (), "the bounds themselves are allowed");
    ok (cb_ceiling_memory () >= CB_CEILING_MEMORY_MIN, "small machines run the default profile");
}

/* Off is what the configuration allowed at the start, layer by layer, and never the uid. */
static void
s_test_ceiling_layers (void)
{
    for (unsigned layer = 0; layer < CB_LAYER__COUNT; layer++) {
        REFUSED (layers[layer], CB_LAYER_OFF);
        s_spec.layers[layer] = CB_LAYER_ON;
        ok (s_allowed (), "%s = on is allowed", cb_layer_name (layer));
        s_spec.layers[layer] = CB_LAYER_OFF;
        s_ceiling.off = ~(1U << layer);
        ok (!s_allowed (), "off of other layers is none of %s", cb_layer_name (layer));
        s_ceiling.off = 1U << layer;
        ok (s_allowed () == (layer != CB_LAYER_UID), "what the configuration says of %s counts",
            cb_layer_name (layer));
        s_ceiling.off = 0;
    }
}

static void
s_test_ceiling_inputs (void)
{
    static const struct {
        const char *path;
        int allowed;
    } rows[] = {
        {"/home/a/data.csv", 1},
        {"/runner", 1},
        {"/run/cellblocks", 1},
        {"/var/state", 1},
        {"/", 0},
        {"/proc", 0},
        {"/proc/1/root", 0},
        {"/sys/kernel", 0},
        {"/dev", 0},
        {"/dev/sda", 0},
        {"/run", 0},
        {"/run/cellblock", 0},
        {"/run/cellblock/x", 0},
        {"/var/state/cb/runs", 0},
        {"relative", 0},
        {"", 0},
        {"/a/../proc", 0},
        {"/a/./b", 0},
        {"/a//b", 0},
        {"/a/", 0},
        {"//proc", 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s_reset ();
        s_spec.n_inputs = 1;
        (void)snprintf (s_spec.inputs[0].path, sizeof s_spec.inputs[0].path, "%s", rows[i].path);
        (void)snprintf (s_spec.inputs[0].name, sizeof s_spec.inputs[0].name, "x");
        ok (s_allowed () == rows[i].allowed, "the input \"%s\" is %s", rows[i].path,
            rows[i].allowed ? "allowed" : "refused");
    }
    (void)snprintf (s_spec.inputs[0].path, sizeof s_spec.inputs[0].path, "/home/a");
    (void)snprintf (s_spec.inputs[0].name, sizeof s_spec.inputs[0].name, "../x");
    ok (!s_allowed (), "a name is a name");
}

static void
s_test_ceiling_workdir (void)
{
    static const struct {
        const char *path;
        int read;
        int written;
    } rows[] = {
        {"/home/a/project", 1, 1},
        {"/var/state", 1, 0},
        {"/var/state/cb", 0, 0},
        {"/run/cellblock", 0, 0},
        {"/run", 0, 0},
        {"/proc/1", 0, 0},
        {"/dev", 0, 0},
        {"/", 0, 0},
        {"", 0, 0},
        {"/a/../b", 0, 0},
        {"a", 0, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        s_reset ();
        s_spec.layers[CB_LAYER_SECCOMP] = CB_LAYER_AUTO;
        s_spec.workdir = CB_WORKDIR_RO;
        (void)snprintf (s_spec.workdir_path, sizeof s_spec.workdir_path, "%s", rows[i].path);
        ok (s_allowed () == rows[i].read, "the folder \"%s\" is %s", rows[i].path,
            rows[i].read ? "read" : "refused");
        s_spec.workdir = CB_WORKDIR_RW;
        ok (s_allowed () == rows[i].written, "and %s", rows[i].written ? "written" : "not written");
        s_spec.layers[CB_LAYER_SECCOMP] = CB_LAYER_OFF;
        ok (!s_allowed (), "never without seccomp");
    }
    REFUSED (workdir, CB_WORKDIR__COUNT);
}

/* -- uids ------------------------------------------------------------------------------------ */

static cb_uids s_uids;

static uid_t
s_take (void)
{
    uid_t uid = 0;
    int verified = 0;

    return cb_uids_take (&s_uids, &uid, &verified, NULL) == 0 ? uid : 0;
}

static void
s_test_idmap (void)
{
    cb_idmap map;

    cb_idmap_parse (&map, "         0          0 4294967295\n");
    ok (cb_idmap_has (&map, 0) && cb_idmap_has (&map, CB_BROKER_UID) &&
            !cb_idmap_has (&map, UINT32_MAX),
        "the map of the first user namespace");
    cb_idmap_parse (&map, "0 1000 1\n1 100000 65536\n");
    ok (cb_idmap_has (&map, 65536) && !cb_idmap_has (&map, 65537), "a container's map");
    ok (cb_idmap_highest (&map, 1U << 31) == 65536 && cb_idmap_highest (&map, 65535) == 65533,
        "its highest, without nobody");
    cb_idmap_parse (&map, "0 1000 1\n");
    ok (cb_idmap_highest (&map, 1U << 31) == 0, "root alone has no other");
    cb_idmap_parse (&map, "garbage\n\n5 x 3\n0 0 0\n");
    ok (map.n_ranges == 0 && !cb_idmap_has (&map, 0), "garbage maps nothing");
}

static void
s_test_uids (void)
{
    cb_idmap map;
    int verified = 1;
    uid_t uid;

    cb_idmap_parse (&map, "0 0 4294967295\n");
    cb_uids_init (&s_uids, &map, CB_BROKER_UID);
    cb_uids_exclude_passwd (&s_uids, "root:x:0:0::/:/bin/sh\nbad line\n"
                                     "x:x:1900000001:1:::\ny:x:abc:1:::\n");
    cb_uids_exclude_subuid (&s_uids, "a:1900000003:2\nb:100000:65536\nc:nonsense\n");
    ok (cb_uids_take (&s_uids, &uid, &verified, NULL) == 0 && uid == CB_UIDS_FIRST && !verified,
        "the first uid, not asked about yet");
    ok (s_take () == CB_UIDS_FIRST + 2, "an account's uid is left out");
    ok (s_take () == CB_UIDS_FIRST + 5, "a range of subuids too");
    cb_uids_release (&s_uids, CB_UIDS_FIRST + 2, 1);
    ok (cb_uids_take (&s_uids, &uid, &verified, NULL) == 0 && uid == CB_UIDS_FIRST + 2 && verified,
        "what was given back is given again, known to be good");
    cb_uids_release (&s_uids, CB_UIDS_FIRST + 2, 0);
    ok (s_take () == CB_UIDS_FIRST + 6, "what belongs to somebody is not");

    cb_idmap_parse (&map, "0 1000 1\n1 100000 65536\n");
    cb_uids_init (&s_uids, &map, 65536);
    ok (s_take () == 65535 && s_take () == 65533, "a small map: the highest, not nobody");
    cb_idmap_parse (&map, "0 0 4\n");
    cb_uids_init (&s_uids, &map, 3);
    ok (s_take () == 2 && s_take () == 1 && s_take () == 0, "never root, then none is left");
    ok (!cb_uids_owner (CB_UIDS_FIRST + 77, (char[8]){0}, 8) && cb_uids_owner (0, (char[8]){0}, 8),
        "accounts are found");
}

/* -- cgroups --------------------------------------------------------------------------------- */

static void
s_test_own_path (void)
{
    static const char v1[] = "9:name=systemd:/\n8:pids:/\n4:memory:/process_api/77\n"
                             "2:cpu,cpuacct:/a b\n0::/user.slice/x\n";
    char path[64];

    ok (cb_cgroup_own_path (v1, "memory", path, sizeof path) == 0 &&
            strcmp (path, "/process_api/77") == 0,
        "memory's own path");
    ok (cb_cgroup_own_path (v1, "cpuacct", path, sizeof path) == 0 && strcmp (path, "/a b") == 0,
        "a controller in a list");
    ok (cb_cgroup_own_path (v1, "", path, sizeof path) == 0 && strcmp (path, "/user.slice/x") == 0,
        "version 2");
    ok (cb_cgroup_own_path (v1, "pid", path, sizeof path) == -CB_E_NOTFOUND &&
            cb_cgroup_own_path (v1, "systemd", path, sizeof path) == -CB_E_NOTFOUND,
        "no other name is taken for one");
    ok (cb_cgroup_own_path ("", "memory", path, sizeof path) < 0 &&
            cb_cgroup_own_path ("nonsense\n::\n", "memory", path, sizeof path) < 0 &&
            cb_cgroup_own_path ("1:memory:/0123456789", "memory", path, 5) == -CB_E_LIMIT,
        "nonsense is refused");
}

static void
s_test_mounts (void)
{
    static const char text[] =
        "25 1 0:5 / /dev rw shared:2 - devtmpfs devtmpfs rw\n"
        "30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
        "31 25 0:27 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 25 0:28 / /sys/fs/my\\040groups/memory rw master:1 - cgroup cgroup rw,memory\n";
    cb_cgroup_mount mount;

    ok (cb_cgroup_find_mount (text, "", &mount) == 0 &&
            strcmp (mount.at, "/sys/fs/cgroup/unified") == 0 && strcmp (mount.root, "/") == 0,
        "where version 2 is mounted");
    ok (cb_cgroup_find_mount (text, "cpuacct", &mount) == 0 &&
            strcmp (mount.at, "/sys/fs/cgroup/cpu,cpuacct") == 0 &&
            strcmp (mount.root, "/docker/abc") == 0,
        "a part of a hierarchy");
    ok (cb_cgroup_find_mount (text, "memory", &mount) == 0 &&
            strcmp (mount.at, "/sys/fs/my groups/memory") == 0,
        "a blank in a path");
    ok (cb_cgroup_find_mount (text, "pids", &mount) == -CB_E_NOTFOUND &&
            cb_cgroup_find_mount ("", "", &mount) < 0 &&
            cb_cgroup_find_mount ("x - cgroup\n - \n", "memory", &mount) < 0,
        "what is not there is not found");
    ok (cb_cgroup_number ("low 0\noom 3\noom_kill 2\n", "oom_kill") == 2 &&
            cb_cgroup_number ("oom_kill_disable 1\nunder_oom 0\noom_kill 7", "oom_kill") == 7 &&
            cb_cgroup_number ("", "x") == 0,
        "numbers by key");
}

/* -- the rest -------------------------------------------------------------------------------- */

static void
s_test_tail (void)
{
    cb_reactor reactor;
    cb_tail tail;
    int ends[2];
    char text[CB_TAIL_KEPT + 16];
    char block[4096];

    cb_reactor_init (&reactor);
    ok (pipe2 (ends, O_NONBLOCK | O_CLOEXEC) == 0, "a pipe");
    cb_tail_open (&tail, &reactor, ends[0]);
    ok (write (ends[1], "a\x1b[31mb\n\n", 9) == 9, "some bytes");
    cb_tail_drain (&tail);
    cb_tail_text (&tail, text, sizeof text);
    ok (strcmp (text, "a?[31mb") == 0, "control characters are harmless: %s", text);
    memset (block, 'x', sizeof block);
    for (int i = 0; i < 64 && tail.fd >= 0; i++) {
        (void)!write (ends[1], block, sizeof block);
        cb_tail_drain (&tail);
    }
    ok (tail.fd < 0 && tail.n_read <= CB_TAIL_READ + sizeof block, "no more than the bound");
    cb_tail_text (&tail, text, sizeof text);
    ok (strlen (text) == CB_TAIL_KEPT, "the end is kept");
    cb_tail_text (&tail, text, 10);
    ok (strlen (text) == 9, "cut to the room");
    (void)close (ends[1]);
    cb_reactor_done (&reactor);
}

static int s_calls;
static cb_watch s_watches[2];
static cb_reactor s_reactor;

static void
s_on_ready (void *context, short events)
{
    (void)events;
    s_calls++;
    cb_reactor_remove (&s_reactor, context);
}

static void
s_on_time (void *context)
{
    int **at = context;
    *(*at)++ = (int)s_reactor.n_watches;
}

static void
s_test_reactor (void)
{
    int ends[2];
    int seen[3] = {-1, -1, -1};
    int *at = seen;
    cb_timer timers[2] = {{.on_time = s_on_time, .context = &at},
                          {.on_time = s_on_time, .context = &at}};

    cb_reactor_init (&s_reactor);
    ok (pipe2 (ends, O_CLOEXEC) == 0 && write (ends[1], "x", 1) == 1, "a pipe with a byte");
    /* Each removes the other: only one of two ready ones is called. */
    for (int i = 0; i < 2; i++) {
        s_watches[i] = (cb_watch){
            .fd = ends[0], .events = POLLIN, .on_ready = s_on_ready, .context = &s_watches[1 - i]};
        cb_reactor_add (&s_reactor, &s_watches[i]);
    }
    ok (cb_reactor_turn (&s_reactor, NULL) == 0 && s_calls == 1 && s_reactor.n_watches == 1,
        "a watch that was removed in its turn is not called");
    cb_reactor_remove (&s_reactor, &s_watches[0]);
    cb_reactor_remove (&s_reactor, &s_watches[1]);
    cb_reactor_set (&s_reactor, &timers[0], cb_now () + 2000);
    cb_reactor_set (&s_reactor, &timers[1], cb_now () + 1000);
    cb_reactor_cancel (&s_reactor, &timers[0]);
    ok (cb_reactor_turn (&s_reactor, NULL) == 0 && at - seen <= 1, "a moment is waited for");
    while (at == seen && cb_reactor_turn (&s_reactor, NULL) == 0)
        continue;
    ok (at == seen + 1 && s_reactor.timers == NULL, "and comes once; a cancelled one does not");
    (void)close (ends[0]);
    (void)close (ends[1]);
    cb_reactor_done (&s_reactor);
}

static void
s_test_proc (void)
{
    pid_t pids[64];
    int status = 0;
    pid_t child = fork ();

    if (child == 0)
        _exit (42);
    int pidfd = cb_pidfd_open (child);
    int no_pidfd = pidfd < 0 && errno == ENOSYS; /* valgrind 3.19 knows none */
    size_t n = cb_proc_children (pids, 64);
    ok ((pidfd >= 0 || no_pidfd) && n == 1 && pids[0] == child, "our child is seen");
    ok (cb_proc_parent (child) == getpid () && !cb_proc_is_ns_init (child) &&
            cb_proc_ns_init_between (child, getpid ()) == -1,
        "its parent, and no pid namespace between");
    (void)waitpid (child, &status, 0);
    ok (no_pidfd || (cb_pidfd_ended (pidfd) && cb_pidfd_kill (pidfd, SIGKILL) < 0),
        "its end is seen");
    int told = no_pidfd ? -1 : cb_pidfd_exit_status (pidfd, &status);
    ok (told < 0 || WEXITSTATUS (status) == 42, "its status by pidfd%s",
        told < 0 ? ": not on this kernel" : "");
    ok (cb_proc_parent (child) == -1, "a process that is gone has no parent");
    (void)close (pidfd);
    for (int i = 0; i < 3; i++)
        if (fork () == 0)
            for (;;)
                (void)pause ();
    ok (cb_proc_kill_children (cb_now () + 60 * CB_USEC_PER_SEC) == 0 &&
            cb_proc_children (pids, 64) == 0,
        "all children are ended");
}

/* A TCP connection with unsent bytes that lingers: whoever closes its last copy would wait. */
static int
s_lingering (int *ret_peer)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    const struct linger hour = {1, 3600};
    static const char block[65536];
    cb_auto_close int listening = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (listening < 0 || bind (listening, (struct sockaddr *)&name, size) < 0 ||
        listen (listening, 1) < 0 || getsockname (listening, (struct sockaddr *)&name, &size) < 0)
        return -1;
    (void)!connect (fd, (struct sockaddr *)&name, size);
    *ret_peer = accept (listening, NULL, NULL);
    while (write (fd, block, sizeof block) > 0)
        continue;
    (void)setsockopt (fd, SOL_SOCKET, SO_LINGER, &hour, sizeof hour);
    return fd;
}

static void
s_test_lingering (void)
{
    cb_packet packet;
    char byte = 0;
    int pair[2];
    int peer = -1;
    int fd = s_lingering (&peer);

    if (fd < 0 || socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        ok (1, "a socket that lingers # SKIP no loopback network here");
        return;
    }
    ok (cb_packet_send (pair[0], "x", 1, &fd, 1, NULL) == 0 && close (fd) == 0 &&
            cb_packet_recv (pair[1], &byte, 1, &packet, NULL) == CB_PACKET_OK && packet.n_fds == 1,
        "a socket that lingers for an hour comes");
    (void)alarm (300);
    cb_packet_done (&packet);
    (void)alarm (0);
    ok (1, "and is closed at once");
    (void)close (peer);
    (void)close (pair[0]);
    (void)close (pair[1]);
}

int
main (void)
{
    s_test_bwrap ();
    s_test_ceiling_numbers ();
    s_test_ceiling_words ();
    s_test_ceiling_layers ();
    s_test_ceiling_inputs ();
    s_test_ceiling_workdir ();
    s_test_idmap ();
    s_test_uids ();
    s_test_own_path ();
    s_test_mounts ();
    s_test_tail ();
    s_test_reactor ();
    s_test_proc ();
    s_test_lingering ();
    return tap_done ();
}
