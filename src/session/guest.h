/* guest.h - one attached Jupyter client, as a session sees it: its connections, what it waits for.
 */
#ifndef CB_SESSION_GUEST_H
#define CB_SESSION_GUEST_H

#include "base/channel.h"
#include "net/zpeer.h"

/* Requests of one guest that wait in the queue: a notebook that is run as a whole has hundreds of
 * cells; and their bytes. */
#define CB_GUEST_WAITING_MAX 512
#define CB_GUEST_BYTES_MAX   ((size_t)64 * 1024 * 1024)
/* A guest has room for so many whatever others have in the queue. */
#define CB_GUEST_WAITING_SURE 8

/* Owned by the door (front/attach), told to the session by cb_session_guest_lost and
 * cb_session_guest_gone. Connections with one routing id belong to one guest. */
typedef struct cb_guest {
    cb_zpeer *peers[CB_CHANNEL__COUNT]; /* borrowed: shell, stdin, control; NULL: not connected */
    uint64_t number;                    /* kept by the session: whose turn it is; 0: none yet */
    size_t n_waiting;                   /* kept by the session */
    size_t waiting_bytes;
    uint64_t looked_at; /* kept by session/places */
    size_t n_asked;     /* kept by session/asked: questions without an answer */
} cb_guest;

#endif
