/* test-watchdog.c - the memory limit where no cgroup holds it, or one of v1 that leaves half a jail
 * alive; the facts that the broker gets of a live jail. Real jails, a launcher that executes what
 * the test says. */
#include "warden/rig.h"

#include "base/cleanup.h"
#include "base/tap.h"
#include "warden/scan.h"
#include "warden/watchdog.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

#define SLEEP "import time\ntime.sleep(600)\n"

static rig s_rig;
static cb_jail_spec s_spec;
static cb_launch_in s_in;
static uint64_t s_jail;

/* -- the parts ------------------------------------------------------------------------------- */

static void
s_test_numbers (void)
{
    static const char text[] = "Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t7\nVmRSSx:\t9 kB\n";

    ok (cb_scan_number (text, "VmRSS:") == 1234, "a number in kB");
    ok (cb_scan_number (text, "Threads:") == 7, "a number");
    ok (cb_scan_number (text, "VmSwap:") == 0 && cb_scan_number ("", "x") == 0,
        "what is not there is nothing");
    ok (cb_watchdog_sum (10, 3, 5) == 15 && cb_watchdog_sum (10, 7, 5) == 17,
        "files of the tmpfs that are mapped count once");
}

static void
s_test_period (void)
{
    cb_usec far = cb_watchdog_period (60 * MIB, 512 * MIB, 100);
    cb_usec near = cb_watchdog_period (480 * MIB, 512 * MIB, 100);

    ok (far > near, "who is near to the limit is looked at more often: %llu, %llu us",
        (unsigned long long)far, (unsigned long long)near);
    ok (cb_watchdog_period (600 * MIB, 512 * MIB, 0) == near, "over it, too");
    ok (cb_watchdog_period (0, UINT64_MAX, 0) <= 200 * CB_USEC_PER_MSEC, "but never seldom");
    ok (cb_watchdog_period (480 * MIB, 512 * MIB, 5000) >= 20 * 5000,
        "and looking takes no more than a twentieth of the time");
}

static void
s_test_own_proc (void)
{
    cb_scan scan;
    cb_scan_exact exact;
    cb_auto_close int proc = cb_scan_open (getpid ());
    cb_auto_close int nothing = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    ok (proc >= 0 && cb_scan_read (proc, &scan) == 0 && scan.processes > 0 &&
            scan.tasks >= scan.processes && scan.resident > 0,
        "the machine's own processes: %u, %u tasks", scan.processes, scan.tasks);
    ok (cb_scan_read (proc, &scan) == 0 && scan.processes > 0, "and again");
    ok (cb_scan_read_exact (proc, &exact) == 0 && exact.own > 0, "exactly");
    ok (cb_scan_read (nothing, &scan) < 0, "a folder without processes is no /proc");
}

/* -- jails ----------------------------------------------------------------------------------- */

static const cb_launch_started *
s_start (const char *what, const char *code)
{
    uint64_t serial = rig_send_start (&s_rig, ++s_jail, &s_spec, code);
    uint32_t type = rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_STARTED, serial, &s_in);

    ok (type == CB_LAUNCH_STARTED, "%s: %s", what,
        type == CB_LAUNCH_FAILED ? ((const cb_launch_failed *)s_in.body)->text : "starts");
    return type == CB_LAUNCH_STARTED ? s_in.body : NULL;
}

static void
s_kill (void)
{
    (void)rig_send (&s_rig, (rig_request){RIG_BROKER, CB_LAUNCH_KILL, s_jail, NULL, 0});
    const cb_launch_exited *exited = rig_exited (&s_rig);
    ok (exited != NULL && exited->killed && exited->oom_kills == 0, "it lived until it was killed");
}

/* Ends over the memory limit of 128 MiB, and that is told as a fact. */
static void
s_is_over (const char *what, const char *code)
{
    if (s_start (what, code) == NULL)
        return;
    const cb_launch_exited *exited = rig_exited (&s_rig);
    ok (exited != NULL && exited->oom_kills > 0 && !exited->killed && exited->was_started,
        "it ends, and the memory limit is told as the cause");
    ok (exited != NULL && exited->peak_memory > 100 * MIB, "with its peak");
}

static const char s_one[] = "x = bytearray(1 << 30)\n" SLEEP;
static const char s_in_steps[] = "import time\nhog = []\nwhile True:\n"
                                 "    hog.append(bytearray(1 << 20))\n    time.sleep(0.001)\n";
