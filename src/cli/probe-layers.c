/* probe-layers.c - what lies over the namespaces, and the limits. */
#define _GNU_SOURCE 1
#include "cli/doctor.h"

#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The kernel's numbers where the distribution's headers are older (landlock(7), 6.12). */
#define S_SYS_landlock_create_ruleset     444
#define S_SYS_landlock_restrict_self      446
#define S_LANDLOCK_CREATE_RULESET_VERSION 1U
#define S_LANDLOCK_ACCESS_FS_EXECUTE      1U
/* Descriptors below which few sessions fit: a session needs about 20. */
#define S_OPEN_FILES 1024
#define S_TEXT       4096

void
cb_probe_seccomp (cb_finding *finding)
{
    struct sock_filter allow[] = {BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, allow};

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0) {
        cb_finding_found (finding, "works");
        return;
    }
    cb_finding_found (finding, "refused: %s", strerror (errno));
    cb_finding_cause (finding, CB_PROBE_MISSING,
                      errno == EINVAL || errno == ENOSYS
                          ? "this kernel is built without seccomp filters"
                          : "a filter of the container around us forbids it");
}

static int
s_landlock_apply (void)
{
    unsigned long long handled = S_LANDLOCK_ACCESS_FS_EXECUTE;
    int fd = (int)syscall (S_SYS_landlock_create_ruleset, &handled, sizeof handled, 0);

    if (fd < 0 || prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall (S_SYS_landlock_restrict_self, fd, 0);
}

void
cb_probe_landlock (cb_finding *finding)
{
    long abi = syscall (S_SYS_landlock_create_ruleset, NULL, 0, S_LANDLOCK_CREATE_RULESET_VERSION);

    if (abi > 0 && s_landlock_apply () == 0) {
        cb_finding_found (finding, "works, version %ld of its interface", abi);
        return;
    }
    cb_finding_found (finding, "refused: %s", strerror (errno));
    if (errno == EOPNOTSUPP) {
        cb_finding_cause (finding, CB_PROBE_WEAKER, "Landlock is switched off at boot");
        cb_finding_mend (finding, "add lsm=landlock,... to the kernel's command line (what else is "
                                  "in the list: /sys/kernel/security/lsm)");
    } else if (errno == ENOSYS) {
        cb_finding_cause (finding, CB_PROBE_WEAKER,
                          "this kernel has no Landlock (Linux 5.13 and later), or a container's "
                          "filter hides it");
    } else {
        cb_finding_cause (finding, CB_PROBE_WEAKER, "Landlock refuses rules (%s)",
                          strerror (errno));
    }
}

void
cb_probe_uid (cb_finding *finding)
{
    if (geteuid () != 0) {
        cb_finding_found (finding, "jails run as uid %u, this user", geteuid ());
        return;
    }
    if (cb_probe_drop_root () < 0) {
        cb_finding_found (finding, "only uid 0");
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "this user namespace maps no uid that a jail could have");
        cb_finding_mend (finding, "map more ids into the container, or run as an ordinary user");
        return;
    }
    cb_finding_found (finding, "jails get uids of their own (%u ...)", geteuid ());
    if (geteuid () < 1000000)
        cb_finding_cause (finding, CB_PROBE_WEAKER,
                          "few uids are mapped here: jails use the highest ones, which others may "
                          "use as well");
}

/* ---- idmapped mounts --------------------------------------------------------------------------
 */

/* A child that waits in a user namespace of its own; its descriptor of the namespace. */
static int
s_other_userns (pid_t *ret_pid)
{
    int ends[2];
    char byte = 0;
    char path[64];

    if (pipe (ends) < 0)
        return -1;
    *ret_pid = cb_probe_fork ();
    if (*ret_pid == 0) {
        byte = unshare (CLONE_NEWUSER) == 0;
        (void)!write (ends[1], &byte, 1);
        for (;;)
            (void)pause ();
    }
    if (*ret_pid < 0 || read (ends[0], &byte, 1) != 1 || byte == 0)
        return -1;
    (void)snprintf (path, sizeof path, "/proc/%ld/uid_map", (long)*ret_pid);
    int map = open (path, O_WRONLY | O_CLOEXEC);
    (void)!write (map, "0 1 1", 5);
    (void)close (map);
    (void)snprintf (path, sizeof path, "/proc/%ld/gid_map", (long)*ret_pid);
    map = open (path, O_WRONLY | O_CLOEXEC);
    (void)!write (map, "0 1 1", 5);
    (void)close (map);
    (void)snprintf (path, sizeof path, "/proc/%ld/ns/user", (long)*ret_pid);
    return open (path, O_RDONLY | O_CLOEXEC);
}

static int
s_try_idmap (void)
{
    pid_t pid = -1;
    int result = -1;
    int userns = s_other_userns (&pid);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)userns};

    if (userns >= 0 && unshare (CLONE_NEWNS) == 0) {
        int tree = (int)syscall (SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE | O_CLOEXEC);
        if (tree >= 0)
            result = (int)syscall (SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr);
    }
    int number = errno;
    if (pid > 0) {
        (void)kill (pid, SIGKILL);
        (void)waitpid (pid, NULL, 0);
    }
    errno = number;
    return result;
}

void
cb_probe_idmap (cb_finding *finding)
{
    if (geteuid () != 0) {
        cb_finding_found (finding, "only root needs them");
        return;
    }
    if (s_try_idmap () == 0) {
        cb_finding_found (finding, "work (tried on /usr)");
        return;
    }
    cb_finding_found (finding, "refused: %s", strerror (errno));
    cb_finding_cause (finding, CB_PROBE_WEAKER,
                      "this kernel or file system has none: inputs that only root can read are "
                      "copied instead");
}

/* ---- limits -----------------------------------------------------------------------------------
 */

void
cb_probe_open_files (cb_finding *finding)
{
    struct rlimit limit = {0, 0};

    (void)getrlimit (RLIMIT_NOFILE, &limit);
    cb_finding_found (finding, "%llu for the daemon", (unsigned long long)limit.rlim_max);
    if (limit.rlim_max >= S_OPEN_FILES)
        return;
    cb_finding_cause (finding, CB_PROBE_WEAKER, "the hard limit of open files allows few sessions");
    cb_finding_mend (finding, "ulimit -Hn 20000 (limits.conf(5), or LimitNOFILE= of a unit)");
}
