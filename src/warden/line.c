/* line.c - packets between warden and broker. Whatever the peer sends is an event to be checked;
 * what it sends wrong is logged (the first times) and refused, and the line goes on. */
#include "warden/line.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKETS_A_TURN 16
#define AGAIN_USEC     (20 * CB_USEC_PER_MSEC)
#define LOGGED_MAX     20 /* refused packets that are logged one by one, then every thousandth */

struct cb_line_item {
    struct cb_line_item *next;
    cb_launch_out out; /* points into what follows */
    int fds[CB_FDPASS_MAX];
    char bytes[];
};

static void
s_item_free (struct cb_line_item *item)
{
    for (size_t i = 0; i < item->out.n_fds; i++)
        cb_close (&item->fds[i]);
    free (item);
}

static struct cb_line_item *
s_item_new (const cb_launch_out *out)
{
    struct cb_line_item *item = calloc (1, sizeof *item + out->body_size + out->tail_size);

    if (item == NULL)
        return NULL;
    item->out = *out;
    item->out.body = item->bytes;
    item->out.tail = item->bytes + out->body_size;
    item->out.fds = item->fds;
    item->out.n_fds = 0;
    if (out->body_size > 0)
        memcpy (item->bytes, out->body, out->body_size);
    if (out->tail_size > 0)
        memcpy (item->bytes + out->body_size, out->tail, out->tail_size);
    for (size_t i = 0; i < out->n_fds; i++) {
        item->fds[i] = fcntl (out->fds[i], F_DUPFD_CLOEXEC, 0);
        if (item->fds[i] < 0) {
            s_item_free (item);
            return NULL;
        }
        item->out.n_fds++;
    }
    return item;
}

static void
s_end (cb_line *self, const char *why)
{
    if (self->fd < 0)
        return;
    if (why != NULL)
        cb_log_warn ("line given up", CB_STR ("line", self->name), CB_STR ("why", why));
    cb_line_close (self);
    self->on_end (self->context);
}

static void
s_watch (cb_line *self)
{
    self->watch.events = self->first != NULL ? POLLOUT : POLLIN;
}

/* The peer may be readable again by poll and still refuse (descriptors in flight): not at once. */
static void
s_pause (cb_line *self)
{
    cb_reactor_remove (self->reactor, &self->watch);
    cb_reactor_set (self->reactor, &self->again, cb_now () + AGAIN_USEC);
}

static void
s_flush (cb_line *self)
{
    cb_err err = CB_ERR_INIT;

    while (self->first != NULL) {
        struct cb_line_item *item = self->first;
        int result = cb_launch_send (self->fd, &item->out, &err);
        if (result == -CB_E_BUSY) {
            s_pause (self);
            return;
        }
        if (result == -CB_E_GONE) {
            s_end (self, NULL);
            return;
        }
        if (result < 0)
            cb_log_error ("packet not sent", CB_STR ("line", self->name), CB_STR ("why", err.text));
        self->first = item->next;
        if (self->first == NULL)
            self->last = &self->first;
        self->n_queued--;
        s_item_free (item);
    }
    s_watch (self);
}

static void
s_refuse (cb_line *self, const cb_err *err)
{
    self->n_refused++;
    if (self->n_refused <= LOGGED_MAX || self->n_refused % 1000 == 0)
        cb_log_warn ("packet refused", CB_STR ("line", self->name), CB_STR ("why", err->text),
                     CB_INT ("count", self->n_refused));
}

static void
s_read (cb_line *self)
{
    static _Alignas(uint64_t) char bytes[CB_LAUNCH_BYTES_MAX];

    for (int i = 0; i < PACKETS_A_TURN && self->fd >= 0 && self->first == NULL; i++) {
        cb_err err = CB_ERR_INIT;
        cb_launch_in in;
        int outcome = cb_launch_recv (self->fd, bytes, sizeof bytes, &in, &err);
        if (outcome == CB_PACKET_AGAIN)
            return;
        if (outcome == CB_PACKET_CLOSED) {
            s_end (self, NULL);
            return;
        }
        if (outcome < 0) {
            s_refuse (self, &err);
            continue;
        }
        cb_packet packet = in.packet;
        self->on_packet (&in, &packet, self->context);
        cb_packet_done (&packet);
    }
}

static void
s_on_ready (void *context, short events)
{
    cb_line *self = context;

    if ((events & POLLOUT) != 0 || (self->first != NULL && (events & (POLLHUP | POLLERR)) != 0))
        s_flush (self);
    else
        s_read (self);
}

static void
s_on_again (void *context)
{
    cb_line *self = context;

    cb_reactor_add (self->reactor, &self->watch);
    s_flush (self);
}

void
cb_line_open (cb_line *self, int fd)
{
    self->fd = fd;
    self->first = NULL;
    self->last = &self->first;
    self->n_queued = 0;
    self->n_refused = 0;
    self->watch = (cb_watch){.fd = fd, .events = POLLIN, .on_ready = s_on_ready, .context = self};
    self->again = (cb_timer){.on_time = s_on_again, .context = self};
    cb_reactor_add (self->reactor, &self->watch);
}

void
cb_line_close (cb_line *self)
{
    if (self->fd < 0)
        return;
    cb_reactor_remove (self->reactor, &self->watch);
    cb_reactor_cancel (self->reactor, &self->again);
    cb_close (&self->fd);
    while (self->first != NULL) {
        struct cb_line_item *item = self->first;
        self->first = item->next;
        s_item_free (item);
    }
    self->last = &self->first;
    self->n_queued = 0;
}

void
cb_line_send (cb_line *self, const cb_launch_out *out)
{
    cb_err err = CB_ERR_INIT;

    if (self->fd < 0)
        return;
    if (self->first == NULL) {
        int result = cb_launch_send (self->fd, out, &err);
        if (result >= 0 || result == -CB_E_GONE)
            return; /* a peer that is gone is noticed by reading */
        if (result != -CB_E_BUSY) {
            cb_log_error ("packet not sent", CB_STR ("line", self->name), CB_STR ("why", err.text));
            return;
        }
    }
    struct cb_line_item *item = self->n_queued < CB_LINE_QUEUE_MAX ? s_item_new (out) : NULL;
    if (item == NULL) {
        s_end (self, "it does not read its packets");
        return;
    }
    *self->last = item;
    self->last = &item->next;
    self->n_queued++;
    s_watch (self);
}

void
cb_line_answer (cb_line *self, const cb_launch_head *to, uint32_t type, const void *body,
                size_t body_size)
{
    cb_launch_out out = {.head = {.type = type, .serial = to->serial, .jail = to->jail},
                         .body = body,
                         .body_size = body_size};

    cb_line_send (self, &out);
}

void
cb_line_fail (cb_line *self, const cb_launch_head *to, const cb_err *err)
{
    cb_launch_failed failed = {.code = err->code};

    memcpy (failed.text, err->text, sizeof failed.text);
    cb_line_answer (self, to, CB_LAUNCH_FAILED, &failed, sizeof failed);
}
