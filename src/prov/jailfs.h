/* jailfs.h - a jail's files as the file process sees them: opened by the warden, walked in order.
 */
#ifndef CB_PROV_JAILFS_H
#define CB_PROV_JAILFS_H

#include "base/err.h"
#include "prov/filer.h"

#include <sys/stat.h>

/* The warden answers at once; when it does not, it is in trouble and so are we. */
#define CB_JAILFS_TIMEOUT_S 10

typedef struct cb_jailfs cb_jailfs;

/* warden is borrowed (it gets a receive timeout). Owned. */
cb_jailfs *cb_jailfs_new (int warden, cb_err *err);
void cb_jailfs_destroy (cb_jailfs **self);

/* Opens what lies at path in the jail's quota tmpfs; *ret_status is fstat's. Owned descriptor, or
 * -CB_E_* with the warden's words, -CB_E_GONE when the line to it is broken. */
int cb_jailfs_open (cb_jailfs *self, uint64_t jail, const cb_launch_open *what,
                    struct stat *ret_status, cb_err *err) __attribute__ ((warn_unused_result));

/* A mode and a path together. */
void cb_jailfs_what (cb_launch_open *what, cb_open_mode mode, const char *path);

/* --- a walk through folders and what is in them --- */

typedef enum {
    CB_WALK_END,
    CB_WALK_FILE,   /* regular, says the folder; open it and look again */
    CB_WALK_FOLDER, /* opened: its entries come next */
    CB_WALK_ODD     /* nothing to read: why says it ("is a symbolic link"), inode may be 0 */
} cb_walk_kind;

typedef struct cb_walk_entry {
    cb_walk_kind kind;
    char path[CB_FILE_NAME_MAX * 4]; /* "output/plots/a.png"; of an ODD one perhaps cut */
    uint64_t inode;
    const char *why;
    /* A FILE's as they were when its folder was read, where we may look (looked 1): a hint that
     * saves opening what is known. What is opened is judged by its descriptor. */
    int looked;
    uint64_t size;
    int64_t changed_ns; /* ctime */
} cb_walk_entry;

typedef struct cb_walk cb_walk;

/* Entries below path, each folder's files by name, then its folders; "output" itself is no entry.
 * Owned; NULL with err also when path cannot be opened. */
cb_walk *cb_walk_new (cb_jailfs *fs, uint64_t jail, const char *path, cb_err *err);
void cb_walk_destroy (cb_walk **self);

/* What comes next. A folder that cannot be opened any more is told as ODD, one that is gone not at
 * all. Looks at CB_COLLECT_ENTRIES entries, CB_COLLECT_DEPTH deep: what is behind is told once as
 * ODD. -CB_E_GONE, -CB_E_TIMEOUT, -CB_E_NOMEM. */
int cb_walk_next (cb_walk *self, cb_walk_entry *ret_entry, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
