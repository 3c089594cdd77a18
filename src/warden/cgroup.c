/* cgroup.c - groups of jails: made, limited, read, killed, removed. A row of files a back-end.
 *
 * A file that this kernel does not have costs its limit only where the row says it is needed. */
#include "warden/cgroup.h"

#include "base/cleanup.h"
#include "warden/cgio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* bwrap and its pid 1, and the process that keeps inputs fresh: not the jail's own. */
#define STAGE_PROCESSES 2
#define INPUT_PROCESSES 1

#define CPU_PERIOD_USEC 100000

struct row {
    const char *name;
    const char *memory_max;
    const char *memory_now;
    const char *memory_peak;
    const char *memory_events; /* has a line "oom_kill N" */
    const char *cpu_usage;
    const char *cpu_usage_key; /* NULL: the file is one number of nanoseconds */
};

static const struct row s_rows[] = {
    [CB_CGROUP_NONE] = {"none", NULL, NULL, NULL, NULL, NULL, NULL},
    [CB_CGROUP_V1] = {"v1", "memory.limit_in_bytes", "memory.usage_in_bytes",
                      "memory.max_usage_in_bytes", "memory.oom_control", "cpuacct.usage", NULL},
    [CB_CGROUP_V2] = {"v2", "memory.max", "memory.current", "memory.peak", "memory.events",
                      "cpu.stat", "usage_usec"},
};

const char *
cb_cgroups_name (const cb_cgroups *self)
{
    return s_rows[self->kind].name;
}

/* Writes into a file of the group in each tree that `has` says. */
struct setting {
    const char *file;
    uint64_t value;
    int needed; /* 0: kernels without that file are fine */
};

static int
s_set (const cb_cgroup *self, size_t tree, const struct setting *setting, cb_err *err)
{
    cb_cgio_path path;
    char text[32];

    if (cb_cgio_join (&path, self->owner->trees[tree].base, self->owner->folder, self->name,
                      setting->file) < 0)
        return cb_fail (err, CB_E_LIMIT, "a cgroup's path is too long");
    (void)snprintf (text, sizeof text, "%llu", (unsigned long long)setting->value);
    int result = cb_cgio_write (path.text, text, err);
    return setting->needed ? result : 0;
}

uint64_t
cb_cgroup_number (const char *text, const char *key)
{
    size_t size = strlen (key);

    for (const char *line = text; line != NULL && *line != '\0';
         line = (line = strchr (line, '\n')) != NULL ? line + 1 : NULL)
        if (strncmp (line, key, size) == 0 && line[size] == ' ')
            return strtoull (line + size + 1, NULL, 10);
    return 0;
}

/* The number behind the key, or the file's only number without one. */
static uint64_t
s_get (const cb_cgroup *self, size_t tree, const char *file, const char *key)
{
    cb_cgio_path path;
    char text[4096];

    if (cb_cgio_join (&path, self->owner->trees[tree].base, self->owner->folder, self->name, file) <
            0 ||
        cb_cgio_read (path.text, text, sizeof text) <= 0)
        return 0;
    return key != NULL ? cb_cgroup_number (text, key) : strtoull (text, NULL, 10);
}

/* -- a jail's group -------------------------------------------------------------------------- */

static int
s_limit_v1 (const cb_cgroup *self, size_t tree, const cb_jail_spec *spec, cb_err *err)
{
    if (self->owner->trees[tree].has_memory && spec->memory > 0) {
        CB_TRY (
            s_set (self, tree, &(struct setting){"memory.limit_in_bytes", spec->memory, 1}, err));
        CB_TRY (s_set (self, tree,
                       &(struct setting){"memory.memsw.limit_in_bytes", spec->memory, 0}, err));
        CB_TRY (s_set (self, tree, &(struct setting){"memory.swappiness", 0, 0}, err));
    }
    return 0;
}

static int
s_limit_v2 (const cb_cgroup *self, size_t tree, const cb_jail_spec *spec, cb_err *err)
{
    if (spec->memory > 0) {
        CB_TRY (s_set (self, tree, &(struct setting){"memory.max", spec->memory, 1}, err));
        CB_TRY (s_set (self, tree, &(struct setting){"memory.swap.max", 0, 0}, err));
        CB_TRY (s_set (self, tree, &(struct setting){"memory.oom.group", 1, 0}, err));
    }
    return 0;
}

