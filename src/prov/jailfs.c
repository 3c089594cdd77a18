/* jailfs.c - asking the warden for descriptors, and reading folders through them.
 *
 * The jail may change everything at any moment: names, kinds, sizes. So a path is always opened
 * anew by the warden (no symlink, nothing outside), and what counts is what the descriptor says.
 * Folders are never held open while their entries are worked on. */
#include "prov/jailfs.h"

#include "base/cleanup.h"
#include "base/name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Answers to earlier questions (one that timed out) that are thrown away. */
#define STALE_MAX 64

struct cb_jailfs {
    int warden; /* borrowed */
    uint64_t serial;
    char bytes[CB_LAUNCH_BYTES_MAX] __attribute__ ((aligned (8)));
};

cb_jailfs *
cb_jailfs_new (int warden, cb_err *err)
{
    struct timeval patience = {.tv_sec = CB_JAILFS_TIMEOUT_S};
    cb_jailfs *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->warden = warden;
    (void)setsockopt (warden, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt (warden, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return self;
}

void
cb_jailfs_destroy (cb_jailfs **self)
{
    free (*self);
    *self = NULL;
}

void
cb_jailfs_what (cb_launch_open *what, cb_open_mode mode, const char *path)
{
    memset (what, 0, sizeof *what);
    what->mode = mode;
    (void)snprintf (what->path, sizeof what->path, "%s", path);
}

/* One packet, the answer to question self->serial. */
static int
s_answer (cb_jailfs *self, cb_launch_in *in, cb_err *err)
{
    for (int i = 0; i < STALE_MAX; i++) {
        int outcome = cb_launch_recv (self->warden, self->bytes, sizeof self->bytes, in, err);
        if (outcome == CB_PACKET_AGAIN)
            return cb_fail (err, CB_E_TIMEOUT, "the warden did not answer in %d s",
                            CB_JAILFS_TIMEOUT_S);
        if (outcome == CB_PACKET_CLOSED)
            return cb_fail (err, CB_E_GONE, "the warden is gone");
        if (outcome < 0)
            return outcome;
        if (in->head.serial == self->serial)
            return 0;
        cb_packet_done (&in->packet);
    }
    return cb_fail (err, CB_E_PROTO, "the warden does not answer what it is asked");
}

int
cb_jailfs_open (cb_jailfs *self, uint64_t jail, const cb_launch_open *what, struct stat *ret_status,
                cb_err *err)
{
    cb_launch_out out = {.head = {.type = CB_LAUNCH_OPEN, .serial = ++self->serial, .jail = jail},
                         .body = what,
                         .body_size = sizeof *what};
    cb_launch_in in;

    CB_TRY (cb_launch_send (self->warden, &out, err));
    CB_TRY (s_answer (self, &in, err));
    if (in.head.type == CB_LAUNCH_FAILED) {
        const cb_launch_failed *failed = in.body;
        cb_packet_done (&in.packet);
        int code = failed->code > 0 && failed->code < CB_E__COUNT ? failed->code : CB_E_IO;
        /* GONE and TIMEOUT are ours: the line to the warden is broken. */
        if (code == CB_E_GONE || code == CB_E_TIMEOUT)
            code = CB_E_NOTFOUND;
        return cb_fail (err, code, "%s", failed->text);
    }
    if (in.head.type != CB_LAUNCH_OPENED || in.packet.n_fds != 1) {
        cb_packet_done (&in.packet);
        return cb_fail (err, CB_E_PROTO, "the warden answered with a packet \"%s\"",
                        cb_launch_type_name (in.head.type));
    }
    cb_auto_close int fd = cb_take_fd (&in.packet.fds[0]);
    if (fstat (fd, ret_status) < 0)
        return cb_fail_errno (err, CB_E_IO, "fstat");
    if (what->mode == CB_OPEN_FOLDER ? !S_ISDIR (ret_status->st_mode)
                                     : !S_ISREG (ret_status->st_mode))
        return cb_fail (err, CB_E_INVALID, "not a %s",
                        what->mode == CB_OPEN_FOLDER ? "folder" : "regular file");
    return cb_take_fd (&fd);
}

/* --- the walk --- */

typedef struct entry {
    char name[CB_FILE_NAME_MAX];
    unsigned char type; /* DT_* */
    uint64_t inode;
    int looked; /* the two below are known */
    uint64_t size;
    int64_t changed_ns;
} entry;

typedef struct folder {
    char path[CB_FILE_NAME_MAX * 4];
    int depth;
} folder;

struct cb_walk {
    cb_jailfs *fs; /* borrowed */
    uint64_t jail;
    folder now;
    entry *entries; /* owned: those of now, sorted */
    size_t n_entries;
    size_t room;
    size_t next;
    folder *waiting; /* owned: a stack */
    size_t n_waiting;
    size_t waiting_room;
    size_t looked; /* entries so far */
    int cut;       /* there was more; told as ODD before the end */
};

/* Files by name, then folders, those backwards: they go on a stack, the first on top. */
static int
s_compare (const void *a, const void *b)
{
    const entry *left = a;
    const entry *right = b;
    int folders = (left->type == DT_DIR) - (right->type == DT_DIR);

    if (folders != 0)
        return folders;
    return left->type == DT_DIR ? strcmp (right->name, left->name)
                                : strcmp (left->name, right->name);
}

/* A jail's folder may be closed to us (the broker's uid is not the jail's): then we ask the warden
 * for each file. */
static void
s_look (entry *self, int folder_fd)
{
    struct stat status;

    if (self->type != DT_REG || fstatat (folder_fd, self->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG (status.st_mode))
        return;
    self->looked = 1;
    self->inode = status.st_ino;
    self->size = (uint64_t)status.st_size;
    self->changed_ns = (int64_t)status.st_ctim.tv_sec * 1000000000 + status.st_ctim.tv_nsec;
}

static int
s_read_entry (cb_walk *self, const struct dirent *found, int folder_fd)
{
    if (self->n_entries == self->room) {
        size_t room = self->room == 0 ? 64 : self->room * 2;
        entry *more = realloc (self->entries, room * sizeof *more);
        if (more == NULL)
            return -CB_E_NOMEM;
        self->entries = more;
        self->room = room;
    }
    entry *into = &self->entries[self->n_entries++];
    memset (into, 0, sizeof *into);
    (void)snprintf (into->name, sizeof into->name, "%s", found->d_name);
    into->type = found->d_type;
    into->inode = found->d_ino;
    s_look (into, folder_fd);
    return 0;
}

/* The entries of a folder. Takes fd. */
static int
s_read_folder (cb_walk *self, int fd, cb_err *err)
{
    DIR *dir = fdopendir (fd);
    const struct dirent *found;
    int result = 0;

    self->n_entries = 0;
    self->next = 0;
    if (dir == NULL) {
        result = cb_fail_errno (err, CB_E_IO, "fdopendir");
        cb_close (&fd);
        return result;
    }
    while (result == 0 && (found = readdir (dir)) != NULL) {
        if (strcmp (found->d_name, ".") == 0 || strcmp (found->d_name, "..") == 0)
            continue;
        if (self->looked == CB_COLLECT_ENTRIES) {
            self->cut = 1;
            break;
        }
        self->looked++;
        result = s_read_entry (self, found, dirfd (dir));
    }
    (void)closedir (dir);
    if (result < 0)
        return cb_fail_nomem (err);
    if (self->n_entries > 0)
        qsort (self->entries, self->n_entries, sizeof self->entries[0], s_compare);
    return 0;
}

static int
s_open_folder (cb_walk *self, cb_err *err)
{
    cb_launch_open what;
    struct stat status;

    cb_jailfs_what (&what, CB_OPEN_FOLDER, self->now.path);
    int fd = cb_jailfs_open (self->fs, self->jail, &what, &status, err);
    if (fd < 0)
        return fd;
    return s_read_folder (self, fd, err);
}

cb_walk *
cb_walk_new (cb_jailfs *fs, uint64_t jail, const char *path, cb_err *err)
{
    cb_owned (cb_walk) cb_walk *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->fs = fs;
    self->jail = jail;
    if (snprintf (self->now.path, sizeof self->now.path, "%s", path) >=
        (int)sizeof self->now.path) {
        (void)cb_fail (err, CB_E_LIMIT, "the path is too long");
        return NULL;
    }
    if (s_open_folder (self, err) < 0)
        return NULL;
    return cb_take (self);
}

void
cb_walk_destroy (cb_walk **self)
{
    if (*self != NULL) {
        free ((*self)->entries);
        free ((*self)->waiting);
    }
    free (*self);
    *self = NULL;
}

static int
s_push_folder (cb_walk *self, const cb_walk_entry *found)
{
    if (self->n_waiting == self->waiting_room) {
        size_t room = self->waiting_room == 0 ? 16 : self->waiting_room * 2;
        folder *more = realloc (self->waiting, room * sizeof *more);
        if (more == NULL)
            return -CB_E_NOMEM;
        self->waiting = more;
        self->waiting_room = room;
    }
    folder *into = &self->waiting[self->n_waiting++];
    (void)snprintf (into->path, sizeof into->path, "%s", found->path);
    into->depth = self->now.depth + 1;
    return 0;
}

static void
s_odd (cb_walk_entry *entry_out, const char *why)
{
    entry_out->kind = CB_WALK_ODD;
    entry_out->why = why;
}

/* One entry of the folder at hand, judged by its name and kind: 1, or 0 when there is nothing to
 * tell yet (a folder is told when it has been opened). */
static int
s_judge (cb_walk *self, const entry *found, cb_walk_entry *ret_entry, cb_err *err)
{
    int size =
        snprintf (ret_entry->path, sizeof ret_entry->path, "%s/%s", self->now.path, found->name);

    ret_entry->inode = found->inode;
    ret_entry->looked = found->looked;
    ret_entry->size = found->size;
    ret_entry->changed_ns = found->changed_ns;
    ret_entry->kind = CB_WALK_FILE;
    ret_entry->why = "";
    if (size >= (int)sizeof ret_entry->path)
        s_odd (ret_entry, "has too long a path");
    else if (cb_file_name_check (found->name, NULL) < 0)
        s_odd (ret_entry, "has a name with control characters or bytes that are not UTF-8");
    else if (found->type == DT_LNK)
        s_odd (ret_entry, "is a symbolic link");
    else if (found->type == DT_FIFO)
        s_odd (ret_entry, "is a FIFO");
    else if (found->type == DT_SOCK)
        s_odd (ret_entry, "is a socket");
    else if (found->type != DT_REG && found->type != DT_DIR)
        s_odd (ret_entry, "is a device or something unknown");
    else if (found->type == DT_DIR && self->now.depth + 1 > CB_COLLECT_DEPTH)
        s_odd (ret_entry, "is a folder too deep inside others (over 16)");
    else if (found->type == DT_DIR)
        return s_push_folder (self, ret_entry) < 0 ? cb_fail_nomem (err) : 0;
    return 1;
}

/* Takes the next waiting folder to hand: 1 told, 0 it is gone. */
static int
s_next_folder (cb_walk *self, cb_walk_entry *ret_entry, cb_err *err)
{
    self->now = self->waiting[--self->n_waiting];
    self->n_entries = 0;
    self->next = 0;
    int result = s_open_folder (self, err);
    if (result == -CB_E_NOTFOUND)
        return 0;
    if (result == -CB_E_GONE || result == -CB_E_TIMEOUT || result == -CB_E_NOMEM)
        return result;
    (void)snprintf (ret_entry->path, sizeof ret_entry->path, "%s", self->now.path);
    ret_entry->inode = 0;
    ret_entry->why = "";
    ret_entry->kind = CB_WALK_FOLDER;
    if (result < 0)
        s_odd (ret_entry, "is a folder that cannot be opened");
    return 1;
}

int
cb_walk_next (cb_walk *self, cb_walk_entry *ret_entry, cb_err *err)
{
    int told = 0;

    while (told == 0 && (self->next < self->n_entries || (self->n_waiting > 0 && !self->cut))) {
        if (self->next < self->n_entries)
            told = s_judge (self, &self->entries[self->next++], ret_entry, err);
        else
            told = s_next_folder (self, ret_entry, err);
    }
    if (told != 0)
        return told < 0 ? told : 0;
    ret_entry->kind = CB_WALK_END;
    if (self->cut) {
        self->cut = 0;
        self->n_waiting = 0;
        ret_entry->inode = 0;
        (void)snprintf (ret_entry->path, sizeof ret_entry->path, "%s", self->now.path);
        s_odd (ret_entry, "has too many entries (over 4,096 with all before)");
    }
    return 0;
}
