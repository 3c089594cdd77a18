/* quota.c - accounts of bytes. What is charged below is charged above, so one bound at the top
 * holds for all peers together. */
#include "base/quota.h"

#include "base/err.h"

#include <assert.h>
#include <stddef.h>

int
cb_quota_charge (cb_quota *self, uint64_t amount)
{
    for (const cb_quota *at = self; at != NULL; at = at->parent)
        if (amount > at->limit || at->used > at->limit - amount)
            return -CB_E_LIMIT;
    for (cb_quota *at = self; at != NULL; at = at->parent)
        at->used += amount;
    return 0;
}

void
cb_quota_release (cb_quota *self, uint64_t amount)
{
    for (cb_quota *at = self; at != NULL; at = at->parent) {
        assert (at->used >= amount);
        at->used -= amount;
    }
}
