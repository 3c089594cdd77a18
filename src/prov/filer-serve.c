/* filer-serve.c - the file process: one job after the other until the broker closes the line.
 *
 * Runs as the broker's uid with three descriptors: the line to the broker, a line to the warden on
 * which only CB_LAUNCH_OPEN is answered, the state folder. What it reads from the jail it only
 * copies and hashes. Everything it is asked was checked by the broker's side and is checked here
 * again: a broker that somebody has taken over must not write elsewhere through it. */
#include "prov/filer.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/name.h"
#include "prov/collect.h"
#include "prov/filemsg.h"
#include "prov/jailfs.h"
#include "prov/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The loop's promise of DESIGN for reading: never more of a file in one step. */
#define STEP 65536

/* Where the three descriptors are moved to, so that everything behind can be closed. */
enum { FD_BROKER = 3, FD_WARDEN, FD_STATE, FD__BEHIND };

typedef struct serving {
    cb_jailfs *fs;     /* owned */
    cb_seen *seen;     /* owned */
    char *packet;      /* owned: CB_FILER_PACKET_MAX */
    char *answer;      /* owned: a cb_filer_end and a block */
    cb_filer_ask ask;  /* the job at hand */
    const char *bytes; /* of a PUT: behind the ask in packet */
    int lost;          /* an answer could not be sent: the broker is gone */
} serving;

static void
s_send (serving *self, const void *bytes, size_t size)
{
    cb_err err = CB_ERR_INIT;

    if (!self->lost && cb_packet_send (FD_BROKER, bytes, size, NULL, 0, &err) < 0)
        self->lost = 1;
}

static void
s_send_item (const cb_artifact *artifact, void *context)
{
    serving *self = context;
    cb_filer_item item = {.serial = self->ask.serial, .type = CB_FILER_ITEM};

    item.artifact = *artifact;
    s_send (self, &item, sizeof item);
}

/* result and err, or what stands in end already. */
static void
s_send_end (serving *self, int result, const cb_err *err, cb_filer_end *end)
{
    end->serial = self->ask.serial;
    end->type = CB_FILER_END;
    end->code = -result;
    if (result < 0) {
        end->size = 0;
        (void)snprintf (end->text, sizeof end->text, "%s", err->text);
    }
    memcpy (self->answer, end, sizeof *end);
    s_send (self, self->answer, sizeof *end + end->size);
}

/* "3 were not collected, the first: /output/a is a FIFO". */
static void
s_tell_refusals (const cb_refusals *refusals, const char *what, char text[CB_ERR_TEXT_MAX])
{
    if (refusals->count == 1)
        (void)snprintf (text, CB_ERR_TEXT_MAX, "not %s: %.900s", what, refusals->first);
    else if (refusals->count > 1)
        (void)snprintf (text, CB_ERR_TEXT_MAX, "%u not %s, the first: %.900s", refusals->count,
                        what, refusals->first);
}

static int
s_collect (serving *self, cb_filer_end *end, cb_err *err)
{
    cb_refusals refusals;
    const cb_collect what = {
        .fs = self->fs,
        .seen = self->seen,
        .state = FD_STATE,
        .jail = self->ask.jail,
        .run = self->ask.run,
        .max_bytes = self->ask.max_bytes,
        .on_artifact = s_send_item,
        .context = self,
    };

    if (cb_file_name_check (self->ask.run, NULL) < 0 || self->ask.run[0] == '.')
        return cb_fail (err, CB_E_INVALID, "not a usable name for a run");
    int result = cb_collect_run (&what, &refusals, err);
    end->refused = refusals.count;
    s_tell_refusals (&refusals, "collected", end->text);
    return result;
}

/* Opens the ask's path; the sentence of a fault names it. */
static int
s_open (serving *self, cb_open_mode mode, struct stat *ret_status, cb_err *err)
{
    cb_launch_open what;
    char shown[CB_SHOWN_MAX];
    cb_err why = CB_ERR_INIT;

    CB_TRY (cb_filer_path_check (self->ask.path, 0, err));
    cb_jailfs_what (&what, mode, self->ask.path);
    int fd = cb_jailfs_open (self->fs, self->ask.jail, &what, ret_status, &why);
    if (fd >= 0)
        return fd;
    /* The warden begins with the path, others do not. */
    if (strncmp (why.text, self->ask.path, strlen (self->ask.path)) == 0)
        return cb_fail (err, why.code, "/%.900s", why.text);
    return cb_fail (err, why.code, "/%s: %.700s", cb_filer_shown (self->ask.path, shown), why.text);
}

