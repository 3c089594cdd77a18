/* test-cgroup.c - control groups of both versions, found, made, limited, read, killed and removed,
 * in folders that behave like them: what Linux would be told, on any machine and without rights. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "warden/cgroup.h"
#include "warden/fake-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* No process has this number: Linux gives 4194304 at most. */
#define NOBODY 5000000

static cb_cgroups s_groups;
static cb_cgroup s_group;
static cb_jail_spec s_spec;
static cb_err s_err;

static void
s_spec_reset (void)
{
    s_spec = (cb_jail_spec){.name = "amber", .memory = 512 << 20, .processes = 64};
}

static int
s_is_there (const char *below)
{
    return access (fake_path (below), F_OK) == 0;
}

/* The folder's own name is in what was written: warden 42 has cellblock-42. */
static int
s_wrote (const char *expected)
{
    const char *written = fake_writes ();
    int same = strcmp (written, expected) == 0;

    if (!same)
        printf ("# wrote:\n%s# expected:\n%s", written, expected);
    return same;
}

/* -- version 2: what is found ---------------------------------------------------------------- */

#define OWN    "user.slice/app.scope"
#define OWN_IN "0::/" OWN "\n"

static void
s_find_v2 (const char *shown)
{
    char mounts[512];

    (void)snprintf (mounts, sizeof mounts,
                    "29 25 0:25 / /proc rw - proc proc rw\n"
                    "30 25 0:26 /%s %s rw - cgroup2 cgroup2 rw,nsdelegate\n",
                    shown, fake_path (shown));
    cb_cgroups_find_in (&s_groups, OWN_IN, mounts);
}

static int
s_found (const char *base, int is_own)
{
    return s_groups.kind == CB_CGROUP_V2 && s_groups.n_trees == 1 &&
           strcmp (s_groups.trees[0].base, fake_path (base)) == 0 &&
           s_groups.trees[0].is_own == is_own && s_groups.trees[0].has_memory &&
           s_groups.trees[0].has_pids && s_groups.trees[0].has_usage;
}

static void
s_own_procs (pid_t pid)
{
    char text[32];

    (void)snprintf (text, sizeof text, "%d\n", (int)pid);
    fake_file (OWN "/cgroup.procs", text);
}

static void
s_test_find_v2 (void)
{
    fake_open ();
    fake_group (OWN, 2);
    fake_file ("cgroup.controllers", "cpuset cpu io memory pids\n");
    fake_file ("cgroup.subtree_control", "memory pids\n");
    fake_file ("cgroup.procs", "1\n");
    s_own_procs (getpid ());
    s_find_v2 ("");
    ok (s_found (OWN, 1) && s_groups.trees[0].has_cpu, "our own group, when nobody else is in it");
    ok (strcmp (cb_cgroups_name (&s_groups), "v2") == 0, "it has a name");

    fake_file (OWN "/cgroup.controllers", "memory pids\n");
    s_find_v2 ("");
    ok (s_found (OWN, 1) && !s_groups.trees[0].has_cpu, "no cpu is no reason against it");

    s_own_procs (1);
    s_find_v2 ("");
    ok (s_found ("user.slice", 0), "the group above, when somebody is in ours and nobody in that");
    fake_file ("user.slice/cgroup.procs", "1\n");
    s_find_v2 ("");
    ok (s_found ("", 0), "the root may hold processes");
    s_find_v2 ("user.slice");
    ok (s_groups.kind == CB_CGROUP_NONE, "nothing above what the mount shows");
    fake_file ("user.slice/cgroup.procs", "");
    s_find_v2 ("user.slice");
    ok (s_found ("user.slice", 0), "a container's mount shows a part");

    fake_file ("cgroup.controllers", "cpu pids\n");
    fake_file ("user.slice/cgroup.controllers", "memory cpu\n");
    fake_unlink (OWN "/cgroup.subtree_control");
    s_find_v2 ("");
    ok (s_groups.kind == CB_CGROUP_NONE && strstr (s_groups.why_none, "controller memory") != NULL,
        "none without memory and pids: %s", s_groups.why_none);
    ok (strcmp (cb_cgroups_name (&s_groups), "none") == 0, "that has a name too");
    fake_close ();
}

/* -- version 2: the warden's folder ---------------------------------------------------------- */

/* Our own group, found. */
static void
s_open_v2 (void)
{
    fake_open ();
    fake_group (OWN, 2);
    s_own_procs (getpid ());
    s_find_v2 ("");
    (void)fake_writes ();
    s_spec_reset ();
}