/* None of them is over the limit alone. */
static const char s_many[] = "import os, time\nfor i in range(3):\n    os.fork()\n"
                             "x = bytearray(40 << 20)\n" SLEEP;
/* A child that is over the limit, while the kernel process itself is small. */
static const char s_child[] = "import os, time\nif os.fork() == 0:\n    x = bytearray(1 << 30)\n"
                              "    time.sleep(600)\n" SLEEP;
/* Eight processes that show the same 60 MiB are not over it. */
static const char s_shared[] = "import mmap, os, time\nx = mmap.mmap(-1, 60 << 20)\n"
                               "x.write(b'x' * (60 << 20))\ny = bytes(x[:20 << 20])\n"
                               "for i in range(3):\n    os.fork()\nz = sum(x[::4096])\n"
                               "open('/work/ready-%d' % os.getpid(), 'w').close()\n" SLEEP;
/* Files are memory too: 100 MiB of them, and 60 MiB beside. */
static const char s_files[] = "open('/work/x', 'wb').write(bytes(100 << 20))\n"
                              "x = bytearray(60 << 20)\n" SLEEP;

static int
s_wait_files (const char *prefix, int wanted)
{
    cb_auto_close int work =
        openat (s_in.packet.fds[0], "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int found = 0;

    for (int i = 0; i < 3000 && found < wanted; i++) {
        found = 0;
        (void)lseek (work, 0, SEEK_SET);
        DIR *dir = fdopendir (dup (work));
        for (struct dirent *at; dir != NULL && (at = readdir (dir)) != NULL;)
            found += strncmp (at->d_name, prefix, strlen (prefix)) == 0;
        if (dir != NULL)
            (void)closedir (dir);
        (void)usleep (10000);
    }
    return found >= wanted;
}

/* Buffers of sockets are memory of nobody: many count as full, also when they are kept open by
 * nothing but a message; a few do not count. */
static const char s_sockets[] = "import os, socket, time\nhog = []\nfor i in range(8):\n"
                                "    if os.fork() == 0:\n        for k in range(50):\n"
                                "            hog.append(socket.socketpair())\n"
                                "        time.sleep(600)\n" SLEEP;
static const char s_few_sockets[] = "import socket, time\n"
                                    "hog = [socket.socketpair() for i in range(20)]\n"
                                    "open('/work/ready-1', 'w').close()\n" SLEEP;

/* Reading what was never written shows a page of zeros that costs nothing, and a table that does.
 */
static const char s_tables[] =
    "import ctypes, time\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
    "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + "
    "[ctypes.c_long]\n"
    "at = libc.mmap(None, 128 << 30, 1, 0x4022, -1, 0)\n"
    "for step in range(0, 128 << 30, 2 << 20):\n    ctypes.string_at(at + step, 1)\n" SLEEP;

static void
s_test_sockets (void)
{
    static const char bigger[] = "import socket, time\na, b = socket.socketpair()\n"
                                 "before = [a.getsockopt(1, i) for i in (7, 8)]\n"
                                 "a.setsockopt(1, 7, 1 << 22)\na.setsockopt(1, 8, 1 << 22)\n"
                                 "if before == [a.getsockopt(1, i) for i in (7, 8)]:\n"
                                 "    open('/work/ready-1', 'w').close()\n" SLEEP;

    rig_spec (&s_spec, "sockets");
    s_spec.layers[CB_LAYER_CGROUP] = CB_LAYER_OFF;
    s_is_over ("no cgroup, many sockets", s_sockets);
    if (s_start ("no cgroup, some sockets", s_few_sockets) != NULL) {
        ok (s_wait_files ("ready-", 1), "they are there");
        s_kill ();
    }
    if (s_start ("a buffer that wants to grow", bigger) != NULL) {
        ok (s_wait_files ("ready-", 1), "has the size that it had");
        s_kill ();
    }
}

static void
s_test_without_group (void)
{
    rig_spec (&s_spec, "alone");
    s_spec.layers[CB_LAYER_CGROUP] = CB_LAYER_OFF;
    s_is_over ("no cgroup, one that takes all at once", s_one);
    s_is_over ("no cgroup, one that grows", s_in_steps);
    s_is_over ("no cgroup, many small ones", s_many);
    s_is_over ("no cgroup, a child", s_child);
    s_spec.disk = 110 * MIB;
    s_is_over ("no cgroup, files and a heap", s_files);
    s_is_over ("no cgroup, page tables", s_tables);
}

static void
s_test_within (void)
{
    rig_spec (&s_spec, "calm");
    s_spec.memory = 224 * MIB;
    s_spec.layers[CB_LAYER_CGROUP] = CB_LAYER_OFF;
    if (s_start ("shared memory, no cgroup", s_shared) == NULL)
        return;
    ok (getuid () != 0 || s_wait_files ("ready-", 8), "eight processes see it");
    uint64_t seen = 0;
    for (int i = 0; i < 3000 && seen < 60 * MIB; i++) {
        uint64_t serial =
            rig_send (&s_rig, (rig_request){RIG_BROKER, CB_LAUNCH_USAGE, s_jail, NULL, 0});
        if (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_USED, serial, &s_in) != CB_LAUNCH_USED)
            break;
        seen = ((const cb_launch_used *)s_in.body)->memory;
        (void)usleep (10000);
    }
    ok (seen >= 60 * MIB, "USED tells its memory: %llu MiB", (unsigned long long)(seen / MIB));
    s_kill ();
}

