/* test-hard.c - the warden under bad conditions: killed at random moments, no descriptors, no disk,
 * folders of others. CELLBLOCK_TEST_SEED and CELLBLOCK_TEST_ROUNDS change what is random. */
#include "warden/rig.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/table.h"
#include "base/tap.h"
#include "warden/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 15

static rig s_rig;
static cb_jail_spec s_spec;
static cb_launch_in s_in;

static const char s_sleep[] = "import time\ntime.sleep(600)\n";

/* -- killed at random moments ---------------------------------------------------------------- */

static unsigned
s_number (const char *name, unsigned otherwise)
{
    const char *text = getenv (name);

    return text != NULL ? (unsigned)strtoul (text, NULL, 10) : otherwise;
}

/* The process below the warden that is the broker: the one that is there first. */
static pid_t
s_broker (void)
{
    char path[64];
    char text[256] = "";

    (void)snprintf (path, sizeof path, "/proc/%d/task/%d/children", (int)s_rig.warden,
                    (int)s_rig.warden);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read (fd, text, sizeof text - 1) <= 0)
        return 0;
    return (pid_t)strtol (text, NULL, 10);
}

static const char *
s_kill_somebody (int who)
{
    pid_t broker = s_broker ();

    switch (who) {
    case 0:
        (void)kill (s_rig.warden, SIGKILL);
        return "the warden";
    case 1:
        (void)kill (s_rig.janitor, SIGKILL);
        return "the janitor";
    case 2:
        (void)kill (s_rig.janitor, SIGTERM);
        return "SIGTERM";
    default:
        if (broker > 0)
            (void)kill (broker, SIGKILL);
        (void)kill (s_rig.janitor, SIGTERM);
        return "the broker, and SIGTERM";
    }
}

/* Waits until the daemon and all it started has ended, whoever is left to clean up. */
static void
s_wait_all (void)
{
    pid_t pids[8];
    cb_usec until = cb_now () + 120 * CB_USEC_PER_SEC;

    do {
        while (waitpid (-1, NULL, WNOHANG) > 0)
            continue;
        (void)poll (NULL, 0, 5);
    } while (cb_proc_children (pids, 8) > 0 && cb_now () < until);
    s_rig.janitor = 0;
}

static void
s_test_random (void)
{
    unsigned seed = s_number ("CELLBLOCK_TEST_SEED", 20261120);
    unsigned rounds = s_number ("CELLBLOCK_TEST_ROUNDS", ROUNDS);

    printf ("# CELLBLOCK_TEST_SEED=%u CELLBLOCK_TEST_ROUNDS=%u\n", seed, rounds);
    srandom (seed);
    for (unsigned round = 0; round < rounds; round++) {
        int wait = (int)(random () % 60);
        int who = (int)(random () % 4);
        int up = rig_start (&s_rig, "serve") && rig_connect (&s_rig);
        rig_spec (&s_spec, "chaos");
        for (uint64_t i = 1; up && i <= 3; i++)
            (void)rig_send_start (&s_rig, i, &s_spec, s_sleep);
        (void)poll (NULL, 0, wait);
        const char *whom = s_kill_somebody (who);
        s_wait_all ();
        size_t left = rig_leaks (&s_rig);
        ok (up && left == 0, "round %u: %s killed after %d ms, nothing is left", round, whom, wait);
    }
}

/* -- descriptors ----------------------------------------------------------------------------- */

static void
s_test_descriptors (void)
{
    struct rlimit before;
    struct rlimit few = {300, 300};
    uint64_t serial;
    int n = 0;

    (void)getrlimit (RLIMIT_NOFILE, &before);
    pid_t starter = 0;
    /* Only a process of its own can lower the hard limit and not be stuck with it. */
    int told[2];
    ok (pipe2 (told, O_CLOEXEC) == 0, "a pipe");
    starter = fork ();
    if (starter == 0) {
        (void)setrlimit (RLIMIT_NOFILE, &few);
        int up = rig_start (&s_rig, "serve");
        (void)!write (told[1], &up, sizeof up);
        for (;;)
            (void)pause ();
    }
    ok (read (told[0], &n, sizeof n) == sizeof n && n == 1 && rig_connect (&s_rig),
        "it starts with 300 descriptors");
    rig_spec (&s_spec, "fds");
    serial = rig_send_start (&s_rig, 1, &s_spec, s_sleep);
    ok (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_STARTED, serial, &s_in) == CB_LAUNCH_STARTED,
        "one jail fits");
    serial = rig_send_start (&s_rig, 2, &s_spec, s_sleep);
    /* valgrind keeps setrlimit for itself: then there is room for more. */
    ok (!rig_logged (&s_rig, "jails=1\n") ||
            (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_STARTED, serial, &s_in) ==
                 CB_LAUNCH_FAILED &&
             strstr (((const cb_launch_failed *)s_in.body)->text, "open files") != NULL),
        "a second is refused, and the limit is named");
    (void)kill (starter, SIGKILL);
    s_wait_all ();
    (void)close (told[0]);
    (void)close (told[1]);
}

/* -- folders --------------------------------------------------------------------------------- */

static void
s_refused (const char *what, const char *words)
{
    ok (!rig_start (&s_rig, "serve") && strstr (s_rig.said, words) != NULL, "%s: %.200s", what,
        s_rig.said);
    (void)rig_wait (&s_rig);
}

