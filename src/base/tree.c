/* tree.c - folders: everything goes through descriptors, so nobody can swap a path under us. */
#include "base/tree.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64

static int
s_make_parents (char *path, cb_err *err)
{
    for (char *slash = strchr (path + 1, '/'); slash != NULL; slash = strchr (slash + 1, '/')) {
        *slash = '\0';
        int result = mkdir (path, 0700);
        int saved = errno;
        if (result < 0 && saved != EEXIST && access (path, F_OK) < 0) {
            errno = saved;
            return cb_fail_errno (err, CB_E_IO, "cannot make %s", path);
        }
        *slash = '/';
    }
    return 0;
}

/* Whether a folder is for us alone. */
static int
s_check_private (const char *path, const struct stat *status, uid_t also_owner, cb_err *err)
{
    unsigned mode = (unsigned)(status->st_mode & 07777);

    if (S_ISLNK (status->st_mode))
        return cb_fail (err, CB_E_DENIED,
                        "%s is a symbolic link, which others may have made: name the folder itself",
                        path);
    if (status->st_uid != geteuid () && !(geteuid () == 0 && status->st_uid == also_owner))
        return cb_fail (err, CB_E_DENIED,
                        "%s belongs to user %u, not to user %u: remove it or name another folder",
                        path, (unsigned)status->st_uid, (unsigned)geteuid ());
    if ((mode & 077) != 0)
        return cb_fail (err, CB_E_DENIED, "%s is open to others (mode %04o): run chmod 700 %s",
                        path, mode, path);
    if ((mode & 0700) != 0700)
        return cb_fail (err, CB_E_DENIED, "%s is closed to its owner (mode %04o): run chmod 700 %s",
                        path, mode, path);
    return 0;
}

int
cb_private_dir (const char *path, uid_t also_owner, cb_err *err)
{
    char copy[PATH_MAX];
    struct stat status;

    if (path[0] != '/' || snprintf (copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return cb_fail (err, CB_E_INVALID, "%s: not an absolute path of fewer than %d bytes", path,
                        PATH_MAX);
    CB_TRY (s_make_parents (copy, err));
    if (mkdir (path, 0700) < 0 && errno != EEXIST)
        return cb_fail_errno (err, CB_E_IO, "cannot make %s", path);
    cb_auto_close int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat (fd, &status) == 0) {
        CB_TRY (s_check_private (path, &status, also_owner, err));
        return cb_take_fd (&fd);
    }
    /* Why not? Somebody else's cannot even be opened. */
    int saved = errno;
    if (lstat (path, &status) == 0 && !S_ISREG (status.st_mode))
        CB_TRY (s_check_private (path, &status, also_owner, err));
    errno = saved;
    return cb_fail_errno (err, CB_E_IO, "cannot open the folder %s", path);
}

static int
s_remove_at (int dir_fd, const char *name, int depth, cb_err *err)
{
    if (unlinkat (dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return cb_fail_errno (err, CB_E_IO, "cannot remove %s", name);
    if (depth >= DEPTH_MAX)
        return cb_fail (err, CB_E_LIMIT, "%s: deeper than %d folders", name, DEPTH_MAX);
    int fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot open %s", name);
    DIR *dir = fdopendir (fd);
    if (dir == NULL) {
        cb_close (&fd);
        return cb_fail_nomem (err);
    }
    int result = 0;
    for (struct dirent *entry = readdir (dir); entry != NULL && result == 0; entry = readdir (dir))
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
            result = s_remove_at (dirfd (dir), entry->d_name, depth + 1, err);
    (void)closedir (dir);
    CB_TRY (result);
    if (unlinkat (dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return cb_fail_errno (err, CB_E_IO, "cannot remove the folder %s", name);
    return 0;
}

int
cb_remove_tree (int dir_fd, const char *name, cb_err *err)
{
    return s_remove_at (dir_fd, name, 0, err);
}
