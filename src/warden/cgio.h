/* cgio.h - files of cgroups, and small ones of /proc: paths, whole writes, short reads, killing
 * what is listed. */
#ifndef CB_WARDEN_CGIO_H
#define CB_WARDEN_CGIO_H

#include "base/err.h"

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct cb_cgio_path {
    char text[PATH_MAX];
} cb_cgio_path;

/* base[/folder[/group[/file]]], empty parts left out; -CB_E_LIMIT when it does not fit. */
int cb_cgio_join (cb_cgio_path *path, const char *base, const char *folder, const char *group,
                  const char *file);

int cb_cgio_write (const char *path, const char *text, cb_err *err);

/* The file's beginning as text; its bytes or -1. */
ssize_t cb_cgio_read (const char *path, char *text, size_t room);

/* SIGKILL to every process of the group, but not to `spare` (0: to all). The number seen; *foreign
 * is set when some are of another pid namespace: none of ours. */
size_t cb_cgio_kill (const char *folder, pid_t spare, int *foreign);

#endif
