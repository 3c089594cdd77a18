/* spawn.h - what a forked child of the warden does before it executes a program. */
#ifndef CB_WARDEN_SPAWN_H
#define CB_WARDEN_SPAWN_H

#include "base/err.h"

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Descriptors a program can be given. */
#define CB_SPAWN_FDS_MAX 64

typedef struct cb_spawn {
    const char *program; /* path */
    char *const *argv;
    char *const *env;
    const int *fds; /* become 3, 4, ... in this order */
    size_t n_fds;
    int error_fd;   /* becomes standard output and error */
    int program_fd; /* the program opened (O_PATH), for one that may not reach the path; -1 */
    int report_fd;  /* stays open for a report when exec fails; -1 */
    const struct rlimit *nofile; /* restored before exec; NULL: as it is */
} cb_spawn;

/* First thing in the child: default signals, a session of its own, dies with `parent`, and is
 * chosen by the kernel's out-of-memory killer as oom_score_adj says (proc(5); we ourselves may be
 * exempt). Exits when the parent is gone already. */
void cb_spawn_begin (pid_t parent, const char *oom_score_adj);

/* Takes uid, gid, groups, every capability and the bounding set away and forbids new ones; dies
 * with `parent` still. */
int cb_spawn_drop (uid_t uid, pid_t parent, cb_err *err);

/* Puts the descriptors in place, closes all others at exec, executes. Comes back only with a fault;
 * report_fd is good then. */
int cb_spawn_exec (cb_spawn *self, cb_err *err);

#endif
