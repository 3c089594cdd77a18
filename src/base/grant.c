/* grant.c - the word of somebody who may write a folder that a jail may.
 *
 * The runtime folder belongs to the broker's uid, who may move names in it and into it, also those
 * of root's files: what a cell writes in a folder of root's is one. So grants lie in a folder of
 * their own that he may not enter; he can move it away, but who checks holds it by descriptor, and
 * for want of a right on it he cannot move it to where a cell could write. */
#include "base/grant.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/runtime.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_SIZE 64

static void
s_name (const struct stat *folder, char name[NAME_MAX_SIZE])
{
    (void)snprintf (name, NAME_MAX_SIZE, "workdir-%jx-%jx", (uintmax_t)folder->st_dev,
                    (uintmax_t)folder->st_ino);
}

static int
s_open (int runtime_fd, cb_err *err)
{
    struct stat status;
    cb_auto_close int fd =
        openat (runtime_fd, CB_RUNTIME_GRANTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "%s in the runtime folder", CB_RUNTIME_GRANTS);
    if (fstat (fd, &status) < 0 || status.st_uid != geteuid () || (status.st_mode & 077) != 0)
        return cb_fail (err, CB_E_DENIED, "%s in the runtime folder is not ours alone",
                        CB_RUNTIME_GRANTS);
    return cb_take_fd (&fd);
}

int
cb_grant_open (int runtime_fd, cb_err *err)
{
    if (mkdirat (runtime_fd, CB_RUNTIME_GRANTS, 0700) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot make %s in the runtime folder",
                              CB_RUNTIME_GRANTS);
    return s_open (runtime_fd, err);
}

int
cb_grant_give (int runtime_fd, const struct stat *folder, cb_err *err)
{
    char name[NAME_MAX_SIZE];

    cb_auto_close int grants = s_open (runtime_fd, err);
    CB_TRY (grants);
    s_name (folder, name);
    return cb_write_file (grants, name, name, strlen (name), err);
}

int
cb_grant_check (int grants_fd, const struct stat *folder, const char *path, cb_err *err)
{
    char name[NAME_MAX_SIZE];
    char text[NAME_MAX_SIZE];
    struct stat file;

    s_name (folder, name);
    cb_auto_close int fd = openat (grants_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat (fd, &file) == 0 && S_ISREG (file.st_mode) && file.st_uid == geteuid () &&
        read (fd, text, sizeof text) == (ssize_t)strlen (name) &&
        memcmp (text, name, strlen (name)) == 0)
        return 0;
    return cb_fail (err, CB_E_DENIED,
                    "nobody who may write %.800s has said that a jail may: %s is missing in %s "
                    "in the runtime folder (cellblock-protocol(7))",
                    path, name, CB_RUNTIME_GRANTS);
}
