/* tree.h - folders: making private ones, removing whole trees without following anything. */
#ifndef CB_BASE_TREE_H
#define CB_BASE_TREE_H

#include "base/err.h"

#include <sys/types.h>

/* Makes the folder and its parents where missing (mode 0700), checks that the last is a real
 * folder owned by us (or, for root, by `also_owner`) with no rights for others, and opens it.
 * Owned descriptor or -CB_E_*; the sentence says who owns it and what to do. */
int cb_private_dir (const char *path, uid_t also_owner, cb_err *err);

/* Removes the entry below dir_fd with everything in it; symlinks are removed, not followed.
 * 0 also when it was not there. At most 64 levels deep. */
int cb_remove_tree (int dir_fd, const char *name, cb_err *err);

#endif
