/* cgio.c - files of cgroups. */
#include "warden/cgio.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCS_MAX 32768 /* bytes of cgroup.procs in one look; callers look again */

int
cb_cgio_join (cb_cgio_path *path, const char *base, const char *folder, const char *group,
              const char *file)
{
    int size = snprintf (path->text, sizeof path->text, "%s%s%s%s%s%s%s", base,
                         folder[0] != '\0' ? "/" : "", folder, group[0] != '\0' ? "/" : "", group,
                         file[0] != '\0' ? "/" : "", file);

    return size > 0 && (size_t)size < sizeof path->text ? 0 : -CB_E_LIMIT;
}

int
cb_cgio_write (const char *path, const char *text, cb_err *err)
{
    cb_auto_close int fd = open (path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || write (fd, text, strlen (text)) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot write \"%s\" to %s", text, path);
    return 0;
}

ssize_t
cb_cgio_read (const char *path, char *text, size_t room)
{
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd >= 0 ? read (fd, text, room - 1) : -1;

    text[size > 0 ? size : 0] = '\0';
    return size;
}

size_t
cb_cgio_kill (const char *folder, pid_t spare, int *foreign)
{
    cb_cgio_path path;
    char text[PROCS_MAX];
    size_t n = 0;

    if (cb_cgio_join (&path, folder, "", "", "cgroup.procs") < 0 ||
        cb_cgio_read (path.text, text, sizeof text) <= 0)
        return 0;
    for (char *at = text, *end = NULL;; at = end) {
        long pid = strtol (at, &end, 10);
        if (end == at)
            return n;
        n++;
        if (pid <= 0)
            *foreign = 1;
        else if (pid != (long)spare && *end == '\n')
            (void)kill ((pid_t)pid, SIGKILL);
    }
}