static void
s_test_folders (void)
{
    char path[128];

    (void)chmod (s_rig.state, 0755);
    s_refused ("a state folder open to others", "chmod 700");
    (void)chmod (s_rig.state, 0700);
    (void)mkdir (s_rig.runtime, 0700);
    (void)chmod (s_rig.runtime, 0770);
    s_refused ("a runtime folder open to others", "chmod 700");
    (void)rmdir (s_rig.runtime);
    (void)!symlink ("/tmp", s_rig.runtime);
    s_refused ("a runtime folder that is a link", "symbolic link");
    (void)unlink (s_rig.runtime);
    (void)snprintf (path, sizeof path, "%s/lock", s_rig.runtime);
    (void)mkdir (s_rig.runtime, 0700);
    (void)mkfifo (path, 0600);
    s_refused ("a lock that is a FIFO", "not a file of ours");
    (void)unlink (path);
    (void)rmdir (s_rig.runtime);
    if (getuid () != 0)
        return;
    (void)mkdir (s_rig.runtime, 0700);
    (void)!chown (s_rig.runtime, 12345, 12345);
    s_refused ("a runtime folder of somebody else", "belongs to user 12345");
    (void)rmdir (s_rig.runtime);
}

static void
s_test_stale_lock (void)
{
    char path[128];

    (void)mkdir (s_rig.runtime, 0700);
    (void)snprintf (path, sizeof path, "%s/lock", s_rig.runtime);
    int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    ok (fd >= 0 && write (fd, "999999 serving\n", 15) == 15, "a lock of a dead daemon");
    (void)close (fd);
    ok (rig_start (&s_rig, "serve"), "holds nobody up: %s", s_rig.said);
    (void)kill (s_rig.janitor, SIGTERM);
    ok (rig_wait (&s_rig) == 0 && rig_leaks (&s_rig) == 0, "and is removed");
}

/* Root only: a state folder on a full disk, and the log in it. */
static void
s_test_full_disk (void)
{
    char path[128];
    char block[4096] = "";

    /* In a mount namespace of our own: nothing stays when the test is killed. */
    if (getuid () != 0 || unshare (CLONE_NEWNS) < 0 ||
        mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount ("full", s_rig.state, "tmpfs", MS_NOSUID, "size=16k,mode=700") < 0) {
        ok (1, "a full disk # SKIP needs root and mount: %s", strerror (errno));
        return;
    }
    (void)snprintf (path, sizeof path, "%s/filler", s_rig.state);
    int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write (fd, block, sizeof block) > 0)
        continue;
    (void)close (fd);
    ok (rig_start (&s_rig, "serve") && rig_connect (&s_rig), "it starts on a full disk: %s",
        s_rig.said);
    rig_spec (&s_spec, "full");
    uint64_t serial = rig_send_start (&s_rig, 1, &s_spec, s_sleep);
    ok (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_STARTED, serial, &s_in) == CB_LAUNCH_STARTED,
        "and runs jails");
    (void)kill (s_rig.janitor, SIGTERM);
    ok (rig_wait (&s_rig) == 0, "and ends");
    (void)umount2 (s_rig.state, MNT_DETACH);
    ok (rig_leaks (&s_rig) == 0, "nothing is left");
}

static int
s_has_ended (pid_t child)
{
    siginfo_t info = {0};

    return waitid (P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

/* The next broker behind that one; 0 when the daemon ended instead. */
static pid_t
s_next_broker (pid_t before)
{
    cb_usec until = cb_now () + 120 * CB_USEC_PER_SEC;

    while (!s_has_ended (s_rig.janitor) && cb_now () < until) {
        pid_t broker = s_broker ();
        if (broker > 0 && broker != before)
            return broker;
        (void)poll (NULL, 0, 2);
    }
    return 0;
}

/* A broker that ends again and again: the daemon gives up and says so. The four deaths have to come
 * within ten seconds: a machine that is too busy for that sees some more. */
static void
s_test_crash_loop (void)
{
    cb_usec times[40] = {0};
    size_t kills = 0;
    pid_t broker = 0;

    ok (rig_start (&s_rig, "serve"), "a broker that is killed again and again");
    while (kills < CB_COUNT (times) && (broker = s_next_broker (broker)) > 0) {
        times[kills] = cb_now ();
        if (kill (broker, SIGKILL) == 0)
            kills++;
    }
    ok (kills >= 9 && (kills == 9 || times[kills - 2] - times[kills - 10] > 8 * CB_USEC_PER_SEC),
        "%zu times: eight restarts, then it gives up", kills);
    ok (rig_wait (&s_rig) == 1 && rig_leaks (&s_rig) == 0, "with status 1, nothing left");
    ok (rig_logged (&s_rig, "times within 10 s"), "and says so in the log");
}

int
main (void)
{
    (void)alarm (600);
    rig_open (&s_rig);
    (void)mkdir (s_rig.state, 0700);
    s_test_folders ();
    s_test_stale_lock ();
    s_test_full_disk ();
    s_test_descriptors ();
    s_test_crash_loop ();
    s_test_random ();
    rig_close (&s_rig);
    return tap_done ();
}
