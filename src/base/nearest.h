/* nearest.h - "did you mean": the known name that is closest to a mistyped one. */
#ifndef CB_BASE_NEAREST_H
#define CB_BASE_NEAREST_H

#include <stddef.h>

/* Of a table whose rows start with `const char *name`, the name with the fewest typing mistakes
 * (a letter changed, added, left out, two swapped) away from word; NULL when none is near: at most
 * one mistake in three letters. Borrowed from the table. */
const char *cb_nearest (const char *word, const void *table, size_t rows, size_t row_size);

#endif
