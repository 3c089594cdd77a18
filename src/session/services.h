/* services.h - what every session borrows from the broker. */
#ifndef CB_SESSION_SERVICES_H
#define CB_SESSION_SERVICES_H

#include "base/quota.h"
#include "kernel/launcher.h"
#include "loop/loop.h"
#include "policy/profile.h"
#include "session/files.h"
#include "wire/sign.h"

typedef struct cb_session cb_session;

/* Who lets Jupyter clients in: the sockets behind a session's connection file. */
typedef struct cb_doors {
    /* front: what the sockets' names begin with ("s-amber"). Owned door; NULL with err. */
    void *(*open) (cb_session *session, const char *front, void *context, cb_err *err);
    void (*close) (void *door);
    void *context;
} cb_doors;

typedef struct cb_services {
    cb_loop *loop; /* borrowed, like all here */
    cb_launcher *launcher;
    cb_files *files;
    int runtime_fd;              /* the runtime folder */
    int sessions_fd;             /* its folder of connection files */
    const char *runtime_dir;     /* its path, for people and connection files */
    const char *state_dir;       /* where runs/RUN/output lies, for people */
    const cb_doors *doors;       /* NULL: no door, no connection files with sockets */
    cb_signer *clients;          /* towards clients of the control API */
    cb_quota *kernels;           /* bytes in flight from and to all kernels */
    const cb_profiles *profiles; /* changes by reload */
    cb_quota *cells;             /* bytes of code that runs or waits, of all sessions */
    cb_usec idle_expiry;         /* a session nobody uses is stopped, 0: never; changes by reload */
    cb_usec start_limit;         /* a kernel has so long to answer; changes by reload */
} cb_services;

#endif
