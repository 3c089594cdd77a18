/* outputs.c - a cell's outputs as nbformat 4.5 has them (nbformat.v4.schema.json, "output"):
 * neighbouring streams of one name are one output, update_display_data changes what was displayed
 * under its display_id, clear_output empties, at once or with the next output.
 *
 * The messages come from a jailed kernel that may be hostile. Whatever it sends, what comes out is
 * valid: members of a wrong type are replaced or dropped. */
#include "cli/outputs.h"

#include "base/buf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct cb_outputs {
    json_t *array;      /* owned */
    json_t *places;     /* owned: display_id -> array of places in array */
    bool clear_next;    /* the next output empties first */
    const char *stream; /* static: name of the stream being collected, or NULL */
    cb_buf text;        /* its text */
};

cb_outputs *
cb_outputs_new (void)
{
    cb_outputs *self = calloc (1, sizeof *self);

    if (self == NULL)
        return NULL;
    self->array = json_array ();
    self->places = json_object ();
    cb_buf_init (&self->text, CB_OUTPUTS_STREAM_MAX);
    if (self->array == NULL || self->places == NULL)
        cb_outputs_destroy (&self);
    return self;
}

void
cb_outputs_destroy (cb_outputs **self)
{
    if (*self == NULL)
        return;
    json_decref ((*self)->array);
    json_decref ((*self)->places);
    cb_buf_done (&(*self)->text);
    free (*self);
    *self = NULL;
}

static int
s_append (cb_outputs *self, json_t *output, cb_err *err)
{
    if (output == NULL || json_array_append_new (self->array, output) < 0)
        return cb_fail_nomem (err);
    return 0;
}

/* Makes an output of the stream collected so far. */
static int
s_end_stream (cb_outputs *self, cb_err *err)
{
    if (self->stream == NULL)
        return 0;
    const char *text = self->text.data != NULL ? self->text.data : "";
    json_t *output = json_pack ("{s:s, s:s, s:s%}", "output_type", "stream", "name", self->stream,
                                "text", text, self->text.size);
    self->stream = NULL;
    cb_buf_done (&self->text);
    return s_append (self, output, err);
}

static void
s_clear (cb_outputs *self)
{
    self->clear_next = false;
    self->stream = NULL;
    cb_buf_done (&self->text);
    (void)json_array_clear (self->array);
    (void)json_object_clear (self->places);
}

static int
s_add_stream (cb_outputs *self, const json_t *content, cb_err *err)
{
    const json_t *text = json_object_get (content, "text");
    const char *given = json_string_value (json_object_get (content, "name"));
    const char *name = given != NULL && strcmp (given, "stderr") == 0 ? "stderr" : "stdout";

    if (!json_is_string (text))
        return 0;
    if (self->stream != name) {
        CB_TRY (s_end_stream (self, err));
        self->stream = name;
    }
    int result = cb_buf_put (&self->text, json_string_value (text), json_string_length (text));
    if (result < 0)
        return cb_fail (err, -result, "the cell's output does not fit into memory");
    return 0;
}

static bool
s_is_text (const json_t *value)
{
    if (json_is_string (value))
        return true;
    if (!json_is_array (value))
        return false;
    for (size_t i = 0; i < json_array_size (value); i++)
        if (!json_is_string (json_array_get (value, i)))
            return false;
    return true;
}

static bool
s_ends_with (const char *text, const char *end)
{
    size_t size = strlen (text);
    size_t length = strlen (end);
    return size >= length && strcmp (text + size - length, end) == 0;
}

/* A mime bundle: text or an array of texts, any JSON for types that are JSON. Owned or NULL. */
static json_t *
s_bundle (const json_t *data)
{
    json_t *bundle = json_object ();
    const char *mime = NULL;
    json_t *value = NULL;

    /* The walk does not change data; jansson has no const iterator. */
    json_object_foreach (json_is_object (data) ? (json_t *)(uintptr_t)data : NULL, mime, value)
    {
        bool is_json = s_ends_with (mime, "+json") || strcmp (mime, "application/json") == 0;
        if ((is_json || s_is_text (value)) && json_object_set (bundle, mime, value) < 0) {
            json_decref (bundle);
            return NULL;
        }
    }
    return bundle;
}

static json_t *
s_object_or_empty (const json_t *content, const char *name)
{
    json_t *value = json_object_get (content, name);
    return json_is_object (value) ? json_incref (value) : json_object ();
}

static const char *
s_display_id (const json_t *content)
{
    return json_string_value (
        json_object_get (json_object_get (content, "transient"), "display_id"));
}

