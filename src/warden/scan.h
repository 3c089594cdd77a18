/* scan.h - what the processes of a jail use together, read in the jail's own /proc. */
#ifndef CB_WARDEN_SCAN_H
#define CB_WARDEN_SCAN_H

#include <stdint.h>
#include <sys/types.h>

typedef struct cb_scan {
    uint32_t processes; /* without the jail's pid 1, which is bwrap's */
    uint32_t tasks;     /* their threads */
    uint64_t resident;  /* bytes; a page that several share is counted for each of them */
    uint64_t swapped;   /* bytes */
    uint64_t tables;    /* bytes of page tables, which grow also where nothing is resident */
} cb_scan;

/* The same memory, shared pages counted once. */
typedef struct cb_scan_exact {
    uint64_t own;    /* bytes of programs and heaps, swapped ones included */
    uint64_t shared; /* bytes of mapped tmpfs files and shared anonymous memory */
} cb_scan_exact;

/* Opens /proc as a process sees it: its jail's. Close-on-exec descriptor or -1 with errno. */
int cb_scan_open (pid_t pid);

/* Some tens of microseconds a process. 0, or -1 when nothing can be seen (the jail is gone). */
int cb_scan_read (int proc, cb_scan *ret_scan);

/* Up to milliseconds: the kernel walks through all pages. */
int cb_scan_read_exact (int proc, cb_scan_exact *ret_exact);

/* Sockets of the jail's own network, those included whose data nobody has read; 0: cannot be seen.
 */
uint32_t cb_scan_sockets (int proc);

/* For tests: the number behind a label ("VmRSS:") in lines "LABEL NUMBER [kB]"; 0: none. */
uint64_t cb_scan_number (const char *text, const char *label);

#endif
