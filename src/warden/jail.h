/* jail.h - the jails of the warden: started, watched, killed, cleaned up. */
#ifndef CB_WARDEN_JAIL_H
#define CB_WARDEN_JAIL_H

#include "warden/bwrap.h"
#include "warden/ceiling.h"
#include "warden/cgroup.h"
#include "warden/fdstore.h"
#include "warden/line.h"
#include "warden/open.h"
#include "warden/place.h"
#include "warden/tail.h"
#include "warden/uids.h"
#include "warden/watchdog.h"

#include <sys/resource.h>

/* From fork to CB_STAGE_INIT a jail may take these percent of the time its kernel has to answer:
 * the warden can say at which stage it hangs. A healthy start takes tens of milliseconds. */
#define CB_JAIL_START_PERCENT 66

/* The cpu quota comes when the kernel has had time to import (a quota at once doubles the start).
 */
#define CB_JAIL_CPU_AFTER CB_USEC_PER_SEC

/* Descriptors of a jail in the warden, some to spare; and those for everything else. */
#define CB_JAIL_FDS     24
#define CB_JAIL_FDS_OWN 256

/* Files of jails that ended are kept for so many of them at most. */
#define CB_JAIL_REMAINS 32

typedef enum {
    CB_JAIL_STARTING, /* forked; stages are reporting */
    CB_JAIL_RUNNING,  /* Python runs */
    CB_JAIL_ENDING,   /* to be killed, or dead and being cleaned up */
    CB_JAIL__COUNT
} cb_jail_state;

struct cb_jails;

typedef struct cb_jail {
    struct cb_jails *owner; /* borrowed */
    struct cb_jail *next;
    uint64_t id;
    cb_launch_head start; /* of the START that is still to be answered */
    int answered;
    cb_jail_state state;
    uint32_t stage; /* the last that was done */
    cb_buf spec;    /* encoded, owned */
    char name[CB_NAME_MAX];
    uint8_t layer_modes[CB_LAYER__COUNT];
    cb_usec start_wait; /* to CB_STAGE_INIT */
    uint32_t cpu_percent;
    uint32_t processes;
    uint64_t memory;
    pid_t pid; /* cellblock-jail, then bwrap: our child */
    int reaped;
    int wait_status;
    int killed; /* by request or shutdown */
    uid_t uid;
    int has_uid;
    int uid_is_good;
    cb_fdstore fds;
    cb_cgroup cgroup;
    cb_watchdog watchdog;
    cb_tail tail;
    int status; /* owned socket to the stages; -1 closed */
    cb_watch status_watch;
    cb_timer timer;            /* start deadline, cpu quota, cleaning: by state */
    cb_usec ending_since;      /* when it became ENDING */
    cb_launch_started started; /* as sent */
    cb_cgroup_usage usage;     /* read just before the group is removed */
    char why[CB_ERR_TEXT_MAX]; /* why it failed to start; "" none */
    int why_code;
} cb_jail;

typedef struct cb_remains {
    struct cb_remains *next;
    uint64_t id;
    int quota;
    uid_t uid;
    int has_uid;
    cb_usec until;
} cb_remains;

typedef struct cb_jails {
    cb_reactor *reactor;   /* borrowed */
    cb_line *line;         /* borrowed: where answers and events go */
    const cb_place *place; /* borrowed */
    cb_cgroups *cgroups;   /* borrowed */
    cb_uids uids;
    cb_ceiling ceiling;
    uint32_t masks;       /* cb_bwrap_masks */
    struct rlimit nofile; /* what programs get: as the warden was started */
    size_t max;           /* jails at a time, by descriptors */
    cb_jail *first;       /* owned */
    size_t n;
    cb_remains *remains; /* owned, oldest first */
    cb_timer forget;
} cb_jails;

/* Embedded; reactor, line, place, cgroups, nofile and the ceiling's folders are filled in by the
 * owner. */
void cb_jails_init (cb_jails *self, uint64_t descriptors);

/* START: a process is on its way, or -CB_E_* to be answered with FAILED. Takes descriptors. */
int cb_jails_start (cb_jails *self, const cb_launch_in *in, cb_packet *packet, cb_err *err)
    __attribute__ ((warn_unused_result));

/* A live jail by its number, or NULL. */
cb_jail *cb_jails_find (cb_jails *self, uint64_t id);

/* The quota tmpfs of a live or lately ended jail: 0 or -CB_E_NOTFOUND. */
int cb_jails_find_quota (cb_jails *self, uint64_t id, cb_open_in *ret_in, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Drops the files of an ended jail. */
void cb_jails_forget (cb_jails *self, uint64_t id);

void cb_jails_kill_all (cb_jails *self);

/* A child of ours was reaped: 1 when it was a jail's. */
int cb_jails_on_child (cb_jails *self, pid_t pid, int status);

/* Whether a child is a jail's. */
int cb_jails_has_child (const cb_jails *self, pid_t pid);

/* -- one jail: jail.c ------------------------------------------------------------------------ */

/* Listens to its stages from now on. */
void cb_jail_watch (cb_jail *self);

/* Kills it; EXITED follows. Never waits. */
void cb_jail_kill (cb_jail *self);

/* Its child was reaped. May free it. */
void cb_jail_on_end (cb_jail *self, int status);

/* What it has used so far, by its cgroup and by what the watchdog saw. */
void cb_jail_usage (const cb_jail *self, cb_cgroup_usage *ret_usage);

/* Takes it out of the list and frees all it holds. */
void cb_jail_free (cb_jail *self);

/* Keeps its files for a while. */
void cb_jails_keep_remains (cb_jail *self);

#endif
