/* bury.c - the last close of a large tmpfs happens in a child that does nothing else.
 *
 * The child has the descriptor from fork and waits until we have closed ours: only then its own is
 * the last. Without a child (no memory for it) we wait ourselves. It is reaped like every other. */
#include "warden/bury.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A thousand pages are freed in less than a millisecond, about what a fork costs. */
#define SMALL ((uint64_t)4 << 20)

static int
s_is_small (int quota)
{
    struct statfs status;

    return fstatfs (quota, &status) < 0 ||
           (uint64_t)(status.f_blocks - status.f_bfree) * (uint64_t)status.f_bsize < SMALL;
}

/* Nothing but these two descriptors may be held up here. */
static void
s_keep_two (int one, int other)
{
    unsigned low = (unsigned)(one < other ? one : other);
    unsigned high = (unsigned)(one < other ? other : one);

    if (low > 0)
        (void)close_range (0, low - 1, 0);
    if (high > low + 1)
        (void)close_range (low + 1, high - 1, 0);
    (void)close_range (high + 1, ~0U, 0);
}

void
cb_bury (int *quota)
{
    int ends[2];
    char byte;

    if (*quota >= 0 && !s_is_small (*quota) && pipe2 (ends, O_CLOEXEC) == 0) {
        pid_t pid = fork ();
        if (pid == 0) {
            s_keep_two (*quota, ends[0]);
            _exit (read (ends[0], &byte, 1) != 0);
        }
        cb_close (quota);
        cb_close (&ends[0]);
        cb_close (&ends[1]);
    }
    cb_close (quota);
}
