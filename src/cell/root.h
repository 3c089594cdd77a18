/* root.h - the root folder of the jail: what a cell finds at / before bwrap adds /proc and /dev. */
#ifndef CB_CELL_ROOT_H
#define CB_CELL_ROOT_H

#include "base/err.h"

/* Makes CB_STAGE_ROOT in the stage's tmpfs and binds the host's share of it, read-only, and the
 * folders of the quota tmpfs. */
int cb_root_build (cb_err *err) __attribute__ ((warn_unused_result));

#endif
