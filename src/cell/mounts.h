/* mounts.h - the mount namespace of cellblock-jail: what bwrap will bind, made below CB_STAGE_DIR.
 */
#ifndef CB_CELL_MOUNTS_H
#define CB_CELL_MOUNTS_H

#include "jail/spec.h"

#include <sys/types.h>

typedef struct cb_mounts {
    int as_root; /* the warden is root: idmapped mounts, a uid of the jail's own */
    uid_t uid;   /* the jail's kernel uid and gid; our own as an ordinary user */
    gid_t gid;
    int init; /* detached trees (open_tree), owned */
    int kernelspec;
    int inputs[CB_SPEC_INPUTS_MAX];
    int workdir;
} cb_mounts;

/* Takes a mount namespace (an ordinary user: a user namespace around it, own ids mapped), makes it
 * private and takes trees of what the descriptors CB_STAGE_FD_LIBEXEC.. name. */
int cb_mounts_enter (cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Builds CB_STAGE_DIR: quota tmpfs, cellblock-init, kernelspec, inputs; then it is read-only.
 * Owned O_PATH descriptor of the quota tmpfs or a fault. */
int cb_mounts_build (cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
