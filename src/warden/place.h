/* place.h - the runtime and state folders: owners checked, locked, cleaned before and after. */
#ifndef CB_WARDEN_PLACE_H
#define CB_WARDEN_PLACE_H

#include "base/err.h"

#include <limits.h>
#include <sys/types.h>

typedef struct cb_place {
    char runtime_path[PATH_MAX];
    char state_path[PATH_MAX];
    char runtime_real[PATH_MAX]; /* without symlinks */
    char state_real[PATH_MAX];
    char log_path[PATH_MAX];
    char kernelspec[PATH_MAX]; /* of --kernelspec, without symlinks; "": the one that belongs to us
                                */
    int runtime_fd;
    int grants_fd; /* base/grant */
    int state_fd;
    int lock_fd; /* the flock is held while this open file lives in warden or janitor */
    int made;    /* 1: we made the runtime folder; the lock file says it to who removes it */
    int as_root; /* 1: root with more users than itself: broker and jails get uids of their own */
    uid_t broker_uid; /* owner of both folders; our own unless as_root */
} cb_place;

/* Finds, makes, checks and locks the folders, and removes what a dead daemon left in the runtime
 * folder. -CB_E_EXISTS names the process that holds the lock. */
int cb_place_open (cb_place *self, cb_err *err) __attribute__ ((warn_unused_result));
void cb_place_done (cb_place *self);

/* The log in the state folder, for appending: regular, not linked elsewhere, ours. Owned. */
int cb_place_open_log (cb_place *self, cb_err *err) __attribute__ ((warn_unused_result));

/* Writes "PID STATE" into the lock file: who holds it, for those who find it locked. */
void cb_place_mark (cb_place *self, pid_t warden, const char *state);

/* Empties the runtime folder but for its locks: what a dead daemon left. */
void cb_place_clean_inside (cb_place *self);

/* Empties the runtime folder and removes it when it is ours to remove. start.lock stays while a
 * client holds it. */
void cb_place_clean (cb_place *self);

#endif
