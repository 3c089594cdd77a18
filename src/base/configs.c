/* configs.c - the configuration files, in the order in which later ones win. They are kept as paths
 * and opened anew for each reading: an editor may have put a new file
 * in the old one's place. */
#include "base/configs.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_CONFIG "/etc/cellblock/cellblock.conf"

/* Paths are kept absolute: the daemon leaves the folder it was started in. */
static int
s_add (cb_configs *self, const char *folder, const char *name, int must_exist)
{
    char *path = self->places[self->n_places].path;
    int size = snprintf (path, PATH_MAX, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", name);

    if (size <= 0 || size >= PATH_MAX)
        return -CB_E_LIMIT;
    self->places[self->n_places++].must_exist = must_exist;
    return 0;
}

/* The user's own: $XDG_CONFIG_HOME, else ~/.config. */
static int
s_add_own (cb_configs *self)
{
    const char *xdg = getenv ("XDG_CONFIG_HOME");
    const char *home = getenv ("HOME");

    if (xdg != NULL && xdg[0] == '/')
        return s_add (self, xdg, "cellblock/cellblock.conf", 0);
    if (home != NULL && home[0] == '/')
        return s_add (self, home, ".config/cellblock/cellblock.conf", 0);
    return 0;
}

static int
s_add_given (cb_configs *self, const char *path, cb_err *err)
{
    char here[PATH_MAX] = "";

    if (path[0] != '/' && getcwd (here, sizeof here) == NULL)
        return cb_fail_errno (err, CB_E_IO, "the current folder");
    if (s_add (self, here, path, 1) < 0)
        return cb_fail (err, CB_E_LIMIT, "the configuration's path is too long: %.800s", path);
    return 0;
}

int
cb_configs_find (cb_configs *self, const char *const *given, size_t n_given, cb_err *err)
{
    const char *own = getenv ("CELLBLOCK_CONFIG");

    memset (self, 0, sizeof *self);
    (void)s_add (self, "", SYSTEM_CONFIG, 0);
    if (s_add_own (self) < 0)
        return cb_fail (err, CB_E_LIMIT, "XDG_CONFIG_HOME or HOME is too long");
    if (own != NULL && own[0] != '\0')
        CB_TRY (s_add_given (self, own, err));
    for (size_t i = 0; i < n_given && i < CB_CONFIGS_GIVEN; i++)
        CB_TRY (s_add_given (self, given[i], err));
    return 0;
}

/* Owned descriptor, -CB_E_NOTFOUND (no fault) when it need not be there. */
static int
s_open (const char *path, int must_exist, cb_err *err)
{
    struct stat status;
    cb_auto_close int fd = open (path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && !must_exist)
        return -CB_E_NOTFOUND;
    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot read the configuration %.900s", path);
    if (fstat (fd, &status) < 0 || !S_ISREG (status.st_mode))
        return cb_fail (err, CB_E_INVALID, "the configuration %.900s is not a file", path);
    return cb_take_fd (&fd);
}

int
cb_configs_open (cb_configs *self, cb_err *err)
{
    cb_configs fresh = {.n = 0};

    for (size_t i = 0; i < self->n_places; i++) {
        int fd = s_open (self->places[i].path, self->places[i].must_exist, err);
        if (fd == -CB_E_NOTFOUND)
            continue;
        if (fd < 0) {
            cb_configs_close (&fresh);
            return fd;
        }
        fresh.fds[fresh.n] = fd;
        fresh.labels[fresh.n++] = self->places[i].path;
    }
    cb_configs_close (self);
    memcpy (self->fds, fresh.fds, sizeof self->fds);
    memcpy (self->labels, fresh.labels, sizeof self->labels);
    self->n = fresh.n;
    return 0;
}

void
cb_configs_close (cb_configs *self)
{
    for (size_t i = 0; i < self->n; i++)
        cb_close (&self->fds[i]);
    self->n = 0;
}
