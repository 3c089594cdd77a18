/* place.c - the runtime and state folders.
 *
 * Opened once, by the process that becomes the janitor; from then on only the descriptors are used.
 * As root both folders belong to the broker's uid, so nothing in them is believed: files are opened
 * without following links, the log must be a regular file without other names. */
#include "warden/place.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/grant.h"
#include "base/idmap.h"
#include "base/log.h"
#include "base/runtime.h"
#include "base/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A daemon that is ending gets this long to give the lock back. */
#define LOCK_WAIT (10 * CB_USEC_PER_SEC)
#define LOCK_STEP 10 /* ms */

/* The log is put aside (one generation) when it is larger at a start. */
#define LOG_BYTES_MAX (8 * 1024 * 1024)

/* Names of the broker's own in its folder are few; more than this many are a mess, not a loop. */
#define CLEAN_ROUNDS 3

static int
s_own (int fd, const char *path, uid_t owner, cb_err *err)
{
    struct stat status;

    if (fstat (fd, &status) == 0 && status.st_uid == owner)
        return 0;
    if (fchown (fd, owner, owner) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot give %s to user %u", path, (unsigned)owner);
    return 0;
}

/* Who holds the lock: *ret_pid and whether that process says it serves. */
static int
s_holder_serves (int lock_fd, pid_t *ret_pid)
{
    char text[64] = "";
    char state[32] = "";
    int pid = 0;
    ssize_t size = pread (lock_fd, text, sizeof text - 1, 0);

    *ret_pid = 0;
    if (size <= 0 || sscanf (text, "%d %31s", &pid, state) != 2 || pid <= 0)
        return 0;
    *ret_pid = (pid_t)pid;
    return strcmp (state, "ending") != 0 && (kill ((pid_t)pid, 0) == 0 || errno == EPERM);
}

/* The lock file's x bit says that a daemon made the folder, which is then ours to remove: one that
 * is dead, or one that started in the same instant, made the folder and lost the lock to us. */
static int
s_was_made (int lock_fd)
{
    struct stat status;

    return fstat (lock_fd, &status) == 0 && (status.st_mode & S_IXUSR) != 0;
}

/* Whether the open file is still the one with that name: a janitor removes the file it locks. */
static int
s_is_named (int dir_fd, const char *name, int fd)
{
    struct stat open_file;
    struct stat named;

    return fstat (fd, &open_file) == 0 &&
           fstatat (dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

static int
s_open_lock (int dir_fd, cb_err *err)
{
    struct stat status;
    cb_auto_close int fd = openat (dir_fd, CB_RUNTIME_LOCK,
                                   O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot open %s", CB_RUNTIME_LOCK);
    if (fstat (fd, &status) < 0 || !S_ISREG (status.st_mode) || status.st_nlink > 1)
        return cb_fail (err, CB_E_DENIED, "%s is not a file of ours", CB_RUNTIME_LOCK);
    return cb_take_fd (&fd);
}

/* One try: the locked descriptor, -CB_E_EXISTS (a daemon serves), -CB_E_BUSY (one is ending). */
static int
s_try_lock (cb_place *self, cb_err *err)
{
    pid_t holder = 0;
    int opened = s_open_lock (self->runtime_fd, err);

    CB_TRY (opened);
    cb_auto_close int fd = opened;
    if (self->made)
        (void)fchmod (fd, 0700);
    if (flock (fd, LOCK_EX | LOCK_NB) == 0) {
        if (s_is_named (self->runtime_fd, CB_RUNTIME_LOCK, fd))
            return cb_take_fd (&fd);
        return cb_fail (err, CB_E_BUSY, "%s was removed meanwhile", CB_RUNTIME_LOCK);
    }
    if (errno != EWOULDBLOCK)
        return cb_fail_errno (err, CB_E_IO, "cannot lock %s", CB_RUNTIME_LOCK);
    if (s_holder_serves (fd, &holder))
        return cb_fail (err, CB_E_EXISTS, "cellblockd runs already in %s as process %d",
                        self->runtime_path, (int)holder);
    return cb_fail (err, CB_E_BUSY, "another cellblockd (process %d) is starting or ending in %s",
                    (int)holder, self->runtime_path);
}

/* The runtime folder may be removed by the janitor of the daemon before us: then we start over. */
static int
s_open_runtime (cb_place *self, cb_err *err)
{
    struct stat status;

    self->made = self->made || lstat (self->runtime_path, &status) < 0 ||
                 getenv ("CELLBLOCK_RUNTIME_DIR") == NULL;
    cb_close (&self->runtime_fd);
    int fd = cb_private_dir (self->runtime_path, self->broker_uid, err);
    CB_TRY (fd);
    self->runtime_fd = fd;
    return 0;
}

static int
s_lock (cb_place *self, cb_err *err)
{
    cb_usec until = cb_now () + LOCK_WAIT;

    for (;;) {
        CB_TRY (s_open_runtime (self, err));
        int fd = s_try_lock (self, err);
        if (fd >= 0) {
            self->lock_fd = fd;
            return 0;
        }
        int retry =
            fd == -CB_E_BUSY || !s_is_named (AT_FDCWD, self->runtime_path, self->runtime_fd);
        if (!retry || cb_now () >= until)
            return fd;
        (void)poll (NULL, 0, LOCK_STEP);
    }
}

static int
s_real (int fd, char *path, cb_err *err)
{
    char link[64];

    (void)snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink (link, path, PATH_MAX - 1);
    if (size <= 0)
        return cb_fail_errno (err, CB_E_IO, "%s", link);
    path[size] = '\0';
    return 0;
}

int
cb_place_open (cb_place *self, cb_err *err)
{
    cb_err why = CB_ERR_INIT;

    memset (self, 0, sizeof *self);
    self->runtime_fd = self->state_fd = self->lock_fd = self->grants_fd = -1;
    self->broker_uid = geteuid () == 0 ? cb_broker_uid () : geteuid ();
    self->as_root = geteuid () == 0 && self->broker_uid != 0;

    CB_TRY (cb_runtime_dir (self->runtime_path, sizeof self->runtime_path, err));
    CB_TRY (cb_state_dir (self->state_path, sizeof self->state_path, err));
    if (snprintf (self->log_path, sizeof self->log_path, "%s/%s", self->state_path, CB_STATE_LOG) >=
        (int)sizeof self->log_path)
        return cb_fail (err, CB_E_LIMIT, "the state folder's path is too long");
    self->state_fd = cb_private_dir (self->state_path, self->broker_uid, &why);
    if (self->state_fd < 0)
        return cb_fail (err, why.code, "%.900s%s", why.text,
                        why.code == CB_E_IO ? " (CELLBLOCK_STATE_DIR names another folder)" : "");
    CB_TRY (s_lock (self, err));
    cb_place_mark (self, getpid (), "starting");
    cb_place_clean_inside (self);
    self->grants_fd = cb_grant_open (self->runtime_fd, err);
    CB_TRY (self->grants_fd);
    CB_TRY (s_real (self->runtime_fd, self->runtime_real, err));
    CB_TRY (s_real (self->state_fd, self->state_real, err));
    CB_TRY (s_own (self->state_fd, self->state_path, self->broker_uid, err));
    return s_own (self->runtime_fd, self->runtime_path, self->broker_uid, err);
}

void
cb_place_done (cb_place *self)
{
    cb_close (&self->runtime_fd);
    cb_close (&self->grants_fd);
    cb_close (&self->state_fd);
    cb_close (&self->lock_fd);
}

static int
s_open_log (cb_place *self, off_t *ret_size, cb_err *err)
{
    struct stat status;
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    cb_auto_close int fd = openat (self->state_fd, CB_STATE_LOG, flags, 0600);

    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot open the log %s", self->log_path);
    if (fstat (fd, &status) < 0 || !S_ISREG (status.st_mode) || status.st_nlink > 1 ||
        (status.st_uid != geteuid () && status.st_uid != self->broker_uid))
        return cb_fail (err, CB_E_DENIED, "the log %s is not a file of ours: remove it",
                        self->log_path);
    *ret_size = status.st_size;
    return cb_take_fd (&fd);
}

int
cb_place_open_log (cb_place *self, cb_err *err)
{
    off_t size = 0;
    int fd = s_open_log (self, &size, err);

    if (fd < 0 || size <= LOG_BYTES_MAX)
        return fd;
    if (renameat (self->state_fd, CB_STATE_LOG, self->state_fd, CB_STATE_LOG ".1") < 0)
        return fd;
    cb_close (&fd);
    return s_open_log (self, &size, err);
}

void
cb_place_mark (cb_place *self, pid_t warden, const char *state)
{
    char text[64];
    int size = snprintf (text, sizeof text, "%d %s\n", (int)warden, state);

    /* A full disk costs the note only. */
    if (pwrite (self->lock_fd, text, (size_t)size, 0) < 0 ||
        ftruncate (self->lock_fd, (off_t)size) < 0)
        cb_log_warn ("lock file not written", CB_STR ("why", strerror (errno)));
}

/* A client that holds start.lock is about to start the next daemon: its file stays. */
static void
s_clean_start_lock (cb_place *self)
{
    cb_auto_close int fd =
        openat (self->runtime_fd, CB_RUNTIME_START, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || flock (fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat (self->runtime_fd, CB_RUNTIME_START, 0);
}

static int
s_clean_round (cb_place *self)
{
    cb_err err = CB_ERR_INIT;
    int removed = 0;
    int fd = openat (self->runtime_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;

    if (dir == NULL) {
        cb_close (&fd);
        return 0;
    }
    for (struct dirent *entry = readdir (dir); entry != NULL; entry = readdir (dir)) {
        const char *name = entry->d_name;
        if (strcmp (name, ".") == 0 || strcmp (name, "..") == 0 ||
            strcmp (name, CB_RUNTIME_LOCK) == 0 || strcmp (name, CB_RUNTIME_START) == 0)
            continue;
        if (cb_remove_tree (self->runtime_fd, name, &err) < 0)
            cb_log_warn ("not removed", CB_STR ("name", name), CB_STR ("why", err.text));
        else
            removed++;
    }
    (void)closedir (dir);
    return removed;
}

void
cb_place_clean_inside (cb_place *self)
{
    for (int round = 0; round < CLEAN_ROUNDS && s_clean_round (self) > 0; round++)
        continue;
}

void
cb_place_clean (cb_place *self)
{
    cb_place_clean_inside (self);
    s_clean_start_lock (self);
    int made = s_was_made (self->lock_fd);
    (void)unlinkat (self->runtime_fd, CB_RUNTIME_LOCK, 0);
    if (made && s_is_named (AT_FDCWD, self->runtime_path, self->runtime_fd) &&
        rmdir (self->runtime_path) < 0 && errno != ENOTEMPTY && errno != ENOENT)
        cb_log_warn ("runtime folder not removed", CB_STR ("why", strerror (errno)));
}
