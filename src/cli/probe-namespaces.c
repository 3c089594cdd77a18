/* probe-namespaces.c - the namespaces of a jail, one by one and all together, in the order in which
 * jails use them: as root first a uid without rights, then a user namespace of that uid. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define S_TEXT 512
/* Bytes of mountinfo that are looked at: hundreds of mounts. */
#define S_MOUNTS 65536

/* Folders above a chroot at most. */
#define S_CLIMB 64

/* AppArmor's restriction is lifted for the two programs that need it, not for everybody. */
static const char s_apparmor_profile[] =
    "cat >/etc/apparmor.d/cellblock <<'END'\n"
    "abi <abi/4.0>,\n"
    "include <tunables/global>\n"
    "profile cellblock-bwrap " CB_BWRAP " flags=(unconfined) { userns, }\n"
    "profile cellblock-jail " CB_LIBEXECDIR "/cellblock-jail flags=(unconfined) { userns, }\n"
    "END\n"
    "apparmor_parser -r /etc/apparmor.d/cellblock";

/* ---- why not ----------------------------------------------------------------------------------
 */

/* Whether a mount point at or below the path is in mountinfo; the first one found in text. */
static bool
s_mounted (const char *path, bool below, char *text, size_t size)
{
    static char mounts[S_MOUNTS];
    size_t length = strlen (path);

    if (cb_probe_read ("/proc/self/mountinfo", mounts, sizeof mounts) < 0)
        return !below;
    for (char *line = mounts; line != NULL && *line != '\0';
         line = (line = strchr (line, '\n')) != NULL ? line + 1 : NULL) {
        char point[S_TEXT] = "";
        if (sscanf (line, "%*s %*s %*s %*s %511s", point) != 1)
            continue;
        bool matches = below ? strncmp (point, path, length) == 0 && point[length] == '/'
                             : strcmp (point, path) == 0;
        if (matches) {
            (void)snprintf (text, size, "%s", point);
            return true;
        }
    }
    return false;
}

/* The mount and inode of a folder, to tell whether two are the same. */
static bool
s_identify (const char *path, struct statx *ret_info)
{
    return statx (AT_FDCWD, path, 0, STATX_INO | STATX_MNT_ID, ret_info) == 0;
}

/* Climbs out as root can: with the working folder above a second chroot, ".." has no end before
 * the real root. In a child; 1: there was something above our root. */
static int
s_climb_out (void)
{
    struct statx ours;
    struct statx top;

    if (!s_identify ("/", &ours) || chdir ("/") < 0 || chroot ("/usr") < 0)
        return 0;
    for (int i = 0; i < S_CLIMB; i++)
        (void)!chdir ("..");
    return s_identify (".", &top) &&
           (top.stx_mnt_id != ours.stx_mnt_id || top.stx_ino != ours.stx_ino);
}

/* A chroot keeps its root from being a mount point, or there is something above its root, which
 * only root can see: so this is looked at before root's rights are given up. */
static bool
s_look_for_chroot (void)
{
    char text[S_TEXT];
    int status = 0;

    if (!s_mounted ("/", false, text, sizeof text))
        return true;
    pid_t pid = fork ();
    if (pid == 0)
        _exit (s_climb_out ());
    return pid > 0 && waitpid (pid, &status, 0) == pid && status != 0;
}

/* What it was when asked with `look`, before we became a jail's uid. */
static bool
s_in_chroot (bool look)
{
    static bool found;

    if (look)
        found = s_look_for_chroot ();
    return found;
}

/* Whether somebody put a seccomp filter on us, as container programs do. */
static bool
s_filtered (void)
{
    static char status[8192];
    int mode = 0;

    if (cb_probe_read ("/proc/self/status", status, sizeof status) < 0)
        return false;
    const char *line = strstr (status, "\nSeccomp:");
    return line != NULL && sscanf (line, "\nSeccomp: %d", &mode) == 1 && mode == 2;
}