/* Remembers that the next output shows display_id. */
static int
s_remember (cb_outputs *self, const char *display_id, cb_err *err)
{
    json_t *places = json_object_get (self->places, display_id);

    if (places == NULL) {
        places = json_array ();
        if (json_object_set_new (self->places, display_id, places) < 0)
            return cb_fail_nomem (err);
    }
    json_int_t place = (json_int_t)json_array_size (self->array);
    if (json_array_append_new (places, json_integer (place)) < 0)
        return cb_fail_nomem (err);
    return 0;
}

static int
s_add_display (cb_outputs *self, const json_t *content, cb_err *err)
{
    const char *display_id = s_display_id (content);

    CB_TRY (s_end_stream (self, err));
    if (display_id != NULL)
        CB_TRY (s_remember (self, display_id, err));
    return s_append (self,
                     json_pack ("{s:s, s:o, s:o}", "output_type", "display_data", "data",
                                s_bundle (json_object_get (content, "data")), "metadata",
                                s_object_or_empty (content, "metadata")),
                     err);
}

static int
s_add_result (cb_outputs *self, const json_t *content, cb_err *err)
{
    json_t *count = json_object_get (content, "execution_count");
    const char *display_id = s_display_id (content);

    CB_TRY (s_end_stream (self, err));
    if (display_id != NULL)
        CB_TRY (s_remember (self, display_id, err));
    bool usable = json_is_integer (count) && json_integer_value (count) >= 0;
    return s_append (self,
                     json_pack ("{s:s, s:o, s:o, s:o}", "output_type", "execute_result",
                                "execution_count", usable ? json_incref (count) : json_null (),
                                "data", s_bundle (json_object_get (content, "data")), "metadata",
                                s_object_or_empty (content, "metadata")),
                     err);
}

static int
s_update_display (cb_outputs *self, const json_t *content, cb_err *err)
{
    const char *display_id = s_display_id (content);
    const json_t *places = display_id != NULL ? json_object_get (self->places, display_id) : NULL;

    for (size_t i = 0; i < json_array_size (places); i++) {
        json_int_t place = json_integer_value (json_array_get (places, i));
        json_t *output = json_array_get (self->array, (size_t)place);
        json_t *bundle = s_bundle (json_object_get (content, "data"));
        if (json_object_set_new (output, "data", bundle) < 0 ||
            json_object_set_new (output, "metadata", s_object_or_empty (content, "metadata")) < 0)
            return cb_fail_nomem (err);
    }
    return 0;
}

static json_t *
s_string_or (const json_t *content, const char *name, const char *otherwise)
{
    json_t *value = json_object_get (content, name);
    return json_is_string (value) ? json_incref (value) : json_string (otherwise);
}

static int
s_add_error (cb_outputs *self, const json_t *content, cb_err *err)
{
    json_t *given = json_object_get (content, "traceback");
    bool usable = json_is_array (given) && s_is_text (given);

    CB_TRY (s_end_stream (self, err));
    return s_append (self,
                     json_pack ("{s:s, s:o, s:o, s:o}", "output_type", "error", "ename",
                                s_string_or (content, "ename", "Error"), "evalue",
                                s_string_or (content, "evalue", ""), "traceback",
                                usable ? json_incref (given) : json_array ()),
                     err);
}

typedef struct s_adder {
    const char *type;
    int (*add) (cb_outputs *self, const json_t *content, cb_err *err);
} s_adder;

static const s_adder s_adders[] = {
    {"display_data", s_add_display},
    {"error", s_add_error},
    {"execute_result", s_add_result},
    {"stream", s_add_stream},
};

int
cb_outputs_add (cb_outputs *self, const char *type, const json_t *content, cb_err *err)
{
    if (strcmp (type, "clear_output") == 0) {
        if (json_is_true (json_object_get (content, "wait")))
            self->clear_next = true;
        else
            s_clear (self);
        return 0;
    }
    if (strcmp (type, "update_display_data") == 0)
        return s_update_display (self, content, err);
    for (size_t i = 0; i < sizeof s_adders / sizeof s_adders[0]; i++) {
        if (strcmp (s_adders[i].type, type) != 0)
            continue;
        if (self->clear_next)
            s_clear (self);
        return s_adders[i].add (self, content, err);
    }
    return 0;
}

json_t *
cb_outputs_take (cb_outputs *self)
{
    if (s_end_stream (self, NULL) < 0)
        return NULL;
    json_t *array = self->array;
    self->array = json_array ();
    s_clear (self);
    return array;
}