static int
s_limit (const cb_cgroup *self, size_t tree, const cb_jail_spec *spec, cb_err *err)
{
    if (self->owner->kind == CB_CGROUP_V1)
        CB_TRY (s_limit_v1 (self, tree, spec, err));
    else
        CB_TRY (s_limit_v2 (self, tree, spec, err));
    if (!self->owner->trees[tree].has_pids)
        return 0;
    uint64_t processes =
        (uint64_t)spec->processes + STAGE_PROCESSES + (spec->n_inputs > 0 ? INPUT_PROCESSES : 0);
    return s_set (self, tree, &(struct setting){"pids.max", processes, 1}, err);
}

static int
s_make_folder (const char *path, cb_err *err)
{
    if (mkdir (path, 0755) < 0 && errno != EEXIST)
        return cb_fail_errno (err, CB_E_IO, "cannot make the cgroup %s", path);
    return 0;
}

int
cb_cgroup_make (cb_cgroup *self, cb_cgroups *owner, uint64_t jail, const cb_jail_spec *spec,
                cb_err *err)
{
    cb_cgio_path path;
    int result = 0;

    memset (self, 0, sizeof *self);
    if (owner->kind == CB_CGROUP_NONE)
        return 0;
    self->owner = owner;
    (void)snprintf (self->name, sizeof self->name, "%llu-%s", (unsigned long long)jail, spec->name);
    self->made = 1;
    for (size_t i = 0; i < owner->n_trees && result == 0; i++) {
        if (cb_cgio_join (&path, owner->trees[i].base, owner->folder, self->name, "") < 0)
            result = cb_fail (err, CB_E_LIMIT, "a cgroup's path is too long");
        else if ((result = s_make_folder (path.text, err)) == 0)
            result = s_limit (self, i, spec, err);
    }
    if (result < 0)
        (void)cb_cgroup_remove (self, NULL);
    return result;
}

pid_t
cb_cgroup_fork (const cb_cgroup *self, int *ret_inside)
{
    cb_cgio_path path;

    *ret_inside = !self->made;
    if (!self->made || self->owner->kind != CB_CGROUP_V2 ||
        cb_cgio_join (&path, self->owner->trees[0].base, self->owner->folder, self->name, "") < 0)
        return fork ();
    cb_auto_close int fd = open (path.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)fd};
    pid_t pid = fd >= 0 ? (pid_t)syscall (SYS_clone3, &args, sizeof args) : -1;
    if (pid < 0)
        return fork ();
    *ret_inside = 1;
    return pid;
}

int
cb_cgroup_enter (const cb_cgroup *self, cb_err *err)
{
    cb_cgio_path path;

    if (!self->made)
        return 0;
    for (size_t i = 0; i < self->owner->n_trees; i++) {
        if (cb_cgio_join (&path, self->owner->trees[i].base, self->owner->folder, self->name,
                          "cgroup.procs") < 0)
            return cb_fail (err, CB_E_LIMIT, "a cgroup's path is too long");
        CB_TRY (cb_cgio_write (path.text, "0", err));
    }
    return 0;
}

int
cb_cgroup_set_cpu (const cb_cgroup *self, uint32_t percent, cb_err *err)
{
    cb_cgio_path path;
    char text[64];

    if (!self->made || percent == 0)
        return 0;
    for (size_t i = 0; i < self->owner->n_trees; i++) {
        const char *file = self->owner->kind == CB_CGROUP_V1 ? "cpu.cfs_quota_us" : "cpu.max";
        if (!self->owner->trees[i].has_cpu)
            continue;
        if (cb_cgio_join (&path, self->owner->trees[i].base, self->owner->folder, self->name,
                          file) < 0)
            return cb_fail (err, CB_E_LIMIT, "a cgroup's path is too long");
        uint64_t quota = (uint64_t)percent * (CPU_PERIOD_USEC / 100);
        if (self->owner->kind == CB_CGROUP_V1) {
            CB_TRY (
                s_set (self, i, &(struct setting){"cpu.cfs_period_us", CPU_PERIOD_USEC, 1}, err));
            (void)snprintf (text, sizeof text, "%llu", (unsigned long long)quota);
        } else {
            (void)snprintf (text, sizeof text, "%llu %d", (unsigned long long)quota,
                            CPU_PERIOD_USEC);
        }
        return cb_cgio_write (path.text, text, err);
    }
    return cb_fail (err, CB_E_UNSUPPORTED, "no cpu controller");
}

