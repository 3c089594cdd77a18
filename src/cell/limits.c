/* limits.c - the rlimits of a jail, a row each.
 *
 * Memory is not among them: RLIMIT_AS counts a process, not the jail, and what Python maps is far
 * over what it uses. That is the memory cgroup's business. */
#include "cell/limits.h"

#include "base/table.h"

#include <sys/resource.h>

/* More than any front end queues; the default grows with the machine's memory. */
#define PENDING_SIGNALS 1024
/* Between the signal that a program may answer (SIGXCPU) and the one it may not. */
#define CPU_GRACE_SECONDS 2

struct row {
    const char *name;
    __rlimit_resource_t resource;
    rlim_t value;
};

static int
s_set (const struct row *row, cb_err *err)
{
    struct rlimit limit;

    if (getrlimit (row->resource, &limit) < 0)
        return cb_fail_errno (err, CB_E_IO, "the limit %s", row->name);
    if (limit.rlim_max > row->value)
        limit.rlim_max = row->value;
    limit.rlim_cur = limit.rlim_max;
    /* Who starts the daemon may have less himself (ulimit -t). */
    if (row->resource == RLIMIT_CPU && limit.rlim_max != RLIM_INFINITY &&
        limit.rlim_max > CPU_GRACE_SECONDS)
        limit.rlim_cur = limit.rlim_max - CPU_GRACE_SECONDS;
    if (setrlimit (row->resource, &limit) < 0)
        return cb_fail_errno (err, CB_E_IO, "the limit %s", row->name);
    return 0;
}

int
cb_limits_set (const cb_jail_spec *spec, cb_err *err)
{
    rlim_t cpu = spec->cpu_seconds == 0 ? RLIM_INFINITY : spec->cpu_seconds + CPU_GRACE_SECONDS;
    const struct row rows[] = {
        {"processes", RLIMIT_NPROC, spec->processes},
        {"open files", RLIMIT_NOFILE, spec->open_files},
        {"file size", RLIMIT_FSIZE, spec->disk},
        {"CPU seconds", RLIMIT_CPU, cpu},
        /* 1, not 0: a core_pattern that is a pipe runs its program for 0 as well. */
        {"core size", RLIMIT_CORE, 1},
        {"locked memory", RLIMIT_MEMLOCK, 64 << 10},
        {"message queues", RLIMIT_MSGQUEUE, 0},
        {"pending signals", RLIMIT_SIGPENDING, PENDING_SIGNALS},
        {"real-time priority", RLIMIT_RTPRIO, 0},
        {"nice", RLIMIT_NICE, 0},
    };

    for (size_t i = 0; i < CB_COUNT (rows); i++)
        CB_TRY (s_set (&rows[i], err));
    return 0;
}
