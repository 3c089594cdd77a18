/* nearest.c - the distance of two short words (Damerau's, adjacent swaps), three rows of a table.
 */
#include "base/nearest.h"

#include <string.h>

/* Longer words are never compared: no command, key or name of ours comes near. */
#define WORD_MAX 40

static size_t
s_least (size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
s_distance (const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t size_b = strlen (b);
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];

    for (size_t j = 0; j <= size_b; j++)
        before[j] = last[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        now[0] = i;
        for (size_t j = 1; j <= size_b; j++) {
            now[j] =
                s_least (s_least (last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = s_least (now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[size_b];
}

const char *
cb_nearest (const char *word, const void *table, size_t rows, size_t row_size)
{
    const char *best = NULL;
    size_t best_distance = WORD_MAX;
    size_t size = strlen (word);
    size_t allowed = size < 3 ? 1 : size / 3;

    if (size == 0 || size > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < rows; i++) {
        const char *name = *(const char *const *)((const char *)table + i * row_size);
        if (strlen (name) > WORD_MAX)
            continue;
        size_t distance = s_distance (word, name);
        if (distance < best_distance) {
            best = name;
            best_distance = distance;
        }
    }
    return best_distance <= allowed ? best : NULL;
}
