/* keys.h - the keys of a section of the configuration: a row says what a value may be, where it
 * goes.
 */
#ifndef CB_BASE_KEYS_H
#define CB_BASE_KEYS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
    CB_KEY_DURATION, /* cb_usec in [low, high], or "none": 0 */
    CB_KEY_PERIOD,   /* cb_usec in [low, high] */
    CB_KEY_COUNT,    /* uint32_t or uint64_t in [low, high] */
    CB_KEY_WORD,     /* one of words; the field gets its index */
    CB_KEY_TEXT,     /* char *, owned by the object: anything but nothing */
    CB_KEY_REAL,     /* double in [low, high] */
    CB_KEY_REFUSED   /* known; words says why it cannot be set here */
} cb_key_kind;

typedef struct cb_key_row {
    const char *name;
    cb_key_kind kind;
    size_t offset; /* in the object */
    size_t width;  /* of the field; 0: checked only */
    uint64_t low;
    uint64_t high;
    const char *words; /* separated by one blank */
} cb_key_row;

/* The place of a member, for a row; and of a value that nobody keeps. */
#define CB_KEY_FIELD(type, member) offsetof (type, member), sizeof (((type *)0)->member)
#define CB_KEY_NOWHERE             0, 0

typedef struct cb_key_table {
    const char *section;    /* for sentences */
    const cb_key_row *rows; /* sorted by name */
    size_t n_rows;
} cb_key_table;

/* Checks a value and puts it into the object. The sentence names the key and, for an unknown one,
 * the nearest. */
int cb_key_set (const cb_key_table *table, void *object, const char *key, const char *value,
                cb_err *err) __attribute__ ((warn_unused_result));

#endif
