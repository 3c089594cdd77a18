/* outdir.c - runs/RUN/output: parts that are written, synced, then renamed to where they belong.
 *
 * The state folder is private to us (0700), so nobody races with these names; symlinks are not
 * followed all the same. Faults say what could not be written and why ("No space left on device"),
 * for the person who has to make room. */
#include "prov/outdir.h"

#include "base/cleanup.h"
#include "base/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_NAME_MAX 32
#define OPEN_FOLDER   (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void
cb_outdir_init (cb_outdir *self, int state, const char *run)
{
    *self = (cb_outdir){.state = state, .run = run, .run_fd = -1, .folder_fd = -1};
}

/* A journal has the making of the folders above before this: no fsync of their own. */
static void
s_leave_folder (cb_outdir *self)
{
    if (self->folder_fd >= 0)
        (void)fsync (self->folder_fd);
    cb_close (&self->folder_fd);
}

void
cb_outdir_done (cb_outdir *self)
{
    char path[PATH_MAX];

    s_leave_folder (self);
    if (self->run_fd < 0)
        return;
    /* Folders in which nothing came to lie; the others stay, as they are not empty. */
    (void)unlinkat (self->run_fd, CB_OUTDIR_OUTPUT, AT_REMOVEDIR);
    (void)snprintf (path, sizeof path, CB_STATE_RUNS "/%s", self->run);
    (void)unlinkat (self->state, path, AT_REMOVEDIR);
    cb_close (&self->run_fd);
}

static int
s_fault (const cb_outdir *self, const char *what, cb_err *err)
{
    return cb_fail_errno (err, CB_E_IO, "state folder: cannot write " CB_STATE_RUNS "/%s/%.600s",
                          self->run, what);
}

/* The folder name below parent, made where missing. */
static int
s_folder (int parent, const char *name)
{
    if (mkdirat (parent, name, 0700) < 0 && errno != EEXIST)
        return -1;
    return openat (parent, name, OPEN_FOLDER);
}

static int
s_open_run (cb_outdir *self, cb_err *err)
{
    if (self->run_fd >= 0)
        return 0;
    cb_auto_close int runs = s_folder (self->state, CB_STATE_RUNS);
    if (runs >= 0)
        self->run_fd = s_folder (runs, self->run);
    return self->run_fd >= 0 ? 0 : s_fault (self, "", err);
}

static void
s_part_name (unsigned number, char name[PART_NAME_MAX])
{
    (void)snprintf (name, PART_NAME_MAX, ".part-%u", number);
}

int
cb_outdir_part (cb_outdir *self, unsigned number, cb_err *err)
{
    char name[PART_NAME_MAX];

    CB_TRY (s_open_run (self, err));
    s_part_name (number, name);
    (void)unlinkat (self->run_fd, name, 0);
    int fd =
        openat (self->run_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : s_fault (self, name, err);
}

void
cb_outdir_drop (cb_outdir *self, unsigned number)
{
    char name[PART_NAME_MAX];

    s_part_name (number, name);
    if (self->run_fd >= 0)
        (void)unlinkat (self->run_fd, name, 0);
}

/* Opens the folder of path (its first `size` bytes), made where missing. */
static int
s_open_below (const cb_outdir *self, const char *path, size_t size)
{
    char name[NAME_MAX + 1];
    cb_auto_close int at = fcntl (self->run_fd, F_DUPFD_CLOEXEC, 0);

    for (const char *end = path + size; at >= 0 && path < end;) {
        size_t length = strcspn (path, "/");
        (void)snprintf (name, sizeof name, "%.*s", (int)length, path);
        int below = s_folder (at, name);
        cb_close (&at);
        at = below;
        path += length + 1;
    }
    return cb_take_fd (&at);
}

/* Files come folder by folder: the one at hand is kept open. */
static int
s_rename (cb_outdir *self, const char *part, const char *path)
{
    const char *name = strrchr (path, '/') + 1;
    size_t size = (size_t)(name - path);

    if (size >= sizeof self->folder)
        return -1;
    if (self->folder_fd < 0 || strncmp (self->folder, path, size) != 0 ||
        self->folder[size] != '\0') {
        s_leave_folder (self);
        self->folder_fd = s_open_below (self, path, size);
        (void)snprintf (self->folder, sizeof self->folder, "%.*s", (int)size, path);
    }
    return self->folder_fd >= 0 ? renameat (self->run_fd, part, self->folder_fd, name) : -1;
}

int
cb_outdir_keep (cb_outdir *self, unsigned number, int fd, const char *path, cb_err *err)
{
    char part[PART_NAME_MAX];

    s_part_name (number, part);
    if (fdatasync (fd) == 0 && s_rename (self, part, path) == 0)
        return 0;
    int result = s_fault (self, path, err);
    cb_outdir_drop (self, number);
    return result;
}
