/* term.h - what stands behind a descriptor: a terminal, with colours, of what width. */
#ifndef CB_CLI_TERM_H
#define CB_CLI_TERM_H

#include <stdbool.h>

typedef struct cb_term {
    bool tty;
    bool colour; /* NO_COLOR, CLICOLOR_FORCE and TERM=dumb are obeyed */
    bool moves;  /* knows cursor movement: a terminal that is not dumb */
    int width;   /* columns; 80 where nobody knows */
} cb_term;

void cb_term_look (cb_term *self, int fd);

/* The sequence where there are colours, else "". Names: "bold", "dim", "red", "green", "yellow",
 * "off". Borrowed, static. */
const char *cb_term_style (const cb_term *self, const char *name);

#endif
