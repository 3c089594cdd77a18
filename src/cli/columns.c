/* columns.c - aligned tables. Widths count characters, not bytes; names in other scripts that are
 * two columns wide are not worth a table of Unicode here. */
#include "cli/columns.h"

#include "base/err.h"
#include "cli/sanitise.h"

#include <stdarg.h>
#include <string.h>

/* Blanks between two columns. */
#define S_GAP 2

void
cb_columns_init (cb_columns *self, size_t n_columns)
{
    *self = (cb_columns){.n_columns = n_columns};
    cb_buf_init (&self->cells, CB_CELLS_MAX);
}

void
cb_columns_done (cb_columns *self)
{
    cb_buf_done (&self->cells);
    self->n_cells = 0;
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
    (void)cb_sanitise_line (text, safe, sizeof safe);
    if (cb_buf_put (&self->cells, safe, strlen (safe) + 1) < 0)
        self->failed = 1;
    else
        self->n_cells++;
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
    const char *cell = self->cells.data;

    for (size_t i = 0; i < self->n_cells; i++) {
        size_t width = s_width (cell);
        size_t column = i % self->n_columns;
        if (width > widths[column])
            widths[column] = width;
        cell += strlen (cell) + 1;
    }
}

/* Prints a row that starts at cell; where the next one starts. */
static const char *
s_print_row (const cb_columns *self, const char *cell, const size_t *widths, FILE *to)
{
    for (size_t column = 0; column < self->n_columns; column++) {
        size_t pad = widths[column] - s_width (cell) + S_GAP;
        if (column + 1 == self->n_columns)
            pad = 0;
        (void)fprintf (to, "%s%*s", cell, (int)pad, "");
        cell += strlen (cell) + 1;
    }
    return cell;
}

int
cb_columns_print (const cb_columns *self, FILE *to, bool header)
{
    size_t widths[CB_COLUMNS_MAX] = {0};
    const char *cell = self->cells.data;
    cb_term term;

    if (self->failed)
        return -CB_E_NOMEM;
    cb_term_look (&term, fileno (to));
    s_measure (self, widths);
    for (size_t row = 0; row < self->n_cells / self->n_columns; row++) {
        bool bold = header && row == 0;
        (void)fputs (bold ? cb_term_style (&term, "bold") : "", to);
        cell = s_print_row (self, cell, widths, to);
        (void)fprintf (to, "%s\n", bold ? cb_term_style (&term, "off") : "");
    }
    return 0;
}
