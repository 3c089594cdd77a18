/* term.c - what stands behind a descriptor. The rules for colours: NO_COLOR (no-color.org) forbids
 * them, CLICOLOR_FORCE (bixense.com/clicolors) wants them everywhere, else a terminal that is not
 * TERM=dumb gets them. */
#include "cli/term.h"

#include "base/table.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool
s_set (const char *variable)
{
    const char *value = getenv (variable);
    return value != NULL && value[0] != '\0';
}

static bool
s_forced (void)
{
    const char *value = getenv ("CLICOLOR_FORCE");
    return value != NULL && value[0] != '\0' && strcmp (value, "0") != 0;
}

void
cb_term_look (cb_term *self, int fd)
{
    const char *kind = getenv ("TERM");
    struct winsize size = {0};

    self->tty = isatty (fd) == 1;
    self->moves = self->tty && kind != NULL && kind[0] != '\0' && strcmp (kind, "dumb") != 0;
    self->colour = !s_set ("NO_COLOR") && (s_forced () || self->moves);
    self->width = 80;
    if (self->tty && ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        self->width = size.ws_col;
}

typedef struct s_style {
    const char *name;
    const char *sequence;
} s_style;

static const s_style s_styles[] = {
    {"bold", "\033[1m"}, {"dim", "\033[2m"},  {"green", "\033[32m"},
    {"off", "\033[0m"},  {"red", "\033[31m"}, {"yellow", "\033[33m"},
};

const char *
cb_term_style (const cb_term *self, const char *name)
{
    if (!self->colour)
        return "";
    const s_style *style = CB_TABLE_FIND (s_styles, name);
    return style != NULL ? style->sequence : "";
}
