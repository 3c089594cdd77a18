/* jsonx.h - JSON from outside: bounded, checked, with errors that name the field. */
#ifndef CB_BASE_JSONX_H
#define CB_BASE_JSONX_H

#include "base/cleanup.h"
#include "base/err.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Deeper nesting than any Jupyter message has; keeps recursion over hostile JSON shallow. */
#define CB_JSON_DEPTH_MAX 64

static inline void
cb_json_destroy (json_t **self)
{
    json_decref (*self);
    *self = NULL;
}
/* cb_owned(cb_json) json_t *content = NULL; */

/* Parses one JSON object (RFC 8259, UTF-8, no duplicate keys; \u0000 in texts is let
 * through, because programs print it; cb_json_get_string refuses it) of at most CB_JSON_DEPTH_MAX
 * levels. Owned object in *ret_object; -CB_E_INVALID names `what` and the place. */
int cb_json_parse (const char *what, const void *bytes, size_t size, json_t **ret_object,
                   cb_err *err) __attribute__ ((warn_unused_result));

/* The same for an object behind which something else may stand: that is left alone. */
int cb_json_parse_first (const char *what, const void *bytes, size_t size, json_t **ret_object,
                         cb_err *err) __attribute__ ((warn_unused_result));

/* Digits of a number that we made (times, usage): as written, not as a double stores it. Numbers of
 * others keep all they came with. */
#define CB_JSON_DIGITS 15

/* A sentence for a person, whatever bytes are in it: it may quote a file's name, or be cut within a
 * character, and JSON can carry neither; each such byte becomes '?'. New reference; NULL when out
 * of memory. */
json_t *cb_json_words (const char *text);

/* Compact text of the value, owned by the caller (free); NULL when out of memory. */
char *cb_json_text (const json_t *value, size_t *ret_size);

/* Members of an object. A missing member gives `otherwise` (strings are borrowed from the object);
 * one of another type or out of [low, high] is -CB_E_INVALID with the member's name. */
int cb_json_get_string (const json_t *object, const char *name, size_t max_bytes,
                        const char *otherwise, const char **ret_text, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_json_get_int (const json_t *object, const char *name, int64_t low, int64_t high,
                     int64_t otherwise, int64_t *ret_number, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_json_get_double (const json_t *object, const char *name, double low, double high,
                        double otherwise, double *ret_number, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_json_get_bool (const json_t *object, const char *name, int otherwise, int *ret_bool,
                      cb_err *err) __attribute__ ((warn_unused_result));
/* A missing object or array gives NULL. Borrowed. */
int cb_json_get_object (const json_t *object, const char *name, json_t **ret_member, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_json_get_array (const json_t *object, const char *name, size_t max_items,
                       json_t **ret_member, cb_err *err) __attribute__ ((warn_unused_result));

/* For required strings: `otherwise` of cb_json_get_string with this meaning "must be there". */
#define CB_JSON_REQUIRED ((const char *)1)

#endif
