/* uids.h - kernel user ids for jails: one each, nobody else's, not used twice at a time. */
#ifndef CB_WARDEN_UIDS_H
#define CB_WARDEN_UIDS_H

#include "base/err.h"
#include "base/idmap.h"

#include <stdint.h>

/* The first uid of the range: above systemd's containers (to 1879048191), below 2^31. */
#define CB_UIDS_FIRST 1900000000U
#define CB_UIDS_SLOTS 4096

typedef struct cb_uids {
    uid_t uids[CB_UIDS_SLOTS];
    uint8_t states[CB_UIDS_SLOTS];
    size_t n_slots; /* 0: no uids to give (not root, or a map with one user) */
} cb_uids;

/* Fills the slots from what the map has; the broker's uid is never among them. */
void cb_uids_init (cb_uids *self, const cb_idmap *map, uid_t broker);

/* Takes out what belongs to somebody: texts of /etc/passwd and /etc/subuid (passwd(5), subuid(5)).
 */
void cb_uids_exclude_passwd (cb_uids *self, const char *text);
void cb_uids_exclude_subuid (cb_uids *self, const char *text);

/* Reads both files. */
void cb_uids_exclude_files (cb_uids *self);

/* The lowest free one. *ret_verified 0: nobody has asked the name services about it yet
 * (cb_uids_owner, in the jail's child because that may wait). */
int cb_uids_take (cb_uids *self, uid_t *ret_uid, int *ret_verified, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Gives it back; free_again 0: it belongs to somebody and is never given out. */
void cb_uids_release (cb_uids *self, uid_t uid, int free_again);

/* Whether an account has this uid; its name is written to name. May wait for the network. */
int cb_uids_owner (uid_t uid, char *name, size_t room);

#endif