/* The same with the warden's folder in it; NOBODY's, for nobody who lives must be meant. */
static void
s_open_made_v2 (void)
{
    const pid_t keeper = getpid ();

    s_open_v2 ();
    cb_cgroups_make (&s_groups, NOBODY, &keeper, 1);
    (void)fake_writes ();
}

static void
s_make_jail (void)
{
    if (cb_cgroup_make (&s_group, &s_groups, 7, &s_spec, &s_err) < 0)
        abort ();
}

#define FOLDER OWN "/cellblock-5000000"
#define JAIL   FOLDER "/7-amber"

static void
s_test_make_v2 (void)
{
    char expected[1024];

    s_open_v2 ();
    pid_t child = fake_child (OWN);
    const pid_t keepers[] = {getpid (), child};
    cb_cgroups_make (&s_groups, NOBODY, keepers, 2);
    (void)snprintf (
        expected, sizeof expected,
        FOLDER "/warden/cgroup.procs=%d\n" FOLDER "/warden/cgroup.procs=%d\n" OWN
               "/cgroup.subtree_control=+memory\n" OWN "/cgroup.subtree_control=+pids\n" OWN
               "/cgroup.subtree_control=+cpu\n" FOLDER "/cgroup.subtree_control=+memory\n" FOLDER
               "/cgroup.subtree_control=+pids\n" FOLDER "/cgroup.subtree_control=+cpu\n",
        (int)getpid (), (int)child);
    ok (s_wrote (expected), "who keeps the folder moves out of the way, then controllers come");
    ok (s_groups.kind == CB_CGROUP_V2 && fake_text (OWN "/cgroup.procs")[0] == '\0',
        "our group is empty");
    ok (cb_cgroups_remove (&s_groups, NOBODY) == 0 && !s_is_there (FOLDER), "removed");
    (void)snprintf (expected, sizeof expected, "%d\n", (int)getpid ());
    ok (strcmp (fake_text (OWN "/cgroup.procs"), expected) == 0, "we are where we were");
    ok (fake_was_killed (child), "who stayed was killed");
    fake_close ();
}

/* As in system.slice, to which systemd hands no cpu down as long as no unit asks for it. */
static void
s_test_fetch_cpu (void)
{
    const pid_t keeper = getpid ();

    s_open_v2 ();
    fake_file ("cgroup.controllers", "cpuset cpu io memory pids\n");
    fake_file ("user.slice/cgroup.controllers", "memory pids\n");
    fake_file (OWN "/cgroup.controllers", "memory pids\n");
    s_find_v2 ("");
    ok (s_found (OWN, 1) && !s_groups.trees[0].has_cpu, "a group to which no cpu was handed down");
    fake_refuse ("cgroup.subtree_control", "+cpu", EACCES);
    cb_cgroups_make (&s_groups, NOBODY, &keeper, 1);
    ok (s_groups.kind == CB_CGROUP_V2 && !s_groups.trees[0].has_cpu &&
            cb_cgroups_remove (&s_groups, NOBODY) == 0,
        "who may not ask for it does without");
    fake_refuse (NULL, NULL, 0);
    (void)fake_writes ();
    cb_cgroups_make (&s_groups, NOBODY, &keeper, 1);
    const char *written = fake_writes ();
    const char *first = strstr (written, "\ncgroup.subtree_control=+cpu\n");
    const char *second = strstr (written, "\nuser.slice/cgroup.subtree_control=+cpu\n");
    const char *third = strstr (written, "\n" OWN "/cgroup.subtree_control=+cpu\n");
    ok (s_groups.trees[0].has_cpu && first != NULL && second > first && third > second,
        "it is asked for from above");
    ok (cb_cgroups_remove (&s_groups, NOBODY) == 0, "removed");
    fake_close ();
}

