/* open.h - opening a file or folder of a jail's quota tmpfs for the broker. */
#ifndef CB_WARDEN_OPEN_H
#define CB_WARDEN_OPEN_H

#include "jail/launchmsg.h"

typedef struct cb_open_in {
    int quota; /* O_PATH of the tmpfs' root */
    int give;  /* 1: a new file is given to uid */
    uid_t uid;
} cb_open_in;

/* Owned descriptor and what it is, or -CB_E_*. Never follows a link, never leaves the tmpfs, never
 * waits. */
int cb_open_file (const cb_open_in *in, const cb_launch_open *open, cb_launch_opened *ret_opened,
                  cb_err *err) __attribute__ ((warn_unused_result));

#endif
