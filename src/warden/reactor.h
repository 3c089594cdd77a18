/* reactor.h - the warden's loop: descriptors and moments, by ppoll. */
#ifndef CB_WARDEN_REACTOR_H
#define CB_WARDEN_REACTOR_H

#include "base/clock.h"
#include "base/err.h"

#include <poll.h>
#include <stddef.h>

/* Embedded in their owners; a watch or timer that is not added is all zero but for what the owner
 * filled in. Both may be removed and added again at any time, also by their own callback. */
typedef struct cb_watch {
    int fd; /* borrowed: the owner closes it after removing the watch */
    short events;
    void (*on_ready) (void *context, short events);
    void *context; /* borrowed */
    struct cb_watch *next;
    struct cb_watch **back; /* NULL: not added */
    size_t slot;            /* of the turn's poll table, 0: none */
} cb_watch;

typedef struct cb_timer {
    cb_usec when;
    void (*on_time) (void *context);
    void *context; /* borrowed */
    struct cb_timer *next;
    struct cb_timer **back; /* NULL: not set */
} cb_timer;

typedef struct cb_reactor {
    cb_watch *watches;
    cb_timer *timers;   /* sorted by moment */
    struct pollfd *fds; /* owned: the turn's poll table; slot 0 is not used */
    cb_watch **ready;   /* owned: whose slot it is */
    size_t room;
    size_t used;
    size_t n_watches;
} cb_reactor;

void cb_reactor_init (cb_reactor *self);
void cb_reactor_done (cb_reactor *self);

void cb_reactor_add (cb_reactor *self, cb_watch *watch);
void cb_reactor_remove (cb_reactor *self, cb_watch *watch);
void cb_reactor_set (cb_reactor *self, cb_timer *timer, cb_usec when);
void cb_reactor_cancel (cb_reactor *self, cb_timer *timer);

/* Waits for the next event or moment and calls what is due. */
int cb_reactor_turn (cb_reactor *self, cb_err *err) __attribute__ ((warn_unused_result));

#endif
