/* parent.h - whether the process that started us still lives. */
#ifndef CB_CLI_PARENT_H
#define CB_CLI_PARENT_H

#include "loop/loop.h"

typedef struct cb_parent cb_parent;

typedef void cb_on_orphaned (void *context);

/* Watches the parent, and the process that $JPY_PARENT_PID names when that is further up (a
 * frontend behind a wrapper). -CB_E_GONE: it is gone already. Owned; NULL with err. */
cb_parent *cb_parent_new (cb_loop *loop, cb_on_orphaned *on_orphaned, void *context, cb_err *err);
void cb_parent_destroy (cb_parent **self);

#endif
