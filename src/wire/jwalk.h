/* jwalk.h - walks through JSON text that cb_json_scan has accepted, value by value, without a tree:
 * what is not looked at is only stepped over. */
#ifndef CB_WIRE_JWALK_H
#define CB_WIRE_JWALK_H

#include "base/buf.h"
#include "wire/zmsg.h"

#include <stddef.h>

typedef struct cb_jwalk {
    const char *at;
    const char *end;
    int is_object;
} cb_jwalk;

/* Before the first member of an object, or item of an array. 0: it is something else. */
int cb_jwalk_object (cb_jwalk *self, cb_part value);
int cb_jwalk_array (cb_jwalk *self, cb_part value);

/* The next one; 0 behind the last. Both lie in the text: a name as it stands between its quotes
 * (empty in an array), a value without blanks around it. Bytes that are no JSON end the walk. */
int cb_jwalk_next (cb_jwalk *self, cb_part *ret_name, cb_part *ret_value);

/* Whether a name or value is exactly this text. */
int cb_part_is (cb_part part, const char *text);

/* Appends the characters of a string (value with its quotes); half a surrogate becomes U+FFFD. What
 * cb_buf_put returns; -CB_E_INVALID when it is no string. */
int cb_jstring_decode (cb_part value, cb_buf *into) __attribute__ ((warn_unused_result));
/* Appends UTF-8 text as a string with its quotes. */
int cb_jstring_put (cb_buf *into, const char *text, size_t size)
    __attribute__ ((warn_unused_result));

#endif