void
cb_cgroup_usage_read (const cb_cgroup *self, cb_cgroup_usage *ret_usage)
{
    memset (ret_usage, 0, sizeof *ret_usage);
    if (!self->made)
        return;
    const struct row *row = &s_rows[self->owner->kind];
    for (size_t i = 0; i < self->owner->n_trees; i++) {
        if (self->owner->trees[i].has_memory) {
            ret_usage->oom_kills = s_get (self, i, row->memory_events, "oom_kill");
            ret_usage->memory = s_get (self, i, row->memory_now, NULL);
            ret_usage->peak_memory = s_get (self, i, row->memory_peak, NULL);
        }
        if (self->owner->trees[i].has_pids)
            ret_usage->pids_hits = s_get (self, i, "pids.events", "max");
        if (self->owner->trees[i].has_usage) {
            uint64_t used = s_get (self, i, row->cpu_usage, row->cpu_usage_key);
            ret_usage->cpu_usec = row->cpu_usage_key != NULL ? used : used / 1000;
        }
    }
}

/* -- what holds, and what is told ------------------------------------------------------------ */

/* The tree that has the controller, -1: none. */
static int
s_tree (const cb_cgroup *self, int pids)
{
    for (size_t i = 0; self->made && i < self->owner->n_trees; i++)
        if (pids ? self->owner->trees[i].has_pids : self->owner->trees[i].has_memory)
            return (int)i;
    return -1;
}

int
cb_cgroup_holds_memory (const cb_cgroup *self)
{
    return s_tree (self, 0) >= 0;
}

int
cb_cgroup_holds_processes (const cb_cgroup *self)
{
    return s_tree (self, 1) >= 0;
}

const char *
cb_cgroup_lacks (const cb_cgroup *self, uint64_t memory, uint32_t cpu_percent)
{
    int has_cpu = 0;

    for (size_t i = 0; self->made && i < self->owner->n_trees; i++)
        has_cpu |= self->owner->trees[i].has_cpu;
    return memory > 0 && !cb_cgroup_holds_memory (self) ? "memory"
           : !cb_cgroup_holds_processes (self)          ? "pids"
           : cpu_percent > 0 && !has_cpu                ? "cpu"
                                                        : NULL;
}

static int
s_open (const cb_cgroup *self, int tree, const char *file, int flags)
{
    cb_cgio_path path;

    if (tree < 0 || cb_cgio_join (&path, self->owner->trees[tree].base, self->owner->folder,
                                  self->name, file) < 0)
        return -1;
    return open (path.text, flags | O_CLOEXEC | O_NOFOLLOW);
}

int
cb_cgroup_process_events (const cb_cgroup *self)
{
    return s_open (self, s_tree (self, 1), "pids.events", O_RDONLY);
}

int
cb_cgroup_oom_events (const cb_cgroup *self)
{
    char text[32];
    int tree = s_tree (self, 0);

    if (tree < 0 || self->owner->kind != CB_CGROUP_V1)
        return -1;
    cb_auto_close int counter = s_open (self, tree, "memory.oom_control", O_RDONLY);
    cb_auto_close int control = s_open (self, tree, "cgroup.event_control", O_WRONLY);
    cb_auto_close int events = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)snprintf (text, sizeof text, "%d %d", events, counter);
    if (counter < 0 || control < 0 || events < 0 || write (control, text, strlen (text)) < 0)
        return -1;
    return cb_take_fd (&events);
}

/* -- killing and removing -------------------------------------------------------------------- */

void
cb_cgroup_kill (const cb_cgroup *self)
{
    cb_cgio_path path;
    int foreign = 0;

    if (!self->made)
        return;
    const char *base = self->owner->trees[0].base;
    if (self->owner->kind == CB_CGROUP_V2 &&
        cb_cgio_join (&path, base, self->owner->folder, self->name, "cgroup.kill") == 0 &&
        cb_cgio_write (path.text, "1", NULL) == 0)
        return;
    if (cb_cgio_join (&path, base, self->owner->folder, self->name, "") == 0)
        (void)cb_cgio_kill (path.text, 0, &foreign);
}

int
cb_cgroup_is_empty (const cb_cgroup *self)
{
    cb_cgio_path path;
    char text[64];

    for (size_t i = 0; self->made && i < self->owner->n_trees; i++)
        if (cb_cgio_join (&path, self->owner->trees[i].base, self->owner->folder, self->name,
                          "cgroup.procs") == 0 &&
            cb_cgio_read (path.text, text, sizeof text) > 0)
            return 0;
    return 1;
}

int
cb_cgroup_remove (cb_cgroup *self, cb_err *err)
{
    cb_cgio_path path;

    if (!self->made)
        return 0;
    for (size_t i = 0; i < self->owner->n_trees; i++) {
        if (cb_cgio_join (&path, self->owner->trees[i].base, self->owner->folder, self->name, "") <
                0 ||
            rmdir (path.text) == 0 || errno == ENOENT)
            continue;
        return cb_fail_errno (err, errno == EBUSY ? CB_E_BUSY : CB_E_IO, "cannot remove %s",
                              path.text);
    }
    self->made = 0;
    return 0;
}
