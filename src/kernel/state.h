/* state.h - the life of one kernel, and the only moves there are in it. */
#ifndef CB_KERNEL_STATE_H
#define CB_KERNEL_STATE_H

typedef enum {
    CB_KERNEL_NEW,       /* nothing was asked yet */
    CB_KERNEL_LAUNCHING, /* START is with the warden */
    CB_KERNEL_PROBING,   /* the jail stands; kernel_info is on its way */
    CB_KERNEL_IDLE,      /* ready, nothing runs */
    CB_KERNEL_BUSY,      /* a request of ours runs */
    CB_KERNEL_DYING,     /* we killed it, or its process ended: EXITED is awaited */
    CB_KERNEL_GONE,      /* everything of it is cleaned up */
    CB_KERNEL__COUNT
} cb_kernel_state;

/* "launching" ...: for logs. */
const char *cb_kernel_state_name (cb_kernel_state state);

/* Whether the table has the move. Staying is no move. */
int cb_kernel_may_become (cb_kernel_state from, cb_kernel_state to);

#endif
