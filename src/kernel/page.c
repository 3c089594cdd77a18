/* page.c - making, mapping and checking a session page. Everything behind the head is sparse:
 * memory is used for what was written. Bytes of one broker for the next of the same build; what
 * does not fit is refused as a whole. */
#include "kernel/page.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)4096)
/* Beside a message: the headers of its frames, what was read with it, what is held back. */
#define RING_BESIDE ((size_t)262144)
/* A message on iopub is never larger than this (profiles' bound on output is below it). */
#define MESSAGE_MAX ((size_t)1536 * 1024 * 1024)

static const char s_magic[16] = "cellblock-page\n";

static const size_t s_channel_max[CB_CHANNEL__COUNT] = {
    [CB_CHANNEL_SHELL] = (size_t)8 * 1024 * 1024,
    [CB_CHANNEL_IOPUB] = 0,
    [CB_CHANNEL_STDIN] = (size_t)256 * 1024,
    [CB_CHANNEL_CONTROL] = (size_t)1024 * 1024,
    [CB_CHANNEL_HB] = 4096,
};

static const size_t s_area_size[CB_AREA__COUNT] = {
    [CB_AREA_JOURNAL] = CB_PAGE_JOURNAL, [CB_AREA_QUEUE] = CB_PAGE_QUEUE};

/* A cell's whole source in JSON; an attached client's request; a line. */
static const size_t s_out_size[CB_CHANNEL__COUNT] = {
    [CB_CHANNEL_SHELL] = (size_t)48 * 1024 * 1024,
    [CB_CHANNEL_CONTROL] = (size_t)20 * 1024 * 1024,
    [CB_CHANNEL_STDIN] = (size_t)8 * 1024 * 1024,
};

size_t
cb_page_out_size (cb_channel channel)
{
    return s_out_size[channel];
}

size_t
cb_page_area_size (cb_area area)
{
    return s_area_size[area];
}

size_t
cb_page_channel_max (cb_channel channel)
{
    return s_channel_max[channel];
}

