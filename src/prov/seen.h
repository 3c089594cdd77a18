/* seen.h - what was already collected of each jail, so that only new and changed files are. */
#ifndef CB_PROV_SEEN_H
#define CB_PROV_SEEN_H

#include "base/err.h"
#include "prov/filer.h"

/* One file as it was. ctime, because a jail can set mtime but not that. */
typedef struct cb_seen_mark {
    uint64_t path; /* hash: cb_seen_path */
    uint64_t inode;
    int64_t changed_ns;
    uint64_t size;
} cb_seen_mark;

typedef struct cb_seen cb_seen;

cb_seen *cb_seen_new (cb_err *err);
void cb_seen_destroy (cb_seen **self);

/* FNV-1a: who makes two of its own names collide hides its own file, nothing else. */
uint64_t cb_seen_path (const char *path);

/* One walk over a jail's folder: begin, then for each file found `known` or, once it is done with,
 * `add`; then end. Only what the walk has met is remembered, or with whole = 0 (it broke off) also
 * what was before. */
int cb_seen_begin (cb_seen *self, uint64_t jail, cb_err *err);
int cb_seen_known (cb_seen *self, const cb_seen_mark *mark);
void cb_seen_add (cb_seen *self, const cb_seen_mark *mark);
void cb_seen_end (cb_seen *self, int whole);

void cb_seen_forget (cb_seen *self, uint64_t jail);

#endif
