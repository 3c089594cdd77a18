/* home.h - which folders are nobody's to give whole. */
#ifndef CB_BASE_HOME_H
#define CB_BASE_HOME_H

#include "base/err.h"

#include <sys/types.h>

/* Whether folder, which may be NULL or have symlinks in it, is there and is path or below it. */
int cb_folder_holds (const char *path, const char *folder);

/* -CB_E_DENIED with a sentence when path (absolute, without symlinks) is the root folder, a home
 * (ours by the environment or by passwd, or that of owner) or holds one. */
int cb_home_check (const char *path, uid_t owner, cb_err *err) __attribute__ ((warn_unused_result));

#endif
