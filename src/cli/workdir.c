/* workdir.c - --workdir ro|rw|none. What can be found wrong here is, for the sentence is then there
 * before a daemon starts; the warden looks again. */
#include "cli/workdir.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/grant.h"
#include "base/home.h"
#include "base/name.h"
#include "base/runtime.h"
#include "base/table.h"
#include "base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of the list of mounts: some ten thousand. */
#define MOUNTINFO_MAX (4U << 20)

/* What the warden's ceiling refuses, found before a kernel is started for it. */
static int
s_check_ours (const char *path, cb_err *err)
{
    char runtime[PATH_MAX];
    char state[PATH_MAX];

    CB_TRY (cb_runtime_dir (runtime, sizeof runtime, err));
    CB_TRY (cb_state_dir (state, sizeof state, err));
    const char *const closed[] = {"/proc", "/sys", "/dev", runtime, state};
    for (size_t i = 0; i < CB_COUNT (closed); i++)
        if (cb_folder_holds (closed[i], path))
            return cb_fail (err, CB_E_DENIED, "--workdir: no jail sees %.800s", path);
    if (cb_folder_holds (path, runtime) || cb_folder_holds (path, state))
        return cb_fail (err, CB_E_DENIED,
                        "--workdir: %.800s holds cellblock's own files: take a folder further down",
                        path);
    return 0;
}

/* An ordinary user's jail may not show what lies below a mount. */
static int
s_check_mounts (const char *path, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf mounts;
    size_t size = strlen (path);
    char *end = NULL;

    cb_buf_init (&mounts, MOUNTINFO_MAX);
    if (geteuid () == 0)
        return 0;
    CB_TRY (cb_read_file (AT_FDCWD, "/proc/self/mountinfo", &mounts, err));
    CB_TRY (cb_buf_put (&mounts, "", 1));
    for (char *line = mounts.data; (end = strchr (line, '\n')) != NULL; line = end + 1) {
        char point[PATH_MAX] = "";
        *end = '\0';
        if (sscanf (line, "%*d %*d %*s %*s %4095s", point) == 1 &&
            strncmp (point, path, size) == 0 && point[size] == '/')
            return cb_fail (err, CB_E_DENIED, "--workdir: in %.500s %.500s is mounted", path,
                            point);
    }
    return 0;
}

static int
s_find (char path[PATH_MAX], cb_err *err)
{
    struct stat folder;

    if (getcwd (path, PATH_MAX) == NULL || path[0] != '/' || stat (path, &folder) < 0)
        return cb_fail (err, CB_E_NOTFOUND, "--workdir: the current folder is gone: %s",
                        strerror (errno));
    if (!cb_utf8_valid (path, strlen (path)))
        return cb_fail (err, CB_E_INVALID, "--workdir: the current folder's path is not UTF-8");
    CB_TRY (cb_home_check (path, folder.st_uid, err));
    CB_TRY (s_check_ours (path, err));
    return s_check_mounts (path, err);
}

int
cb_workdir_json (const char *mode, json_t **ret_workdir, cb_err *err)
{
    char path[PATH_MAX];

    if (mode != NULL && strcmp (mode, "none") == 0)
        return CB_WORKDIR_LEFT_OUT;
    if (mode != NULL && strcmp (mode, "ro") != 0 && strcmp (mode, "rw") != 0)
        return cb_fail (err, CB_E_INVALID, "--workdir %.40s: it is ro, rw or none", mode);
    int found = s_find (path, err);
    if (found < 0)
        return mode == NULL ? CB_WORKDIR_LEFT_OUT : found;
    int wanted = mode != NULL && strcmp (mode, "rw") == 0 ? R_OK | W_OK | X_OK : R_OK | X_OK;
    if (access (path, wanted) < 0) {
        int refused = cb_fail_errno (err, CB_E_DENIED, "--workdir: %.800s cannot be %s", path,
                                     (wanted & W_OK) != 0 ? "written" : "read");
        return mode == NULL ? CB_WORKDIR_LEFT_OUT : refused;
    }
    json_t *workdir = json_pack ("{s:s, s:s}", "path", path, "mode", mode != NULL ? mode : "ro");
    if (workdir == NULL)
        return cb_fail_nomem (err);
    *ret_workdir = workdir;
    return CB_WORKDIR_GIVEN;
}

int
cb_workdir_allow (const json_t *workdir, const char *runtime_dir, cb_err *err)
{
    const char *mode = json_string_value (json_object_get (workdir, "mode"));
    const char *path = json_string_value (json_object_get (workdir, "path"));
    struct stat folder;

    if (mode == NULL || path == NULL || strcmp (mode, "rw") != 0)
        return 0;
    if (stat (path, &folder) < 0)
        return cb_fail_errno (err, CB_E_NOTFOUND, "--workdir: %.800s", path);
    cb_auto_close int runtime = cb_private_dir (runtime_dir, CB_BROKER_UID, err);
    if (runtime < 0)
        return runtime;
    return cb_grant_give (runtime, &folder, err);
}
