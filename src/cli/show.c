/* show.c - a task on the screen or as JSON. Standard output carries the answer only: in the format
 * text the model's words, as they come; code, outputs of cells and remarks go to standard error,
 * made harmless at a terminal like everything from outside. In stream-json a run's own "start" and
 * "end" are called run_start and run_end, so that a task has one start and one end. */
#include "cli/show.h"

#include "agent/provider.h"

#include <stdint.h>
#include <string.h>

static int s_on_event (cb_render *render, const char *type, const json_t *content, cb_err *err);
static int s_on_end (cb_render *render, json_t *result, cb_err *err);

static const cb_render_ops s_ops = {"task", s_on_event, s_on_end};

int
cb_show_init (cb_show *self, cb_format format, const char *state_dir, cb_err *err)
{
    memset (self, 0, sizeof *self);
    CB_TRY (cb_render_init (&self->render, format, state_dir, false, err));
    self->format = format;
    self->render.ops = &s_ops;
    cb_out_init (&self->words, STDOUT_FILENO);
    if (format == CB_FORMAT_TEXT)
        cb_out_init (&self->render.out, STDERR_FILENO);
    return 0;
}

void
cb_show_done (cb_show *self)
{
    cb_render_done (&self->render);
}

void
cb_show_listen (cb_show *self, int signals, cb_out_on_signal *on_signal, void *context)
{
    cb_out *outs[] = {&self->words, &self->render.out, &self->render.notes};

    for (size_t i = 0; i < sizeof outs / sizeof outs[0]; i++) {
        outs[i]->signals = signals;
        outs[i]->on_signal = on_signal;
        outs[i]->context = context;
        outs[i]->until = NULL;
    }
}

bool
cb_show_is_over (const cb_show *self)
{
    return self->format == CB_FORMAT_TEXT ? self->words.given_up : self->render.out.given_up;
}

/* What nobody reads any more on standard error stops nothing. */
static int
s_remark (int result)
{
    return result == -CB_E_GONE ? 0 : result;
}

/* {"type": type, ...members} on a line; members is taken. */
static int
s_line (cb_show *self, const char *type, json_t *members, cb_err *err)
{
    cb_owned (cb_json) json_t *taken = members;
    json_t *line = json_pack ("{s:s}", "type", type);

    if (taken == NULL || line == NULL || json_object_update_missing (line, taken) < 0) {
        json_decref (line);
        return cb_fail_nomem (err);
    }
    return cb_render_json_line (&self->render, line, err);
}

/* ---- the running cell -------------------------------------------------------------------------
 */

static int
s_on_event (cb_render *render, const char *type, const json_t *content, cb_err *err)
{
    cb_show *self = (cb_show *)render;

    if (self->result != NULL)
        CB_TRY (cb_result_add (self->result, type, content, err));
    if (self->format == CB_FORMAT_TEXT)
        return cb_render_text.on_event (render, type, content, err);
    if (self->format == CB_FORMAT_JSON)
        return 0;
    if (strcmp (type, "start") == 0)
        return s_line (self, "run_start", json_incref ((json_t *)(uintptr_t)content), err);
    return cb_render_stream_json.on_event (render, type, content, err);
}

static int
s_on_end (cb_render *render, json_t *result, cb_err *err)
{
    cb_show *self = (cb_show *)render;

    if (self->format == CB_FORMAT_TEXT)
        return cb_render_text.on_end (render, result, err);
    return self->format == CB_FORMAT_STREAM_JSON
               ? s_line (self, "run_end", json_incref (result), err)
               : 0;
}

/* ---- the task ---------------------------------------------------------------------------------
 */

int
cb_show_start (cb_show *self, const char *session, const char *model, cb_err *err)
{
    if (self->format != CB_FORMAT_STREAM_JSON)
        return 0;
    return s_line (self, "start", json_pack ("{s:s, s:s}", "session", session, "model", model),
                   err);
}

int
cb_show_words (cb_show *self, const char *text, size_t size, cb_err *err)
{
    if (self->format == CB_FORMAT_STREAM_JSON)
        return s_line (self, "text", json_pack ("{s:s%}", "text", text, size), err);
    if (self->format != CB_FORMAT_TEXT || size == 0)
        return 0;
    self->inside = text[size - 1] != '\n';
    return cb_out_foreign (&self->words, text, size, err);
}

int
cb_show_words_end (cb_show *self, cb_err *err)
{
    if (self->format != CB_FORMAT_TEXT || self->words.given_up)
        return 0;
    bool inside = self->inside;
    self->inside = false;
    if (self->words.term.tty)
        return cb_out_settle (&self->words, err);
    return inside ? cb_out_own (&self->words, "\n", 1, err) : 0;
}

/* As a person would have typed it: >>> and ... before the lines. */
static int
s_show_code_text (cb_show *self, const char *code, cb_err *err)
{
    cb_out *out = &self->render.out;
    const char *mark = ">>> ";

    CB_TRY (cb_out_settle (out, err));
    for (;;) {
        size_t size = strcspn (code, "\n");
        if (code[size] == '\0' && size == 0)
            return 0;
        CB_TRY (cb_out_own (out, mark, strlen (mark), err));
        CB_TRY (cb_out_foreign (out, code, size, err));
        CB_TRY (cb_out_settle (out, err));
        if (!out->term.tty)
            CB_TRY (cb_out_own (out, "\n", 1, err));
        code += size + (code[size] == '\n');
        mark = "... ";
    }
}

int
cb_show_code (cb_show *self, const char *code, cb_err *err)
{
    if (self->format == CB_FORMAT_STREAM_JSON)
        return s_line (self, "code", json_pack ("{s:s}", "code", code), err);
    return self->format == CB_FORMAT_TEXT ? s_remark (s_show_code_text (self, code, err)) : 0;
}

int
cb_show_usage (cb_show *self, int64_t input, int64_t output, cb_err *err)
{
    if (self->format != CB_FORMAT_STREAM_JSON)
        return 0;
    return s_line (self, "usage",
                   json_pack ("{s:I, s:I}", "input_tokens", (json_int_t)(input > 0 ? input : 0),
                              "output_tokens", (json_int_t)(output > 0 ? output : 0)),
                   err);
}

int
cb_show_end (cb_show *self, json_t *object, cb_err *err)
{
    if (self->format == CB_FORMAT_JSON)
        return cb_render_json_line (&self->render, json_incref (object), err);
    return self->format == CB_FORMAT_STREAM_JSON ? s_line (self, "end", json_incref (object), err)
                                                 : 0;
}
