/* sendconfigs.h - opened configuration files for the broker, which may not be able to reach them.
 */
#ifndef CB_WARDEN_SENDCONFIGS_H
#define CB_WARDEN_SENDCONFIGS_H

#include "base/configs.h"

/* Sends them (CB_LAUNCH_CONFIG), or why they cannot be opened (CB_LAUNCH_FAILED). */
int cb_configs_send (const cb_configs *self, int socket, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