void
cb_probe_explain_userns (cb_finding *finding, int number)
{
    struct stat info;

    cb_finding_found (finding, "refused: %s", strerror (number));
    if (stat ("/proc/self/ns/user", &info) < 0) {
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "/proc is not mounted, or this kernel is built "
                          "without user namespaces");
    } else if (s_in_chroot (false)) {
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "this is a chroot: the kernel makes no user namespaces in one");
        cb_finding_mend (finding, "enter the folder by pivot_root, as scripts/fresh-root does, or "
                                  "as a container (systemd-nspawn -D FOLDER)");
    } else if (cb_probe_number ("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
        cb_finding_cause (finding, CB_PROBE_MISSING, "kernel.unprivileged_userns_clone is 0");
        cb_finding_mend (finding, "sysctl -w kernel.unprivileged_userns_clone=1");
    } else if (cb_probe_number ("/proc/sys/user/max_user_namespaces", 1) == 0) {
        cb_finding_cause (finding, CB_PROBE_MISSING, "user.max_user_namespaces is 0");
        cb_finding_mend (finding, "sysctl -w user.max_user_namespaces=10000");
    } else if (cb_probe_number ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0) {
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "AppArmor lets only programs with a profile use user namespaces "
                          "(kernel.apparmor_restrict_unprivileged_userns is 1)");
        cb_finding_mend (finding, "%s", s_apparmor_profile);
    } else if (s_filtered ()) {
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "a seccomp filter of the container around us forbids it");
        cb_finding_mend (finding, "start the container with --security-opt seccomp=unconfined "
                                  "(docker, podman)");
    } else {
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "the kernel or a security module forbids it (%s); a chroot has the "
                          "same effect",
                          strerror (number));
    }
}

/* Becomes what a jail starts as. */
static bool
s_drop_root (cb_finding *finding)
{
    (void)s_in_chroot (true);
    if (cb_probe_drop_root () == 0)
        return true;
    cb_finding_found (finding, "not tried");
    cb_finding_cause (finding, CB_PROBE_MISSING,
                      "there is no uid for a jail: this user namespace maps uid 0 only");
    cb_finding_mend (finding, "map more ids into the container (subuid ranges), or run cellblock "
                              "as an ordinary user");
    return false;
}

/* ---- one by one -------------------------------------------------------------------------------
 */

void
cb_probe_user_ns (cb_finding *finding)
{
    if (!s_drop_root (finding))
        return;
    if (cb_probe_unshare (0) < 0)
        cb_probe_explain_userns (finding, errno);
    else
        cb_finding_found (finding, "works");
}

/* A namespace beside the user namespace. */
static bool
s_try (cb_finding *finding, int flag, const char *file)
{
    struct stat info;

    if (!s_drop_root (finding))
        return false;
    if (cb_probe_unshare (flag) == 0) {
        cb_finding_found (finding, "works");
        return true;
    }
    if (stat (file, &info) == 0) {
        cb_probe_explain_userns (finding, errno);
        return false;
    }
    cb_finding_found (finding, "not there");
    cb_finding_cause (finding, CB_PROBE_MISSING, "this kernel is built without it (no %s)", file);
    return false;
}

void
cb_probe_pid_ns (cb_finding *finding)
{
    (void)s_try (finding, CLONE_NEWPID, "/proc/self/ns/pid");
}

void
cb_probe_net_ns (cb_finding *finding)
{
    (void)s_try (finding, CLONE_NEWNET, "/proc/self/ns/net");
}

void
cb_probe_ipc_ns (cb_finding *finding)
{
    (void)s_try (finding, CLONE_NEWIPC, "/proc/self/ns/ipc");
}

void
cb_probe_uts_ns (cb_finding *finding)
{
    (void)s_try (finding, CLONE_NEWUTS, "/proc/self/ns/uts");
}

void
cb_probe_cgroup_ns (cb_finding *finding)
{
    (void)s_try (finding, CLONE_NEWCGROUP, "/proc/self/ns/cgroup");
}

