/* name.h - names that people give: sessions, profiles, files in an input. */
#ifndef CB_BASE_NAME_H
#define CB_BASE_NAME_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* Bytes of a session's or profile's name, its end included: names become parts of socket paths. */
#define CB_NAME_MAX 32

/* A file's name inside the jail, its end included (NAME_MAX of Linux). */
#define CB_FILE_NAME_MAX 256

/* Letters, digits, '-' and '_', a letter or digit first, at most 31: 0, else -CB_E_INVALID with
 * a sentence that names `what` ("session", "profile"). */
int cb_name_check (const char *what, const char *name, cb_err *err);

/* One path component that is safe to show and to make: no '/', nothing that cb_utf8_shown refuses,
 * not "." or "..", valid UTF-8: 0 or -CB_E_INVALID. */
int cb_file_name_check (const char *name, cb_err *err);

/* Bytes of the character at the beginning of a text, 0 when no terminal should see it: a control
 * character (C0, C1), one that turns text round (U+202A-202E, U+2066-2069), no UTF-8, the end. */
size_t cb_utf8_shown (const char *text);

/* Whether size bytes are well-formed UTF-8 (no surrogates, nothing over U+10FFFF). */
int cb_utf8_valid (const char *bytes, size_t size);

/* Appends the bytes, each that is not UTF-8 replaced by U+FFFD. What cb_buf_put returns. */
int cb_utf8_mend (const char *bytes, size_t size, cb_buf *into);

#endif
