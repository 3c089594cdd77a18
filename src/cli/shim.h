/* shim.h - what a kernelspec starts: it stands for a session of the broker as long as its frontend
 * wants a kernel. */
#ifndef CB_CLI_SHIM_H
#define CB_CLI_SHIM_H

#include "cli/cli.h"

/* The program: apart, because no other command needs an event loop. */
#define CB_SHIM_PROGRAM "cellblock-kernel"

/* Values of --active-output; the first: nothing is said. */
#define CB_SHIM_ACTIVE_HINT "profile|sandbox|full"
extern const char *const cb_shim_active[]; /* their words; NULL for the first */
enum { CB_SHIM_ACTIVE_PROFILE, CB_SHIM_ACTIVE_SANDBOX, CB_SHIM_ACTIVE_FULL };

/* Values of --workdir; the first: nothing is said, which is ro where that can be. */
#define CB_SHIM_WORKDIR_HINT "auto|ro|rw|none"
extern const char *const cb_shim_workdir[];
enum { CB_SHIM_WORKDIR_AUTO, CB_SHIM_WORKDIR_RO, CB_SHIM_WORKDIR_RW, CB_SHIM_WORKDIR_NONE };

typedef struct cb_shim_options {
    const char *file;    /* the connection file */
    const char *profile; /* NULL: the default one */
    int active_output;
    int workdir;
    cb_words arguments; /* the kernel's */
} cb_shim_options;

/* Stands for the session until it or the frontend ends. The exit code. */
int cb_shim_run (const cb_cli *cli, const cb_shim_options *options);

#endif
