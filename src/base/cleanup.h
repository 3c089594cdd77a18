/* cleanup.h - ownership that ends with its scope. Destructors take ** and accept NULL. */
#ifndef CB_BASE_CLEANUP_H
#define CB_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* cb_owned(cb_run) cb_run *run = ...: calls cb_run_destroy (&run) when the scope ends. */
#define cb_owned(type) __attribute__ ((__cleanup__ (type##_destroy)))

/* For embedded objects with _init/_done: cb_scoped(cb_buf) cb_buf text; */
#define cb_scoped(type) __attribute__ ((__cleanup__ (type##_done)))

/* The only way out of a scope: gives the value and leaves NULL (or -1 for descriptors) behind. */
#define cb_take(pointer)                            \
    (__extension__({                                \
        __typeof__ (pointer) cb_taken_ = (pointer); \
        (pointer) = NULL;                           \
        cb_taken_;                                  \
    }))

static inline int
cb_take_fd (int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static inline void
cb_free_at (void *pointer_at)
{
    void **at = (void **)pointer_at;
    free (*at);
    *at = NULL;
}

/* Closes *fd when it is open and leaves -1. errno is kept. */
void cb_close (int *fd);

#define cb_auto_free  __attribute__ ((__cleanup__ (cb_free_at)))
#define cb_auto_close __attribute__ ((__cleanup__ (cb_close)))

#endif