static void
s_test_make_refused_v2 (void)
{
    const pid_t keeper = getpid ();

    s_open_v2 ();
    fake_refuse ("cgroup.subtree_control", "+cpu", EINVAL);
    cb_cgroups_make (&s_groups, NOBODY, &keeper, 1);
    ok (s_groups.kind == CB_CGROUP_V2, "no cpu controller is no fault");
    ok (cb_cgroups_remove (&s_groups, NOBODY) == 0, "removed");
    fake_refuse ("cgroup.subtree_control", "+pids", EBUSY);
    cb_cgroups_make (&s_groups, NOBODY, &keeper, 1);
    ok (s_groups.kind == CB_CGROUP_NONE && strstr (s_groups.why_none, "\"+pids\"") != NULL &&
            !s_is_there (FOLDER),
        "none without pids: %s", s_groups.why_none);
    cb_err err = CB_ERR_INIT;
    ok (cb_cgroup_make (&s_group, &s_groups, 7, &s_spec, &err) == 0 && !s_group.made &&
            !cb_cgroup_holds_memory (&s_group) && cb_cgroup_is_empty (&s_group) &&
            cb_cgroup_enter (&s_group, &err) == 0 && cb_cgroup_remove (&s_group, &err) == 0,
        "a jail without one is no fault");
    fake_refuse (NULL, NULL, 0);
    fake_close ();
}

static void
s_test_stale_v2 (void)
{
    char living[64];

    s_open_v2 ();
    fake_group (FOLDER "/warden", 2);
    fake_group (JAIL, 2);
    pid_t child = fake_child (JAIL);
    (void)snprintf (living, sizeof living, OWN "/cellblock-%d", (int)getpid ());
    fake_group (living, 2);
    fake_group (OWN "/cellblock-x", 2);
    (void)prctl (PR_SET_NAME, "cellblockd");
    cb_cgroups_clean_stale (&s_groups);
    (void)prctl (PR_SET_NAME, "test-cgroup");
    ok (!s_is_there (FOLDER) && fake_was_killed (child), "what a dead warden left goes");
    ok (s_is_there (living) && s_is_there (OWN "/cellblock-x"),
        "what belongs to one that lives stays, and what is no warden's");
    fake_close ();
}

/* -- version 2: a jail's group --------------------------------------------------------------- */

static void
s_test_limits_v2 (void)
{
    s_open_made_v2 ();
    ok (cb_cgroup_make (&s_group, &s_groups, 7, &s_spec, &s_err) == 0 &&
            s_wrote (JAIL "/memory.max=536870912\n" JAIL "/memory.swap.max=0\n" JAIL
                          "/memory.oom.group=1\n" JAIL "/pids.max=66\n"),
        "its limits; bwrap's two processes are not the jail's");
    ok (cb_cgroup_holds_memory (&s_group) && cb_cgroup_holds_processes (&s_group), "they hold");
    ok (cb_cgroup_set_cpu (&s_group, 150, &s_err) == 0 && s_wrote (JAIL "/cpu.max=150000 100000\n"),
        "one and a half processors");
    ok (cb_cgroup_set_cpu (&s_group, 0, &s_err) == 0 && s_wrote (""), "no limit is not written");
    s_groups.trees[0].has_cpu = 0;
    ok (cb_cgroup_set_cpu (&s_group, 100, &s_err) == -CB_E_UNSUPPORTED, "%s", s_err.text);
    ok (cb_cgroup_remove (&s_group, &s_err) == 0 && !s_is_there (JAIL), "removed");

    s_spec.memory = 0;
    s_spec.n_inputs = 1;
    ok (cb_cgroup_make (&s_group, &s_groups, 7, &s_spec, &s_err) == 0 &&
            s_wrote (JAIL "/pids.max=67\n"),
        "no limit of memory, and a process for the inputs");
    (void)cb_cgroup_remove (&s_group, NULL);

    s_spec_reset ();
    fake_refuse ("memory.swap.max", "0", ENOENT);
    ok (cb_cgroup_make (&s_group, &s_groups, 7, &s_spec, &s_err) == 0, "a machine without swap");
    (void)cb_cgroup_remove (&s_group, NULL);
    fake_refuse ("memory.max", "536870912", EACCES);
    ok (cb_cgroup_make (&s_group, &s_groups, 7, &s_spec, &s_err) < 0 && !s_is_there (JAIL),
        "a limit that does not take is a fault: %s", s_err.text);
    fake_refuse (NULL, NULL, 0);
    fake_close ();
}

