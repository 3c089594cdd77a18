/* inputs.h - one thing from the host made readable for the jail's uid, read-only. */
#ifndef CB_CELL_INPUTS_H
#define CB_CELL_INPUTS_H

#include "cell/mounts.h"
#include "cell/walk.h"

typedef struct cb_input {
    const char *path;   /* for messages; borrowed */
    int tree;           /* detached tree; borrowed */
    const char *target; /* where it is attached; borrowed */
    int noexec;
    int is_workdir; /* goes through overlayfs before it is searched */
    int is_input;   /* a person's file: searched for sockets, copied where it cannot be mapped */
} cb_input;

/* Makes the empty file or folder that the tree will cover. */
int cb_input_make_target (const cb_input *self, cb_err *err) __attribute__ ((warn_unused_result));

/* Attaches the tree at its target, read-only, so that the jail's uid reads what its owner reads.
 * Started by root: an idmapped mount; where the file system refuses that, the tree as it is when
 * everybody may read it, else (an input) a copy of at most CB_INPUT_COPY_BYTES. */
int cb_input_attach (const cb_input *self, const cb_mounts *mounts, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Shows the owner of the tree as the jail's uid (as root; detached, not yet attached). 0: where
 * that is refused. */
int cb_input_map (const cb_input *self, const cb_mounts *mounts);

/* Fails when there is a socket, a named pipe or a file system of the kernel in the tree. */
int cb_input_search_doors (const cb_input *self, cb_survey *ret_survey, cb_err *err)
    __attribute__ ((warn_unused_result));

/* What is copied at most where idmapped mounts are refused: it is memory of the jail. */
#define CB_INPUT_COPY_BYTES   (UINT64_C (256) << 20)
#define CB_INPUT_COPY_ENTRIES 16384

#endif
