/* jsonx.c - JSON from outside. Depth is checked before the parser recurses, because jansson's own
 * bound is 2,048 levels and is fixed when it is compiled. */
#include "base/jsonx.h"

#include "base/cleanup.h"
#include "base/name.h"

#include <stdlib.h>
#include <string.h>

static int
s_check_depth (const char *what, const char *bytes, size_t size, cb_err *err)
{
    int depth = 0;
    int in_string = 0;

    for (size_t i = 0; i < size; i++) {
        if (in_string) {
            if (bytes[i] == '\\')
                i++;
            else if (bytes[i] == '"')
                in_string = 0;
        } else if (bytes[i] == '"') {
            in_string = 1;
        } else if (bytes[i] == '{' || bytes[i] == '[') {
            if (++depth > CB_JSON_DEPTH_MAX)
                return cb_fail (err, CB_E_LIMIT, "%s: JSON deeper than %d levels", what,
                                CB_JSON_DEPTH_MAX);
        } else if (bytes[i] == '}' || bytes[i] == ']') {
            depth--;
        }
    }
    return 0;
}

/* What a text is parsed with; flags are more of the same. */
typedef struct s_text {
    const char *what;
    const void *bytes;
    size_t size;
    size_t flags;
} s_text;

static int
s_parse (const s_text *text, json_t **ret_object, cb_err *err)
{
    json_error_t problem;
    const char *what = text->what;

    CB_TRY (s_check_depth (what, text->bytes, text->size, err));
    json_t *object = json_loadb (text->bytes, text->size,
                                 text->flags | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
    if (object == NULL)
        return cb_fail (err, CB_E_INVALID, "%s: not JSON: %s at byte %d", what, problem.text,
                        problem.position);
    if (!json_is_object (object)) {
        json_decref (object);
        return cb_fail (err, CB_E_INVALID, "%s: not a JSON object", what);
    }
    *ret_object = object;
    return 0;
}

int
cb_json_parse (const char *what, const void *bytes, size_t size, json_t **ret_object, cb_err *err)
{
    return s_parse (&(const s_text){what, bytes, size, 0}, ret_object, err);
}

int
cb_json_parse_first (const char *what, const void *bytes, size_t size, json_t **ret_object,
                     cb_err *err)
{
    return s_parse (&(const s_text){what, bytes, size, JSON_DISABLE_EOF_CHECK}, ret_object, err);
}

/* Bytes of the character at text, 0 when they are none. */
static size_t
s_character (const char *text, size_t size)
{
    for (size_t length = 1; length <= 4 && length <= size; length++)
        if (cb_utf8_valid (text, length))
            return length;
    return 0;
}

json_t *
cb_json_words (const char *text)
{
    size_t size = strlen (text);
    cb_auto_free char *words = strdup (text);

    for (size_t at = 0; words != NULL && at < size;) {
        size_t length = s_character (words + at, size - at);
        if (length == 0)
            words[at] = '?';
        at += length > 0 ? length : 1;
    }
    return words != NULL ? json_stringn (words, size) : NULL;
}

char *
cb_json_text (const json_t *value, size_t *ret_size)
{
    char *text = json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY);

    if (text != NULL && ret_size != NULL)
        *ret_size = strlen (text);
    return text;
}

static int
s_wrong (const char *name, const char *expected, cb_err *err)
{
    return cb_fail (err, CB_E_INVALID, "field '%s' is not %s", name, expected);
}

int
cb_json_get_string (const json_t *object, const char *name, size_t max_bytes, const char *otherwise,
                    const char **ret_text, cb_err *err)
{
    const json_t *member = json_object_get (object, name);

    if (member == NULL || json_is_null (member)) {
        if (otherwise == CB_JSON_REQUIRED)
            return cb_fail (err, CB_E_INVALID, "field '%s' is missing", name);
        *ret_text = otherwise;
        return 0;
    }
    if (!json_is_string (member))
        return s_wrong (name, "a string", err);
    if (json_string_length (member) > max_bytes)
        return cb_fail (err, CB_E_LIMIT, "field '%s' is over %zu bytes", name, max_bytes);
    if (strlen (json_string_value (member)) != json_string_length (member))
        return cb_fail (err, CB_E_INVALID, "field '%s' has a NUL in it", name);
    *ret_text = json_string_value (member);
    return 0;
}

int
cb_json_get_int (const json_t *object, const char *name, int64_t low, int64_t high,
                 int64_t otherwise, int64_t *ret_number, cb_err *err)
{
    const json_t *member = json_object_get (object, name);

    if (member == NULL || json_is_null (member)) {
        *ret_number = otherwise;
        return 0;
    }
    if (!json_is_integer (member))
        return s_wrong (name, "a whole number", err);
    int64_t number = json_integer_value (member);
    if (number < low || number > high)
        return cb_fail (err, CB_E_INVALID, "field '%s' is %lld, not between %lld and %lld", name,
                        (long long)number, (long long)low, (long long)high);
    *ret_number = number;
    return 0;
}

int
cb_json_get_double (const json_t *object, const char *name, double low, double high,
                    double otherwise, double *ret_number, cb_err *err)
{
    const json_t *member = json_object_get (object, name);

    if (member == NULL || json_is_null (member)) {
        *ret_number = otherwise;
        return 0;
    }
    if (!json_is_number (member))
        return s_wrong (name, "a number", err);
    double number = json_number_value (member);
    if (!(number >= low && number <= high))
        return cb_fail (err, CB_E_INVALID, "field '%s' is %g, not between %g and %g", name, number,
                        low, high);
    *ret_number = number;
    return 0;
}

int
cb_json_get_bool (const json_t *object, const char *name, int otherwise, int *ret_bool, cb_err *err)
{
    const json_t *member = json_object_get (object, name);

    if (member == NULL || json_is_null (member))
        *ret_bool = otherwise;
    else if (json_is_boolean (member))
        *ret_bool = json_is_true (member);
    else
        return s_wrong (name, "true or false", err);
    return 0;
}

int
cb_json_get_object (const json_t *object, const char *name, json_t **ret_member, cb_err *err)
{
    json_t *member = json_object_get (object, name);

    if (member == NULL || json_is_null (member))
        *ret_member = NULL;
    else if (json_is_object (member))
        *ret_member = member;
    else
        return s_wrong (name, "an object", err);
    return 0;
}

int
cb_json_get_array (const json_t *object, const char *name, size_t max_items, json_t **ret_member,
                   cb_err *err)
{
    json_t *member = json_object_get (object, name);

    if (member == NULL || json_is_null (member)) {
        *ret_member = NULL;
        return 0;
    }
    if (!json_is_array (member))
        return s_wrong (name, "an array", err);
    if (json_array_size (member) > max_items)
        return cb_fail (err, CB_E_LIMIT, "field '%s' has more than %zu items", name, max_items);
    *ret_member = member;
    return 0;
}
