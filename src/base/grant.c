/* grant.c - the word of somebody who may write a folder that a jail may.
 *
 * The runtime folder belongs to the broker's uid, who may move names in it, also those of root's
 * files: so the text counts as well as owner and name. */
#include "base/grant.h"

#include "base/cleanup.h"
#include "base/fdio.h"

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

int
cb_grant_give (int runtime_fd, const struct stat *folder, cb_err *err)
{
    char name[NAME_MAX_SIZE];

    s_name (folder, name);
    return cb_write_file (runtime_fd, name, name, strlen (name), err);
}

int
cb_grant_check (int runtime_fd, const struct stat *folder, const char *path, cb_err *err)
{
    char name[NAME_MAX_SIZE];
    char text[NAME_MAX_SIZE];
    struct stat file;

    s_name (folder, name);
    cb_auto_close int fd =
        openat (runtime_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat (fd, &file) == 0 && S_ISREG (file.st_mode) && file.st_uid == geteuid () &&
        read (fd, text, sizeof text) == (ssize_t)strlen (name) &&
        memcmp (text, name, strlen (name)) == 0)
        return 0;
    return cb_fail (err, CB_E_DENIED,
                    "nobody who may write %.800s has said that a jail may: %s is missing in the "
                    "runtime folder (cellblock-protocol(7))",
                    path, name);
}
