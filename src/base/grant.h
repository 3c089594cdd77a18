/* grant.h - the word of somebody who may write a folder that a jail may.
 *
 * A file workdir-DEVICE-INODE in the runtime folder that says the same, of the owner of the daemon:
 * his client makes it, the warden looks for it. Started by root the broker has a uid of its own and
 * can make none, so what it is brought to ask for counts for nothing. */
#ifndef CB_BASE_GRANT_H
#define CB_BASE_GRANT_H

#include "base/err.h"

#include <sys/stat.h>

/* Gives it for the folder, until the daemon ends. */
int cb_grant_give (int runtime_fd, const struct stat *folder, cb_err *err)
    __attribute__ ((warn_unused_result));

/* 0 when it was given by our own user; -CB_E_DENIED. path is for the sentence. */
int cb_grant_check (int runtime_fd, const struct stat *folder, const char *path, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
