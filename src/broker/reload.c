/* reload.c - fetching the configuration files anew.
 *
 * An editor may have put a new file in the old one's place, and as root's broker we could not reach
 * either: the warden opens them in a child of its own, which answers on a socket made for it, so
 * the line with its events stays as it is. */
#include "broker/reload.h"

#include "base/cleanup.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One descriptor a line of the labels, whose ends of line become ends of text. */
static int
s_take_files (cb_reload *self, cb_err *err)
{
    char *at = self->labels.labels;

    for (size_t i = 0; i < self->in.packet.n_fds; i++) {
        char *end = strchr (at, '\n');
        if (end == NULL || i >= CB_INI_FILES)
            return cb_fail (err, CB_E_PROTO, "the warden's files and labels do not match");
        *end = '\0';
        self->sources.files[i] = (cb_ini_file){.fd = self->in.packet.fds[i], .label = at};
        self->sources.n_files++;
        at = end + 1;
    }
    return 0;
}

static int
s_take_answer (cb_reload *self, const cb_launch_in *in, cb_err *err)
{
    if (in->head.type == CB_LAUNCH_FAILED) {
        const cb_launch_failed *failed = in->body;
        return cb_fail (err, CB_E_INVALID, "%s", failed->text);
    }
    if (in->head.type != CB_LAUNCH_CONFIG)
        return cb_fail (err, CB_E_PROTO, "the warden answered a reload with \"%s\"",
                        cb_launch_type_name (in->head.type));
    memcpy (&self->labels, in->body, sizeof self->labels);
    return s_take_files (self, err);
}

static int
s_receive (cb_reload *self, int socket, cb_err *err)
{
    struct pollfd one = {.fd = socket, .events = POLLIN};
    cb_auto_free char *bytes = malloc (CB_LAUNCH_BYTES_MAX);

    if (bytes == NULL)
        return cb_fail_nomem (err);
    if (poll (&one, 1, CB_RELOAD_WAIT_MS) <= 0)
        return cb_fail (err, CB_E_TIMEOUT, "the configuration files take too long to open");
    int outcome = cb_launch_recv (socket, bytes, CB_LAUNCH_BYTES_MAX, &self->in, err);
    if (outcome < 0)
        return outcome;
    if (outcome != CB_PACKET_OK)
        return cb_fail (err, CB_E_BUSY, "the configuration cannot be read again now");
    return s_take_answer (self, &self->in, err);
}

int
cb_reload_fetch (cb_reload *self, cb_launcher *launcher, const cb_ini_sources *before, cb_err *err)
{
    int pair[2];

    memset (self, 0, sizeof *self);
    memcpy (self->sources.sets, before->sets, sizeof self->sources.sets);
    self->sources.n_sets = before->n_sets;
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot make a socket pair");
    cb_auto_close int ours = pair[0];
    cb_auto_close int theirs = pair[1];
    CB_TRY (cb_launcher_reload (launcher, theirs, err));
    cb_close (&theirs);
    return s_receive (self, ours, err);
}

void
cb_reload_done (cb_reload *self)
{
    cb_packet_done (&self->in.packet);
}
