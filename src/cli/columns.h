/* columns.h - tables for people: aligned columns, whatever the cells hold. */
#ifndef CB_CLI_COLUMNS_H
#define CB_CLI_COLUMNS_H

#include "base/buf.h"
#include "cli/term.h"

#include <stddef.h>
#include <stdio.h>

/* Columns of a table, bytes of a cell (names, paths, sentences) and of all of them. */
#define CB_COLUMNS_MAX 8
#define CB_CELL_MAX    1024
#define CB_CELLS_MAX   ((size_t)64 << 20)

typedef struct cb_columns {
    size_t n_columns;
    size_t n_cells;
    cb_buf cells; /* made harmless, each with its end byte, row by row */
    int failed;   /* out of memory on the way */
} cb_columns;

void cb_columns_init (cb_columns *self, size_t n_columns);
void cb_columns_done (cb_columns *self);

/* The next cell; rows fill from left to right. */
void cb_columns_add (cb_columns *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Prints all rows; header: the first one is bold where there are colours. -CB_E_NOMEM. */
int cb_columns_print (const cb_columns *self, FILE *to, bool header);

#endif
