/* bwrap.h - bubblewrap's arguments for a jail: the list is the policy, and a golden test holds it.
 */
#ifndef CB_WARDEN_BWRAP_H
#define CB_WARDEN_BWRAP_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/* Bytes of an argument list. */
#define CB_BWRAP_BYTES_MAX 16384

/* Files of /proc that are hidden where they exist, as a bit mask of the rows of bwrap.c. */
uint32_t cb_bwrap_masks (void);

/* The arguments for bwrap --args, each with its end byte. */
int cb_bwrap_args (uint32_t masks, cb_buf *into, cb_err *err) __attribute__ ((warn_unused_result));

#endif
