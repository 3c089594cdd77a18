/* owner.h - who a session ends with: a client's connection, or the shim of a frontend.
 *
 * A frontend starts a kernel as a process and gives it a connection file; that process is a shim
 * (`cellblock kernel`), and the session it asks for is bound to the file. A shim may go and another
 * one come with the same file and key: a frontend that restarts its kernel does just that. */
#ifndef CB_SESSION_OWNER_H
#define CB_SESSION_OWNER_H

#include "net/zpeer.h"

#include <limits.h>

/* A session whose shim is gone keeps its name so long for another one. */
#define CB_OWNER_GRACE (10 * CB_USEC_PER_SEC)
/* Bytes of a shim's random word, its end included. */
#define CB_SHIM_WORD_MAX 33

/* Why a shim has nothing more to do. */
typedef enum {
    CB_LEAVE_LOST,    /* its connection is gone, or another one has come for it */
    CB_LEAVE_RESTART, /* its frontend restarts the kernel: the next shim gets the new one */
    CB_LEAVE_DIED,    /* the kernel died: the same */
    CB_LEAVE_OVER,    /* the session was stopped */
    CB_LEAVE_FAILED,  /* its kernel never started */
    CB_LEAVE__COUNT
} cb_leave;

/* Once, with a sentence for people ("" where there is nothing to say). */
typedef void cb_on_leave (cb_leave why, const char *words, void *context);

/* One that has come. */
typedef struct cb_shim {
    const char *word; /* random: tells it from others with the same file */
    const cb_zpeer *peer;
    cb_on_leave *on_leave;
    void *context;
} cb_shim;

typedef struct cb_owner {
    const cb_zpeer *peer; /* only compared; NULL: none, or not here */
    pid_t pid;            /* its process, also when it is not here; 0: none */
    int pidfd;            /* -1: not watched */
    cb_source *watch;
    /* a frontend's shim */
    char file[PATH_MAX]; /* "": no frontend */
    uint64_t order;      /* what it asked for, in short */
    char word[CB_SHIM_WORD_MAX];
    int fresh;     /* the kernel is a new one since that shim left */
    cb_usec until; /* the session's end when no shim comes */
    cb_on_leave *on_leave;
    void *context;
} cb_owner;

#endif