static int
s_put (serving *self, cb_filer_end *end, cb_err *err)
{
    struct stat status;
    const char *at = self->bytes;
    size_t left = self->ask.size;
    off_t offset = (off_t)self->ask.offset;
    cb_auto_close int fd =
        s_open (self, self->ask.offset == 0 ? CB_OPEN_CREATE : CB_OPEN_WRITE, &status, err);

    if (fd < 0)
        return fd;
    if (status.st_size != offset)
        return cb_fail (err, CB_E_INVALID, "/%s has %lld bytes, the block starts at %lld",
                        self->ask.path, (long long)status.st_size, (long long)offset);
    while (left > 0) {
        size_t step = left < STEP ? left : STEP;
        /* Zeros at the end of a file are a hole, which takes nothing of the jail's memory. */
        ssize_t wrote = !cb_is_zero (at, step)                      ? pwrite (fd, at, step, offset)
                        : ftruncate (fd, offset + (off_t)step) == 0 ? (ssize_t)step
                                                                    : -1;
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            int code = errno == ENOSPC || errno == EFBIG ? CB_E_LIMIT : CB_E_IO;
            (void)cb_fail_errno (err, code, "/%s cannot be written in the session", self->ask.path);
            (void)!ftruncate (fd, 0); /* no half file; its place is free again */
            return -code;
        }
        at += wrote;
        offset += wrote;
        left -= (size_t)wrote;
    }
    end->file_size = (uint64_t)offset;
    return 0;
}

