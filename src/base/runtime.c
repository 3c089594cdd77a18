/* runtime.c - where the daemon's files lie: the same answer for client, warden and broker. */
#include "base/runtime.h"

#include "base/name.h"

#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Set by the build: where the sources lie, for programs that run from the build tree. */
#ifndef CB_SRCDIR
#define CB_SRCDIR ""
#endif

__attribute__ ((format (printf, 4, 5))) static int
s_path (char *path, size_t room, cb_err *err, const char *format, ...)
{
    va_list args;

    va_start (args, format);
    int size = vsnprintf (path, room, format, args);
    va_end (args);
    if (size < 0 || (size_t)size >= room)
        return cb_fail (err, CB_E_LIMIT, "a path is over %zu bytes", room - 1);
    return 0;
}

/* Both paths stand in JSON, which carries nothing but UTF-8. */
static int
s_check_text (const char *path, const char *what, const char *variable, cb_err *err)
{
    if (cb_utf8_valid (path, strlen (path)))
        return 0;
    return cb_fail (err, CB_E_INVALID, "the %s folder's path is not UTF-8: set %s to another one",
                    what, variable);
}

static const char *
s_env (const char *name)
{
    const char *value = getenv (name);
    return value != NULL && value[0] == '/' ? value : NULL;
}

/* One of ours, NULL when it is not set. A relative one would mean another daemon in every folder.
 */
static int
s_own (const char *name, const char **ret_value, cb_err *err)
{
    const char *value = getenv (name);

    if (value != NULL && value[0] != '/' && value[0] != '\0')
        return cb_fail (err, CB_E_INVALID, "%s is no absolute path: '%.200s'", name, value);
    *ret_value = s_env (name);
    return 0;
}

int
cb_runtime_dir (char *path, size_t room, cb_err *err)
{
    const char *own = NULL;
    const char *xdg = s_env ("XDG_RUNTIME_DIR");

    CB_TRY (s_own ("CELLBLOCK_RUNTIME_DIR", &own, err));
    if (own != NULL)
        CB_TRY (s_path (path, room, err, "%s", own));
    else if (xdg != NULL)
        CB_TRY (s_path (path, room, err, "%s/cellblock", xdg));
    else if (geteuid () == 0)
        CB_TRY (s_path (path, room, err, "/run/cellblock"));
    else
        CB_TRY (s_path (path, room, err, "/tmp/cellblock-%u", (unsigned)geteuid ()));
    CB_TRY (s_check_text (path, "runtime", "CELLBLOCK_RUNTIME_DIR", err));
    if (strlen (path) > CB_RUNTIME_PATH_MAX)
        return cb_fail (err, CB_E_LIMIT,
                        "the runtime folder %s is too long for sockets (%d bytes at most): set "
                        "CELLBLOCK_RUNTIME_DIR to a shorter one",
                        path, CB_RUNTIME_PATH_MAX);
    return 0;
}

static int
s_state_dir (char *path, size_t room, cb_err *err)
{
    const char *own = NULL;
    const char *xdg = s_env ("XDG_STATE_HOME");
    const char *home = s_env ("HOME");

    CB_TRY (s_own ("CELLBLOCK_STATE_DIR", &own, err));
    if (own != NULL)
        return s_path (path, room, err, "%s", own);
    if (xdg != NULL)
        return s_path (path, room, err, "%s/cellblock", xdg);
    if (home == NULL) {
        const struct passwd *entry = getpwuid (geteuid ());
        home = entry != NULL ? entry->pw_dir : NULL;
    }
    if (home == NULL)
        return cb_fail (err, CB_E_NOTFOUND, "no home folder: set CELLBLOCK_STATE_DIR");
    return s_path (path, room, err, "%s/.local/state/cellblock", home);
}

int
cb_state_dir (char *path, size_t room, cb_err *err)
{
    CB_TRY (s_state_dir (path, room, err));
    return s_check_text (path, "state", "CELLBLOCK_STATE_DIR", err);
}

/* The folder of our own program; in a build tree a libtool wrapper may put it into .libs. */
static int
s_own_dir (char *path, size_t room, cb_err *err)
{
    ssize_t size = readlink ("/proc/self/exe", path, room - 1);

    if (size <= 0)
        return cb_fail_errno (err, CB_E_IO, "/proc/self/exe");
    path[size] = '\0';
    *strrchr (path, '/') = '\0';
    size_t length = strlen (path);
    if (length > 6 && strcmp (path + length - 6, "/.libs") == 0)
        path[length - 6] = '\0';
    return 0;
}

int
cb_find_program (const char *name, char *path, size_t room, cb_err *err)
{
    char own[PATH_MAX];

    CB_TRY (s_own_dir (own, sizeof own, err));
    CB_TRY (s_path (path, room, err, "%s/%s", own, name));
    if (access (path, X_OK) == 0)
        return 0;
    CB_TRY (s_path (path, room, err, "%s/%s", CB_LIBEXECDIR, name));
    if (access (path, X_OK) == 0)
        return 0;
    return cb_fail (err, CB_E_NOTFOUND, "%s is neither in %s nor in %s: build or install cellblock",
                    name, own, CB_LIBEXECDIR);
}

int
cb_find_kernelspec (char *path, size_t room, cb_err *err)
{
    char own[PATH_MAX];

    CB_TRY (s_own_dir (own, sizeof own, err));
    CB_TRY (s_path (path, room, err, "%s/cellblock-jail", own));
    if (CB_SRCDIR[0] != '\0' && access (path, X_OK) == 0) {
        CB_TRY (s_path (path, room, err, "%s/kernelspec", CB_SRCDIR));
        if (access (path, R_OK) == 0)
            return 0;
    }
    CB_TRY (s_path (path, room, err, "%s/kernelspec", CB_DATADIR));
    if (access (path, R_OK) == 0)
        return 0;
    return cb_fail (err, CB_E_NOTFOUND, "%s is missing: install cellblock again", path);
}
