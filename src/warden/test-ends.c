/* test-ends.c - however cellblockd ends, nothing of it is left; and how it begins. */
#include "warden/rig.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/tap.h"
#include "warden/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static rig s_rig;
static cb_jail_spec s_spec;
static pid_t s_kernels[4]; /* of the jails that were started last */

/* A jail that will not go by itself: signals ignored, a daemon of its own, files. */
static const char s_stubborn[] = "import os, signal, time\n"
                                 "for n in range(1, 32):\n"
                                 "    try: signal.signal(n, signal.SIG_IGN)\n"
                                 "    except Exception: pass\n"
                                 "open('/work/x', 'w').write('x')\n"
                                 "if os.fork() == 0:\n"
                                 "    os.setsid()\n"
                                 "    if os.fork(): os._exit(0)\n"
                                 "time.sleep(600)\n";

static int
s_start_with_jails (int n)
{
    cb_launch_in in;

    if (!rig_start (&s_rig, "litter") || !rig_connect (&s_rig)) {
        printf ("# %s\n", s_rig.said);
        return 0;
    }
    rig_spec (&s_spec, "stubborn");
    for (int i = 1; i <= n; i++) {
        uint64_t serial = rig_send_start (&s_rig, (uint64_t)i, &s_spec, s_stubborn);
        if (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_STARTED, serial, &in) != CB_LAUNCH_STARTED) {
            printf ("# jail %d: %s\n", i,
                    in.head.type == CB_LAUNCH_FAILED ? ((const cb_launch_failed *)in.body)->text
                                                     : "no answer");
            return 0;
        }
        s_kernels[i] = ((const cb_launch_started *)in.body)->kernel_pid;
    }
    return 1;
}

static void
s_end_by_shutdown (void)
{
    (void)rig_send (&s_rig, (rig_request){RIG_BROKER, CB_LAUNCH_SHUTDOWN, 0, NULL, 0});
}

static void
s_end_by_term (void)
{
    (void)kill (s_rig.janitor, SIGTERM);
}

static void
s_end_by_int (void)
{
    (void)kill (s_rig.janitor, SIGINT);
}

static void
s_end_by_warden_term (void)
{
    (void)kill (s_rig.warden, SIGTERM);
}

static void
s_end_by_warden_kill (void)
{
    (void)kill (s_rig.warden, SIGKILL);
}

static void
s_end_by_warden_abort (void)
{
    (void)kill (s_rig.warden, SIGSEGV);
}

static const struct {
    const char *name;
    void (*end) (void);
    int status;
} s_ends[] = {
    {"SHUTDOWN", s_end_by_shutdown, 0},
    {"SIGTERM", s_end_by_term, 0},
    {"SIGINT", s_end_by_int, 0},
    {"SIGTERM to the warden", s_end_by_warden_term, 0},
    {"SIGKILL of the warden", s_end_by_warden_kill, 1},
    {"SIGSEGV of the warden", s_end_by_warden_abort, 1},
};

static void
s_test_ends (void)
{
    for (size_t i = 0; i < sizeof s_ends / sizeof s_ends[0]; i++) {
        ok (s_start_with_jails (2), "two jails run before %s", s_ends[i].name);
        s_ends[i].end ();
        int status = rig_wait (&s_rig);
        ok (status == s_ends[i].status, "%s: status %d", s_ends[i].name, status);
        ok (rig_leaks (&s_rig) == 0, "%s leaves nothing", s_ends[i].name);
    }
}

/* The janitor killed: the warden ends in order and cleans up itself; we are its subreaper. */
static void
s_test_janitor_killed (void)
{
    ok (s_start_with_jails (2), "two jails run");
    pid_t warden = s_rig.warden;
    (void)kill (s_rig.janitor, SIGKILL);
    ok (rig_wait (&s_rig) == 128 + SIGKILL, "the janitor is killed");
    s_rig.janitor = warden;
    ok (rig_wait (&s_rig) == 0, "the warden ends in order");
    ok (rig_leaks (&s_rig) == 0, "nothing is left without a janitor");
}

static void
s_wait_orphans (size_t left)
{
    pid_t pids[8];
    cb_usec until = cb_now () + 120 * CB_USEC_PER_SEC;

    do {
        while (waitpid (-1, NULL, WNOHANG) > 0)
            continue;
        (void)poll (NULL, 0, 5);
    } while (cb_proc_children (pids, 8) > left && cb_now () < until);
}

/* Whether the process sleeps, so that it waits for something. */
static int
s_sleeps (pid_t pid)
{
    char path[64];
    char text[256] = "";

    (void)snprintf (path, sizeof path, "/proc/%d/stat", (int)pid);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    const char *end = fd >= 0 && read (fd, text, sizeof text - 1) > 0 ? strrchr (text, ')') : NULL;
    return end != NULL && strncmp (end, ") S", 3) == 0;
}

/* bwrap's pid 1 asks to die with its parent a moment after it started ours: in that moment only the
 * cgroup holds it. Then it waits for its child, and for nothing before. */
static int
s_wait_bound (pid_t kernel)
{
    cb_usec until = cb_now () + 120 * CB_USEC_PER_SEC;
    pid_t init = cb_proc_ns_init_between (kernel, s_rig.warden);

    while (init > 0 && !s_sleeps (init) && cb_now () < until)
        (void)poll (NULL, 0, 5);
    return init > 0 && s_sleeps (init);
}

/* Both killed at once: processes die by the chain of parents, the next start removes the rest. The
 * fake broker's litter process is beyond the chain: it is killed here. */
