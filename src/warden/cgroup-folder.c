/* cgroup-folder.c - a warden's own folders in the hierarchies: made at its start, removed at its
 * end by its janitor, or by whoever starts next.
 *
 * With v2 a group that hands controllers to its children may hold no process: when our own group is
 * the base, warden and janitor move into cellblock-PID/warden first, and back at the end. */
#include "warden/cgroup.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "warden/cgio.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_PREFIX "cellblock-"
#define WARDEN_GROUP  "warden"
#define REMOVE_WAIT   (3 * CB_USEC_PER_SEC)
#define REMOVE_STEP   5 /* ms */

static const char *const s_controllers[] = {"memory", "pids", "cpu"};

/* +memory or -memory ... of a v2 group for its children. cpu may be missing. */
static int
s_hand_down (const char *base, const char *folder, char sign, cb_err *err)
{
    cb_cgio_path path;
    char text[32];

    if (cb_cgio_join (&path, base, folder, "", "cgroup.subtree_control") < 0)
        return cb_fail (err, CB_E_LIMIT, "a cgroup's path is too long");
    for (size_t i = 0; i < sizeof s_controllers / sizeof s_controllers[0]; i++) {
        (void)snprintf (text, sizeof text, "%c%s", sign, s_controllers[i]);
        int result = cb_cgio_write (path.text, text, err);
        if (result < 0 && i < 2)
            return result;
    }
    return 0;
}

/* systemd hands cpu down only to slices with a unit that asks for it: a daemon of root in
 * system.slice would have no limit of it. Whoever may write the groups above asks each of them;
 * what they handed down stays for as long as we use it, whatever systemd says (EBUSY). */
static int
s_fetch_cpu (const char *group)
{
    cb_cgio_path above;

    if (cb_cgroup_lists (group, "cgroup.controllers", "cpu"))
        return 1;
    (void)snprintf (above.text, sizeof above.text, "%s", group);
    char *slash = strrchr (above.text, '/');
    if (slash == NULL || slash == above.text)
        return 0;
    *slash = '\0';
    if (!s_fetch_cpu (above.text))
        return 0;
    (void)snprintf (slash, sizeof above.text - (size_t)(slash - above.text),
                    "/cgroup.subtree_control");
    return cb_cgio_write (above.text, "+cpu", NULL) == 0 &&
           cb_cgroup_lists (group, "cgroup.controllers", "cpu");
}

static int
s_make_v2 (cb_cgroups *self, const pid_t *keepers, size_t n_keepers, cb_err *err)
{
    cb_cgio_path path;
    char pid[16];
    const char *base = self->trees[0].base;

    if (self->trees[0].is_own) {
        if (cb_cgio_join (&path, base, self->folder, WARDEN_GROUP, "") < 0 ||
            (mkdir (path.text, 0755) < 0 && errno != EEXIST))
            return cb_fail_errno (err, CB_E_IO, "cannot make the cgroup %s", WARDEN_GROUP);
        if (cb_cgio_join (&path, base, self->folder, WARDEN_GROUP, "cgroup.procs") < 0)
            return cb_fail (err, CB_E_LIMIT, "a cgroup's path is too long");
        for (size_t i = 0; i < n_keepers; i++) {
            (void)snprintf (pid, sizeof pid, "%d", (int)keepers[i]);
            CB_TRY (cb_cgio_write (path.text, pid, err));
        }
    }
    self->trees[0].has_cpu = s_fetch_cpu (base);
    CB_TRY (s_hand_down (base, "", '+', err));
    return s_hand_down (base, self->folder, '+', err);
}

static int
s_make (cb_cgroups *self, const pid_t *keepers, size_t n_keepers, cb_err *err)
{
    cb_cgio_path path;

    for (size_t i = 0; i < self->n_trees; i++) {
        if (cb_cgio_join (&path, self->trees[i].base, self->folder, "", "") < 0)
            return cb_fail (err, CB_E_LIMIT, "a cgroup's path is too long");
        if (mkdir (path.text, 0755) < 0)
            return cb_fail_errno (err, CB_E_IO, "cannot make the cgroup %s", path.text);
    }
    return self->kind == CB_CGROUP_V2 ? s_make_v2 (self, keepers, n_keepers, err) : 0;
}

