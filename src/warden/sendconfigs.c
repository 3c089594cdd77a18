/* sendconfigs.c - hands opened configuration files to the broker. Nobody in the warden reads them.
 */
#include "warden/sendconfigs.h"

#include "jail/launchmsg.h"

#include <stdio.h>
#include <string.h>

_Static_assert(CB_CONFIGS_MAX == CB_LAUNCH_CONFIGS, "one message holds them all");

int
cb_configs_send (const cb_configs *self, int socket, cb_err *err)
{
    cb_launch_config body;
    size_t size = 0;

    memset (&body, 0, sizeof body);
    for (size_t i = 0; i < self->n; i++) {
        int wrote =
            snprintf (body.labels + size, sizeof body.labels - size, "%s\n", self->labels[i]);
        if (wrote <= 0 || (size_t)wrote >= sizeof body.labels - size)
            return cb_fail (err, CB_E_LIMIT, "the paths of the configuration are too long");
        size += (size_t)wrote;
    }
    cb_launch_out out = {.head = {.type = CB_LAUNCH_CONFIG},
                         .body = &body,
                         .body_size = sizeof body,
                         .fds = self->fds,
                         .n_fds = self->n};
    return cb_launch_send (socket, &out, err);
}
