/* render-json.c - -o json: one object with the outputs as nbformat has them, when all is over; and
 * -o stream-json: one event a line as it happens, the object without outputs last. */
#include "cli/render.h"

#include <string.h>

/* The members of the object in the order in which cellblock(1) shows them. */
static const char *const s_members[] = {
    "session", "run",      "status", "execution_count", "outputs",   "error",
    "pages",   "findings", "limit",  "usage",           "artifacts",
};

/* The daemon's result in that order, what else it has behind. outputs is taken, may be NULL. */
static json_t *
s_in_order (json_t *result, json_t *outputs)
{
    json_t *object = json_object ();
    int failed = object == NULL;

    for (size_t i = 0; i < sizeof s_members / sizeof s_members[0]; i++) {
        json_t *member = json_object_get (result, s_members[i]);
        if (strcmp (s_members[i], "outputs") == 0)
            member = outputs;
        if (member != NULL)
            failed |= json_object_set (object, s_members[i], member);
    }
    json_decref (outputs);
    if (failed == 0)
        failed = json_object_update_missing (object, result);
    if (failed == 0)
        return object;
    json_decref (object);
    return NULL;
}

static int
s_json_on_event (cb_render *self, const char *type, const json_t *content, cb_err *err)
{
    return cb_outputs_add (self->outputs, type, content, err);
}

static int
s_json_on_end (cb_render *self, json_t *result, cb_err *err)
{
    json_t *outputs = cb_outputs_take (self->outputs);

    if (outputs == NULL)
        return cb_fail_nomem (err);
    return cb_render_json_result (self, s_in_order (result, outputs), err);
}

const cb_render_ops cb_render_json = {"json", s_json_on_event, s_json_on_end};

/* What is written as it happens; other messages (status, execute_input) are of no use here. */
static const char *const s_streamed[] = {
    "artifact", "clear_output", "display_data", "error", "execute_result", "limit",
    "lost",     "queued",       "review",       "start", "stream",         "update_display_data",
};

/* The content with "type" first. */
static json_t *
s_typed (const char *type, json_t *content)
{
    json_t *line = json_pack ("{s:s}", "type", type);

    if (line != NULL && json_object_update_missing (line, content) < 0) {
        json_decref (line);
        return NULL;
    }
    return line;
}

static int
s_stream_on_event (cb_render *self, const char *type, const json_t *content, cb_err *err)
{
    for (size_t i = 0; i < sizeof s_streamed / sizeof s_streamed[0]; i++)
        if (strcmp (s_streamed[i], type) == 0)
            return cb_render_json_line (self, s_typed (type, (json_t *)(uintptr_t)content), err);
    return 0;
}

static int
s_stream_on_end (cb_render *self, json_t *result, cb_err *err)
{
    cb_owned (cb_json) json_t *ordered = s_in_order (result, NULL);

    if (ordered == NULL)
        return cb_fail_nomem (err);
    return cb_render_json_result (self, s_typed ("end", ordered), err);
}

const cb_render_ops cb_render_stream_json = {"stream-json", s_stream_on_event, s_stream_on_end};
