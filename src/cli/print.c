/* print.c - answers of the daemon. Members are printed as they come, so a newer daemon can tell
 * more; what a member means is read from its name: NAME_s is seconds, NAME_bytes a size,
 * NAME_percent a share of one processor. */
#include "cli/print.h"

#include "base/units.h"
#include "cli/columns.h"

#include <stdio.h>
#include <string.h>

const char *
cb_print_text (const json_t *object, const char *name)
{
    const char *text = json_string_value (json_object_get (object, name));
    return text != NULL ? text : "";
}

json_int_t
cb_print_number (const json_t *object, const char *name)
{
    return json_integer_value (json_object_get (object, name));
}

int
cb_print_json (json_t *reply, cb_err *err)
{
    cb_term term;

    (void)json_object_del (reply, "status");
    cb_term_look (&term, STDOUT_FILENO);
    /* On a terminal nothing but ASCII, so that no name can command it. */
    size_t flags =
        JSON_INDENT (2) | JSON_REAL_PRECISION (CB_JSON_DIGITS) | (term.tty ? JSON_ENSURE_ASCII : 0);
    cb_auto_free char *text = json_dumps (reply, flags);
    if (text == NULL)
        return cb_fail_nomem (err);
    (void)printf ("%s\n", text);
    return 0;
}

typedef enum { S_PLAIN, S_SECONDS, S_BYTES, S_PERCENT } s_unit;

/* The unit that ends a name; *ret_size is the name without it. */
static s_unit
s_unit_of (const char *name, size_t *ret_size)
{
    static const char *const ends[] = {"", "_s", "_bytes", "_percent"};
    size_t size = strlen (name);

    *ret_size = size;
    for (s_unit unit = S_SECONDS; unit <= S_PERCENT; unit++) {
        size_t length = strlen (ends[unit]);
        if (size > length && strcmp (name + size - length, ends[unit]) == 0) {
            *ret_size = size - length;
            return unit;
        }
    }
    return S_PLAIN;
}

static void
s_add_number (cb_columns *table, const char *name, const json_t *value)
{
    char text[CB_UNITS_TEXT];
    double number = json_number_value (value);
    size_t size = 0;
    s_unit unit = number >= 0 ? s_unit_of (name, &size) : S_PLAIN;

    if (unit == S_BYTES)
        cb_columns_add (table, "%s", cb_size_text ((uint64_t)number, text));
    else if (unit == S_SECONDS)
        cb_columns_add (table, "%s",
                        cb_duration_text ((cb_usec)(number * (double)CB_USEC_PER_SEC), text));
    else
        cb_columns_add (table, "%.15g%s", number, unit == S_PERCENT ? " %" : "");
}

static void
s_add_value (cb_columns *table, const char *name, const json_t *value)
{
    if (json_is_string (value)) {
        cb_columns_add (table, "%s", json_string_value (value));
    } else if (json_is_number (value)) {
        s_add_number (table, name, value);
    } else if (json_is_null (value)) {
        cb_columns_add (table, "none");
    } else if (json_is_boolean (value)) {
        cb_columns_add (table, "%s", json_is_true (value) ? "yes" : "no");
    } else {
        cb_auto_free char *text = cb_json_text (value, NULL);
        cb_columns_add (table, "%s", text != NULL ? text : "");
    }
}

/* "idle_s" is "idle" for a person. */
static void
s_add_name (cb_columns *table, const char *prefix, const char *name)
{
    size_t size = 0;

    (void)s_unit_of (name, &size);
    cb_columns_add (table, "%s%.*s", prefix, (int)size, name);
}

/* {"path": "/a/b", "name": "b"}: an input. */
static void
s_add_inputs (cb_columns *table, const json_t *inputs)
{
    for (size_t i = 0; i < json_array_size (inputs); i++) {
        const json_t *input = json_array_get (inputs, i);
        cb_columns_add (table, "/input/%s", cb_print_text (input, "name"));
        cb_columns_add (table, "%s", cb_print_text (input, "path"));
    }
}

static void
s_add_members (cb_columns *table, const char *prefix, const json_t *object)
{
    const char *name = NULL;
    json_t *value = NULL;

    /* The walk does not change the object; jansson has no const iterator. */
    json_object_foreach ((json_t *)(uintptr_t)object, name, value)
    {
        char below[64];
        (void)snprintf (below, sizeof below, "%.60s ", name);
        if (json_is_object (value)) {
            if (prefix[0] == '\0')
                s_add_members (table, below, value);
        } else if (strcmp (name, "inputs") == 0 && json_is_array (value)) {
            s_add_inputs (table, value);
        } else {
            s_add_name (table, prefix, name);
            s_add_value (table, name, value);
        }
    }
}

int
cb_print_members (const json_t *object, cb_err *err)
{
    cb_scoped (cb_columns) cb_columns table;

    cb_columns_init (&table, 2);
    s_add_members (&table, "", object);
    return cb_columns_print (&table, stdout, false) < 0 ? cb_fail_nomem (err) : 0;
}