static int
s_get (serving *self, cb_filer_end *end, cb_err *err)
{
    struct stat status;
    char *into = self->answer + sizeof *end;
    size_t done = 0;
    cb_auto_close int fd = s_open (self, CB_OPEN_READ, &status, err);

    if (fd < 0)
        return fd;
    while (done < self->ask.size) {
        size_t step = self->ask.size - done < STEP ? self->ask.size - done : STEP;
        ssize_t got = pread (fd, into + done, step, (off_t)(self->ask.offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cb_fail_errno (err, CB_E_IO, "/%s cannot be read", self->ask.path);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    end->size = (uint32_t)done;
    end->file_size = (uint64_t)status.st_size;
    return 0;
}

/* One entry of a list. 1: told, 0: not (gone, or odd). */
static int
s_list_entry (serving *self, const cb_walk_entry *entry, cb_err *err)
{
    cb_artifact artifact = {.size = 0};
    cb_launch_open what;
    struct stat status;
    int folder = entry->kind == CB_WALK_FOLDER;

    if (entry->kind == CB_WALK_FILE && entry->looked) {
        artifact.size = entry->size;
    } else if (!folder) {
        cb_jailfs_what (&what, CB_OPEN_READ, entry->path);
        cb_auto_close int fd = cb_jailfs_open (self->fs, self->ask.jail, &what, &status, err);
        if (fd == -CB_E_GONE || fd == -CB_E_TIMEOUT)
            return fd;
        if (fd < 0)
            return 0;
        artifact.size = (uint64_t)status.st_size;
    }
    size_t size = strlen (entry->path);
    if (size + 2 > sizeof artifact.path)
        return 0;
    memcpy (artifact.path, entry->path, size);
    artifact.path[size] = folder ? '/' : '\0';
    s_send_item (&artifact, self);
    return 1;
}

static int
s_list_below (serving *self, const char *path, unsigned *listed, cb_refusals *refusals, cb_err *err)
{
    cb_walk_entry entry;
    cb_owned (cb_walk) cb_walk *walk = cb_walk_new (self->fs, self->ask.jail, path, err);

    if (walk == NULL)
        return err->code > 0 ? -err->code : -CB_E_NOMEM;
    for (;;) {
        CB_TRY (cb_walk_next (walk, &entry, err));
        if (entry.kind == CB_WALK_END)
            return 0;
        if (*listed == CB_LIST_MAX) {
            cb_refuse (refusals, entry.path, "and what comes behind it: too many entries");
            return 0;
        }
        int told = entry.kind == CB_WALK_ODD ? 0 : s_list_entry (self, &entry, err);
        if (told < 0)
            return told;
        if (entry.kind == CB_WALK_ODD)
            cb_refuse (refusals, entry.path, entry.why);
        *listed += (unsigned)told;
    }
}

static int
s_list (serving *self, cb_filer_end *end, cb_err *err)
{
    cb_refusals refusals = {0};
    unsigned listed = 0;

    CB_TRY (cb_filer_path_check (self->ask.path, 1, err));
    if (self->ask.path[0] != '\0') {
        CB_TRY (s_list_below (self, self->ask.path, &listed, &refusals, err));
    } else {
        CB_TRY (s_list_below (self, "work", &listed, &refusals, err));
        CB_TRY (s_list_below (self, "output", &listed, &refusals, err));
    }
    end->refused = refusals.count;
    s_tell_refusals (&refusals, "listed", end->text);
    return 0;
}

/* A packet of the broker: its struct, its texts ended, its sizes within bounds. */
static int
s_take_ask (serving *self, size_t size, cb_err *err)
{
    cb_filer_ask *ask = &self->ask;

    if (size < sizeof *ask)
        return cb_fail (err, CB_E_PROTO, "a packet of %zu bytes from the broker", size);
    memcpy (ask, self->packet, sizeof *ask);
    self->bytes = self->packet + sizeof *ask;
    size -= sizeof *ask;
    if (memchr (ask->run, '\0', sizeof ask->run) == NULL ||
        memchr (ask->path, '\0', sizeof ask->path) == NULL || ask->size > CB_FILER_BLOCK_MAX ||
        size != (ask->kind == CB_JOB_PUT ? ask->size : 0) ||
        ask->offset > (uint64_t)INT64_MAX - ask->size)
        return cb_fail (err, CB_E_PROTO, "a packet of the broker is malformed");
    return 0;
}

static void
s_do (serving *self)
{
    cb_filer_end end = {0};
    cb_err err = CB_ERR_INIT;
    int result;

    switch (self->ask.kind) {
    case CB_JOB_COLLECT:
        result = s_collect (self, &end, &err);
        break;
    case CB_JOB_PUT:
        result = s_put (self, &end, &err);
        break;
    case CB_JOB_GET:
        result = s_get (self, &end, &err);
        break;
    case CB_JOB_LIST:
        result = s_list (self, &end, &err);
        break;
    case CB_JOB_FORGET:
        cb_seen_forget (self->seen, self->ask.jail);
        result = 0;
        break;
    default:
        result = cb_fail (&err, CB_E_PROTO, "an unknown job %u", self->ask.kind);
    }
    s_send_end (self, result, &err, &end);
}

static int
s_loop (serving *self, cb_err *err)
{
    while (!self->lost) {
        cb_packet packet;
        int outcome = cb_packet_recv (FD_BROKER, self->packet, CB_FILER_PACKET_MAX, &packet, err);
        if (outcome == CB_PACKET_CLOSED)
            return 0;
        if (outcome < 0)
            return outcome;
        cb_packet_done (&packet); /* nobody sends us descriptors here */
        CB_TRY (s_take_ask (self, packet.size, err));
        s_do (self);
    }
    return 0;
}

/* Moves the three descriptors to their places and closes everything behind. */
static int
s_settle (int socket, int warden, int state)
{
    int from[] = {socket, warden, state};

    for (int i = 0; i < 3; i++)
        from[i] = fcntl (from[i], F_DUPFD_CLOEXEC, FD__BEHIND);
    for (int i = 0; i < 3; i++)
        if (from[i] < 0 || dup3 (from[i], FD_BROKER + i, O_CLOEXEC) < 0)
            return -1;
    return close_range (FD__BEHIND, ~0U, 0);
}

int
cb_filer_serve (int socket, int warden, int state)
{
    cb_err err = CB_ERR_INIT;
    serving self = {0};
    int result = -CB_E_NOMEM;

    /* A Ctrl-C at a terminal goes to the whole group: our end is the broker's. */
    (void)signal (SIGINT, SIG_IGN);
    (void)signal (SIGPIPE, SIG_IGN);
    (void)prctl (PR_SET_NAME, "cellblock-filer");
    if (s_settle (socket, warden, state) < 0) {
        cb_log_error ("filer: descriptors", CB_INT ("errno", errno));
        return 1;
    }
    (void)cb_raise_nofile ();
    self.fs = cb_jailfs_new (FD_WARDEN, &err);
    self.seen = cb_seen_new (&err);
    self.packet = malloc (CB_FILER_PACKET_MAX);
    self.answer = malloc (sizeof (cb_filer_end) + CB_FILER_BLOCK_MAX);
    if (self.fs != NULL && self.seen != NULL && self.packet != NULL && self.answer != NULL)
        result = cb_filer_socket_prepare (FD_BROKER, &err);
    if (result == 0)
        result = s_loop (&self, &err);
    if (result < 0)
        cb_log_error ("filer ends", CB_STR ("reason", err.text));
    cb_jailfs_destroy (&self.fs);
    cb_seen_destroy (&self.seen);
    free (self.packet);
    free (self.answer);
    return result < 0;
}
