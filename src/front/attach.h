/* attach.h - the door for Jupyter clients: the five sockets behind each session's connection
 * file. */
#ifndef CB_FRONT_ATTACH_H
#define CB_FRONT_ATTACH_H

#include "session/session.h"

/* Connections of all sessions, and of one (five a client); each costs a descriptor. */
#define CB_ATTACH_CONNECTIONS_MAX 2048
#define CB_ATTACH_A_SESSION_MAX   512
/* Descriptors that a session's door holds itself: five sockets, each with its folder. */
#define CB_ATTACH_FDS_A_SESSION 10
/* Bytes of one request, and of an input_reply. */
#define CB_ATTACH_REQUEST_MAX ((size_t)16 * 1024 * 1024)
#define CB_ATTACH_INPUT_MAX   ((size_t)1024 * 1024)
/* Bytes of replies that wait for one client. */
#define CB_ATTACH_REPLIES_MAX ((size_t)64 * 1024 * 1024)
/* Bytes of unfinished requests of all attached clients, beside what each has for itself: those who
 * fill the first cannot keep others from asking what is not large. */
#define CB_ATTACH_IN_MAX   ((uint64_t)128 * 1024 * 1024)
#define CB_ATTACH_IN_SPARE ((size_t)32 * 1024)
/* Bytes on their way to all of them, and of iopub to all readers. */
#define CB_ATTACH_OUT_MAX     ((uint64_t)256 * 1024 * 1024)
#define CB_ATTACH_READERS_MAX ((uint64_t)256 * 1024 * 1024)
/* Topics that one reader may subscribe to. */
#define CB_ATTACH_TOPICS_MAX 256

typedef struct cb_attach cb_attach;

/* Borrows loop and runtime_fd, where the sockets are made. Owned; NULL with err. */
cb_attach *cb_attach_new (cb_loop *loop, int runtime_fd, cb_err *err);
/* After all sessions are gone. */
void cb_attach_destroy (cb_attach **self);

/* What sessions open and close their doors with. Borrowed. */
const cb_doors *cb_attach_doors (const cb_attach *self);

#endif
