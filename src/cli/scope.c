/* scope.c - a control group of its own for the daemon that an ordinary user starts.
 *
 * Limits of memory, processes and processor need a control group that is ours to write. systemd
 * gives one to an ordinary user who asks: a transient scope with Delegate=yes, made by the user's
 * manager around a process. The question is one call on the user's bus, put by busctl: the daemon
 * and its warden never speak D-Bus, and no command that starts no daemon pays for a library. The
 * answer comes before the move is done, so we look for it in /proc/self/cgroup. */
#include "cli/scope.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define S_BUSCTL       "/usr/bin/busctl"
#define S_CGROUP_ROOT  "/sys/fs/cgroup"
#define S_CGROUP2_FS   0x63677270
#define S_SYSTEMD      "/run/systemd/system"
#define S_GROUPS       "/proc/self/cgroup"
#define S_GROUPS_MAX   8192
#define S_LOOK_MS      5
#define S_NUMBER       16
#define S_SCOPE_NAME   32
#define S_CALL_SECONDS "--timeout=8"

/* ---- looking -------------------------------------------------------------------------------- */

/* What the file says, with an end byte; -1 when it cannot be read. */
static int
s_read (const char *path, char *text, size_t room)
{
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read (fd, text, room - 1) : -1;

    text[size > 0 ? size : 0] = '\0';
    return size >= 0 ? 0 : -1;
}

/* Whether our own group of version 2 can be written. */
static bool
s_is_ours (void)
{
    char groups[S_GROUPS_MAX];
    char path[PATH_MAX];

    if (s_read (S_GROUPS, groups, sizeof groups) < 0)
        return false;
    const char *own = strstr (groups, "0::/");
    if (own == NULL || (own != groups && own[-1] != '\n'))
        return false;
    own += strlen ("0::");
    int size = snprintf (path, sizeof path, S_CGROUP_ROOT "%.*s/cgroup.subtree_control",
                         (int)strcspn (own, "\n"), own);
    return size > 0 && (size_t)size < sizeof path && access (path, W_OK) == 0;
}

/* The user's runtime folder: as the session says, else where systemd makes it (su and sudo lose the
 * variable). */
static void
s_runtime_dir (char *path, size_t room)
{
    const char *given = getenv ("XDG_RUNTIME_DIR");

    if (given != NULL && given[0] == '/')
        (void)snprintf (path, room, "%s", given);
    else
        (void)snprintf (path, room, "/run/user/%u", (unsigned)geteuid ());
}

static bool
s_has_bus (void)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    struct stat status;

    if (getenv ("DBUS_SESSION_BUS_ADDRESS") != NULL)
        return true;
    s_runtime_dir (folder, sizeof folder);
    int size = snprintf (path, sizeof path, "%s/bus", folder);
    return size > 0 && (size_t)size < sizeof path && stat (path, &status) == 0 &&
           S_ISSOCK (status.st_mode);
}

cb_scope_state
cb_scope_look (void)
{
    struct statfs info;

    if (geteuid () == 0)
        return CB_SCOPE_NONE_NEEDED;
    if (statfs (S_CGROUP_ROOT, &info) < 0 || info.f_type != S_CGROUP2_FS)
        return CB_SCOPE_NO_V2;
    if (s_is_ours ())
        return CB_SCOPE_NONE_NEEDED;
    if (access (S_SYSTEMD, F_OK) < 0)
        return CB_SCOPE_NO_SYSTEMD;
    if (access (S_BUSCTL, X_OK) < 0)
        return CB_SCOPE_NO_BUSCTL;
    return s_has_bus () ? CB_SCOPE_POSSIBLE : CB_SCOPE_NO_BUS;
}

/* ---- asking --------------------------------------------------------------------------------- */

/* In a child: becomes busctl with the question. What it says goes to `said`. */
static void
s_become_busctl (const cb_scope_way *way, const char *name, int said)
{
    char runtime[PATH_MAX];
    char pid[S_NUMBER];
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

    (void)snprintf (pid, sizeof pid, "%ld", (long)getppid ());
    s_runtime_dir (runtime, sizeof runtime);
    (void)setenv ("XDG_RUNTIME_DIR", runtime, 0);
    if (null < 0 || dup2 (null, 0) < 0 || dup2 (said, 1) < 0 || dup2 (said, 2) < 0)
        _exit (126);
    (void)close_range (3, ~0U, 0);
    (void)signal (SIGPIPE, SIG_DFL);
    (void)execl (way->busctl, "busctl", "--user", S_CALL_SECONDS, "call",
                 "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                 "org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))", name,
                 "fail", "4", "Description", "s", "cellblock daemon", "PIDs", "au", "1", pid,
                 "Delegate", "b", "true", "CollectMode", "s", "inactive-or-failed", "0",
                 (char *)NULL);
    (void)dprintf (2, "%s: %s\n", way->busctl, strerror (errno));
    _exit (127);
}

/* Runs it to its end; what it said in *said when it failed. */
static int
s_call (const cb_scope_way *way, const char *name, cb_err *err)
{
    char said[CB_ERR_TEXT_MAX / 2];
    int ends[2];
    int status = 0;

    if (pipe2 (ends, O_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "pipe");
    pid_t pid = fork ();
    if (pid == 0)
        s_become_busctl (way, name, ends[1]);
    cb_close (&ends[1]);
    cb_scoped (cb_buf) cb_buf text;
    cb_buf_init (&text, sizeof said - 1);
    (void)cb_read_all (ends[0], &text, NULL);
    cb_close (&ends[0]);
    if (pid < 0 || waitpid (pid, &status, 0) != pid)
        return cb_fail_errno (err, CB_E_IO, "no process to ask systemd");
    if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
        return 0;
    (void)snprintf (said, sizeof said, "%s", text.data != NULL ? text.data : "");
    said[strcspn (said, "\n")] = '\0';
    return cb_fail (err, CB_E_UNSUPPORTED, "the user's systemd gives no scope: %s",
                    said[0] != '\0' ? said : "busctl failed without a word");
}

static int
s_wait (const cb_scope_way *way, const char *name, cb_err *err)
{
    char groups[S_GROUPS_MAX];
    cb_usec until = cb_now () + (cb_usec)way->wait_ms * CB_USEC_PER_MSEC;

    for (;;) {
        if (s_read (way->groups, groups, sizeof groups) == 0 && strstr (groups, name) != NULL)
            return 0;
        if (cb_now () >= until)
            return cb_fail (err, CB_E_TIMEOUT, "the user's systemd did not make the scope %s",
                            name);
        (void)poll (NULL, 0, S_LOOK_MS);
    }
}

int
cb_scope_ask (const cb_scope_way *way, cb_err *err)
{
    char name[S_SCOPE_NAME];

    (void)snprintf (name, sizeof name, "cellblockd-%ld.scope", (long)getpid ());
    CB_TRY (s_call (way, name, err));
    return s_wait (way, name, err);
}

int
cb_scope_enter (cb_err *err)
{
    const cb_scope_way way = {S_BUSCTL, S_GROUPS, CB_SCOPE_WAIT_MS};

    return cb_scope_look () == CB_SCOPE_POSSIBLE ? cb_scope_ask (&way, err) : 0;
}
