/* units.h - sizes and durations as people write and read them: "512 MiB", "1.5 s". */
#ifndef CB_BASE_UNITS_H
#define CB_BASE_UNITS_H

#include "base/clock.h"
#include "base/err.h"

#include <stdint.h>

/* Bytes of a size's or duration's text, end included. */
#define CB_UNITS_TEXT 32

/* "4096", "512M", "512 MiB", "1.5G", "20 MB": K, M, G, T and KiB ... TiB are powers of 1,024,
 * kB, MB, GB, TB of 1,000, none and B are bytes. -CB_E_INVALID with a sentence for anything else,
 * -CB_E_LIMIT over 2^63. */
int cb_size_parse (const char *text, uint64_t *ret_bytes, cb_err *err)
    __attribute__ ((warn_unused_result));

/* "10 s", "500ms", "1.5 s", "2 min", "1h", "7 d"; a number alone is seconds. At most ten years. */
int cb_duration_parse (const char *text, cb_usec *ret_duration, cb_err *err)
    __attribute__ ((warn_unused_result));

/* "512 MiB", "1.5 GiB", "100 B"; returns text. */
const char *cb_size_text (uint64_t bytes, char text[CB_UNITS_TEXT]);

/* "10 s", "500 ms", "1 h", "1.5 s"; returns text. */
const char *cb_duration_text (cb_usec duration, char text[CB_UNITS_TEXT]);

#endif
