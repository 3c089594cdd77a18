/* files.h - the helper process of file work on the loop. */
#ifndef CB_SESSION_FILES_H
#define CB_SESSION_FILES_H

#include "loop/loop.h"
#include "prov/filer.h"

typedef struct cb_files cb_files;
typedef void cb_on_files_gone (void *context);

/* Takes filer (also on failure). on_gone: the process died; every job was answered. Owned. */
cb_files *cb_files_new (cb_loop *loop, cb_filer *filer, cb_on_files_gone *on_gone, void *context,
                        cb_err *err);
void cb_files_destroy (cb_files **self);

/* cb_filer_submit and cb_filer_cancel. */
int cb_files_submit (cb_files *self, const cb_job *job, cb_on_job *on_job, void *context,
                     cb_err *err) __attribute__ ((warn_unused_result));
void cb_files_cancel (cb_files *self, const void *context);

#endif
