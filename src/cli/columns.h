/* columns.h - tables for people: aligned columns, whatever the cells hold. */
#ifndef CB_CLI_COLUMNS_H
#define CB_CLI_COLUMNS_H

#include "cli/term.h"

#include <stddef.h>
#include <stdio.h>

/* Columns of a table, and bytes of a cell: names, paths, sentences. */
#define CB_COLUMNS_MAX 8
#define CB_CELL_MAX    1024

typedef struct cb_columns {
    size_t n_columns;
    char **cells; /* owned, made harmless, row by row */
    size_t n_cells;
    size_t room;
    int failed; /* out of memory on the way */
} cb_columns;

void cb_columns_init (cb_columns *self, size_t n_columns);
void cb_columns_done (cb_columns *self);

/* The next cell; rows fill from left to right. */
void cb_columns_add (cb_columns *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Prints all rows; header: the first one is bold where there are colours. -CB_E_NOMEM. */
int cb_columns_print (const cb_columns *self, FILE *to, bool header);

#endif
