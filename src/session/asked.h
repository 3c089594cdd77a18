/* asked.h - who asked the kernel what: requests of attached clients by message id, so that an
 * answer finds its way back. */
#ifndef CB_SESSION_ASKED_H
#define CB_SESSION_ASKED_H

#include "session/guest.h"
#include "wire/jmsg.h"

/* Of a session, and of one guest: the oldest of a guest's is forgotten (a kernel need not answer
 * what it does not know). */
#define CB_ASKED_MAX         1024
#define CB_ASKED_A_GUEST_MAX 64

typedef struct cb_asked_row cb_asked_row;
struct cb_asked_row {
    char msg_id[CB_MSG_ID_MAX];
    cb_guest *guest;        /* borrowed */
    cb_channel channel;     /* where it came from and the answer goes */
    const cb_msgtype *type; /* of the request; NULL: not in the table */
    char *header;           /* owned: the request's */
    size_t header_size;
    cb_asked_row *next;
};

/* Oldest first. All zero is empty. */
typedef struct cb_asked {
    cb_asked_row *first;
    size_t count;
} cb_asked;

void cb_asked_done (cb_asked *self);

/* -CB_E_BUSY over CB_ASKED_MAX, -CB_E_INVALID for an id that is in use. */
int cb_asked_add (cb_asked *self, cb_guest *guest, cb_channel channel, const cb_jmsg *request,
                  cb_err *err) __attribute__ ((warn_unused_result));
/* Borrowed, or NULL. */
cb_asked_row *cb_asked_find (const cb_asked *self, const char *msg_id);
/* Frees a row of self and nulls the pointer. */
void cb_asked_drop (cb_asked *self, cb_asked_row **row);
/* Takes the oldest row out, of a request type (NULL: any): owned by the caller. NULL: none. */
cb_asked_row *cb_asked_take (cb_asked *self, const char *msg_type);
void cb_asked_row_destroy (cb_asked_row **row);
/* All rows of a guest that is gone. */
void cb_asked_forget (cb_asked *self, const cb_guest *guest);

#endif
