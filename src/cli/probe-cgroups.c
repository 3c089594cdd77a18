/* probe-cgroups.c - whether memory, processes and processor time of a jail can be bounded: a group
 * is really made, and removed again, where the daemon would make it. Version 2 first, then 1. */
#include "cli/doctor.h"
#include "cli/scope.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define S_TEXT        8192
#define S_CGROUP2_FS  0x63677270
#define S_CGROUP_ROOT "/sys/fs/cgroup"
/* What is lost without. */
#define S_LOSS "; memory is held by a watchdog, processor shares are not"

/* Our path in the hierarchy of a controller ("" is version 2), from /proc/self/cgroup. */
static bool
s_own_path (const char *controller, char *path, size_t room)
{
    static char text[S_TEXT];

    if (cb_probe_read ("/proc/self/cgroup", text, sizeof text) < 0)
        return false;
    for (char *line = text; line != NULL && *line != '\0';) {
        char *next = strchr (line, '\n');
        char list[256] = "";
        char own[PATH_MAX] = "";
        if (next != NULL)
            *next++ = '\0';
        bool named = sscanf (line, "%*d:%255[^:]:%4095s", list, own) == 2;
        bool unified = sscanf (line, "0::%4095s", own) == 1;
        if (controller[0] == '\0' ? unified : named && strcmp (list, controller) == 0) {
            (void)snprintf (path, room, "%s", strcmp (own, "/") == 0 ? "" : own);
            return true;
        }
        line = next;
    }
    return false;
}

static bool
s_can_make (const char *folder)
{
    char path[PATH_MAX];

    int size = snprintf (path, sizeof path, "%s/cellblock-doctor-%ld", folder, (long)getpid ());
    if (size < 0 || (size_t)size >= sizeof path || mkdir (path, 0700) < 0)
        return false;
    (void)rmdir (path);
    return true;
}

static bool
s_file_has (const char *folder, const char *file, const char *word)
{
    char path[PATH_MAX];
    char text[S_TEXT];

    int size = snprintf (path, sizeof path, "%s/%s", folder, file);
    return size > 0 && (size_t)size < sizeof path && cb_probe_read (path, text, sizeof text) == 0 &&
           strstr (text, word) != NULL;
}

/* Whether groups with limits can be made below: the controllers are there, and no process stands
 * in the way (cgroups(7), "no internal processes"). */
static bool
s_v2_usable (const char *folder)
{
    char path[PATH_MAX];
    char text[64];

    if (!s_file_has (folder, "cgroup.controllers", "memory") ||
        !s_file_has (folder, "cgroup.controllers", "pids"))
        return false;
    int size = snprintf (path, sizeof path, "%s/cgroup.subtree_control", folder);
    if (size < 0 || (size_t)size >= sizeof path || access (path, W_OK) < 0 || !s_can_make (folder))
        return false;
    (void)snprintf (path, sizeof path, "%.4000s/cgroup.type", folder);
    if (access (path, F_OK) < 0)
        return true; /* the root of all: processes do not disturb there */
    (void)snprintf (path, sizeof path, "%.4000s/cgroup.procs", folder);
    return cb_probe_read (path, text, sizeof text) == 0 && text[0] == '\0';
}

/* From our own group upwards, the first that is usable. */
static bool
s_find_v2 (char *folder, size_t room)
{
    char own[PATH_MAX] = "";
    size_t root = strlen (S_CGROUP_ROOT);

    if (!s_own_path ("", own, sizeof own))
        return false;
    if (snprintf (folder, room, S_CGROUP_ROOT "%s", own) >= (int)room)
        return false;
    for (;;) {
        if (s_v2_usable (folder))
            return true;
        char *slash = strrchr (folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < root)
            return false;
        *slash = '\0';
    }
}

