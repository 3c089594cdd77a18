/* attach.c - the door for Jupyter clients: opened and closed with its session.
 *
 * Called by the session when its connection file is written and taken away (session/services.h).
 * Owns the listening sockets and, through them, the connections (attach-client.c). Everything is
 * bounded: connections of a session and of all, bytes on their way, lines in the log. */
#include "front/attach-int.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

void
cb_door_warn_ (cb_door *door, const char *what, cb_channel channel, const char *why)
{
    uint64_t more = 0;

    if (cb_calm_may (&door->calm, &more))
        cb_log_warn (what, CB_STR ("session", cb_session_name (door->session)),
                     CB_STR ("channel", cb_channel_name (channel)), CB_STR ("why", why),
                     CB_INT ("more", more));
}

static cb_channel
s_channel_of (const cb_door *self, const cb_zlisten *listen)
{
    unsigned channel = 0;

    while (self->listen[channel] != listen)
        channel++;
    return (cb_channel)channel;
}

static void
s_on_accept (cb_zlisten *listen, int fd, void *context)
{
    cb_door *self = context;
    cb_channel channel = s_channel_of (self, listen);
    cb_err err = CB_ERR_INIT;

    if (cb_connection_open_ (self, channel, fd, &err) < 0)
        cb_door_warn_ (self, "an attaching client is refused", channel, err.text);
}

static void
s_close (void *door)
{
    cb_door *self = door;

    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        cb_zlisten_destroy (&self->listen[i]);
    while (self->connections != NULL) {
        cb_connection *connection = self->connections;
        cb_connection_destroy_ (&connection);
    }
    free (self);
}

static void *
s_open (cb_session *session, const char *front, void *context, cb_err *err)
{
    cb_attach *attach = context;
    cb_door *self = calloc (1, sizeof *self);
    char name[CB_NAME_MAX + 32];

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->attach = attach;
    self->session = session;
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        (void)snprintf (name, sizeof name, "%s-%d", front, i + 1);
        self->listen[i] =
            cb_zlisten_new (attach->loop, attach->runtime_fd, name, s_on_accept, self, err);
        if (self->listen[i] == NULL) {
            s_close (self);
            return NULL;
        }
    }
    return self;
}

cb_attach *
cb_attach_new (cb_loop *loop, int runtime_fd, cb_err *err)
{
    cb_attach *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->loop = loop;
    self->runtime_fd = runtime_fd;
    cb_quota_init (&self->in, NULL, CB_ATTACH_IN_MAX);
    cb_quota_init (&self->out, NULL, CB_ATTACH_OUT_MAX);
    cb_quota_init (&self->readers, NULL, CB_ATTACH_READERS_MAX);
    self->doors = (cb_doors){.open = s_open, .close = s_close, .context = self};
    return self;
}

void
cb_attach_destroy (cb_attach **self)
{
    free (*self);
    *self = NULL;
}

const cb_doors *
cb_attach_doors (const cb_attach *self)
{
    return &self->doors;
}
