/* cgroup.h - limits on a jail as a whole: memory, processes, cpu. A row a back-end.
 *
 * Below the group the warden runs in (or may use), each warden has a folder cellblock-PID, with a
 * folder a jail in it. Folders of dead wardens are removed by the next one and by janitors. */
#ifndef CB_WARDEN_CGROUP_H
#define CB_WARDEN_CGROUP_H

#include "base/err.h"
#include "jail/spec.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

/* Hierarchies that are used: one with v2; memory, pids, cpu, cpuacct with v1. */
#define CB_CGROUP_TREES 4

typedef enum { CB_CGROUP_NONE, CB_CGROUP_V1, CB_CGROUP_V2 } cb_cgroup_kind;

typedef struct cb_cgroups {
    cb_cgroup_kind kind;
    size_t n_trees;
    struct {
        char base[PATH_MAX]; /* where our folder is made */
        int has_memory, has_pids, has_cpu, has_usage;
        int is_own; /* v2: base is the group we run in, which has to be left first */
    } trees[CB_CGROUP_TREES];
    char folder[64];                /* "cellblock-PID" once cb_cgroups_make was called */
    char why_none[CB_ERR_TEXT_MAX]; /* with CB_CGROUP_NONE: what is missing */
} cb_cgroups;

typedef struct cb_cgroup {
    cb_cgroups *owner; /* borrowed; NULL: no group */
    char name[CB_NAME_MAX + 32];
    int made;
} cb_cgroup;

typedef struct cb_cgroup_usage {
    uint64_t oom_kills;
    uint64_t pids_hits;
    uint64_t memory;
    uint64_t peak_memory;
    uint64_t cpu_usec;
} cb_cgroup_usage;

/* The controller that a group with these limits would need and has not; NULL: it has all. */
const char *cb_cgroup_lacks (const cb_cgroup *self, uint64_t memory, uint32_t cpu_percent);

/* Finds out what this machine lets us use. Changes nothing. */
void cb_cgroups_find (cb_cgroups *self);

/* "v2", "v1", "none". */
const char *cb_cgroups_name (const cb_cgroups *self);

/* Removes what dead wardens left below the same places. */
void cb_cgroups_clean_stale (const cb_cgroups *self);

/* Makes the warden's folders. What cannot be made is a reason for CB_CGROUP_NONE, not a fault.
 * keepers: processes (warden, janitor) that move out of the way with v2. */
void cb_cgroups_make (cb_cgroups *self, pid_t warden, const pid_t *keepers, size_t n_keepers);

/* Kills what is in the folders of that warden and removes them: 0, or what is left. */
size_t cb_cgroups_remove (const cb_cgroups *self, pid_t warden);

/* A jail's group with its limits (all but cpu). */
int cb_cgroup_make (cb_cgroup *self, cb_cgroups *owner, uint64_t jail, const cb_jail_spec *spec,
                    cb_err *err) __attribute__ ((warn_unused_result));

/* fork; with v2 the child is born in the group (clone3, Linux 5.7): *ret_inside 1. */
pid_t cb_cgroup_fork (const cb_cgroup *self, int *ret_inside);

/* Moves the calling process into it. Waits for the kernel some milliseconds (a grace period of its
 * RCU): for a jail's own child. */
int cb_cgroup_enter (const cb_cgroup *self, cb_err *err) __attribute__ ((warn_unused_result));

/* Sets the cpu quota: percent of one cpu, 0: none. */
int cb_cgroup_set_cpu (const cb_cgroup *self, uint32_t percent, cb_err *err)
    __attribute__ ((warn_unused_result));

void cb_cgroup_usage_read (const cb_cgroup *self, cb_cgroup_usage *ret_usage);

/* Whether its memory, or its processes, are limited and counted by it. */
int cb_cgroup_holds_memory (const cb_cgroup *self);
int cb_cgroup_holds_processes (const cb_cgroup *self);

/* Its pids.events, a line "max N": forks that were refused. Descriptor or -1. */
int cb_cgroup_process_events (const cb_cgroup *self);

/* v1 only: an eventfd that counts how often it ran out of memory. Descriptor or -1. */
int cb_cgroup_oom_events (const cb_cgroup *self);

/* SIGKILL to everything in it; does not wait. */
void cb_cgroup_kill (const cb_cgroup *self);

/* Whether no process is in it. */
int cb_cgroup_is_empty (const cb_cgroup *self);

/* Removes the group: 0, or -CB_E_BUSY while a process is in it. */
int cb_cgroup_remove (cb_cgroup *self, cb_err *err);

/* Whether a file of a group lists the word (a controller). */
int cb_cgroup_lists (const char *folder, const char *file, const char *word);

/* For tests: the path of a controller ("" is v2) in the text of /proc/PID/cgroup; 0 or
 * -CB_E_NOTFOUND. */
int cb_cgroup_own_path (const char *text, const char *controller, char *path, size_t room);

/* For tests: where a controller ("" is v2) is mounted, by the text of /proc/PID/mountinfo; root is
 * the part of the hierarchy that the mount shows. 0 or -CB_E_NOTFOUND. */
typedef struct cb_cgroup_mount {
    char at[PATH_MAX];
    char root[PATH_MAX];
} cb_cgroup_mount;
int cb_cgroup_find_mount (const char *text, const char *controller, cb_cgroup_mount *ret_mount);

/* For tests: cb_cgroups_find by the texts of /proc/self/cgroup and /proc/self/mountinfo. */
void cb_cgroups_find_in (cb_cgroups *self, const char *groups, const char *mounts);

/* For tests: the number behind a key in lines "KEY NUMBER"; 0 when there is none. */
uint64_t cb_cgroup_number (const char *text, const char *key);

#endif
