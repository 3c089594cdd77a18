/* overlay.h - a folder of the host as a file system of its own: what is a door in it leads nowhere.
 */
#ifndef CB_CELL_OVERLAY_H
#define CB_CELL_OVERLAY_H

#include "base/err.h"

enum { CB_OVERLAY_ATTACHED, CB_OVERLAY_REFUSED }; /* outcomes: through it; as it is */

/* Attaches the detached tree of a folder (read-only, its flags set) at target through overlayfs;
 * where that cannot be had, as it is. */
int cb_overlay_attach (int tree, const char *target, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Once all are attached and CB_STAGE_DIR is the root: starts the process that makes changes in
 * those folders seen within CB_OVERLAY_FRESH seconds. It dies with its parent. */
#define CB_OVERLAY_FRESH 2
int cb_overlay_keep_fresh (cb_err *err) __attribute__ ((warn_unused_result));

#endif
