/* tail.h - the end of what a jail writes to standard error, and no more. */
#ifndef CB_WARDEN_TAIL_H
#define CB_WARDEN_TAIL_H

#include "warden/reactor.h"

#define CB_TAIL_KEPT 1024        /* bytes that are kept */
#define CB_TAIL_READ (64 * 1024) /* bytes that are read in all; then the pipe is closed */

typedef struct cb_tail {
    cb_reactor *reactor; /* borrowed */
    int fd;              /* owned, non-blocking; -1: closed */
    cb_watch watch;
    size_t n_read;
    size_t size;
    char bytes[CB_TAIL_KEPT];
} cb_tail;

/* Embedded. Takes fd. */
void cb_tail_open (cb_tail *self, cb_reactor *reactor, int fd);
void cb_tail_close (cb_tail *self);

/* Reads what is there now. */
void cb_tail_drain (cb_tail *self);

/* Whole lines of it as text (room bytes), control characters replaced; "" when there is none. */
void cb_tail_text (const cb_tail *self, char *text, size_t room);

#endif
