/* sanitise.h - what a kernel printed, made harmless for a terminal. */
#ifndef CB_CLI_SANITISE_H
#define CB_CLI_SANITISE_H

#include "base/buf.h"

#include <stdbool.h>

/* Bytes of an escape sequence for colours: more is no colour. */
#define CB_SGR_MAX 48

/* Bytes that one byte of input can become: \xNN, and a reset behind everything. */
#define CB_SANITISE_GROWTH 4

typedef struct cb_sanitise {
    bool colour; /* colours pass; else they vanish */
    bool erase;  /* the terminal knows how to erase a line; else a lone \r becomes a new line */
    char held[CB_SGR_MAX];
    size_t n_held; /* the beginning of a character or of a sequence */
    bool dirty;    /* a colour is switched on */
    bool inside;   /* the last line is not ended */
} cb_sanitise;

void cb_sanitise_init (cb_sanitise *self, bool colour, bool erase);

/* Appends the harmless form of the next bytes. A character or sequence that is cut at the end of
 * the bytes waits for the next ones. -CB_E_LIMIT or -CB_E_NOMEM of into. */
int cb_sanitise_put (cb_sanitise *self, const char *bytes, size_t size, cb_buf *into);

/* What still waits, and the end of all colours. */
int cb_sanitise_end (cb_sanitise *self, cb_buf *into);

/* A whole text in one line, for messages and tables: no colours, \n and \t shown as well. Returns
 * into, which is cut to room bytes at a character's border. */
const char *cb_sanitise_line (const char *text, char *into, size_t room);

#endif
