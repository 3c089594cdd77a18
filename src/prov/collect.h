/* collect.h - the files of a jail's /output become files of a run. */
#ifndef CB_PROV_COLLECT_H
#define CB_PROV_COLLECT_H

#include "base/err.h"
#include "prov/filer.h"
#include "prov/jailfs.h"
#include "prov/seen.h"

typedef struct cb_collect {
    cb_jailfs *fs; /* borrowed, all of them */
    cb_seen *seen;
    int state;
    uint64_t jail;
    const char *run;
    uint64_t max_bytes;
    void (*on_artifact) (const cb_artifact *artifact, void *context);
    void *context;
} cb_collect;

/* What was not collected: how many, and the first one's reason in words. */
typedef struct cb_refusals {
    uint32_t count;
    char first[CB_ERR_TEXT_MAX];
} cb_refusals;

/* path is shown escaped. */
void cb_refuse (cb_refusals *self, const char *path, const char *why);

/* on_artifact is called for every file once it lies in its place, also when the whole ends with a
 * fault later. */
int cb_collect_run (const cb_collect *what, cb_refusals *ret_refusals, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
