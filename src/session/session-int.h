/* session-int.h - the inside of a session, for session.c, cells.c and info.c only. */
#ifndef CB_SESSION_SESSION_INT_H
#define CB_SESSION_SESSION_INT_H

#include "kernel/kernel.h"
#include "session/run.h"
#include "session/session.h"

#include <time.h>

/* A cell in the queue or running. */
typedef struct cb_entry cb_entry;
struct cb_entry {
    cb_session *session;
    cb_run *run;
    cb_fanout *fanout;
    size_t charged; /* to the quota of code */
    int collecting; /* a job with this as its context is with the filer */
    cb_entry *next;
};

typedef struct cb_waiter {
    cb_on_settled *on_settled;
    void *context;
    int for_end; /* waits for the end, not for readiness */
} cb_waiter;

struct cb_session {
    const cb_services *services; /* borrowed */
    cb_on_session_over *on_over;
    void *context;
    char name[CB_NAME_MAX];
    cb_profile profile;
    cb_session_state state;
    int ephemeral;
    int restart_asked; /* by a person: the kernel's end is followed by a start, always */
    char key[65];      /* towards those who attach */
    cb_kernel *kernel; /* NULL between two */
    int kernel_gone;   /* it is over, only its files are still needed */
    cb_death death;    /* the last one; text "" without */
    cb_source *timer;
    cb_usec armed; /* when the timer fires */
    cb_entry *running;
    cb_entry *queue;
    size_t n_queued;
    cb_waiter waiters[CB_SESSION_WAITERS_MAX];
    size_t n_waiters;
    struct timespec output_mtime; /* of the empty /output */
    int output_used;              /* something was there at some time */
    time_t created;
    cb_usec last_used;
    int published; /* its connection file is there */
    uint64_t executions;
    uint64_t restarts;
    int by_clock; /* the kernel was ended by a cell's wall limit */
    uint64_t crashes;
    cb_usec crashed_at[CB_RESTARTS_MAX]; /* the last ones that were followed by a restart */
};

/* The next deadline may be earlier now. */
void cb_session_arm_ (cb_session *self);
void cb_session_become_ (cb_session *self, cb_session_state next);
/* What a death means for those who use the session, in words; "" when it ends with its kernel. */
const char *cb_session_aftermath_ (const cb_session *self);
/* The kernel is over and no cell needs it any more. */
void cb_session_after_death_ (cb_session *self);

/* cells.c */
void cb_cells_on_message_ (cb_session *self, cb_channel channel, cb_jmsg *message);
/* Output that was too large to be kept. */
void cb_cells_on_skipped_ (cb_session *self, cb_channel channel, uint64_t bytes);
/* A kernel is ready: its /output is empty now. */
void cb_cells_on_ready_ (cb_session *self);
/* Begins the next cell when the kernel is idle. */
void cb_cells_next_ (cb_session *self);
/* The kernel is over: every cell gets its answer, the running one after its files are collected;
 * then cb_session_after_death_ is called. */
void cb_cells_on_death_ (cb_session *self);
/* Those that wait get their answer: a death. */
void cb_cells_fail_queued_ (cb_session *self);
/* What the running cell's clock wants. */
void cb_cells_tick_ (cb_session *self, cb_usec now);
cb_usec cb_cells_deadline_ (const cb_session *self);
/* Every cell gets its answer at once: self->death. */
void cb_cells_drop_ (cb_session *self);

#endif
