/* render-text.c - for people: what the cell printed goes to standard output, and so do results;
 * its standard error, tracebacks and our own remarks (where pictures and files were saved, what
 * limit was hit) go to standard error. */
#include "base/units.h"
#include "cli/picture.h"
#include "cli/render.h"

#include <stdio.h>
#include <string.h>

/* Representations that are text, the best first. */
static const char *const s_texts[] = {"text/plain", "text/markdown", "text/latex"};

static int
s_put_line (cb_out *out, const json_t *text, cb_err *err)
{
    const char *bytes = json_string_value (text);
    size_t size = json_string_length (text);

    CB_TRY (cb_out_foreign (out, bytes, size, err));
    if (size > 0 && bytes[size - 1] == '\n')
        return 0;
    return cb_out_foreign (out, "\n", 1, err);
}

/* A text or an array of texts. */
static int
s_put_text (cb_out *out, const json_t *text, cb_err *err)
{
    if (json_is_string (text))
        return s_put_line (out, text, err);
    for (size_t i = 0; i < json_array_size (text); i++) {
        const json_t *part = json_array_get (text, i);
        if (json_is_string (part))
            CB_TRY (cb_out_foreign (out, json_string_value (part), json_string_length (part), err));
    }
    return cb_out_foreign (out, "\n", 1, err);
}

static int
s_show_picture (cb_render *self, const json_t *data, cb_err *err)
{
    const cb_picture picture = {self->state_dir, self->run, ++self->pictures};
    cb_err why = CB_ERR_INIT;
    char path[PATH_MAX];

    if (cb_picture_save (&picture, data, path, &why) < 0)
        return cb_render_say (self, err, "picture %u not saved: %s", self->pictures, why.text);
    return cb_render_say (self, err, "picture %u: %s", self->pictures, path);
}

static int
s_on_stream (cb_render *self, const json_t *content, cb_err *err)
{
    const char *name = json_string_value (json_object_get (content, "name"));
    const json_t *text = json_object_get (content, "text");
    bool is_error = name != NULL && strcmp (name, "stderr") == 0;

    if (!json_is_string (text))
        return 0;
    return cb_out_foreign (is_error ? &self->notes : &self->out, json_string_value (text),
                           json_string_length (text), err);
}

static int
s_on_result (cb_render *self, const json_t *content, cb_err *err)
{
    const json_t *data = json_object_get (content, "data");

    for (size_t i = 0; i < sizeof s_texts / sizeof s_texts[0]; i++) {
        const json_t *text = json_object_get (data, s_texts[i]);
        if (text != NULL)
            return s_put_text (&self->out, text, err);
    }
    return 0;
}

/* A picture's text is only its size in words: the path says more. */
static int
s_on_display (cb_render *self, const json_t *content, cb_err *err)
{
    const json_t *data = json_object_get (content, "data");

    if (cb_picture_is_in (data))
        return s_show_picture (self, data, err);
    return s_on_result (self, content, err);
}

/* IPython's own clear_output erases the line on a terminal and does nothing elsewhere. */
static int
s_on_clear (cb_render *self, const json_t *content, cb_err *err)
{
    (void)content;
    if (!self->out.term.moves || !self->out.safe.inside)
        return 0;
    return cb_out_own (&self->out, "\r\033[K", 4, err);
}

static int
s_on_error (cb_render *self, const json_t *content, cb_err *err)
{
    const json_t *lines = json_object_get (content, "traceback");
    const char *name = json_string_value (json_object_get (content, "ename"));

    if (self->out.term.tty)
        CB_TRY (cb_out_settle (&self->out, err));
    if (json_array_size (lines) > 0)
        (void)snprintf (self->told, sizeof self->told, "%s", name != NULL ? name : "");
    for (size_t i = 0; i < json_array_size (lines); i++) {
        const json_t *line = json_array_get (lines, i);
        if (!json_is_string (line))
            continue;
        CB_TRY (cb_out_painted (&self->notes, json_string_value (line), json_string_length (line),
                                err));
        CB_TRY (cb_out_painted (&self->notes, "\n", 1, err));
    }
    return cb_out_settle (&self->notes, err);
}

static json_int_t
s_number (const json_t *content, const char *name)
{
    return json_integer_value (json_object_get (content, name));
}

static int
s_on_lost (cb_render *self, const json_t *content, cb_err *err)
{
    char size[CB_UNITS_TEXT];
    json_int_t bytes = s_number (content, "bytes");

    return cb_render_say (self, err,
                          "output lost: %s in %lld messages, because it was read too slowly",
                          cb_size_text (bytes > 0 ? (uint64_t)bytes : 0, size),
                          (long long)s_number (content, "messages"));
}

