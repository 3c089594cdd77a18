/* loop.h - the one event loop of the broker: I/O, time, children, signals, deferred work.
 *
 * sd-event behind it (libsystemd; it runs without systemd as init). Callbacks are on_<event>, do
 * bounded work, never block, and may destroy any source but must not use their own afterwards. */
#ifndef CB_LOOP_LOOP_H
#define CB_LOOP_LOOP_H

#include "base/clock.h"
#include "base/err.h"

#include <stdint.h>

typedef struct cb_loop cb_loop;
typedef struct cb_source cb_source;

cb_loop *cb_loop_new (cb_err *err);
void cb_loop_destroy (cb_loop **self);

/* Runs until cb_loop_exit; the code given there, or -CB_E_*. */
int cb_loop_run (cb_loop *self, cb_err *err);
void cb_loop_exit (cb_loop *self, int code);

/* One turn for who has a loop of his own around it: waits at most so long (CB_USEC_NEVER: for ever)
 * for something to happen and handles one source. 0 or -CB_E_*. */
int cb_loop_turn (cb_loop *self, cb_usec patience, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Microseconds, constant during one turn of the loop. */
cb_usec cb_loop_now (cb_loop *self);

/* Bytes to read into, one area for all: good until the callback returns or the next call. */
#define CB_LOOP_SCRATCH 65536
char *cb_loop_scratch (cb_loop *self);

typedef void cb_on_io (cb_source *source, int fd, uint32_t events, void *context);
typedef void cb_on_time (cb_source *source, void *context);
/* sender: the process that sent it, as far as the kernel knows; 0: none. */
typedef void cb_on_signal (cb_source *source, int signal, pid_t sender, void *context);
typedef void cb_on_defer (cb_source *source, void *context);

/* Lower runs first. Deaths before output, so a death never waits behind a flood. */
enum {
    CB_PRIORITY_DEATH = -10,
    CB_PRIORITY_CONTROL = -5,
    CB_PRIORITY_NORMAL = 0,
    CB_PRIORITY_IDLE = 10
};

/* All borrow context; the fd stays the caller's and must outlive the source. events: EPOLLIN ... */
int cb_loop_io (cb_loop *self, int fd, uint32_t events, cb_on_io *on_io, void *context,
                cb_source **ret_source, cb_err *err);
/* Once, at an absolute cb_now() time; set again with cb_source_at. CB_USEC_NEVER: armed, silent. */
int cb_loop_at (cb_loop *self, cb_usec when, cb_on_time *on_time, void *context,
                cb_source **ret_source, cb_err *err);
/* The signal is blocked for the process by this call. */
int cb_loop_signal (cb_loop *self, int signal, cb_on_signal *on_signal, void *context,
                    cb_source **ret_source, cb_err *err);
/* Runs once in the next turn, then stays off until cb_source_on. */
int cb_loop_defer (cb_loop *self, cb_on_defer *on_defer, void *context, cb_source **ret_source,
                   cb_err *err);

void cb_source_destroy (cb_source **self);
void cb_source_set_events (cb_source *self, uint32_t events);
void cb_source_at (cb_source *self, cb_usec when);
void cb_source_on (cb_source *self, int on);
void cb_source_priority (cb_source *self, int priority);

#endif
