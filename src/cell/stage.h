/* stage.h - what cellblock-jail and cellblock-init share: reading the spec, telling the warden. */
#ifndef CB_CELL_STAGE_H
#define CB_CELL_STAGE_H

#include "jail/launchmsg.h"

/* Reads and decodes the spec of CB_STAGE_FD_SPEC. */
int cb_stage_spec (cb_jail_spec *ret_spec, cb_err *err) __attribute__ ((warn_unused_result));

/* Tells the warden that a stage is done. layers: bits (1 << cb_layer) it put in force; fd: a
 * descriptor that goes with it, or -1. */
int cb_stage_done (cb_stage stage, uint32_t layers, uint32_t landlock_abi, int fd, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Tells the warden why the stage failed (standard error too, when the warden is gone). For main to
 * return: 1. */
int cb_stage_failed (cb_stage stage, const cb_err *err);

/* Writes a text to a file that the kernel offers (uid_map, oom_score_adj ...). */
int cb_stage_write (const char *path, const char *text, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
