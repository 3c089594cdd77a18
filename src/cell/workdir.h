/* workdir.h - the folder that a person works in, in the jail: to be read, or written as its owner.
 */
#ifndef CB_CELL_WORKDIR_H
#define CB_CELL_WORKDIR_H

#include "cell/mounts.h"

/* A detached copy of the folder behind fd, without what is mounted in it. Owned descriptor. */
int cb_workdir_take (int fd, const char *path, cb_err *err) __attribute__ ((warn_unused_result));

/* Attaches self->workdir at CB_STAGE_WORKDIR as the spec says; nothing for CB_WORKDIR_NONE. */
int cb_workdir_attach (const cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
