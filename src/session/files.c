/* files.c - puts the filer's socket on the loop and keeps it asking for what it needs. */
#include "session/files.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <stdlib.h>
#include <sys/epoll.h>

struct cb_files {
    cb_filer *filer;
    cb_source *source;
    cb_on_files_gone *on_gone;
    void *context;
};

static void
s_arm (cb_files *self)
{
    cb_source_set_events (self->source,
                          EPOLLIN | (cb_filer_wants_write (self->filer) ? (uint32_t)EPOLLOUT : 0));
}

static void
s_on_io (cb_source *source, int fd, uint32_t events, void *context)
{
    cb_files *self = context;
    cb_err err = CB_ERR_INIT;

    (void)source;
    (void)fd;
    (void)events;
    if (cb_filer_dispatch (self->filer, &err) < 0) {
        cb_log_error ("the file helper is gone", CB_STR ("why", err.text));
        cb_source_set_events (self->source, 0);
        self->on_gone (self->context);
        return;
    }
    s_arm (self);
}

cb_files *
cb_files_new (cb_loop *loop, cb_filer *filer, cb_on_files_gone *on_gone, void *context, cb_err *err)
{
    cb_owned (cb_files) cb_files *self = calloc (1, sizeof *self);

    if (self == NULL) {
        cb_filer_destroy (&filer);
        (void)cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_files){.filer = filer, .on_gone = on_gone, .context = context};
    if (cb_loop_io (loop, cb_filer_fd (filer), EPOLLIN, s_on_io, self, &self->source, err) < 0)
        return NULL;
    return cb_take (self);
}

void
cb_files_destroy (cb_files **self_at)
{
    cb_files *self = *self_at;

    if (self == NULL)
        return;
    cb_source_destroy (&self->source);
    cb_filer_destroy (&self->filer);
    free (self);
    *self_at = NULL;
}

int
cb_files_submit (cb_files *self, const cb_job *job, cb_on_job *on_job, void *context, cb_err *err)
{
    CB_TRY (cb_filer_submit (self->filer, job, on_job, context, err));
    s_arm (self);
    return 0;
}

void
cb_files_cancel (cb_files *self, const void *context)
{
    cb_filer_cancel (self->filer, context);
}
