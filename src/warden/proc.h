/* proc.h - what the warden asks /proc and pidfds: parents, children, how a process ended. */
#ifndef CB_WARDEN_PROC_H
#define CB_WARDEN_PROC_H

#include "base/clock.h"

#include <stddef.h>
#include <sys/types.h>

/* Parent of a process in our pid namespace, -1 when it is gone. */
pid_t cb_proc_parent (pid_t pid);

/* Whether the process is number 1 of a pid namespace below ours. */
int cb_proc_is_ns_init (pid_t pid);

/* The pid 1 between a process and its ancestor (at most a few levels), or -1: then the process is
 * no descendant of `ancestor` within a pid namespace of its own. */
pid_t cb_proc_ns_init_between (pid_t pid, pid_t ancestor);

/* Our own direct children, zombies included; at most room of them. */
size_t cb_proc_children (pid_t *pids, size_t room);

/* Close-on-exec descriptor of a process or -1 with errno. */
int cb_pidfd_open (pid_t pid);

/* Sends a signal; 0, or -1 with errno (ESRCH: gone). */
int cb_pidfd_kill (int pidfd, int signal);

/* Whether the process behind the pidfd has ended. */
int cb_pidfd_ended (int pidfd);

/* The wait status of an ended process that somebody else reaped: 0, or -1 where the kernel cannot
 * tell (PIDFD_GET_INFO with PIDFD_INFO_EXIT: Linux 6.15). */
int cb_pidfd_exit_status (int pidfd, int *ret_status);

/* Kills all our descendants, and reaps, until none is left or the moment has come; the number that
 * is left. The caller is a subreaper, so nobody escapes by forking. */
size_t cb_proc_kill_children (cb_usec until);

#endif
