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
    *self = (cb_outdir){.state = state, .run = run, .run_fd = -1};
}

void
cb_outdir_done (cb_outdir *self)
{
    char path[PATH_MAX];

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
    int made = mkdirat (parent, name, 0700) == 0;
    int fd = made || errno == EEXIST ? openat (parent, name, OPEN_FOLDER) : -1;

    if (made && fd >= 0)
        (void)fsync (parent); /* EBADF for an O_PATH state folder: then the first fsync below it */
    return fd;
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

/* The folder in which path lies, and where in path its own name starts. */
static int
s_parent (const cb_outdir *self, const char *path, const char **ret_name)
{
    char name[NAME_MAX + 1];
    cb_auto_close int at = fcntl (self->run_fd, F_DUPFD_CLOEXEC, 0);

    for (size_t size; at >= 0 && path[size = strcspn (path, "/")] == '/'; path += size + 1) {
        (void)snprintf (name, sizeof name, "%.*s", (int)size, path);
        int below = s_folder (at, name);
        cb_close (&at);
        at = below;
    }
    *ret_name = path;
    return cb_take_fd (&at);
}

static int
s_rename (const cb_outdir *self, const char *part, const char *path)
{
    const char *name = NULL;
    cb_auto_close int parent = s_parent (self, path, &name);

    if (parent < 0 || renameat (self->run_fd, part, parent, name) < 0)
        return -1;
    return fsync (parent);
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
