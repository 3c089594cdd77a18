/* grant.h - the word of somebody who may write a folder that a jail may.
 *
 * A file workdir-DEVICE-INODE in the folder of grants in the runtime folder: the client of the
 * daemon's owner makes it, the warden, which made that folder and holds it open, looks for it.
 * Started by root the broker has a uid of its own, to which the folder is closed, so what it is
 * brought to ask for counts for nothing. */
#ifndef CB_BASE_GRANT_H
#define CB_BASE_GRANT_H

#include "base/err.h"

#include <sys/stat.h>

/* Makes the folder for them, closed to everybody else: owned descriptor. */
int cb_grant_open (int runtime_fd, cb_err *err) __attribute__ ((warn_unused_result));

/* Gives it for the folder, until the daemon ends. */
int cb_grant_give (int runtime_fd, const struct stat *folder, cb_err *err)
    __attribute__ ((warn_unused_result));

/* 0 when it was given by our own user; -CB_E_DENIED. path is for the sentence. */
int cb_grant_check (int grants_fd, const struct stat *folder, const char *path, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