static void
s_test_usage_v2 (void)
{
    cb_cgroup_usage usage;
    char line[32] = "";

    s_open_made_v2 ();
    s_make_jail ();
    fake_file (JAIL "/memory.events",
               "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n");
    fake_file (JAIL "/memory.current", "1048576\n");
    fake_file (JAIL "/memory.peak", "2097152\n");
    fake_file (JAIL "/pids.events", "max 7\n");
    fake_file (JAIL "/cpu.stat", "usage_usec 1234567\nuser_usec 1000000\n");
    cb_cgroup_usage_read (&s_group, &usage);
    ok (usage.oom_kills == 2 && usage.pids_hits == 7 && usage.memory == 1048576 &&
            usage.peak_memory == 2097152 && usage.cpu_usec == 1234567,
        "what it used and what it ran into");
    fake_unlink (JAIL "/memory.peak");
    cb_cgroup_usage_read (&s_group, &usage);
    ok (usage.peak_memory == 0 && usage.oom_kills == 2, "Linux before 5.19 knows no peak");
    cb_auto_close int events = cb_cgroup_process_events (&s_group);
    ok (events >= 0 && read (events, line, sizeof line - 1) == 6 && strcmp (line, "max 7\n") == 0,
        "refused forks can be read on");
    ok (cb_cgroup_oom_events (&s_group) == -1, "an eventfd is of version 1");
    fake_close ();
}

static void
s_test_processes_v2 (void)
{
    char expected[32];
    int inside = -1;

    s_open_made_v2 ();
    s_make_jail ();
    ok (cb_cgroup_is_empty (&s_group), "empty at first");
    pid_t pid = cb_cgroup_fork (&s_group, &inside);
    if (pid == 0)
        _exit (inside == 0 && cb_cgroup_enter (&s_group, NULL) == 0 ? 0 : 1);
    int status = -1;
    ok (pid > 0 && waitpid (pid, &status, 0) == pid && status == 0 && inside == 0,
        "a kernel that cannot fork into a group: the child goes there itself");
    (void)snprintf (expected, sizeof expected, "%d\n", (int)pid);
    ok (strcmp (fake_text (JAIL "/cgroup.procs"), expected) == 0, "it is in it");
    fake_file (JAIL "/cgroup.procs", "");

    pid_t one = fake_child (JAIL);
    pid_t two = fake_child (JAIL);
    (void)fake_writes ();
    ok (!cb_cgroup_is_empty (&s_group) && cb_cgroup_remove (&s_group, &s_err) == -CB_E_BUSY,
        "not while a process is in it: %s", s_err.text);
    cb_cgroup_kill (&s_group);
    ok (s_wrote (JAIL "/cgroup.kill=1\n") && fake_was_killed (one) && fake_was_killed (two),
        "all are killed by one word");
    one = fake_child (JAIL);
    fake_refuse ("cgroup.kill", "1", ENOENT);
    cb_cgroup_kill (&s_group);
    fake_refuse (NULL, NULL, 0);
    ok (fake_was_killed (one), "Linux before 5.14: one after the other");
    ok (cb_cgroup_is_empty (&s_group) && cb_cgroup_remove (&s_group, &s_err) == 0 &&
            !s_is_there (JAIL),
        "then it goes");
    fake_close ();
}

/* -- version 1 ------------------------------------------------------------------------------- */

#define JAIL_V1 "cellblock-5000000/7-amber"

static void
s_find_v1 (const char *pids)
{
    char mounts[1024];

    (void)snprintf (mounts, sizeof mounts,
                    "31 25 0:27 / %s rw - cgroup cgroup rw,memory\n"
                    "32 25 0:28 / %s rw - cgroup cgroup rw,%s\n"
                    "33 25 0:29 / %s rw - cgroup cgroup rw,cpu,cpuacct\n",
                    fake_path ("memory"), fake_path ("pids"), pids, fake_path ("cpu,cpuacct"));
    cb_cgroups_find_in (&s_groups, "4:memory:/us\n3:pids:/\n2:cpu,cpuacct:/\n", mounts);
}

static void
s_open_v1 (void)
{
    fake_open ();
    fake_group ("memory/us", 1);
    fake_group ("pids", 1);
    fake_group ("cpu,cpuacct", 1);
    s_find_v1 ("pids");
    s_spec_reset ();
}

static void
s_test_find_v1 (void)
{
    s_open_v1 ();
    ok (s_groups.kind == CB_CGROUP_V1 && s_groups.n_trees == 3 &&
            strcmp (s_groups.trees[0].base, fake_path ("memory/us")) == 0 &&
            s_groups.trees[0].has_memory && !s_groups.trees[0].has_pids &&
            s_groups.trees[1].has_pids && s_groups.trees[2].has_cpu && s_groups.trees[2].has_usage,
        "a hierarchy for each, one for two");
    ok (strcmp (cb_cgroups_name (&s_groups), "v1") == 0, "it has a name");
    s_find_v1 ("freezer");
    ok (s_groups.kind == CB_CGROUP_NONE && strstr (s_groups.why_none, "controller pids") != NULL,
        "none without pids: %s", s_groups.why_none);
    fake_close ();
}

