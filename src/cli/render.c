/* render.c - the table of formats and what they share. */
#include "cli/render.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a remark: a path and some words. */
#define S_SAY_MAX (PATH_MAX + 512)

static const cb_render_ops *const s_formats[CB_FORMAT__COUNT] = {
    [CB_FORMAT_TEXT] = &cb_render_text,
    [CB_FORMAT_JSON] = &cb_render_json,
    [CB_FORMAT_STREAM_JSON] = &cb_render_stream_json,
};

int
cb_render_init (cb_render *self, cb_format format, const char *state_dir, bool raw, cb_err *err)
{
    memset (self, 0, sizeof *self);
    self->ops = s_formats[format];
    self->state_dir = state_dir;
    cb_out_init (&self->out, STDOUT_FILENO);
    cb_out_init (&self->notes, STDERR_FILENO);
    self->out.raw = raw;
    self->notes.raw = raw;
    self->outputs = cb_outputs_new ();
    return self->outputs != NULL ? 0 : cb_fail_nomem (err);
}

void
cb_render_done (cb_render *self)
{
    cb_outputs_destroy (&self->outputs);
}

/* Remembers the run's id from the daemon's notice that it starts. */
static void
s_note_start (cb_render *self, const char *type, const json_t *content)
{
    const char *run = json_string_value (json_object_get (content, "run"));

    if (strcmp (type, "start") == 0 && run != NULL)
        (void)snprintf (self->run, sizeof self->run, "%s", run);
}

int
cb_render_event (cb_render *self, const char *type, const json_t *content, cb_err *err)
{
    s_note_start (self, type, content);
    return self->ops->on_event (self, type, content, err);
}

int
cb_render_end (cb_render *self, json_t *result, cb_err *err)
{
    return self->ops->on_end (self, result, err);
}

int
cb_render_say (cb_render *self, cb_err *err, const char *format, ...)
{
    char text[S_SAY_MAX];
    char safe[S_SAY_MAX];
    char line[S_SAY_MAX + 64];
    const cb_term *term = &self->notes.term;
    va_list args;

    va_start (args, format);
    (void)vsnprintf (text, sizeof text, format, args);
    va_end (args);
    if (self->out.term.tty)
        CB_TRY (cb_out_settle (&self->out, err));
    CB_TRY (cb_out_settle (&self->notes, err));
    int size = snprintf (line, sizeof line, "%scellblock:%s %s\n", cb_term_style (term, "bold"),
                         cb_term_style (term, "off"), cb_sanitise_line (text, safe, sizeof safe));
    return cb_out_own (&self->notes, line, (size_t)size, err);
}

/* On a terminal nothing but ASCII, so that no text can command it. */
static size_t
s_json_flags (const cb_render *self)
{
    return JSON_COMPACT | JSON_ENCODE_ANY |
           (self->out.term.tty ? (size_t)JSON_ENSURE_ASCII : (size_t)0);
}

/* Appends the member with what stands before it ("{" or ","). Whether there was room. */
static bool
s_add_member (cb_buf *line, const char *name, const json_t *member, size_t flags)
{
    cb_owned (cb_json) json_t *key = json_string (name);
    cb_auto_free char *left = key != NULL ? json_dumps (key, flags) : NULL;
    cb_auto_free char *right = json_dumps (member, flags);

    return left != NULL && right != NULL && cb_buf_puts (line, line->size == 0 ? "{" : ",") == 0 &&
           cb_buf_puts (line, left) == 0 && cb_buf_puts (line, ":") == 0 &&
           cb_buf_puts (line, right) == 0;
}

int
cb_render_json_result (cb_render *self, json_t *object, cb_err *err)
{
    cb_owned (cb_json) json_t *taken = object;
    cb_scoped (cb_buf) cb_buf line;
    const char *name = NULL;
    json_t *member = NULL;
    bool whole = taken != NULL;

    cb_buf_init (&line, SIZE_MAX / 2);
    json_object_foreach (taken, name, member)
    {
        bool verbatim = strcmp (name, "outputs") == 0;
        size_t digits = verbatim ? 0 : (size_t)JSON_REAL_PRECISION (CB_JSON_DIGITS);
        whole = whole && s_add_member (&line, name, member, s_json_flags (self) | digits);
    }
    if (!whole || cb_buf_puts (&line, "}\n") < 0)
        return cb_fail_nomem (err);
    return cb_out_own (&self->out, line.data, line.size, err);
}

int
cb_render_json_line (cb_render *self, json_t *value, cb_err *err)
{
    cb_owned (cb_json) json_t *taken = value;

    cb_auto_free char *text = taken != NULL ? json_dumps (taken, s_json_flags (self)) : NULL;
    if (text == NULL)
        return cb_fail_nomem (err);
    CB_TRY (cb_out_own (&self->out, text, strlen (text), err));
    return cb_out_own (&self->out, "\n", 1, err);
}
