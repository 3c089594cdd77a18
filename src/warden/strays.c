/* strays.c - jails that nobody owns any more.
 *
 * A jail dies with its warden: bwrap gets PDEATHSIG from us, and bwrap's pid 1 gets it from bwrap.
 * But the pid 1 asks for it some milliseconds after its birth, and is born waiting for bwrap. When
 * warden and janitor are killed in that moment, and there are no cgroups to find it by, it waits
 * for ever. So the next start looks for it: a bwrap of ours that is the pid 1 of its namespace and
 * whose parent is no bwrap of ours. Living jails, of whichever daemon, have that parent. */
#include "warden/strays.h"

#include "base/cleanup.h"
#include "jail/launchmsg.h"
#include "warden/cgio.h"
#include "warden/proc.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the process was started as cellblock-jail starts bwrap (main-jail.c). */
static int
s_is_our_bwrap (pid_t pid)
{
    char path[64];
    char found[128];
    char ours[128];
    int size = snprintf (ours, sizeof ours, "bwrap%c--args%c%d%c--%c%s", 0, 0, CB_STAGE_FD_ARGS, 0,
                         0, CB_CELL_INIT);

    (void)snprintf (path, sizeof path, "/proc/%d/cmdline", (int)pid);
    return cb_cgio_read (path, found, sizeof found) == size + 1 &&
           memcmp (found, ours, (size_t)size + 1) == 0;
}

static int
s_is_stray (pid_t pid)
{
    if (!s_is_our_bwrap (pid) || !cb_proc_is_ns_init (pid))
        return 0;
    pid_t parent = cb_proc_parent (pid);
    return parent > 0 && !s_is_our_bwrap (parent);
}

static int
s_kill (pid_t pid)
{
    cb_auto_close int process = s_is_stray (pid) ? cb_pidfd_open (pid) : -1;

    /* Asked again: the number meant the same process when it was opened. */
    return process >= 0 && s_is_stray (pid) && cb_pidfd_kill (process, SIGKILL) == 0;
}

size_t
cb_strays_kill (void)
{
    DIR *processes = opendir ("/proc");
    size_t n = 0;

    if (processes == NULL)
        return 0;
    for (const struct dirent *entry = readdir (processes); entry != NULL;
         entry = readdir (processes)) {
        char *end = NULL;
        long pid = strtol (entry->d_name, &end, 10);
        if (pid > 0 && *end == '\0')
            n += (size_t)s_kill ((pid_t)pid);
    }
    (void)closedir (processes);
    return n;
}
