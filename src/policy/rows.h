/* rows.h - the keys of a profile as a table: what a value may be, how it is read and told. */
#ifndef CB_POLICY_ROWS_H
#define CB_POLICY_ROWS_H

#include "policy/profile.h"

typedef enum {
    CB_ROW_SIZE,
    CB_ROW_DURATION,
    CB_ROW_PERCENT,
    CB_ROW_COUNT,
    CB_ROW_LAYER,   /* off | auto | on, from low: why */
    CB_ROW_SWITCH,  /* off | on; on is the looser one */
    CB_ROW_ACTIVE,  /* sandbox | full */
    CB_ROW_WORKDIR, /* none | ro | rw: a bound, whatever a client asks for */
    CB_ROW_ONLY,    /* the one value there is in this version: why */
    CB_ROW_FIXED,   /* names of keys that nobody may loosen: a bit a row */
    CB_ROW_LATER,   /* known, but nothing obeys it yet: refused with why */
    CB_ROW_INHERITS /* another profile's name */
} cb_row_kind;

typedef struct cb_row {
    const char *name;
    cb_row_kind kind;
    size_t offset; /* in cb_profile */
    size_t width;  /* bytes of the field: 1, 4, 8; 0: it has none */
    uint64_t low;
    uint64_t high;
    int none;        /* the word "none" is 0: no limit */
    const char *why; /* ONLY: the value; LATER: a sentence; LAYER: why not off */
} cb_row;

/* More than the table has: entries of a configuration keep a value a row. A bit a row in a
 * uint64_t, so never over 64. */
#define CB_ROWS_MAX 40

/* All rows, sorted by name. */
const cb_row *cb_rows (size_t *ret_count);

/* The row of a key, or -CB_E_INVALID with the nearest known one. *ret_index: its place. */
int cb_row_find (const char *key, size_t *ret_index, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Reads a value; out of range is -CB_E_LIMIT with the range. */
int cb_row_parse (const cb_row *row, const char *text, uint64_t *ret_value, cb_err *err)
    __attribute__ ((warn_unused_result));

/* A value as people write it; returns text. */
const char *cb_row_text (const cb_row *row, uint64_t value, char text[CB_PROFILE_TEXT]);

/* The field of a profile; nothing and 0 for rows without one. */
void cb_row_store (const cb_row *row, cb_profile *profile, uint64_t value);
uint64_t cb_row_load (const cb_row *row, const cb_profile *profile);

/* Whether the value allows more than the other one. 0 means "no limit" where the row has "none". */
int cb_row_is_looser (const cb_row *row, uint64_t value, uint64_t than);

#endif
