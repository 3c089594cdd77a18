/* watchdog.h - sees to a jail's memory where the kernel alone does not end the jail at its limit.
 */
#ifndef CB_WARDEN_WATCHDOG_H
#define CB_WARDEN_WATCHDOG_H

#include "warden/cgroup.h"
#include "warden/reactor.h"
#include "warden/scan.h"

typedef struct cb_watchdog_in {
    cb_reactor *reactor;     /* borrowed */
    const cb_cgroup *cgroup; /* borrowed: the jail's, perhaps none */
    uint64_t memory;         /* bytes, 0: no limit */
    uint32_t processes;      /* the limit */
    int proc;                /* borrowed: the jail's /proc, -1: cannot be looked at */
    int quota;               /* borrowed: the jail's tmpfs */
    /* The jail is over its memory limit: it must end now. Told once. */
    void (*on_over) (void *context);
    void *context; /* borrowed */
} cb_watchdog_in;

typedef struct cb_watchdog {
    cb_watchdog_in in;
    cb_timer timer;
    cb_watch oom_watch;
    int oom;          /* owned: an eventfd that counts out-of-memory events (v1), -1: none */
    cb_usec patience; /* how long an event waits for its kill to be counted */
    int over;
    uint64_t socket_bytes; /* what one socket may hold */
    uint64_t memory;       /* bytes, of the last look */
    uint64_t peak_memory;  /* bytes */
    uint64_t process_hits; /* looks that found the limit of processes used up */
} cb_watchdog;

/* Embedded; nothing is watched before start. */
void cb_watchdog_init (cb_watchdog *self);

/* With a memory cgroup of v1: when it has to kill one process, the rest of the jail must go too
 * (v2 does that itself). Without a memory cgroup: looks at the processes again and again. */
void cb_watchdog_start (cb_watchdog *self, const cb_watchdog_in *in);
void cb_watchdog_stop (cb_watchdog *self);

/* Whether it looks at the processes. */
int cb_watchdog_is_scanning (const cb_watchdog *self);

/* What a jail uses as a whole: what is mapped or open of the tmpfs is in both shared and files. */
uint64_t cb_watchdog_sum (uint64_t own, uint64_t shared, uint64_t files);

/* How long to wait before the next look, when this one found `used` and took `cost`. */
cb_usec cb_watchdog_period (uint64_t used, uint64_t limit, cb_usec cost);

#endif
