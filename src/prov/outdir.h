/* outdir.h - writing runs/RUN/output below the state folder: whole files or none. */
#ifndef CB_PROV_OUTDIR_H
#define CB_PROV_OUTDIR_H

#include "base/err.h"
#include "base/name.h"

/* Where a run's files lie below runs/RUN. */
#define CB_OUTDIR_OUTPUT "output"

typedef struct cb_outdir {
    int state;       /* borrowed; may be O_PATH */
    const char *run; /* borrowed */
    int run_fd;      /* runs/RUN, made with the first file; -1 */
    int folder_fd;   /* where the last file was kept, not synced yet; -1 */
    char folder[CB_FILE_NAME_MAX * 4];
} cb_outdir;

void cb_outdir_init (cb_outdir *self, int state, const char *run);
void cb_outdir_done (cb_outdir *self);

/* A new empty file runs/RUN/.part-NUMBER (0600), for writing. A left-over of that name goes. Owned.
 */
int cb_outdir_part (cb_outdir *self, unsigned number, cb_err *err);

/* Syncs the part (fd, borrowed) and gives it its name: path is "output/a/b.png", checked by the
 * caller; folders are made (0700). Its name is durable when the next file goes into another folder,
 * or with cb_outdir_done. On a fault the part is gone. */
int cb_outdir_keep (cb_outdir *self, unsigned number, int fd, const char *path, cb_err *err);

/* The part is not wanted. */
void cb_outdir_drop (cb_outdir *self, unsigned number);

#endif