static bool
s_find_v1 (const char *controller)
{
    char own[PATH_MAX] = "";
    char folder[PATH_MAX];

    if (!s_own_path (controller, own, sizeof own))
        return false;
    (void)snprintf (folder, sizeof folder, S_CGROUP_ROOT "/%s%.3900s", controller, own);
    /* A container may show only its own part of the hierarchy. */
    if (s_can_make (folder))
        return true;
    (void)snprintf (folder, sizeof folder, S_CGROUP_ROOT "/%s", controller);
    return s_can_make (folder);
}

/* Why systemd gives an ordinary user no group. */
static void
s_explain_scope (cb_finding *finding)
{
    switch (cb_scope_look ()) {
    case CB_SCOPE_NO_SYSTEMD:
        cb_finding_cause (finding, CB_PROBE_WEAKER,
                          "this machine was not booted with systemd, so nobody delegates control "
                          "groups to an ordinary user" S_LOSS);
        cb_finding_mend (finding, "start the daemon as root");
        return;
    case CB_SCOPE_NO_BUSCTL:
        cb_finding_cause (finding, CB_PROBE_WEAKER,
                          "/usr/bin/busctl is missing, with which systemd is asked" S_LOSS);
        cb_finding_mend (finding, "apt-get install systemd");
        return;
    case CB_SCOPE_NO_BUS:
        cb_finding_cause (finding, CB_PROBE_WEAKER,
                          "no user manager answers for uid %u (no /run/user/%u/bus): no login "
                          "session, or dbus-user-session is not installed" S_LOSS,
                          geteuid (), geteuid ());
        cb_finding_mend (finding,
                         "apt-get install dbus-user-session\nloginctl enable-linger %u (as root)",
                         geteuid ());
        return;
    case CB_SCOPE_NONE_NEEDED:
    case CB_SCOPE_NO_V2:
    case CB_SCOPE_POSSIBLE:
        break;
    }
    cb_finding_cause (finding, CB_PROBE_WEAKER,
                      "the group we are in is ours, but holds other processes or lacks memory and "
                      "pids, and so do those above" S_LOSS);
    cb_finding_mend (finding, "cellblock daemon stop; systemd-run --user --unit=cellblockd "
                              "-p Delegate=yes cellblockd --foreground");
}

/* Whether the scope we were given has the controllers. */
static bool
s_scope_usable (const char *own, cb_finding *finding)
{
    char folder[PATH_MAX];

    int size = snprintf (folder, sizeof folder, S_CGROUP_ROOT "%s", own);
    if (size > 0 && (size_t)size < sizeof folder &&
        s_file_has (folder, "cgroup.controllers", "memory") &&
        s_file_has (folder, "cgroup.controllers", "pids") && s_can_make (folder))
        return true;
    cb_finding_found (finding, "version 2, without memory and pids");
    cb_finding_cause (
        finding, CB_PROBE_WEAKER,
        "the user's systemd was not delegated the controllers memory and pids" S_LOSS);
    cb_finding_mend (finding, "mkdir -p /etc/systemd/system/user@.service.d\n"
                              "printf '[Service]\\nDelegate=cpu io memory pids\\n' "
                              ">/etc/systemd/system/user@.service.d/delegate.conf\n"
                              "systemctl daemon-reload; then log in again");
    return false;
}

static void
s_explain_v2 (cb_finding *finding)
{
    cb_finding_found (finding, "version 2, not for us");
    if (geteuid () == 0) {
        cb_finding_cause (finding, CB_PROBE_WEAKER,
                          S_CGROUP_ROOT " is read-only or lacks memory and pids; memory is held by "
                                        "a watchdog, processor shares are not");
        cb_finding_mend (finding,
                         "start the container with --cgroupns=private and a writable " S_CGROUP_ROOT
                         " (docker: --privileged, podman: "
                         "--security-opt unmask=/sys/fs/cgroup)");
        return;
    }
    s_explain_scope (finding);
}

