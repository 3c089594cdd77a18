/* table.h - constant tables: how many rows, and finding one. */
#ifndef CB_BASE_TABLE_H
#define CB_BASE_TABLE_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CB_COUNT(array) (sizeof (array) / sizeof ((array)[0]))

/* Compares a string key with a row whose first member is `const char *name`. For bsearch. */
static inline int
cb_table_compare (const void *key, const void *row)
{
    return strcmp ((const char *)key, *(const char *const *)row);
}

/* The row of a table sorted by its first member `const char *name`, or NULL. */
#define CB_TABLE_FIND(table, key) \
    bsearch ((key), (table), CB_COUNT (table), sizeof ((table)[0]), cb_table_compare)

/* Whether a table is sorted strictly by its first member `const char *name`: for unit tests. */
static inline int
cb_table_sorted (const void *table, size_t rows, size_t row_size)
{
    for (size_t i = 1; i < rows; i++) {
        const char *before = *(const char *const *)((const char *)table + (i - 1) * row_size);
        const char *name = *(const char *const *)((const char *)table + i * row_size);
        if (strcmp (before, name) >= 0)
            return 0;
    }
    return 1;
}

#endif
