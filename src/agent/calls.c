/* calls.c - tool calls in pieces. By the book a piece carries its call's index, and the first one
 * id and name. Servers in the field leave the index out, give two calls the same, repeat id or name
 * in every piece, send arguments as an object or in one piece with the rest. So: an id that is
 * known names its call; a new id begins a call; without one the index decides, else the last call;
 * a name where the call before is whole begins a new one. */
#include "agent/calls.h"

#include "agent/provider.h"

#include <stdio.h>
#include <string.h>

void
cb_calls_init (cb_calls *self)
{
    self->count = 0;
}

void
cb_calls_done (cb_calls *self)
{
    for (size_t i = 0; i < self->count; i++)
        cb_buf_done (&self->items[i].arguments);
    self->count = 0;
}

static const char *
s_word (const json_t *object, const char *name)
{
    const char *word = json_string_value (json_object_get (object, name));
    return word != NULL ? word : "";
}

static cb_call *
s_by_id (cb_calls *self, const char *id)
{
    for (size_t i = self->count; i > 0; i--)
        if (strcmp (self->items[i - 1].id, id) == 0)
            return &self->items[i - 1];
    return NULL;
}

/* The youngest one with this index; with -1 the youngest of all. */
static cb_call *
s_by_index (cb_calls *self, int64_t index)
{
    for (size_t i = self->count; i > 0; i--)
        if (index < 0 || self->items[i - 1].index == index)
            return &self->items[i - 1];
    return NULL;
}

static int
s_is_whole (const cb_call *call)
{
    cb_owned (cb_json) json_t *object = NULL;

    return call->arguments.size > 0 && cb_json_parse ("arguments", call->arguments.data,
                                                      call->arguments.size, &object, NULL) == 0;
}

/* The call a piece belongs to, or NULL: it begins one. */
static cb_call *
s_find (cb_calls *self, int64_t index, const char *id, const char *name)
{
    cb_call *call = s_by_index (self, index);

    if (id[0] != '\0') {
        cb_call *known = s_by_id (self, id);
        if (known != NULL)
            return known;
        /* An id that comes late belongs to the call that has none. */
        return call != NULL && call->id[0] == '\0' && call->arguments.size == 0 ? call : NULL;
    }
    return call != NULL && name[0] != '\0' && s_is_whole (call) ? NULL : call;
}

static int
s_begin (cb_calls *self, int64_t index, cb_call **ret_call, cb_err *err)
{
    if (self->count == CB_CALLS_MAX)
        return cb_fail (err, CB_E_LIMIT, "more than %d calls in one answer", CB_CALLS_MAX);
    cb_call *call = &self->items[self->count++];
    memset (call, 0, sizeof *call);
    call->index = index;
    cb_buf_init (&call->arguments, CB_CALL_ARGUMENTS_MAX);
    *ret_call = call;
    return 0;
}

/* A text is appended, an object (some servers) is the whole. */
static int
s_add_arguments (cb_call *call, const json_t *arguments, cb_err *err)
{
    int result = 0;

    if (json_is_string (arguments)) {
        result = cb_buf_put (&call->arguments, json_string_value (arguments),
                             json_string_length (arguments));
    } else if (json_is_object (arguments)) {
        cb_auto_free char *text = cb_json_text (arguments, NULL);
        call->arguments.size = 0;
        result = text != NULL ? cb_buf_puts (&call->arguments, text) : -CB_E_NOMEM;
    }
    if (result == -CB_E_LIMIT)
        return cb_fail (err, CB_E_LIMIT, "the arguments of a call are over %zu MiB",
                        CB_CALL_ARGUMENTS_MAX >> 20);
    return result < 0 ? cb_fail_nomem (err) : 0;
}

static int
s_keep_word (char into[CB_CALL_WORD_MAX], const char *word, cb_err *err)
{
    if (into[0] != '\0' || word[0] == '\0')
        return 0;
    if (strlen (word) >= CB_CALL_WORD_MAX)
        return cb_fail (err, CB_E_LIMIT, "the id or name of a call is over %d bytes",
                        CB_CALL_WORD_MAX - 1);
    (void)snprintf (into, CB_CALL_WORD_MAX, "%s", word);
    return 0;
}

int
cb_calls_add (cb_calls *self, const json_t *delta, cb_err *err)
{
    const json_t *function = json_object_get (delta, "function");
    const json_t *number = json_object_get (delta, "index");
    int64_t index = json_is_integer (number) ? json_integer_value (number) : -1;
    const char *id = s_word (delta, "id");
    const char *name = s_word (function, "name");

    if (!json_is_object (delta))
        return cb_fail (err, CB_E_PROTO, "a tool call that is no object");
    cb_call *call = s_find (self, index, id, name);
    if (call == NULL)
        CB_TRY (s_begin (self, index, &call, err));
    CB_TRY (s_keep_word (call->id, id, err));
    CB_TRY (s_keep_word (call->name, name, err));
    return s_add_arguments (call, json_object_get (function, "arguments"), err);
}

char *
cb_call_code (const char *arguments, size_t size, cb_err *err)
{
    cb_owned (cb_json) json_t *object = NULL;
    const char *code = NULL;

    if (strspn (arguments, " \t\r\n") == size) {
        arguments = "{}";
        size = 2;
    }
    if (cb_json_parse_first ("the arguments", arguments, size, &object, err) < 0)
        return NULL;
    if (cb_json_get_string (object, CB_TOOL_ARGUMENT, CB_CALL_ARGUMENTS_MAX, CB_JSON_REQUIRED,
                            &code, err) < 0)
        return NULL;
    char *copy = strdup (code);
    if (copy == NULL)
        (void)cb_fail_nomem (err);
    return copy;
}
