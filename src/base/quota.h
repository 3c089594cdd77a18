/* quota.h - accounts of bytes (or anything countable): charge before you allocate for a peer. */
#ifndef CB_BASE_QUOTA_H
#define CB_BASE_QUOTA_H

#include <stdint.h>

typedef struct cb_quota cb_quota;
struct cb_quota {
    cb_quota *parent; /* borrowed, charged as well; NULL at the top */
    uint64_t limit;
    uint64_t used;
};

static inline void
cb_quota_init (cb_quota *self, cb_quota *parent, uint64_t limit)
{
    *self = (cb_quota){.parent = parent, .limit = limit};
}

/* Charges the account and all above it, or none: 0 or -CB_E_LIMIT. */
int cb_quota_charge (cb_quota *self, uint64_t amount) __attribute__ ((warn_unused_result));

/* Gives back what was charged. */
void cb_quota_release (cb_quota *self, uint64_t amount);

#endif