static int
s_on_queued (cb_render *self, const json_t *content, cb_err *err)
{
    const char *session = json_string_value (json_object_get (content, "session"));
    json_int_t ahead = s_number (content, "ahead");

    return cb_render_say (self, err, "waiting for %lld other cell%s of session '%s'",
                          (long long)ahead, ahead == 1 ? "" : "s", session != NULL ? session : "");
}

typedef struct s_row {
    const char *type;
    int (*show) (cb_render *self, const json_t *content, cb_err *err);
} s_row;

static const s_row s_rows[] = {
    {"clear_output", s_on_clear}, {"display_data", s_on_display},
    {"error", s_on_error},        {"execute_result", s_on_result},
    {"lost", s_on_lost},          {"queued", s_on_queued},
    {"stream", s_on_stream},      {"update_display_data", s_on_display},
};

static int
s_text_on_event (cb_render *self, const char *type, const json_t *content, cb_err *err)
{
    for (size_t i = 0; i < sizeof s_rows / sizeof s_rows[0]; i++)
        if (strcmp (s_rows[i].type, type) == 0)
            return s_rows[i].show (self, content, err);
    return 0;
}

static int
s_show_artifact (cb_render *self, const json_t *artifact, cb_err *err)
{
    const char *path = json_string_value (json_object_get (artifact, "path"));
    const char *file = json_string_value (json_object_get (artifact, "file"));
    json_int_t bytes = s_number (artifact, "size");
    char size[CB_UNITS_TEXT];

    if (path == NULL || file == NULL || bytes < 0)
        return 0;
    return cb_render_say (self, err, "%s: %s (%s)", path, file,
                          cb_size_text ((uint64_t)bytes, size));
}

/* What became of it, when no traceback has said so. */
static int
s_show_error (cb_render *self, const json_t *result, cb_err *err)
{
    const json_t *error = json_object_get (result, "error");
    const char *name = json_string_value (json_object_get (error, "ename"));
    const char *text = json_string_value (json_object_get (error, "evalue"));
    const char *status = json_string_value (json_object_get (result, "status"));
    /* A traceback is the cell's own: it can say it for an exception, not for what befell it. */
    int raised = status != NULL && strcmp (status, "error") == 0;

    if (name == NULL || self->quiet ||
        (raised && strncmp (name, self->told, sizeof self->told - 1) == 0))
        return 0;
    return cb_render_say (self, err, "%s: %s", name, text != NULL ? text : "");
}

/* In IPython's words it is the frontend that cannot. */
static int
s_hint (cb_render *self, const json_t *result, cb_err *err)
{
    const json_t *error = json_object_get (result, "error");
    const char *name = json_string_value (json_object_get (error, "ename"));

    if (name == NULL || strcmp (name, "StdinNotImplementedError") != 0)
        return 0;
    return cb_render_say (self, err,
                          "nobody is asked here; input() asks at the prompt: cellblock -s NAME");
}

/* What `name?` asked for. Colours are IPython's own, as in a traceback. */
static int
s_show_pages (cb_render *self, const json_t *pages, cb_err *err)
{
    for (size_t i = 0; i < json_array_size (pages); i++) {
        const json_t *page = json_array_get (pages, i);
        const char *text = json_string_value (page);
        size_t size = json_string_length (page);
        if (size == 0)
            continue;
        CB_TRY (cb_out_painted (&self->out, text, size, err));
        if (text[size - 1] != '\n')
            CB_TRY (cb_out_painted (&self->out, "\n", 1, err));
    }
    return 0;
}

static int
s_text_on_end (cb_render *self, json_t *result, cb_err *err)
{
    const json_t *artifacts = json_object_get (result, "artifacts");
    const char *trouble = json_string_value (json_object_get (result, "artifacts_error"));

    CB_TRY (cb_out_settle (&self->out, err));
    CB_TRY (cb_out_settle (&self->notes, err));
    CB_TRY (s_show_pages (self, json_object_get (result, "pages"), err));
    for (size_t i = 0; i < json_array_size (artifacts); i++)
        CB_TRY (s_show_artifact (self, json_array_get (artifacts, i), err));
    if (trouble != NULL)
        CB_TRY (cb_render_say (self, err, "not all of /output was saved: %s", trouble));
    CB_TRY (s_show_error (self, result, err));
    return s_hint (self, result, err);
}

const cb_render_ops cb_render_text = {"text", s_text_on_event, s_text_on_end};