void
cb_cgroups_make (cb_cgroups *self, pid_t warden, const pid_t *keepers, size_t n_keepers)
{
    cb_err err = CB_ERR_INIT;

    (void)snprintf (self->folder, sizeof self->folder, FOLDER_PREFIX "%d", (int)warden);
    if (self->kind == CB_CGROUP_NONE || s_make (self, keepers, n_keepers, &err) == 0)
        return;
    (void)cb_cgroups_remove (self, warden);
    (void)snprintf (self->why_none, sizeof self->why_none, "%s", err.text);
    self->kind = CB_CGROUP_NONE;
    self->n_trees = 0;
}

/* -- removing -------------------------------------------------------------------------------- */

/* Our own process goes back to the base, so that the warden's group can be removed. */
static void
s_leave_v2 (const char *base, const char *folder)
{
    cb_cgio_path path;
    cb_cgio_path home;
    char text[64];

    if (cb_cgio_join (&path, base, folder, WARDEN_GROUP, "cgroup.procs") < 0 ||
        cb_cgio_join (&home, base, "", "", "cgroup.procs") < 0 ||
        cb_cgio_read (path.text, text, sizeof text) < 0)
        return;
    (void)s_hand_down (base, folder, '-', NULL);
    (void)s_hand_down (base, "", '-', NULL);
    (void)cb_cgio_write (home.text, "0", NULL);
}

/* One look at the groups in a folder: kills, removes; the number that is left. */
static size_t
s_remove_round (const char *base, const char *folder, int *foreign)
{
    cb_cgio_path path;
    size_t left = 0;

    if (cb_cgio_join (&path, base, folder, "", "") < 0)
        return 0;
    DIR *dir = opendir (path.text);
    if (dir == NULL)
        return 0;
    for (struct dirent *entry = readdir (dir); entry != NULL; entry = readdir (dir)) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (cb_cgio_join (&path, base, folder, entry->d_name, "") < 0)
            continue;
        (void)cb_cgio_kill (path.text, getpid (), foreign);
        left += rmdir (path.text) < 0 && errno != ENOENT;
    }
    (void)closedir (dir);
    if (cb_cgio_join (&path, base, folder, "", "") == 0)
        left += rmdir (path.text) < 0 && errno != ENOENT;
    return left;
}

static size_t
s_remove_folder (const cb_cgroups *self, const char *folder)
{
    cb_usec until = cb_now () + REMOVE_WAIT;
    int foreign = 0;

    for (;;) {
        size_t left = 0;
        for (size_t i = 0; i < self->n_trees; i++) {
            if (self->kind == CB_CGROUP_V2 && self->trees[i].is_own)
                s_leave_v2 (self->trees[i].base, folder);
            left += s_remove_round (self->trees[i].base, folder, &foreign);
        }
        if (left == 0 || foreign || cb_now () >= until)
            return left;
        (void)poll (NULL, 0, REMOVE_STEP);
    }
}

size_t
cb_cgroups_remove (const cb_cgroups *self, pid_t warden)
{
    char folder[64];

    (void)snprintf (folder, sizeof folder, FOLDER_PREFIX "%d", (int)warden);
    return s_remove_folder (self, folder);
}

/* Whether the process still is a cellblockd; its pid may be another program's by now. */
static int
s_is_warden (pid_t pid)
{
    char path[64];
    char name[32];

    (void)snprintf (path, sizeof path, "/proc/%d/comm", (int)pid);
    return cb_cgio_read (path, name, sizeof name) > 0 && strncmp (name, "cellblockd", 10) == 0;
}

void
cb_cgroups_clean_stale (const cb_cgroups *self)
{
    for (size_t i = 0; i < self->n_trees; i++) {
        DIR *dir = opendir (self->trees[i].base);
        if (dir == NULL)
            continue;
        for (struct dirent *entry = readdir (dir); entry != NULL; entry = readdir (dir)) {
            int pid = 0;
            int end = 0;
            if (sscanf (entry->d_name, FOLDER_PREFIX "%d%n", &pid, &end) != 1 ||
                entry->d_name[end] != '\0' || pid <= 0 || s_is_warden ((pid_t)pid))
                continue;
            size_t left = s_remove_folder (self, entry->d_name);
            cb_log_info ("groups of a dead warden removed", CB_STR ("folder", entry->d_name),
                         CB_INT ("left", left));
        }
        (void)closedir (dir);
    }
}