static size_t
s_round (size_t size)
{
    return (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/* Where things lie; the bytes of all. */
static size_t
s_lay_out (cb_page *self, size_t max_message)
{
    size_t at = s_round (sizeof *self->shared);
    char *start = (char *)self->shared;

    for (int i = 0; i < CB_AREA__COUNT; i++) {
        self->areas[i] = start == NULL ? NULL : start + at;
        at += s_area_size[i];
    }
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        size_t max = s_channel_max[i] > 0 ? s_channel_max[i] : max_message;
        self->rooms[i] = (uint32_t)s_round (max + RING_BESIDE);
        self->rings[i] = start == NULL ? NULL : start + at;
        at += self->rooms[i];
        self->outs[i] = start == NULL ? NULL : start + at;
        at += s_out_size[i];
    }
    return at;
}

static int
s_map (cb_page *self, int fd, size_t max_message, cb_err *err)
{
    self->size = s_lay_out (self, max_message);
    void *at = mmap (NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return cb_fail_errno (err, CB_E_IO, "a session page cannot be mapped");
    self->shared = at;
    (void)s_lay_out (self, max_message);
    return 0;
}

cb_page *
cb_page_new (size_t max_message, int *ret_fd, cb_err *err)
{
    cb_owned (cb_page) cb_page *self = calloc (1, sizeof *self);
    cb_auto_close int fd = memfd_create ("cellblock-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    if (max_message > MESSAGE_MAX)
        max_message = MESSAGE_MAX;
    if (fd < 0 || ftruncate (fd, (off_t)s_lay_out (self, max_message)) < 0) {
        (void)cb_fail_errno (err, CB_E_IO, "no memory file for a session page");
        return NULL;
    }
    if (s_map (self, fd, max_message, err) < 0)
        return NULL;
    cb_page_shared *shared = self->shared;
    memcpy (shared->magic, s_magic, sizeof s_magic);
    (void)snprintf (shared->build, sizeof shared->build, "%s", PACKAGE_VERSION);
    shared->version = CB_PAGE_VERSION;
    shared->size = sizeof *shared;
    shared->max_message = max_message;
    *ret_fd = cb_take_fd (&fd);
    return cb_take (self);
}

static int
s_check (const cb_page_shared *shared, cb_err *err)
{
    if (memcmp (shared->magic, s_magic, sizeof s_magic) != 0 ||
        shared->version != CB_PAGE_VERSION || shared->size != sizeof *shared ||
        strncmp (shared->build, PACKAGE_VERSION, sizeof shared->build) != 0)
        return cb_fail (err, CB_E_PROTO, "its page is of another version");
    if (!shared->named)
        return cb_fail (err, CB_E_PROTO, "nothing is written in its page yet");
    if (shared->turn > 1 || shared->info_size > CB_PAGE_INFO || shared->max_message > MESSAGE_MAX ||
        shared->parents.used > CB_PARENTS_MAX || shared->parents.next >= CB_PARENTS_MAX ||
        strnlen (shared->key, sizeof shared->key) == sizeof shared->key ||
        strnlen (shared->identity, sizeof shared->identity) == sizeof shared->identity ||
        strnlen (shared->hidden, sizeof shared->hidden) == sizeof shared->hidden)
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        if (shared->sending[i])
            return cb_fail (err, CB_E_PROTO, "a request to it was cut off on %s",
                            cb_channel_name ((cb_channel)i));
    return 0;
}

static int
s_check_outs (const cb_page *self, cb_err *err)
{
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        const cb_page_out *out = &self->work.outs[i];
        uint64_t sent = cb_sendlog_sent (&self->shared->sends[i]);
        if (out->base > out->end || out->end - out->base > s_out_size[i] || sent < out->base)
            return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    }
    return 0;
}

cb_page *
cb_page_open (int fd, cb_err *err)
{
    cb_owned (cb_page) cb_page *self = calloc (1, sizeof *self);
    struct stat status;

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    if (fstat (fd, &status) < 0 || (size_t)status.st_size < s_lay_out (self, 0)) {
        (void)cb_fail (err, CB_E_PROTO, "its page is too short");
        return NULL;
    }
    /* All of it belongs to the message on iopub, but for what s_lay_out counts beside. */
    size_t max_message = (size_t)status.st_size - s_lay_out (self, 0);
    if (s_map (self, fd, max_message, err) < 0 || self->shared == NULL ||
        s_check (self->shared, err) < 0)
        return NULL;
    if (s_lay_out (self, self->shared->max_message) != (size_t)status.st_size) {
        (void)cb_fail (err, CB_E_PROTO, "its page has another size");
        return NULL;
    }
    self->work = self->shared->states[self->shared->turn];
    if (s_check_outs (self, err) < 0)
        return NULL;
    return cb_take (self);
}

void
cb_page_destroy (cb_page **self_at)
{
    cb_page *self = *self_at;

    if (self == NULL)
        return;
    if (self->shared != NULL)
        (void)munmap (self->shared, self->size);
    free (self);
    *self_at = NULL;
}

void
cb_page_commit (cb_page *self)
{
    uint32_t next = 1 - self->shared->turn;

    self->shared->states[next] = self->work;
    __atomic_store_n (&self->shared->turn, next, __ATOMIC_SEQ_CST);
}

void
cb_page_adopted (cb_page *self, cb_usec now)
{
    self->shared->adopted[self->shared->n_adopted % CB_PAGE_ADOPTIONS] = now;
    self->shared->n_adopted++;
}

int
cb_page_is_deadly (const cb_page *self, cb_usec now)
{
    const cb_page_shared *shared = self->shared;

    if (shared->n_adopted < CB_PAGE_ADOPTIONS)
        return 0;
    return now - shared->adopted[shared->n_adopted % CB_PAGE_ADOPTIONS] < CB_PAGE_WITHIN;
}

cb_usec
cb_page_adopted_at (const cb_page *self)
{
    const cb_page_shared *shared = self->shared;

    if (shared->n_adopted == 0)
        return 0;
    return shared->adopted[(shared->n_adopted - 1) % CB_PAGE_ADOPTIONS];
}
