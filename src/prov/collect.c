/* collect.c - the files of a jail's /output become files of a run.
 *
 * Two passes. The first opens each new file, looks at what it is, copies it in steps into a part
 * and takes its SHA-256 on the way. The second syncs the parts and gives them their names: with
 * all data on its way before the first sync, a journal commits about once, not once a file.
 *
 * A file is what its descriptor says when it is opened; it must be the same when it has been read
 * (size, ctime), else it is refused as changing: never a mixture of two states under one hash.
 *
 * A hole costs neither reading nor room on the disk: it is one in the part too. Bounds and hash are
 * of all bytes that the file seems to have. */
#include "prov/collect.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/units.h"
#include "prov/filemsg.h"
#include "prov/outdir.h"
#include "prov/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEP   65536
#define OUTPUT "output"

/* A part that waits for its name. */
typedef struct kept {
    int fd;
    cb_artifact artifact;
    cb_seen_mark mark;
} kept;

typedef struct collecting {
    const cb_collect *what;
    cb_refusals *refusals;
    cb_outdir out;
    cb_sha256 *hash; /* owned */
    uint64_t left;   /* bytes that may still be collected */
    cb_err fault;    /* the first file that the state folder did not take */
    kept *kept;      /* owned: CB_ARTIFACTS_MAX */
    unsigned n_kept;
    char step[STEP];
} collecting;

static void
collecting_destroy (collecting **self)
{
    if (*self == NULL)
        return;
    for (unsigned i = 0; i < (*self)->n_kept; i++) {
        if ((*self)->kept[i].fd < 0)
            continue;
        cb_outdir_drop (&(*self)->out, i);
        cb_close (&(*self)->kept[i].fd);
    }
    cb_outdir_done (&(*self)->out);
    cb_sha256_destroy (&(*self)->hash);
    free ((*self)->kept);
    free (*self);
    *self = NULL;
}

void
cb_refuse (cb_refusals *self, const char *path, const char *why)
{
    char shown[CB_SHOWN_MAX];

    if (self->count++ == 0)
        (void)snprintf (self->first, sizeof self->first, "/%s %s", cb_filer_shown (path, shown),
                        why);
}

/* Refused, and told only once: what it is now is remembered. */
static void
s_refuse_for_good (collecting *self, const cb_walk_entry *entry, const cb_seen_mark *mark,
                   const char *why)
{
    cb_refuse (self->refusals, entry->path, why);
    cb_seen_add (self->what->seen, mark);
}