static void
s_test_with_group (void)
{
    rig_spec (&s_spec, "group");
    const cb_launch_started *started = s_start ("with a cgroup, where there is one", SLEEP);
    if (started == NULL)
        return;
    int has_group = strcmp (started->cgroup, "none") != 0;
    uint32_t wanted = has_group ? 1U << CB_FACT_PROCESSES : 1U << CB_FACT_PROC;
    ok ((started->facts & (1U << CB_FACT_PROCESSES | 1U << CB_FACT_PROC)) == wanted,
        "the facts about its processes came: %x", started->facts);
    s_kill ();
    rig_spec (&s_spec, "group");
    s_is_over ("a child, with a cgroup", s_child);
}

/* What is told about refused forks: by the cgroup's counter, or by counting. */
static void
s_test_processes (cb_layer_mode mode)
{
    static const char bomb[] = "import os, time\nn = 0\ntry:\n    while True:\n"
                               "        if os.fork() == 0:\n            time.sleep(600)\n"
                               "        n += 1\nexcept BlockingIOError:\n"
                               "    open('/work/%d' % n, 'w').close()\n"
                               "    os.close(os.open('/work/ready', os.O_CREAT))\n" SLEEP;
    char text[256] = "";
    cb_scan scan = {0};
    uint32_t tasks = 0;

    rig_spec (&s_spec, "forks");
    s_spec.layers[CB_LAYER_CGROUP] = (uint8_t)mode;
    s_spec.memory = 512 * MIB;
    const cb_launch_started *started = s_start ("processes without end", bomb);
    if (started == NULL)
        return;
    int fact = s_in.packet.n_fds > 3 ? s_in.packet.fds[2] : -1;
    int counts = (started->facts & 1U << CB_FACT_PROCESSES) != 0;
    int ready = s_wait_files ("ready", 1);
    if (counts)
        ok (ready && pread (fact, text, sizeof text - 1, 0) > 0 &&
                cb_cgroup_number (text, "max") > 0,
            "the group has counted: %s", text);
    else
        ok (ready && cb_scan_read (fact, &scan) == 0 && scan.tasks == s_spec.processes,
            "all are used: %u", scan.tasks);
    if (!counts) {
        s_kill ();
        return;
    }
    /* Asked of the kernel: the rest are bwrap's two. */
    cb_auto_close int proc = cb_scan_open (started->kernel_pid);
    if (cb_scan_read (proc, &scan) == 0)
        tasks = scan.tasks;
    ok (tasks == s_spec.processes, "exactly as many as the limit says: %u", tasks);
    s_kill ();
}

int
main (void)
{
    (void)alarm (300);
    s_test_numbers ();
    s_test_period ();
    s_test_own_proc ();
    rig_open (&s_rig);
    ok (rig_start (&s_rig, "loose") && rig_connect (&s_rig), "the daemon: %s", s_rig.said);
    s_test_sockets ();
    s_test_without_group ();
    s_test_within ();
    s_test_with_group ();
    s_test_processes (CB_LAYER_AUTO);
    s_test_processes (CB_LAYER_OFF);
    rig_close (&s_rig);
    return tap_done ();
}
