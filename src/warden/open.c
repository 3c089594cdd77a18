/* open.c - files of a jail are hostile: links, FIFOs, devices, hard links to one file, paths with
 * "..". The kernel resolves the path below the tmpfs' root only (openat2), what is opened is looked
 * at before it is used, and an existing file is cut only when it is known to be one. */
#include "warden/open.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
s_flags (uint32_t mode)
{
    switch (mode) {
    case CB_OPEN_READ:
        return O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    case CB_OPEN_FOLDER:
        return O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    case CB_OPEN_WRITE:
        return O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    case CB_OPEN_CREATE:
        return O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    default:
        return -1;
    }
}

static int
s_code (int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return CB_E_NOTFOUND;
    case ELOOP:
    case EXDEV:
    case EACCES:
    case EPERM:
        return CB_E_DENIED;
    case ENOSPC:
    case EDQUOT:
        return CB_E_LIMIT;
    default:
        return CB_E_IO;
    }
}

static int
s_check (uint32_t mode, const char *path, const struct stat *status, cb_err *err)
{
    if (mode == CB_OPEN_FOLDER)
        return 0;
    if (!S_ISREG (status->st_mode))
        return cb_fail (err, CB_E_DENIED, "%.900s is not a regular file", path);
    if (status->st_nlink != 1)
        return cb_fail (err, CB_E_DENIED, "%.900s has %llu names: only files with one are opened",
                        path, (unsigned long long)status->st_nlink);
    return 0;
}

static int
s_make_new (int fd, const cb_open_in *in, const char *path, cb_err *err)
{
    if (ftruncate (fd, 0) < 0 || fchmod (fd, 0644) < 0 ||
        (in->give && fchown (fd, in->uid, in->uid) < 0))
        return cb_fail_errno (err, s_code (errno), "%.900s", path);
    return 0;
}

int
cb_open_file (const cb_open_in *in, const cb_launch_open *request, cb_launch_opened *ret_opened,
              cb_err *err)
{
    struct stat status;
    int flags = s_flags (request->mode);

    if (flags < 0 || request->path[0] == '\0' || request->path[0] == '/')
        return cb_fail (err, CB_E_PROTO, "a request to open without a mode or a relative path");
    struct open_how how = {.flags = (unsigned)flags,
                           .mode = request->mode == CB_OPEN_CREATE ? 0644 : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
    cb_auto_close int fd = (int)syscall (SYS_openat2, in->quota, request->path, &how, sizeof how);
    if (fd < 0 || fstat (fd, &status) < 0)
        return cb_fail_errno (err, s_code (errno), "%.900s", request->path);
    CB_TRY (s_check (request->mode, request->path, &status, err));
    if (request->mode == CB_OPEN_CREATE) {
        CB_TRY (s_make_new (fd, in, request->path, err));
        (void)fstat (fd, &status);
    }
    *ret_opened = (cb_launch_opened){
        .size = (uint64_t)status.st_size,
        .inode = (uint64_t)status.st_ino,
        .mtime_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
        .file_mode = status.st_mode,
        .links = (uint32_t)status.st_nlink,
    };
    return cb_take_fd (&fd);
}
