/* person.c - input () of a cell. The terminal is left as it is, so its own line editing serves and
 * Ctrl-C and Ctrl-Z are signals as ever: whoever follows the run polls it beside everything else,
 * and what the cell's threads print meanwhile appears at once. */
#include "cli/person.h"

#include "base/name.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Bytes of an answer; a terminal gives lines of at most 4,095. */
#define S_LINE_MAX ((size_t)1 << 20)

void
cb_person_init (cb_person *self, int fd, cellblock_client *client)
{
    *self = (cb_person){.fd = fd, .client = client};
    cb_buf_init (&self->line, S_LINE_MAX);
}

void
cb_person_done (cb_person *self)
{
    cb_person_forget (self);
    cb_buf_done (&self->line);
}

void
cb_person_forget (cb_person *self)
{
    if (self->hidden)
        (void)tcsetattr (self->fd, TCSADRAIN, &self->shown);
    self->hidden = false;
    self->line.size = 0;
    cellblock_event_free (&self->question);
}

bool
cb_person_is_asked (const cb_person *self)
{
    return self->question != NULL;
}

/* What was typed before the question was seen is no password. */
static void
s_hide (cb_person *self)
{
    struct termios quiet;

    if (tcgetattr (self->fd, &self->shown) < 0)
        return;
    quiet = self->shown;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    self->hidden = tcsetattr (self->fd, TCSAFLUSH, &quiet) == 0;
}

int
cb_person_ask (cb_person *self, cb_render *render, cellblock_event **question,
               const json_t *content, cb_err *err)
{
    const json_t *prompt = json_object_get (content, "prompt");

    cb_person_forget (self);
    self->question = cb_take (*question);
    if (json_is_true (json_object_get (content, "password")))
        s_hide (self);
    if (!json_is_string (prompt))
        return 0;
    return cb_out_foreign (&render->out, json_string_value (prompt), json_string_length (prompt),
                           err);
}

/* The terminal's cursor stands at the beginning of a line again. */
static int
s_note_end (const cb_person *self, cb_render *render, bool typed_end, cb_err *err)
{
    if (self->hidden || !typed_end)
        return cb_out_own (&render->out, "\n", 1, err);
    render->out.safe.inside = false;
    return 0;
}

static int
s_answer (cb_person *self, cb_render *render, const char *value, cb_err *err)
{
    CB_TRY (s_note_end (self, render, value != NULL, err));
    if (value != NULL && !cb_utf8_valid (value, strlen (value))) {
        self->line.size = 0;
        return cb_render_say (render, err, "that was not UTF-8 text; the cell still waits");
    }
    int result = cellblock_input (self->client, self->question, value);
    cb_person_forget (self);
    if (result < 0)
        return cb_fail (err, CB_E_IO, "%s", cellblock_error_text (self->client));
    return 0;
}

int
cb_person_read (cb_person *self, cb_render *render, cb_err *err)
{
    char part[4096];
    ssize_t size = read (self->fd, part, sizeof part);

    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (size <= 0)
        return s_answer (self, render, NULL, err);
    if (cb_buf_put (&self->line, part, (size_t)size) < 0) {
        self->line.size = 0;
        return cb_render_say (render, err, "a line of more than %zu bytes; the cell still waits",
                              S_LINE_MAX);
    }
    if (part[size - 1] != '\n')
        return 0; /* Ctrl-D in the middle of it */
    self->line.data[self->line.size - 1] = '\0';
    return s_answer (self, render, self->line.data, err);
}
