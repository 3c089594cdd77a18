/* columns.c - aligned tables. Widths count characters, not bytes; names in other scripts that are
 * two columns wide are not worth a table of Unicode here. */
#include "cli/columns.h"

#include "base/err.h"
#include "cli/sanitise.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Blanks between two columns. */
#define S_GAP 2

void
cb_columns_init (cb_columns *self, size_t n_columns)
{
    *self = (cb_columns){.n_columns = n_columns};
}

void
cb_columns_done (cb_columns *self)
{
    for (size_t i = 0; i < self->n_cells; i++)
        free (self->cells[i]);
    free (self->cells);
    cb_columns_init (self, self->n_columns);
}

static int
s_grow (cb_columns *self)
{
    if (self->n_cells < self->room)
        return 0;
    size_t room = self->room == 0 ? 64 : self->room * 2;
    char **cells = realloc (self->cells, room * sizeof *cells);
    if (cells == NULL)
        return -CB_E_NOMEM;
    self->cells = cells;
    self->room = room;
    return 0;
}

void
cb_columns_add (cb_columns *self, const char *format, ...)
{
    char text[CB_CELL_MAX];
    char safe[CB_CELL_MAX];
    va_list args;

    va_start (args, format);
    (void)vsnprintf (text, sizeof text, format, args);
    va_end (args);
    char *cell = strdup (cb_sanitise_line (text, safe, sizeof safe));
    if (cell == NULL || s_grow (self) < 0) {
        free (cell);
        self->failed = 1;
        return;
    }
    self->cells[self->n_cells++] = cell;
}

static size_t
s_width (const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void
s_measure (const cb_columns *self, size_t *widths)
{
    for (size_t i = 0; i < self->n_cells; i++) {
        size_t width = s_width (self->cells[i]);
        size_t column = i % self->n_columns;
        if (width > widths[column])
            widths[column] = width;
    }
}

static void
s_print_row (const cb_columns *self, size_t row, const size_t *widths, FILE *to)
{
    for (size_t column = 0; column < self->n_columns; column++) {
        const char *cell = self->cells[row * self->n_columns + column];
        size_t pad = widths[column] - s_width (cell) + S_GAP;
        if (column + 1 == self->n_columns)
            pad = 0;
        (void)fprintf (to, "%s%*s", cell, (int)pad, "");
    }
}

int
cb_columns_print (const cb_columns *self, FILE *to, bool header)
{
    size_t widths[CB_COLUMNS_MAX] = {0};
    cb_term term;

    if (self->failed)
        return -CB_E_NOMEM;
    cb_term_look (&term, fileno (to));
    s_measure (self, widths);
    for (size_t row = 0; row < self->n_cells / self->n_columns; row++) {
        bool bold = header && row == 0;
        (void)fputs (bold ? cb_term_style (&term, "bold") : "", to);
        s_print_row (self, row, widths, to);
        (void)fprintf (to, "%s\n", bold ? cb_term_style (&term, "off") : "");
    }
    return 0;
}
