/* probe-cgroups.c - whether memory, processes and processor time of a jail can be bounded: a group
 * is really made, and removed again, where the daemon would make it. Version 2 first, then 1. */
#include "cli/doctor.h"

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
    cb_finding_cause (finding, CB_PROBE_WEAKER,
                      "no group is delegated to this user; memory is held by a watchdog, processor "
                      "shares are not");
    cb_finding_mend (finding, "cellblock daemon stop; systemd-run --user --unit=cellblockd "
                              "-p Delegate=yes cellblockd --foreground");
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