/* What a daemon that we start would do: a scope of its own. In the probe's child. */
static bool
s_find_in_scope (cb_finding *finding)
{
    char folder[PATH_MAX];
    cb_err err = CB_ERR_INIT;

    if (cb_scope_look () != CB_SCOPE_POSSIBLE)
        return false;
    if (cb_scope_enter (&err) < 0) {
        cb_finding_found (finding, "version 2, not for us");
        cb_finding_cause (finding, CB_PROBE_WEAKER, "%.300s" S_LOSS, err.text);
        cb_finding_mend (finding,
                         "systemctl --user status (is the user manager well?); loginctl "
                         "enable-linger %u",
                         geteuid ());
        return true;
    }
    if (!s_own_path ("", folder, sizeof folder) || !s_scope_usable (folder, finding))
        return true;
    cb_finding_found (finding, "version 2, a scope that systemd delegates to each daemon");
    return true;
}

void
cb_probe_cgroups (cb_finding *finding)
{
    char folder[PATH_MAX];
    struct statfs info;

    bool unified = statfs (S_CGROUP_ROOT, &info) == 0 && info.f_type == S_CGROUP2_FS;
    if (unified && s_find_v2 (folder, sizeof folder)) {
        cb_finding_found (finding, "version 2, %.150s", folder);
        return;
    }
    if (unified) {
        if (!s_find_in_scope (finding))
            s_explain_v2 (finding);
        return;
    }
    bool memory = s_find_v1 ("memory");
    bool pids = s_find_v1 ("pids");
    if (memory && pids) {
        cb_finding_found (finding, "version 1%s",
                          s_find_v1 ("cpu") || s_find_v1 ("cpu,cpuacct") ? "" : ", without cpu");
        return;
    }
    cb_finding_found (finding, "none for us");
    cb_finding_cause (finding, CB_PROBE_WEAKER,
                      "%s; memory is held by a watchdog, processor shares are not",
                      access (S_CGROUP_ROOT "/memory", F_OK) == 0
                          ? "the groups of version 1 are not ours to write"
                          : "no cgroups are mounted at " S_CGROUP_ROOT);
    cb_finding_mend (finding, geteuid () == 0 ? "mount -t cgroup2 none " S_CGROUP_ROOT
                                              : "run the daemon as root, or on a system with "
                                                "cgroups version 2 and systemd");
}

/* A kernel that counts no swap lets a jail have twice its memory: half of it on disk. */
void
cb_probe_swap (cb_finding *finding)
{
    char text[S_TEXT] = "";
    char own[PATH_MAX] = "";
    char file[PATH_MAX];
    struct statfs info;

    bool has_swap = cb_probe_read ("/proc/swaps", text, sizeof text) == 0 &&
                    strchr (text, '\n') != NULL && strchr (text, '\n')[1] != '\0';
    if (!has_swap) {
        cb_finding_found (finding, "this machine has none");
        return;
    }
    bool unified = statfs (S_CGROUP_ROOT, &info) == 0 && info.f_type == S_CGROUP2_FS;
    if (!s_own_path (unified ? "" : "memory", own, sizeof own))
        own[0] = '\0';
    (void)snprintf (file, sizeof file,
                    unified ? S_CGROUP_ROOT "%.3900s/memory.swap.max"
                            : S_CGROUP_ROOT "/memory%.3900s/memory.memsw.limit_in_bytes",
                    own);
    /* The root of all has no limits of its own; every kernel of version 2 since 4.5 has them. */
    if (access (file, F_OK) == 0 || (unified && own[0] == '\0')) {
        cb_finding_found (finding, "none for jails");
        return;
    }
    cb_finding_found (finding, "not counted");
    cb_finding_cause (finding, CB_PROBE_WEAKER,
                      "this kernel does not count the swap of control groups (no %.200s): a jail "
                      "may have as much again on disk",
                      file);
    cb_finding_mend (finding, "add swapaccount=1 to the kernel's command line, or swapoff -a");
}
