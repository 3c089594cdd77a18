/* kernel-int.h - the inside of a kernel, for kernel.c and kernel-make.c only. */
#ifndef CB_KERNEL_KERNEL_INT_H
#define CB_KERNEL_KERNEL_INT_H

#include "kernel/kernel.h"

struct cb_kernel {
    cb_loop *loop;         /* borrowed */
    cb_launcher *launcher; /* borrowed */
    const cb_kernel_events *events;
    void *context;
    const cb_jail_spec *spec; /* borrowed */
    cb_kernel_state state;
    cb_launch_watch watch;
    uint64_t jail; /* its number, also after its end */
    cb_link *link;
    cb_page *page; /* owned */
    cb_launch_started started;
    int tree;
    int pidfd;
    cb_fact_files facts;
    cb_source *pidfd_source;
    cb_source *timer;
    cb_usage_files usage;
    char probe[CB_MSG_ID_MAX];
    unsigned seen;    /* SEEN_* of the probe */
    cb_usec deadline; /* of the state */
    cb_usec probe_at; /* the next probe */
    cb_usec asked_at; /* START */
    char why[256];    /* what we killed it for */
    char closed[64];  /* a channel it closed, in words */
    int leaving;      /* it was asked to end by itself; why says for what */
    int iopub_closed;
    int exited;
    cb_death death;
};

extern const cb_launch_watch_events cb_kernel_watch_events_;
extern const cb_link_events cb_kernel_link_events_;
void cb_kernel_on_time_ (cb_source *source, void *context);
/* Its process is watched from now on. */
int cb_kernel_watch_process_ (cb_kernel *self, cb_err *err) __attribute__ ((warn_unused_result));

#endif