static void
s_test_both_killed (void)
{
    ok (s_start_with_jails (2), "two jails run");
    pid_t warden = s_rig.warden;
    ok (s_wait_bound (s_kernels[1]) && s_wait_bound (s_kernels[2]), "bound to die with the warden");
    (void)kill (s_rig.janitor, SIGSTOP);
    (void)kill (s_rig.warden, SIGKILL);
    (void)kill (s_rig.janitor, SIGKILL);
    (void)rig_wait (&s_rig);
    s_wait_orphans (1);
    pid_t pids[8];
    size_t n = cb_proc_children (pids, 8);
    ok (n <= 1, "jails and broker die with the warden: %zu left", n);
    if (n > 1)
        (void)rig_leaks (&s_rig);
    (void)cb_proc_kill_children (cb_now () + 60 * CB_USEC_PER_SEC);
    ok (access (s_rig.runtime, F_OK) == 0, "files are left");
    ok (rig_start (&s_rig, "serve"), "the next one starts: %s", s_rig.said);
    pid_t next = s_rig.warden;
    s_rig.warden = warden;
    char path[128];
    (void)snprintf (path, sizeof path, "%s/link", s_rig.runtime);
    ok (access (path, F_OK) < 0, "stale files are gone");
    (void)kill (s_rig.janitor, SIGTERM);
    ok (rig_wait (&s_rig) == 0 && rig_leaks (&s_rig) == 0, "stale groups are gone");
    s_rig.warden = next;
    ok (rig_leaks (&s_rig) == 0, "and its own");
}

static void
s_test_beginnings (void)
{
    ok (!rig_start (&s_rig, "crash") && strstr (s_rig.said, "before it was ready") != NULL,
        "a broker that ends at once: %.120s", s_rig.said);
    ok (rig_wait (&s_rig) == 1 && rig_leaks (&s_rig) == 0, "status 1, nothing left");
    ok (!rig_start (&s_rig, "refuse") &&
            strcmp (s_rig.said, "error: the fake configuration is bad\n") == 0,
        "a broker that says why: %.120s", s_rig.said);
    ok (rig_wait (&s_rig) == 1 && rig_leaks (&s_rig) == 0, "status 1, nothing left");
    ok (rig_start (&s_rig, "garbage"), "garbage of a broker is survived: %.100s", s_rig.said);
    ok (rig_logged (&s_rig, "packet refused"), "and logged");
    pid_t first = s_rig.janitor;
    pid_t warden = s_rig.warden;
    ok (!rig_start (&s_rig, "serve") && strstr (s_rig.said, "runs already") != NULL,
        "a second daemon is refused: %.120s", s_rig.said);
    ok (rig_wait (&s_rig) == 1, "with status 1");
    s_rig.janitor = first;
    s_rig.warden = warden;
    (void)kill (first, SIGTERM);
    ok (rig_wait (&s_rig) == 0 && rig_leaks (&s_rig) == 0, "the first ends clean");
}

static void
s_test_stubborn_broker (void)
{
    ok (rig_start (&s_rig, "stubborn"), "a broker that ignores SIGTERM");
    cb_usec before = cb_now ();
    (void)kill (s_rig.janitor, SIGTERM);
    ok (rig_wait (&s_rig) == 0 && rig_leaks (&s_rig) == 0, "is killed in the end");
    ok (cb_now () - before > 4 * CB_USEC_PER_SEC, "after it was given time");
}

/* Two daemons in one instant: one serves, the other says so. Each dies with who started it. */
static void
s_test_race (void)
{
    static rig other;
    int told[2];
    char other_good = 0;

    other = s_rig;
    ok (pipe2 (told, O_CLOEXEC) == 0, "a pipe");
    pid_t starter = fork ();
    if (starter == 0) {
        other_good = rig_start (&other, "serve") ? 1 : 0;
        (void)!write (told[1], &other_good, 1);
        for (;;)
            (void)pause ();
    }
    int good = rig_start (&s_rig, "serve");
    ok (read (told[0], &other_good, 1) == 1 && good + other_good == 1,
        "exactly one of two starts at once serves");
    /* Who lost ends by itself: a signal could overtake its exit. */
    if (good)
        (void)kill (s_rig.janitor, SIGTERM);
    ok (rig_wait (&s_rig) == !good, "the one ends as it should");
    (void)kill (starter, SIGKILL);
    s_wait_orphans (0);
    ok (rig_leaks (&s_rig) == 0, "nothing is left of both");
    (void)close (told[0]);
    (void)close (told[1]);
}

static void
s_test_libc_only (void)
{
    char line[512];
    size_t others = 0;
    char command[128];

    (void)snprintf (command, sizeof command, "ldd %s/bin/cellblockd", s_rig.folder);
    FILE *pipe = popen (command, "r");
    while (pipe != NULL && fgets (line, sizeof line, pipe) != NULL)
        others += strstr (line, "libc.so") == NULL && strstr (line, "vdso") == NULL &&
                  strstr (line, "ld-linux") == NULL;
#ifdef CB_SANITIZERS
    others = 0; /* the sanitizers' own libraries */
#endif
    ok (pipe != NULL && pclose (pipe) == 0 && others == 0, "cellblockd is linked with libc only");
}

int
main (void)
{
    (void)alarm (600);
    rig_open (&s_rig);
    s_test_libc_only ();
    s_test_beginnings ();
    s_test_race ();
    s_test_stubborn_broker ();
    s_test_ends ();
    s_test_janitor_killed ();
    s_test_both_killed ();
    rig_close (&s_rig);
    return tap_done ();
}
