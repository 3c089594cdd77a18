/* usage.h - what a kernel process has used so far, from its files in /proc. */
#ifndef CB_KERNEL_USAGE_H
#define CB_KERNEL_USAGE_H

#include "base/clock.h"

#include <stdint.h>
#include <sys/types.h>

typedef struct cb_usage {
    int known;
    cb_usec cpu;          /* of the process and its waited-for children */
    uint64_t peak_memory; /* bytes: the most that was resident, 0: not known */
} cb_usage;

typedef struct cb_usage_files {
    int stat;   /* owned */
    int status; /* owned */
} cb_usage_files;

/* Closed files: usage is not known. */
void cb_usage_init (cb_usage_files *self);

/* Opens the files once; reading them again later needs no path and cannot meet another process of
 * the same number. Where they cannot be opened usage stays unknown. */
void cb_usage_open (cb_usage_files *self, pid_t pid);
void cb_usage_done (cb_usage_files *self);

/* Some ten microseconds each. known is 0 when the process is gone. cpu alone is half the work. */
void cb_usage_read_cpu (const cb_usage_files *self, cb_usage *ret_usage);
void cb_usage_read (const cb_usage_files *self, cb_usage *ret_usage);

/* The parsers, for tests: the text of /proc/PID/stat and of /proc/PID/status. */
int cb_usage_parse_stat (const char *text, cb_usec *ret_cpu);
int cb_usage_parse_status (const char *text, uint64_t *ret_peak);

#endif