static void
s_test_jail_v1 (void)
{
    cb_cgroup_usage usage;

    s_open_v1 ();
    cb_cgroups_make (&s_groups, NOBODY, NULL, 0);
    ok (s_groups.kind == CB_CGROUP_V1 && s_wrote (""), "nothing has to move out of the way");
    ok (cb_cgroup_make (&s_group, &s_groups, 7, &s_spec, &s_err) == 0 &&
            s_wrote ("memory/us/" JAIL_V1 "/memory.limit_in_bytes=536870912\n"
                     "memory/us/" JAIL_V1 "/memory.memsw.limit_in_bytes=536870912\n"
                     "memory/us/" JAIL_V1 "/memory.swappiness=0\n"
                     "pids/" JAIL_V1 "/pids.max=66\n"),
        "its limits, each in its hierarchy: %s", s_err.text);
    ok (cb_cgroup_set_cpu (&s_group, 50, &s_err) == 0 &&
            s_wrote ("cpu,cpuacct/" JAIL_V1 "/cpu.cfs_period_us=100000\n"
                     "cpu,cpuacct/" JAIL_V1 "/cpu.cfs_quota_us=50000\n"),
        "half a processor");
    fake_file ("memory/us/" JAIL_V1 "/memory.oom_control",
               "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    fake_file ("memory/us/" JAIL_V1 "/memory.usage_in_bytes", "4096\n");
    fake_file ("memory/us/" JAIL_V1 "/memory.max_usage_in_bytes", "8192\n");
    fake_file ("pids/" JAIL_V1 "/pids.events", "max 5\n");
    fake_file ("cpu,cpuacct/" JAIL_V1 "/cpuacct.usage", "1234567890\n");
    cb_cgroup_usage_read (&s_group, &usage);
    ok (usage.oom_kills == 3 && usage.pids_hits == 5 && usage.memory == 4096 &&
            usage.peak_memory == 8192 && usage.cpu_usec == 1234567,
        "what it used and what it ran into");
    cb_auto_close int events = cb_cgroup_oom_events (&s_group);
    char end = '\0';
    int eventfd = -1;
    int counter = -1;
    ok (events >= 0 &&
            sscanf (fake_text ("memory/us/" JAIL_V1 "/cgroup.event_control"), "%d %d%c", &eventfd,
                    &counter, &end) == 2 &&
            eventfd == events && counter >= 0,
        "Linux is asked to count into a descriptor");
    fake_close ();
}

static void
s_test_processes_v1 (void)
{
    char expected[512];

    s_open_v1 ();
    cb_cgroups_make (&s_groups, NOBODY, NULL, 0);
    s_make_jail ();
    (void)fake_writes ();
    ok (cb_cgroup_enter (&s_group, &s_err) == 0 &&
            s_wrote ("memory/us/" JAIL_V1 "/cgroup.procs=0\npids/" JAIL_V1
                     "/cgroup.procs=0\ncpu,cpuacct/" JAIL_V1 "/cgroup.procs=0\n"),
        "entered in every hierarchy");
    (void)snprintf (expected, sizeof expected, "cpu,cpuacct/" JAIL_V1 "/cgroup.procs");
    fake_file (expected, "");
    pid_t child = fake_child ("memory/us/" JAIL_V1);
    cb_cgroup_kill (&s_group);
    ok (fake_was_killed (child), "killed one after the other");
    child = fake_child ("pids/" JAIL_V1);
    ok (!cb_cgroup_is_empty (&s_group) && cb_cgroup_remove (&s_group, &s_err) == -CB_E_BUSY,
        "busy in one is busy: %s", s_err.text);
    ok (cb_cgroups_remove (&s_groups, NOBODY) == 0 && fake_was_killed (child) &&
            !s_is_there ("memory/us/cellblock-5000000") && !s_is_there ("pids/cellblock-5000000") &&
            !s_is_there ("cpu,cpuacct/cellblock-5000000"),
        "the warden's folders go with all in them");
    fake_close ();
}

int
main (void)
{
    s_test_find_v2 ();
    s_test_make_v2 ();
    s_test_fetch_cpu ();
    s_test_make_refused_v2 ();
    s_test_stale_v2 ();
    s_test_limits_v2 ();
    s_test_usage_v2 ();
    s_test_processes_v2 ();
    s_test_find_v1 ();
    s_test_jail_v1 ();
    s_test_processes_v1 ();
    return tap_done ();
}
