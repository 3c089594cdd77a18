/* filer.h - the helper process that does the broker's file work, so the loop never waits for a
 * disk.
 *
 * One process, one job at a time, a bounded queue in front. It has a line of its own to the warden
 * (CB_LAUNCH_OPEN) and a descriptor of the state folder; it holds no keys and parses nothing but
 * the fixed packets of filemsg.h. When it dies, every job is answered with CB_E_GONE and
 * cb_filer_dispatch says so: the broker ends itself then, and the warden starts a new one. It is
 * never forked again from a broker that runs, because the copy would hold the keys.
 *
 * What is collected lies below the state folder as runs/RUN/output/PATH: files 0600, folders 0700.
 * A file is written under another name in runs/RUN, synced and renamed: under its own name it is
 * whole or not there, also after a power cut. */
#ifndef CB_PROV_FILER_H
#define CB_PROV_FILER_H

#include "base/clock.h"
#include "base/err.h"
#include "jail/launchmsg.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define CB_FILER_QUEUE_MAX 256          /* jobs waiting; PUT, GET, LIST may fill half of it */
#define CB_FILER_JAIL_MAX  32           /* PUT, GET, LIST jobs of one jail that wait */
#define CB_FILER_BLOCK_MAX (256 * 1024) /* bytes of one put or get step: one packet */
#define CB_ARTIFACTS_MAX   256          /* files collected a run */
#define CB_LIST_MAX        1024         /* entries of a list */
#define CB_COLLECT_DEPTH   16           /* folders inside each other that are looked into */
#define CB_COLLECT_ENTRIES 4096         /* entries of /output that are looked at */
#define CB_SHA256_TEXT     65

typedef struct cb_artifact {
    char path[CB_FILE_NAME_MAX * 4]; /* COLLECT: below /output: "plots/a.png"; LIST: "work/a.csv",
                                        "work/sub/" for a folder */
    uint64_t size;
    char sha256[CB_SHA256_TEXT];
} cb_artifact;

typedef enum {
    CB_JOB_COLLECT, /* files of /output, new or changed since the last collection of that jail, into
                       runs/RUN/output. Also with a fault the artifacts are those that lie there */
    CB_JOB_PUT,     /* write a block; its offset must be the end of the file */
    CB_JOB_GET,     /* read a block; at the end of the file it is shorter, behind it empty */
    CB_JOB_LIST,    /* files and folders below path, with sizes; "" is work and output */
    CB_JOB_FORGET   /* the jail is gone: what was collected of it need not be remembered */
} cb_job_kind;

typedef struct cb_job {
    cb_job_kind kind;
    uint64_t jail;
    char run[64];        /* COLLECT: the run's name */
    uint64_t max_bytes;  /* COLLECT */
    char path[PATH_MAX]; /* PUT, GET, LIST: "work/data.csv"; work, output, tmp only */
    uint64_t offset;     /* PUT (0 creates or truncates), GET */
    const char *bytes;   /* PUT: borrowed during the call */
    size_t size;         /* PUT, GET */
} cb_job;

typedef struct cb_job_result {
    int code; /* 0 or CB_E_*; text says more */
    char text[CB_ERR_TEXT_MAX];
    const cb_artifact *artifacts; /* COLLECT, LIST: borrowed */
    size_t n_artifacts;
    uint32_t refused;  /* COLLECT: symlinks, special files, hard links, names, over the bounds; each
                          counted once. LIST: entries that were left out. text says how many and
                          names the first, also  with code 0 */
    const char *bytes; /* GET: borrowed */
    size_t size;
    uint64_t file_size; /* GET */
} cb_job_result;

typedef void cb_on_job (const cb_job_result *result, void *context);

typedef struct cb_filer cb_filer;

/* The broker's side. socket: SEQPACKET to the filer process (taken, also on failure). The owner
 * puts cb_filer_fd on its loop, calls cb_filer_dispatch when it is readable (or, while it wants to
 * write, writable). -CB_E_GONE: the process is gone and every job was answered with that. */
cb_filer *cb_filer_new (int socket, cb_err *err);
/* Jobs that wait are answered with CB_E_GONE. */
void cb_filer_destroy (cb_filer **self);
int cb_filer_fd (const cb_filer *self);
int cb_filer_wants_write (const cb_filer *self);
int cb_filer_dispatch (cb_filer *self, cb_err *err);

/* Whoever gave this context is no longer interested: its on_job will not be called. A PUT, GET,
 * LIST that was not begun is dropped; COLLECT and FORGET are done all the same. */
void cb_filer_cancel (cb_filer *self, const void *context);

/* Queues a job; on_job (may be NULL) comes later, from cb_filer_dispatch, exactly once, also when
 * the filer dies; it may submit and cancel but not destroy. -CB_E_BUSY: queue full (never for
 * FORGET), -CB_E_INVALID: path, run or size, -CB_E_GONE. On a fault on_job does not come. */
int cb_filer_submit (cb_filer *self, const cb_job *job, cb_on_job *on_job, void *context,
                     cb_err *err) __attribute__ ((warn_unused_result));

/* The process, forked by the broker before it does anything else: serves socket until it closes;
 * closes every other descriptor but standard error, ignores SIGINT. warden: SEQPACKET to the
 * warden; state: O_PATH or O_RDONLY of the state folder. The value for _exit. */
int cb_filer_serve (int socket, int warden, int state);

#endif
