/* fdio.c - descriptors: the loops around read and write that nobody should write twice. */
#include "base/fdio.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP 65536

void
cb_close (int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close (*fd);
    *fd = -1;
    errno = saved;
}

int
cb_is_zero (const void *bytes, size_t size)
{
    const char *at = bytes;

    return size == 0 || (at[0] == 0 && memcmp (at, at + 1, size - 1) == 0);
}

int
cb_write_all (int fd, const void *bytes, size_t size, cb_err *err)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t wrote = write (fd, at, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return cb_fail_errno (err, CB_E_IO, "write");
        at += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

int
cb_read_all (int fd, cb_buf *into, cb_err *err)
{
    for (;;) {
        size_t left = into->limit - into->size;
        char more;
        size_t step = left < READ_STEP ? left : READ_STEP;
        if (step > 0 && cb_buf_reserve (into, step) < 0)
            return cb_fail_nomem (err);
        ssize_t got = step > 0 ? read (fd, into->data + into->size, step) : read (fd, &more, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cb_fail_errno (err, CB_E_IO, "read");
        if (got == 0)
            return cb_buf_put (into, "", 0);
        if (step == 0)
            return cb_fail (err, CB_E_LIMIT, "more than %zu bytes", into->limit);
        into->size += (size_t)got;
    }
}

int
cb_read_file (int dir_fd, const char *path, cb_buf *into, cb_err *err)
{
    cb_auto_close int fd = openat (dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return cb_fail_errno (err, errno == ENOENT ? CB_E_NOTFOUND : CB_E_IO, "%s", path);
    if (fstat (fd, &status) < 0 || !S_ISREG (status.st_mode))
        return cb_fail (err, CB_E_INVALID, "%s: not a regular file", path);
    if (cb_read_all (fd, into, err) < 0)
        return cb_fail (err, CB_E_LIMIT, "%s: cannot be read or is over %zu bytes", path,
                        into->limit);
    return 0;
}

#define PRIVATE 0600
#define PUBLIC  0644

struct content {
    const void *bytes;
    size_t size;
    mode_t mode;
};

static int
s_write_file (int dir_fd, const char *name, const struct content *what, cb_err *err)
{
    char random[9];
    char temporary[300];

    cb_random_hex (random, 4);
    if (snprintf (temporary, sizeof temporary, ".%s.%s", name, random) >= (int)sizeof temporary)
        return cb_fail (err, CB_E_INVALID, "%s: name too long", name);
    cb_auto_close int fd =
        openat (dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, PRIVATE);
    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot create %s", name);
    if (cb_write_all (fd, what->bytes, what->size, err) < 0 ||
        (what->mode != PRIVATE && fchmod (fd, what->mode) < 0) ||
        renameat (dir_fd, temporary, dir_fd, name) < 0) {
        int result = cb_fail_errno (err, CB_E_IO, "cannot write %s", name);
        (void)unlinkat (dir_fd, temporary, 0);
        return result;
    }
    return 0;
}

int
cb_write_file (int dir_fd, const char *name, const void *bytes, size_t size, cb_err *err)
{
    const struct content what = {bytes, size, PRIVATE};

    return s_write_file (dir_fd, name, &what, err);
}

int
cb_write_public_file (int dir_fd, const char *name, const cb_buf *text, cb_err *err)
{
    const struct content what = {text->data, text->size, PUBLIC};

    return s_write_file (dir_fd, name, &what, err);
}

void
cb_random (void *bytes, size_t size)
{
    char *at = bytes;

    while (size > 0) {
        ssize_t got = getrandom (at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        assert (got > 0);
        at += got;
        size -= (size_t)got;
    }
}

void
cb_random_hex (char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    /* Into the second half of the text, which grows behind what is read. */
    cb_random (text + size, size);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[size + i];
        text[2 * i] = digits[byte >> 4];
        text[2 * i + 1] = digits[byte & 15];
    }
    text[2 * size] = '\0';
}

int
cb_memfd (const char *name, const void *bytes, size_t size, cb_err *err)
{
    cb_auto_close int fd = memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "memfd_create");
    CB_TRY (cb_write_all (fd, bytes, size, err));
    if (lseek (fd, 0, SEEK_SET) < 0 ||
        fcntl (fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return cb_fail_errno (err, CB_E_IO, "sealing a memory file");
    return cb_take_fd (&fd);
}

void
cb_hold_standard (void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDWR};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl (fd, F_GETFD) < 0)
            (void)!open ("/dev/null", flags[fd]); /* the lowest that is free is this one */
}

int
cb_set_nonblock (int fd, int on, cb_err *err)
{
    int flags = fcntl (fd, F_GETFL);

    if (flags < 0 || fcntl (fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
        return cb_fail_errno (err, CB_E_IO, "O_NONBLOCK");
    return 0;
}

uint64_t
cb_raise_nofile (void)
{
    struct rlimit limit;

    if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit (RLIMIT_NOFILE, &limit);
    (void)getrlimit (RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}
