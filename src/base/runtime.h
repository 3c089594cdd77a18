/* runtime.h - where the daemon's files lie and what they are called. */
#ifndef CB_BASE_RUNTIME_H
#define CB_BASE_RUNTIME_H

#include "base/err.h"

#include <stddef.h>

/* Names in the runtime folder. */
#define CB_RUNTIME_LOCK     "lock"        /* flock held while a daemon, or its janitor, lives */
#define CB_RUNTIME_START    "start.lock"  /* flock held by a client while it starts the daemon */
#define CB_RUNTIME_BROKER   "broker.json" /* connection file of the control API */
#define CB_RUNTIME_SESSIONS "sessions"    /* NAME.json: connection files of the sessions */
#define CB_RUNTIME_GRANTS   "grants"      /* folders that jails may write (base/grant) */
/* Names in the state folder. */
#define CB_STATE_LOG  "cellblockd.log"
#define CB_STATE_RUNS "runs"

/* The broker's uid when root starts the daemon: just below the jails' range. */
#define CB_BROKER_UID 1899999999U

/* A Unix socket's path holds 107 bytes (unix(7)); this much of it is ours: "/sessions/NAME-N". */
#define CB_RUNTIME_PATH_MAX 60

/* $CELLBLOCK_RUNTIME_DIR, else $XDG_RUNTIME_DIR/cellblock, else /run/cellblock for root, else
 * /tmp/cellblock-UID. Written to path (room bytes). -CB_E_LIMIT when it is too long for sockets:
 * the sentence says so and names the variable. */
int cb_runtime_dir (char *path, size_t room, cb_err *err);

/* $CELLBLOCK_STATE_DIR, else $XDG_STATE_HOME/cellblock, else ~/.local/state/cellblock. */
int cb_state_dir (char *path, size_t room, cb_err *err);

/* A program of libexecdir (cellblock-broker ...): beside /proc/self/exe in a build tree, else in
 * libexecdir. -CB_E_NOTFOUND names both places. */
int cb_find_program (const char *name, char *path, size_t room, cb_err *err);

/* The folder with the Python of the jail (launcher.py): kernelspec/ of the source tree when we run
 * from a build tree, else pkgdatadir/kernelspec. */
int cb_find_kernelspec (char *path, size_t room, cb_err *err);

#endif
