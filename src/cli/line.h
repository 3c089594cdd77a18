/* line.h - a line from the person at the terminal, edited with readline. The one room for it. */
#ifndef CB_CLI_LINE_H
#define CB_CLI_LINE_H

#include "base/err.h"

#include <stdbool.h>

/* Outcomes of cb_line_read. */
enum {
    CB_LINE_READ,        /* a line (a pasted block has several) */
    CB_LINE_END,         /* Ctrl-D, or the terminal is gone */
    CB_LINE_INTERRUPTED, /* Ctrl-C: what was typed is thrown away (the history has it) */
    CB_LINE_TERMINATED,  /* SIGTERM, SIGHUP */
    CB_LINE_WOKEN        /* on_wake wants to be heard; what was typed so far is given back */
};

typedef struct cb_line_want {
    const char *prompt;
    const char *style;               /* colour of the prompt, or "" */
    const char *preset;              /* stands there already; NULL: nothing */
    int signals;                     /* descriptor of cb_signals_open */
    int wake;                        /* another descriptor to watch, or -1 */
    bool (*on_wake) (void *context); /* it is readable; true: stop reading */
    void *context;
} cb_line_want;

/* Sets readline up; standard input and, of output and error, the first that is one are the
 * terminal. Once. */
void cb_line_init (void);

/* Shows the prompt and reads. Owned text in *ret_text with CB_LINE_READ and CB_LINE_WOKEN. */
int cb_line_read (const cb_line_want *want, char **ret_text, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Whether something is typed (or pasted) already. */
bool cb_line_more_waits (void);

/* Arrow-up brings it back. */
void cb_line_remember (const char *text);

#endif
