/* probe-places.c - the folders, and whether a daemon lives in them. Makes nothing. */
#include "base/runtime.h"
#include "base/units.h"
#include "cli/doctor.h"
#include "cli/start.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Bytes that should be free for runs: a few times the artifacts of one. */
#define S_FREE_MIN ((unsigned long long)512 << 20)

/* The nearest folder above the path that is there, the path itself first. */
static void
s_nearest (const char *path, char *folder, size_t room)
{
    (void)snprintf (folder, room, "%s", path);
    while (access (folder, F_OK) < 0) {
        char *slash = strrchr (folder, '/');
        if (slash == NULL || slash == folder) {
            (void)snprintf (folder, room, "/");
            return;
        }
        *slash = '\0';
    }
}

/* Owner and rights of a private folder, or whether it can be made. */
static bool
s_look_at (cb_finding *finding, const char *path, const char *variable)
{
    char folder[PATH_MAX];
    struct stat info;

    cb_finding_found (finding, "%.180s", path);
    if (lstat (path, &info) < 0) {
        s_nearest (path, folder, sizeof folder);
        if (access (folder, W_OK | X_OK) == 0)
            return true;
        cb_finding_cause (finding, CB_PROBE_MISSING, "it cannot be made: %.300s: %s", folder,
                          strerror (errno));
        cb_finding_mend (finding, "set %s to a folder that can be made", variable);
        return false;
    }
    bool broker = geteuid () == 0 && info.st_uid == CB_BROKER_UID;
    if (!S_ISDIR (info.st_mode)) {
        cb_finding_cause (finding, CB_PROBE_MISSING, "it is not a folder");
        cb_finding_mend (finding, "remove it, or set %s", variable);
    } else if (info.st_uid != geteuid () && !broker) {
        cb_finding_cause (finding, CB_PROBE_MISSING, "it belongs to uid %u", info.st_uid);
        cb_finding_mend (finding, "remove it, or set %s to a folder of your own", variable);
    } else if ((info.st_mode & 077) != 0) {
        cb_finding_cause (finding, CB_PROBE_MISSING, "others have rights on it (mode %03o)",
                          (unsigned)info.st_mode & 0777);
        cb_finding_mend (finding, "chmod 700 %.900s", path);
    } else if (access (path, R_OK | W_OK | X_OK) < 0) {
        cb_finding_cause (finding, CB_PROBE_MISSING, "it cannot be written: %s", strerror (errno));
        cb_finding_mend (finding, "set %s to a folder that can be written", variable);
    } else {
        return true;
    }
    return false;
}

void
cb_probe_runtime_dir (cb_finding *finding)
{
    char path[PATH_MAX];
    cb_err err = CB_ERR_INIT;

    if (cb_runtime_dir (path, sizeof path, &err) < 0) {
        cb_finding_found (finding, "too long");
        cb_finding_cause (finding, CB_PROBE_MISSING, "%.500s", err.text);
        cb_finding_mend (finding, "export CELLBLOCK_RUNTIME_DIR=/tmp/cellblock-%u", geteuid ());
        return;
    }
    (void)s_look_at (finding, path, "CELLBLOCK_RUNTIME_DIR");
}

void
cb_probe_state_dir (cb_finding *finding)
{
    char path[PATH_MAX];
    char folder[PATH_MAX];
    char space[CB_UNITS_TEXT];
    struct statvfs info;
    cb_err err = CB_ERR_INIT;

    if (cb_state_dir (path, sizeof path, &err) < 0) {
        cb_finding_found (finding, "none");
        cb_finding_cause (finding, CB_PROBE_MISSING, "%.500s", err.text);
        return;
    }
    if (!s_look_at (finding, path, "CELLBLOCK_STATE_DIR"))
        return;
    s_nearest (path, folder, sizeof folder);
    if (statvfs (folder, &info) < 0)
        return;
    unsigned long long left = (unsigned long long)info.f_bavail * info.f_frsize;
    cb_finding_found (finding, "%.150s, %s free", path, cb_size_text (left, space));
    if (left >= S_FREE_MIN)
        return;
    cb_finding_cause (finding, CB_PROBE_WEAKER, "little is free for what runs leave behind");
    cb_finding_mend (finding, "remove old runs below %.900s/" CB_STATE_RUNS, path);
}

void
cb_probe_daemon (cb_finding *finding)
{
    char path[PATH_MAX];
    char lock[PATH_MAX + 8];

    cb_finding_found (finding, "not running; it starts by itself");
    if (cb_runtime_dir (path, sizeof path, NULL) < 0)
        return;
    if (cb_start_answers (path)) {
        cb_finding_found (finding, "running (cellblock daemon status)");
        return;
    }
    (void)snprintf (lock, sizeof lock, "%s/" CB_RUNTIME_LOCK, path);
    if (access (lock, F_OK) < 0 || cb_start_lock_state (path, NULL) != CB_LOCK_HELD)
        return;
    cb_finding_found (finding, "does not answer");
    cb_finding_cause (finding, CB_PROBE_WEAKER,
                      "a daemon holds %.400s but is starting, ending or stuck", lock);
}
