/* state.c - the table of a kernel's moves. A row is a state, a bit is where it may go. */
#include "kernel/state.h"

#include <assert.h>

static const struct {
    const char *name;
    unsigned next;
} s_states[CB_KERNEL__COUNT] = {
    [CB_KERNEL_NEW] = {"new", 1U << CB_KERNEL_LAUNCHING | 1U << CB_KERNEL_GONE},
    [CB_KERNEL_LAUNCHING] = {"launching", 1U << CB_KERNEL_PROBING | 1U << CB_KERNEL_DYING |
                                              1U << CB_KERNEL_GONE},
    [CB_KERNEL_PROBING] = {"probing", 1U << CB_KERNEL_IDLE | 1U << CB_KERNEL_DYING},
    [CB_KERNEL_IDLE] = {"idle", 1U << CB_KERNEL_BUSY | 1U << CB_KERNEL_DYING},
    [CB_KERNEL_BUSY] = {"busy", 1U << CB_KERNEL_IDLE | 1U << CB_KERNEL_DYING},
    [CB_KERNEL_DYING] = {"dying", 1U << CB_KERNEL_GONE},
    [CB_KERNEL_GONE] = {"gone", 0},
};

const char *
cb_kernel_state_name (cb_kernel_state state)
{
    assert (state < CB_KERNEL__COUNT);
    return s_states[state].name;
}

int
cb_kernel_may_become (cb_kernel_state from, cb_kernel_state to)
{
    assert (from < CB_KERNEL__COUNT && to < CB_KERNEL__COUNT);
    return (s_states[from].next >> to & 1U) != 0;
}