/* With the file system a jail writes to: bounded in bytes and in files. */
void
cb_probe_mount_ns (cb_finding *finding)
{
    if (!s_try (finding, CLONE_NEWNS, "/proc/self/ns/mnt"))
        return;
    if (mount ("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=64") == 0) {
        cb_finding_found (finding, "works, with a bounded tmpfs");
        return;
    }
    int number = errno;
    if (cb_probe_number ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0) {
        cb_probe_explain_userns (finding, number);
        return;
    }
    cb_finding_found (finding, "no tmpfs: %s", strerror (number));
    cb_finding_cause (finding, CB_PROBE_MISSING,
                      "a tmpfs in a namespace of its own is refused (%s)", strerror (number));
}

static int
s_mount_proc (void)
{
    return mount ("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 ? 0 : errno;
}

/* bubblewrap looks itself up in /proc by its number here: in another's /proc that is nobody, or
 * somebody else, and jails fail or hang. */
static bool
s_proc_is_ours (cb_finding *finding)
{
    char text[32] = "";
    char *end = NULL;

    ssize_t size = readlink ("/proc/self", text, sizeof text - 1);
    if (size > 0 && strtol (text, &end, 10) == getpid ())
        return true;
    cb_finding_found (finding, size > 0 ? "another pid namespace's" : "no /proc");
    cb_finding_cause (finding, CB_PROBE_MISSING, "%s",
                      size > 0 ? "the /proc here is mounted for another pid namespace than ours"
                               : "no /proc is mounted here in which our own processes stand");
    cb_finding_mend (finding, "mount -t proc proc /proc (unshare does it with --mount-proc)");
    return false;
}

/* The kernel gives a new /proc only to who sees the old one whole. */
void
cb_probe_proc (cb_finding *finding)
{
    char point[S_TEXT] = "";
    int status = 0;
    bool masked = s_mounted ("/proc", true, point, sizeof point);

    if (!s_proc_is_ours (finding))
        return;
    if (!s_try (finding, CLONE_NEWNS | CLONE_NEWPID, "/proc/self/ns/pid"))
        return;
    pid_t pid = fork (); /* the first process of the new pid namespace */
    if (pid == 0)
        _exit (s_mount_proc ());
    if (pid > 0)
        (void)waitpid (pid, &status, 0);
    int number = pid > 0 && WIFEXITED (status) ? WEXITSTATUS (status) : EAGAIN;
    if (number == 0)
        return;
    cb_finding_found (finding, "refused: %s", strerror (number));
    if (masked) {
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "parts of /proc are masked (%s is a mount), as default containers do",
                          point);
        cb_finding_mend (finding, "start the container with --security-opt "
                                  "systempaths=unconfined (docker) or unmask=ALL (podman)");
    } else {
        cb_finding_cause (finding, CB_PROBE_MISSING, "a new /proc is refused (%s)",
                          strerror (number));
    }
}

/* ---- all together -----------------------------------------------------------------------------
 */

void
cb_probe_whole (cb_finding *finding)
{
    static const char *const words[] = {CB_BWRAP,
                                        "--unshare-all",
                                        "--unshare-user",
                                        "--disable-userns",
                                        "--die-with-parent",
                                        "--new-session",
                                        "--ro-bind",
                                        "/usr",
                                        "/usr",
                                        "--symlink",
                                        "usr/lib",
                                        "/lib",
                                        "--symlink",
                                        "usr/lib64",
                                        "/lib64",
                                        "--proc",
                                        "/proc",
                                        "--dev",
                                        "/dev",
                                        "/usr/bin/true",
                                        NULL};
    char *argv[sizeof words / sizeof words[0]];
    char text[S_TEXT] = "";

    /* execve wants char *, and does not write. */
    memcpy (argv, words, sizeof words);
    if (!s_proc_is_ours (finding) || !s_drop_root (finding))
        return;
    int status = cb_probe_run (argv, text, sizeof text);
    if (status == 0) {
        cb_finding_found (finding, "works");
        return;
    }
    text[strcspn (text, "\n")] = '\0';
    cb_finding_found (finding, "refused");
    cb_finding_cause (finding, CB_PROBE_MISSING, "%s",
                      text[0] != '\0' ? text : CB_BWRAP " did not run");
    cb_finding_mend (finding, "what is missing above, first");
}
