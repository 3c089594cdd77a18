/* kernel-make.c - where kernels come from: a new jail, or one that a broker before us left behind.
 */
#include "kernel/kernel-int.h"

#include "base/fdio.h"
#include "base/jsonx.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
s_connection_file (const cb_page_shared *shared, int active_output, cb_err *err)
{
    cb_owned (cb_json) json_t *object =
        json_pack ("{s:b, s:s, s:s, s:s, s:[i,i,i,i,i]}", "active_output", active_output, "key",
                   shared->key, "signature_scheme", "hmac-sha256", "session", shared->identity,
                   "fds", CB_STAGE_FD_CHANNELS, CB_STAGE_FD_CHANNELS + 1, CB_STAGE_FD_CHANNELS + 2,
                   CB_STAGE_FD_CHANNELS + 3, CB_STAGE_FD_CHANNELS + 4);
    size_t size = 0;
    cb_auto_free char *text = object != NULL ? cb_json_text (object, &size) : NULL;

    if (text == NULL)
        return cb_fail_nomem (err);
    return cb_memfd ("cellblock-connection", text, size, err);
}

static int
s_open_link (cb_kernel *self, cb_channels *channels, const cb_kernel_options *options, int resume,
             cb_err *err)
{
    cb_link_options link = {.name = self->spec->name,
                            .key = self->page->shared->key,
                            .session = self->page->shared->identity,
                            .max_message = options->max_message,
                            .quota = options->quota,
                            .page = self->page,
                            .resume = resume};

    self->link = cb_link_new (self->loop, channels, &link, &cb_kernel_link_events_, self, err);
    return self->link != NULL ? 0 : -CB_E_IO;
}

static int
s_ask (cb_kernel *self, const cb_kernel_options *options, cb_err *err)
{
    cb_scoped (cb_channels) cb_channels channels;
    cb_auto_close int page = -1;
    char token[9];

    cb_channels_init (&channels);
    CB_TRY (cb_channels_make (&channels, options->runtime_fd, err));
    self->page = cb_page_new (options->max_message, &page, err);
    if (self->page == NULL)
        return -CB_E_IO;
    cb_page_shared *shared = self->page->shared;
    cb_random_hex (shared->key, 32);
    cb_random_hex (token, 4);
    (void)snprintf (shared->identity, sizeof shared->identity, "%s-%s", self->spec->name, token);
    options->on_page (self->page, self->context);
    cb_auto_close int connection = s_connection_file (shared, options->active_output, err);
    CB_TRY (connection);
    cb_launch_order order = {
        .spec = self->spec, .channels = &channels, .connection = connection, .page = page};
    CB_TRY (cb_launcher_start (self->launcher, &self->watch, &order, err));
    self->jail = self->watch.jail;
    self->state = CB_KERNEL_LAUNCHING;
    return s_open_link (self, &channels, options, 0, err);
}

static cb_kernel *
s_new (cb_loop *loop, cb_launcher *launcher, const cb_kernel_options *options,
       const cb_kernel_events *events, void *context)
{
    cb_kernel *self = calloc (1, sizeof *self);

    if (self == NULL)
        return NULL;
    *self = (cb_kernel){.loop = loop,
                        .launcher = launcher,
                        .events = events,
                        .context = context,
                        .spec = options->spec,
                        .watch.events = &cb_kernel_watch_events_,
                        .tree = -1,
                        .pidfd = -1,
                        .deadline = CB_USEC_NEVER,
                        .probe_at = CB_USEC_NEVER,
                        .asked_at = cb_now ()};
    cb_usage_init (&self->usage);
    cb_fact_files_init (&self->facts);
    return self;
}

cb_kernel *
cb_kernel_new (cb_loop *loop, cb_launcher *launcher, const cb_kernel_options *options,
               const cb_kernel_events *events, void *context, cb_err *err)
{
    cb_owned (cb_kernel) cb_kernel *self = s_new (loop, launcher, options, events, context);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->deadline = self->asked_at + options->spec->start_seconds * CB_USEC_PER_SEC;
    if (cb_loop_at (loop, self->deadline, cb_kernel_on_time_, self, &self->timer, err) < 0 ||
        s_ask (self, options, err) < 0)
        return NULL;
    return cb_take (self);
}

cb_kernel *
cb_kernel_adopt (cb_loop *loop, cb_launcher *launcher, const cb_kernel_options *options,
                 const cb_kernel_events *events, void *context, cb_err *err)
{
    cb_launch_left *left = options->left;
    cb_owned (cb_kernel) cb_kernel *self = s_new (loop, launcher, options, events, context);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->state = CB_KERNEL_IDLE;
    self->page = cb_take (left->page);
    self->started = left->started;
    self->jail = left->jail;
    self->tree = cb_take_fd (&left->tree);
    self->pidfd = cb_take_fd (&left->pidfd);
    self->facts = left->facts;
    cb_fact_files_init (&left->facts);
    /* From here on a failure kills the jail. */
    cb_launcher_watch (launcher, &self->watch, left->jail);
    if (cb_loop_at (loop, CB_USEC_NEVER, cb_kernel_on_time_, self, &self->timer, err) < 0 ||
        s_open_link (self, &left->channels, options, 1, err) < 0 ||
        cb_kernel_watch_process_ (self, err) < 0)
        return NULL;
    return cb_take (self);
}

void
cb_kernel_resume_busy (cb_kernel *self)
{
    self->state = CB_KERNEL_BUSY;
}

void
cb_kernel_destroy (cb_kernel **self_at)
{
    cb_kernel *self = *self_at;

    if (self == NULL)
        return;
    cb_launcher_abandon (self->launcher, &self->watch);
    /* Before the warden hears that it may go: whoever closes a full tmpfs last waits for its pages.
     */
    cb_close (&self->tree);
    if (self->exited)
        cb_launcher_release (self->launcher, self->jail);
    cb_source_destroy (&self->timer);
    cb_source_destroy (&self->pidfd_source);
    cb_link_destroy (&self->link);
    cb_page_destroy (&self->page);
    cb_usage_done (&self->usage);
    cb_close (&self->pidfd);
    cb_fact_files_done (&self->facts);
    free (self);
    *self_at = NULL;
}
