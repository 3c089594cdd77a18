/* tap.h - the Test Anything Protocol for unit tests: ok (condition), then return tap_done (). */
#ifndef CB_BASE_TAP_H
#define CB_BASE_TAP_H

#include <stdio.h>

static int tap_count_;
static int tap_failed_;

#define ok(condition, ...)                                            \
    do {                                                              \
        int tap_good_ = (condition) ? 1 : 0;                          \
        tap_failed_ += !tap_good_;                                    \
        printf ("%sok %d - ", tap_good_ ? "" : "not ", ++tap_count_); \
        printf (__VA_ARGS__);                                         \
        printf ("\n");                                                \
        if (!tap_good_)                                               \
            printf ("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
        fflush (stdout);                                              \
    } while (0)

/* Prints the plan; the value for main to return. */
static inline int
tap_done (void)
{
    printf ("1..%d\n", tap_count_);
    return tap_failed_ != 0;
}

/* A whole program that cannot run here, with the reason; the value for main to return. */
static inline int
tap_skip_all (const char *reason)
{
    printf ("1..0 # SKIP %s\n", reason);
    return 0;
}

#endif
