/* tail.c - a bounded look at a hostile stream: the jailed code may write what and as much it likes.
 */
#include "warden/tail.h"

#include "base/cleanup.h"

#include <string.h>
#include <unistd.h>

#define STEP 4096

static void
s_keep (cb_tail *self, const char *bytes, size_t size)
{
    if (size >= CB_TAIL_KEPT) {
        memcpy (self->bytes, bytes + size - CB_TAIL_KEPT, CB_TAIL_KEPT);
        self->size = CB_TAIL_KEPT;
        return;
    }
    size_t over = self->size + size > CB_TAIL_KEPT ? self->size + size - CB_TAIL_KEPT : 0;
    memmove (self->bytes, self->bytes + over, self->size - over);
    memcpy (self->bytes + self->size - over, bytes, size);
    self->size += size - over;
}

/* 1: there may be more. */
static int
s_read (cb_tail *self)
{
    char bytes[STEP];
    ssize_t got = self->fd >= 0 ? read (self->fd, bytes, sizeof bytes) : 0;

    if (got <= 0)
        return got < 0 ? 0 : (cb_tail_close (self), 0);
    s_keep (self, bytes, (size_t)got);
    self->n_read += (size_t)got;
    if (self->n_read >= CB_TAIL_READ)
        cb_tail_close (self);
    return self->fd >= 0;
}

static void
s_on_ready (void *context, short events)
{
    (void)events;
    (void)s_read (context);
}

void
cb_tail_open (cb_tail *self, cb_reactor *reactor, int fd)
{
    memset (self, 0, sizeof *self);
    self->reactor = reactor;
    self->fd = fd;
    self->watch = (cb_watch){.fd = fd, .events = POLLIN, .on_ready = s_on_ready, .context = self};
    cb_reactor_add (reactor, &self->watch);
}

void
cb_tail_close (cb_tail *self)
{
    if (self->fd < 0)
        return;
    cb_reactor_remove (self->reactor, &self->watch);
    cb_close (&self->fd);
}

void
cb_tail_drain (cb_tail *self)
{
    while (s_read (self))
        continue;
}

void
cb_tail_text (const cb_tail *self, char *text, size_t room)
{
    size_t from = self->size < room ? 0 : self->size - (room - 1);
    size_t size = 0;

    for (size_t i = from; i < self->size; i++) {
        unsigned char byte = (unsigned char)self->bytes[i];
        text[size++] = (byte < 0x20 && byte != '\n') || byte >= 0x7f ? '?' : (char)byte;
    }
    while (size > 0 && text[size - 1] == '\n')
        size--;
    text[size] = '\0';
}
