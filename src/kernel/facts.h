/* facts.h - what Linux tells of a live jail's limits: read by the broker itself, in some
 * microseconds, without asking anybody. */
#ifndef CB_KERNEL_FACTS_H
#define CB_KERNEL_FACTS_H

#include "jail/launchmsg.h"

typedef struct cb_fact_files {
    int files[CB_FACT__COUNT]; /* owned; -1: not to be had */
} cb_fact_files;

/* A bit a limit whose fact can be seen and which the session survives. */
typedef enum {
    CB_HIT_PROCESSES,
    CB_HIT_OPEN_FILES,
    CB_HIT_DISK,
    CB_HIT_FILES,
    CB_HIT__COUNT
} cb_hit;

typedef struct cb_facts {
    uint64_t refused; /* forks refused by the cgroup since the jail's start; 0 without one */
    uint32_t reached; /* bit (1 << cb_hit): the limit is used up now */
    uint32_t unknown; /* not looked at, or cannot be seen */
} cb_facts;

/* Nothing. */
void cb_fact_files_init (cb_fact_files *self);
void cb_fact_files_done (cb_fact_files *self);

/* Takes those that came with STARTED or JAIL: bits of started->facts. */
void cb_fact_files_take (cb_fact_files *self, uint32_t bits, int *fds, size_t n_fds);

/* A look. tree: O_PATH of the quota tmpfs, -1: none. closely: also what takes longer than a system
 * call or two, which is counting processes where no cgroup counts them. */
void cb_facts_look (const cb_fact_files *self, const cb_jail_spec *spec, int tree, int closely,
                    cb_facts *ret_facts);

/* For tests: the sum behind "Threads:" of what /proc shows, without number 1; -1: cannot be seen.
 */
int64_t cb_facts_tasks (int proc);

#endif
