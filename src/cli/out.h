/* out.h - standard output or error: every byte arrives, however slow the reader; what a kernel
 * printed is made harmless before it reaches a terminal; signals are answered while we wait. */
#ifndef CB_CLI_OUT_H
#define CB_CLI_OUT_H

#include "base/clock.h"
#include "base/err.h"
#include "cli/sanitise.h"
#include "cli/term.h"

/* A signal came while we wait for the reader. Not 0: give up writing. */
typedef int cb_out_on_signal (int signal_number, void *context);

typedef struct cb_out {
    int fd; /* borrowed */
    cb_term term;
    bool raw;      /* nothing is made harmless, nothing coloured away */
    bool given_up; /* the reader is gone, or we were told to stop: writing does nothing */
    cb_sanitise safe;
    int signals;                 /* descriptor of cb_signals_open, or -1 */
    cb_out_on_signal *on_signal; /* may be NULL */
    void *context;
    const cb_usec *until; /* borrowed: give up at this moment, which may change; NULL: never */
} cb_out;

void cb_out_init (cb_out *self, int fd);

/* What a kernel printed: byte for byte into a file or pipe, made harmless for a terminal. Each
 * call may end in the middle of a character. -CB_E_GONE: the reader is gone or on_signal gave up;
 * -CB_E_IO: the disk is full and the like. */
int cb_out_foreign (cb_out *self, const char *bytes, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The same for text whose colours are IPython's (tracebacks): they are taken out where there shall
 * be none. */
int cb_out_painted (cb_out *self, const char *bytes, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Our own words. */
int cb_out_own (cb_out *self, const char *bytes, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* On a terminal: switches colours off and ends a line that is not ended. */
int cb_out_settle (cb_out *self, cb_err *err) __attribute__ ((warn_unused_result));

#endif
