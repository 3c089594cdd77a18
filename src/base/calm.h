/* calm.h - a stranger must not write our log: one line a second of what he can cause at will. */
#ifndef CB_BASE_CALM_H
#define CB_BASE_CALM_H

#include "base/clock.h"

/* All zero is ready for use. */
typedef struct cb_calm {
    cb_usec told_at; /* when a line was last written; 0: never */
    uint64_t untold; /* what was not written since */
} cb_calm;

/* Whether a line may be written now; *ret_more: how many were left out before it. */
static inline int
cb_calm_may (cb_calm *self, uint64_t *ret_more)
{
    cb_usec now = cb_now ();

    if (self->told_at != 0 && now - self->told_at < CB_USEC_PER_SEC) {
        self->untold++;
        return 0;
    }
    *ret_more = self->untold;
    *self = (cb_calm){.told_at = now};
    return 1;
}

#endif
