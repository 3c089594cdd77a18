/* clock.h - the one time unit: microseconds of the monotonic clock. Wall time is for records. */
#ifndef CB_BASE_CLOCK_H
#define CB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

typedef uint64_t cb_usec;

#define CB_USEC_PER_MSEC ((cb_usec)1000)
#define CB_USEC_PER_SEC  ((cb_usec)1000000)
#define CB_USEC_NEVER    UINT64_MAX

/* Microseconds since some moment in the past; never goes back. */
static inline cb_usec
cb_now (void)
{
    struct timespec now;
    (void)clock_gettime (CLOCK_MONOTONIC, &now);
    return (cb_usec)now.tv_sec * CB_USEC_PER_SEC + (cb_usec)now.tv_nsec / 1000;
}

#endif