static void
s_mark (const char *path, const struct stat *status, cb_seen_mark *ret_mark)
{
    *ret_mark = (cb_seen_mark){
        .path = cb_seen_path (path),
        .inode = status->st_ino,
        .changed_ns = (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec,
        .size = (uint64_t)status->st_size,
    };
}

/* A full disk takes smaller files still: the fault is told at the end, the others are tried. */
static int
s_note_fault (collecting *self, int result, const cb_err *why)
{
    if (result != -CB_E_IO)
        return result;
    if (self->fault.code == 0)
        self->fault = *why;
    return 0;
}

enum { COPIED, CHANGED }; /* outcomes of s_copy */

static ssize_t
s_read (int fd, char *bytes, size_t size, uint64_t at)
{
    ssize_t got;

    do {
        got = pread (fd, bytes, size, (off_t)at);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* The bytes from here to the next data, at most size; 0 also where nobody can tell. */
static uint64_t
s_hole (int from, uint64_t at, uint64_t size)
{
    off_t data = lseek (from, (off_t)at, SEEK_DATA);

    if (data < 0)
        return errno == ENXIO ? size : 0;
    return (uint64_t)data - at < size ? (uint64_t)data - at : size;
}

static void
s_hash_zeros (collecting *self, uint64_t size)
{
    static const char zeros[STEP];

    for (; size > 0; size -= size < STEP ? size : STEP)
        cb_sha256_add (self->hash, zeros, size < STEP ? (size_t)size : STEP);
}

/* Copies the data up to the next hole or the end; *at moves on. */
static int
s_copy_data (collecting *self, int from, int to, uint64_t end, uint64_t *at, cb_err *err)
{
    off_t hole = lseek (from, (off_t)*at, SEEK_HOLE);

    if (hole > (off_t)*at && (uint64_t)hole < end)
        end = (uint64_t)hole;
    while (*at < end) {
        size_t step = end - *at < STEP ? (size_t)(end - *at) : STEP;
        ssize_t got = s_read (from, self->step, step, *at);
        if (got < 0)
            return cb_fail_errno (err, CB_E_IO, "reading a file of the jail");
        if (got == 0)
            return CHANGED;
        cb_sha256_add (self->hash, self->step, (size_t)got);
        if (lseek (to, (off_t)*at, SEEK_SET) < 0)
            return cb_fail_errno (err, CB_E_IO, "writing");
        CB_TRY (cb_write_all (to, self->step, (size_t)got, err));
        *at += (uint64_t)got;
    }
    return COPIED;
}

/* Copies exactly size bytes; a file that has fewer of them by now has CHANGED. */
static int
s_copy (collecting *self, int from, int to, uint64_t size, cb_err *err)
{
    uint64_t at = 0;

    while (at < size) {
        uint64_t hole = s_hole (from, at, size - at);
        s_hash_zeros (self, hole);
        at += hole;
        int outcome = at < size ? s_copy_data (self, from, to, size, &at, err) : COPIED;
        if (outcome != COPIED)
            return outcome;
    }
    if (ftruncate (to, (off_t)size) < 0)
        return cb_fail_errno (err, CB_E_IO, "writing");
    return COPIED;
}

/* Copies an open file into a part and puts it on the list. */
static int
s_keep (collecting *self, const cb_walk_entry *entry, int from, const cb_seen_mark *mark,
        cb_err *err)
{
    kept *into = &self->kept[self->n_kept];
    struct stat after;
    cb_seen_mark mark_after = {0};
    cb_err why = CB_ERR_INIT;

    cb_auto_close int to = cb_outdir_part (&self->out, self->n_kept, err);
    if (to < 0)
        return to;
    int outcome = s_copy (self, from, to, mark->size, &why);
    cb_sha256_text (self->hash, into->artifact.sha256);
    if (outcome == COPIED && fstat (from, &after) == 0)
        s_mark (entry->path, &after, &mark_after);
    if (outcome != COPIED || memcmp (&mark_after, mark, sizeof mark_after) != 0) {
        cb_outdir_drop (&self->out, self->n_kept);
        if (outcome < 0)
            return cb_fail (err, why.code, "state folder: /%s could not be copied: %.600s",
                            entry->path, why.text);
        cb_refuse (self->refusals, entry->path, "changed while it was read");
        return 0;
    }
    (void)snprintf (into->artifact.path, sizeof into->artifact.path, "%s",
                    entry->path + sizeof OUTPUT);
    into->artifact.size = mark->size;
    into->mark = *mark;
    into->fd = cb_take_fd (&to);
    self->n_kept++;
    self->left -= mark->size;
    return 0;
}

/* A file that is not known yet: may it be collected? NULL, or why not. */
static const char *
s_objection (const collecting *self, const struct stat *status, char why[CB_ERR_TEXT_MAX])
{
    char size[CB_UNITS_TEXT];
    char most[CB_UNITS_TEXT];

    if (status->st_nlink > 1)
        return "has more than one hard link";
    if ((uint64_t)status->st_size <= self->what->max_bytes)
        return NULL;
    (void)snprintf (why, CB_ERR_TEXT_MAX, "has %s, more than the %s that are collected of a run",
                    cb_size_text ((uint64_t)status->st_size, size),
                    cb_size_text (self->what->max_bytes, most));
    return why;
}

/* What only this run has no room for is not remembered: the next one may take it. */
static const char *
s_no_room (const collecting *self, const struct stat *status)
{
    if (self->n_kept == CB_ARTIFACTS_MAX)
        return "is one more than the 256 files that are collected of a run";
    if ((uint64_t)status->st_size > self->left)
        return "is, with the files before it, more than is collected of a run";
    return NULL;
}

static int
s_is_fatal (int result)
{
    return result == -CB_E_GONE || result == -CB_E_TIMEOUT || result == -CB_E_NOMEM;
}

/* What cannot be collected whatever is in it: told once a name and inode. */
static void
s_odd (collecting *self, const cb_walk_entry *entry, const char *why)
{
    cb_seen_mark mark = {.path = cb_seen_path (entry->path), .inode = entry->inode};

    if (!cb_seen_known (self->what->seen, &mark))
        s_refuse_for_good (self, entry, &mark, why);
}

static int
s_file (collecting *self, const cb_walk_entry *entry, cb_err *err)
{
    cb_launch_open what;
    struct stat status;
    cb_seen_mark mark;
    cb_err why = CB_ERR_INIT;
    char text[CB_ERR_TEXT_MAX];

    mark = (cb_seen_mark){.path = cb_seen_path (entry->path),
                          .inode = entry->inode,
                          .changed_ns = entry->changed_ns,
                          .size = entry->size};
    if (entry->looked && cb_seen_known (self->what->seen, &mark))
        return 0;
    cb_jailfs_what (&what, CB_OPEN_READ, entry->path);
    cb_auto_close int from =
        cb_jailfs_open (self->what->fs, self->what->jail, &what, &status, &why);
    if (from == -CB_E_NOTFOUND) /* it went away: nothing to collect */
        return 0;
    if (s_is_fatal (from))
        return cb_fail (err, why.code, "%s", why.text);
    if (from < 0) {
        (void)snprintf (text, sizeof text, "cannot be opened: %.700s", why.text);
        s_odd (self, entry, text);
        return 0;
    }
    s_mark (entry->path, &status, &mark);
    if (cb_seen_known (self->what->seen, &mark))
        return 0;
    const char *objection = s_objection (self, &status, text);
    if (objection != NULL) {
        s_refuse_for_good (self, entry, &mark, objection);
        return 0;
    }
    objection = s_no_room (self, &status);
    if (objection != NULL) {
        cb_refuse (self->refusals, entry->path, objection);
        return 0;
    }
    return s_keep (self, entry, from, &mark, err);
}

static int
s_first_pass (collecting *self, cb_err *err)
{
    cb_walk_entry entry;
    cb_owned (cb_walk) cb_walk *walk = cb_walk_new (self->what->fs, self->what->jail, OUTPUT, err);

    if (walk == NULL)
        return err->code > 0 ? -err->code : -CB_E_NOMEM;
    for (;;) {
        CB_TRY (cb_walk_next (walk, &entry, err));
        if (entry.kind == CB_WALK_END)
            return 0;
        if (entry.kind == CB_WALK_ODD)
            s_odd (self, &entry, entry.why);
        else if (entry.kind == CB_WALK_FILE)
            CB_TRY (s_note_fault (self, s_file (self, &entry, err), err));
    }
}

static int
s_second_pass (collecting *self, cb_err *err)
{
    char path[sizeof self->kept->artifact.path + sizeof CB_OUTDIR_OUTPUT];

    for (unsigned i = 0; i < self->n_kept; i++) {
        kept *at = &self->kept[i];
        (void)snprintf (path, sizeof path, CB_OUTDIR_OUTPUT "/%s", at->artifact.path);
        int result = cb_outdir_keep (&self->out, i, at->fd, path, err);
        cb_close (&at->fd);
        if (result < 0) {
            CB_TRY (s_note_fault (self, result, err));
            continue;
        }
        cb_seen_add (self->what->seen, &at->mark);
        self->what->on_artifact (&at->artifact, self->what->context);
    }
    return 0;
}

static collecting *
s_new (const cb_collect *what, cb_refusals *refusals, cb_err *err)
{
    cb_owned (collecting) collecting *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    cb_outdir_init (&self->out, what->state, what->run);
    self->what = what;
    self->refusals = refusals;
    self->left = what->max_bytes;
    self->hash = cb_sha256_new (err);
    self->kept = calloc (CB_ARTIFACTS_MAX, sizeof *self->kept);
    if (self->hash == NULL || self->kept == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    return cb_take (self);
}

int
cb_collect_run (const cb_collect *what, cb_refusals *ret_refusals, cb_err *err)
{
    *ret_refusals = (cb_refusals){0};
    cb_owned (collecting) collecting *self = s_new (what, ret_refusals, err);
    cb_err late = CB_ERR_INIT;

    if (self == NULL)
        return -CB_E_NOMEM;
    CB_TRY (cb_seen_begin (what->seen, what->jail, err));
    int result = s_first_pass (self, err);
    int result_late = s_second_pass (self, &late);
    if (result == 0 && result_late < 0)
        result = cb_fail (err, late.code, "%s", late.text);
    if (result == 0 && self->fault.code != 0)
        result = cb_fail (err, self->fault.code, "%s", self->fault.text);
    cb_seen_end (what->seen, result == 0);
    return result;
}
