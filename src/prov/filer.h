/* filer.h - the helper process that does the broker's file work, so the loop never waits for a
 * disk.
 *
 * One process, one job at a time, a bounded queue in front. It has a line of its own to the warden
 * (CB_LAUNCH_OPEN) and descriptors of the state folder; it holds no keys and parses nothing. */
#ifndef CB_PROV_FILER_H
#define CB_PROV_FILER_H

#include "base/clock.h"
#include "base/err.h"
#include "jail/launchmsg.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define CB_FILER_QUEUE_MAX 256          /* jobs waiting */
#define CB_FILER_BLOCK_MAX (256 * 1024) /* bytes of one put or get step: one packet */
#define CB_ARTIFACTS_MAX   256          /* files collected a run */
#define CB_SHA256_TEXT     65

typedef struct cb_artifact {
    char path[CB_FILE_NAME_MAX * 4]; /* below /output: "plots/a.png" */
    uint64_t size;
    char sha256[CB_SHA256_TEXT];
} cb_artifact;

typedef enum {
    CB_JOB_COLLECT, /* new and changed files of /output into runs/RUN/output */
    CB_JOB_PUT,     /* write a block into a file of the jail at an offset */
    CB_JOB_GET,     /* read a block */
    CB_JOB_LIST,    /* names and sizes of a folder */
    CB_JOB_FORGET   /* the jail is gone */
} cb_job_kind;

typedef struct cb_job {
    cb_job_kind kind;
    uint64_t jail;
    char run[64];        /* COLLECT: the run's name */
    uint64_t max_bytes;  /* COLLECT */
    char path[PATH_MAX]; /* PUT, GET, LIST: "work/data.csv" */
    uint64_t offset;     /* PUT (0 creates or truncates), GET */
    const char *bytes;   /* PUT: borrowed during the call */
    size_t size;         /* PUT, GET */
} cb_job;

typedef struct cb_job_result {
    int code; /* 0 or CB_E_*; text says more */
    char text[CB_ERR_TEXT_MAX];
    const cb_artifact *artifacts; /* COLLECT, LIST: borrowed */
    size_t n_artifacts;
    uint32_t refused;  /* COLLECT: symlinks, special files, names, over the bounds; text names the
                          first */
    const char *bytes; /* GET: borrowed */
    size_t size;
    uint64_t file_size; /* GET */
} cb_job_result;

typedef void cb_on_job (const cb_job_result *result, void *context);

typedef struct cb_filer cb_filer;

/* The broker's side. socket: SEQPACKET to the filer process (taken). The owner puts cb_filer_fd on
 * its loop and calls cb_filer_dispatch when it is readable or writable. */
cb_filer *cb_filer_new (int socket, cb_err *err);
void cb_filer_destroy (cb_filer **self);
int cb_filer_fd (const cb_filer *self);
int cb_filer_wants_write (const cb_filer *self);
int cb_filer_dispatch (cb_filer *self, cb_err *err);

/* Queues a job; on_job comes later, exactly once, also when the filer dies. -CB_E_BUSY: queue full.
 */
int cb_filer_submit (cb_filer *self, const cb_job *job, cb_on_job *on_job, void *context,
                     cb_err *err) __attribute__ ((warn_unused_result));

/* The process: serves socket until it closes. warden: SEQPACKET to the warden; state: O_PATH or
 * O_RDONLY of the state folder. The value for _exit. */
int cb_filer_serve (int socket, int warden, int state);

#endif
