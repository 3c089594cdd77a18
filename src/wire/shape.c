/* shape.c - a row per message type: its fields, and of what kind each has to be.
 *
 * A kernel is hostile and says what it likes; programs behind the control API, and frontends, take
 * a field for what the protocol says it is, and fall over a number where a text should be. So what
 * goes out has the fields of its type, each of its kind. What comes as it should is only stepped
 * through, not copied. */
#include "wire/shape.h"

#include "base/err.h"
#include "base/table.h"
#include "wire/jwalk.h"

#include <string.h>

/* Bytes of a word: a state, a stream's name. */
#define WORD_MAX 64

typedef enum {
    TEXT,
    TEXTS, /* an array of them */
    WORD,  /* a short text without what JSON escapes */
    STREAM,
    FLAG,
    COUNT, /* a whole number of at most 18 digits */
    COUNT_OR_NULL,
    OBJECT,
    DATA, /* an object: types and their data */
} kind;

struct member {
    const char *name;
    kind kind;
    const char
        *otherwise; /* JSON text; NULL: it may be missing, and is left out when it is wrong */
};

#define END              \
    {                    \
        NULL, TEXT, NULL \
    }
#define MEMBERS_MAX 8

static const struct member s_clear_output[] = {{"wait", FLAG, "false"}, END};

static const struct member s_display[] = {
    {"data", DATA, "{}"}, {"metadata", OBJECT, "{}"}, {"transient", OBJECT, NULL}, END};

static const struct member s_result[] = {{"data", DATA, "{}"},
                                         {"metadata", OBJECT, "{}"},
                                         {"transient", OBJECT, NULL},
                                         {"execution_count", COUNT_OR_NULL, "null"},
                                         END};

static const struct member s_error[] = {
    {"ename", TEXT, "\"\""}, {"evalue", TEXT, "\"\""}, {"traceback", TEXTS, "[]"}, END};

static const struct member s_execute_input[] = {
    {"code", TEXT, "\"\""}, {"execution_count", COUNT_OR_NULL, "null"}, END};

static const struct member s_input_request[] = {
    {"prompt", TEXT, "\"\""}, {"password", FLAG, "false"}, END};

static const struct member s_status[] = {{"execution_state", WORD, "\"unknown\""}, END};

static const struct member s_stream[] = {
    {"name", STREAM, "\"stdout\""}, {"text", TEXT, "\"\""}, END};

static const struct member s_complete_reply[] = {
    {"status", WORD, "\"error\""}, {"matches", TEXTS, NULL},   {"cursor_start", COUNT, NULL},
    {"cursor_end", COUNT, NULL},   {"metadata", OBJECT, NULL}, END};

static const struct member s_inspect_reply[] = {{"status", WORD, "\"error\""},
                                                {"found", FLAG, NULL},
                                                {"data", DATA, NULL},
                                                {"metadata", OBJECT, NULL},
                                                END};

static const struct member s_is_complete_reply[] = {
    {"status", WORD, "\"error\""}, {"indent", TEXT, NULL}, END};

/* Sorted by name. */
static const struct row {
    const char *name;
    const struct member *members;
} s_rows[] = {
    {"clear_output", s_clear_output},
    {"complete_reply", s_complete_reply},
    {"display_data", s_display},
    {"error", s_error},
    {"execute_input", s_execute_input},
    {"execute_result", s_result},
    {"input_request", s_input_request},
    {"inspect_reply", s_inspect_reply},
    {"is_complete_reply", s_is_complete_reply},
    {"status", s_status},
    {"stream", s_stream},
    {"update_display_data", s_display},
};

/* ---- kinds ---- */

static int
s_is_text (cb_part value)
{
    return value.size >= 2 && value.data[0] == '"';
}

static int
s_is_word (cb_part value)
{
    return s_is_text (value) && value.size <= WORD_MAX &&
           memchr (value.data, '\\', value.size) == NULL;
}

static int
s_is_count (cb_part value)
{
    size_t digits = 0;

    while (digits < value.size && value.data[digits] >= '0' && value.data[digits] <= '9')
        digits++;
    return digits > 0 && digits == value.size && digits <= 18;
}

/* Whether all that is left of the walk is so; name is empty in an array. */
static int
s_all (cb_jwalk *walk, int (*is_so) (cb_part name, cb_part value))
{
    cb_part name;
    cb_part value;
    int good = 1;

    while (good && cb_jwalk_next (walk, &name, &value))
        good = is_so (name, value);
    return good;
}

static int
s_is_text_item (cb_part name, cb_part value)
{
    (void)name;
    return s_is_text (value);
}

static int
s_are_texts (cb_part value)
{
    cb_jwalk walk;

    return cb_jwalk_array (&walk, value) && s_all (&walk, s_is_text_item);
}

/* A type of data: texts, or anything where the type is JSON's. */
static int
s_is_datum (cb_part type, cb_part value)
{
    int is_json = type.size >= 4 && memcmp (type.data + type.size - 4, "json", 4) == 0;

    return is_json || s_is_text (value) || s_are_texts (value);
}

static int
s_is_data (cb_part value)
{
    cb_jwalk walk;

    return cb_jwalk_object (&walk, value) && s_all (&walk, s_is_datum);
}

static int
s_fits (kind wanted, cb_part value)
{
    cb_jwalk walk;

    switch (wanted) {
    case TEXT:
        return s_is_text (value);
    case TEXTS:
        return s_are_texts (value);
    case WORD:
        return s_is_word (value);
    case STREAM:
        return cb_part_is (value, "\"stdout\"") || cb_part_is (value, "\"stderr\"");
    case FLAG:
        return cb_part_is (value, "true") || cb_part_is (value, "false");
    case COUNT:
        return s_is_count (value);
    case COUNT_OR_NULL:
        return s_is_count (value) || cb_part_is (value, "null");
    case OBJECT:
        return cb_jwalk_object (&walk, value);
    case DATA:
        return s_is_data (value);
    }
    return 0;
}

/* ---- looking ---- */

/* The fields of a content by the table's order; size 0: not there. */
struct found {
    cb_part values[MEMBERS_MAX];
    int is_object;
    int is_good; /* all there, once, of their kinds */
};

/* A name with an escape in it may be one of ours. */
static int
s_is_plain (cb_part name)
{
    return memchr (name.data, '\\', name.size) == NULL;
}

static int
s_place (const struct member *members, cb_part name)
{
    for (int i = 0; members[i].name != NULL; i++)
        if (cb_part_is (name, members[i].name))
            return i;
    return -1;
}

static void
s_look (const struct member *members, cb_part content, struct found *found)
{
    cb_jwalk walk;
    cb_part name;
    cb_part value;

    *found = (struct found){.is_object = cb_jwalk_object (&walk, content)};
    found->is_good = found->is_object;
    while (found->is_object && cb_jwalk_next (&walk, &name, &value)) {
        int place = s_place (members, name);
        if (!s_is_plain (name) ||
            (place >= 0 && (found->values[place].size > 0 || !s_fits (members[place].kind, value))))
            found->is_good = 0;
        if (place >= 0 && found->values[place].size == 0)
            found->values[place] = value;
    }
    for (int i = 0; members[i].name != NULL; i++)
        found->is_good &= found->values[i].size > 0 || members[i].otherwise == NULL;
}

/* ---- mending ---- */

static int
s_put_name (cb_buf *into, cb_part name)
{
    if (into->size > 0 && into->data[into->size - 1] != '{')
        CB_TRY (cb_buf_puts (into, ","));
    CB_TRY (cb_buf_puts (into, "\""));
    CB_TRY (cb_buf_put (into, name.data, name.size));
    return cb_buf_puts (into, "\":");
}

static int
s_put_member (cb_buf *into, cb_part name, cb_part value)
{
    CB_TRY (s_put_name (into, name));
    return cb_buf_put (into, value.data, value.size);
}

/* The data that are of their type's kind. */
static int
s_put_data (cb_buf *into, cb_part value)
{
    cb_jwalk walk;
    cb_part name;
    cb_part item;

    CB_TRY (cb_buf_puts (into, "{"));
    if (cb_jwalk_object (&walk, value))
        while (cb_jwalk_next (&walk, &name, &item))
            if (s_is_datum (name, item))
                CB_TRY (s_put_member (into, name, item));
    return cb_buf_puts (into, "}");
}

static int
s_put_field (cb_buf *into, const struct member *member, cb_part value)
{
    cb_part name = {member->name, strlen (member->name)};
    int fits = value.size > 0 && s_fits (member->kind, value);

    if (!fits && member->otherwise == NULL && (member->kind != DATA || value.size == 0))
        return 0;
    CB_TRY (s_put_name (into, name));
    if (fits)
        return cb_buf_put (into, value.data, value.size);
    return member->kind == DATA ? s_put_data (into, value) : cb_buf_puts (into, member->otherwise);
}

/* Members that the type has not, as they are. */
static int
s_put_others (cb_buf *into, const struct member *members, cb_part content)
{
    cb_jwalk walk;
    cb_part name;
    cb_part value;

    if (cb_jwalk_object (&walk, content))
        while (cb_jwalk_next (&walk, &name, &value))
            if (s_is_plain (name) && s_place (members, name) < 0)
                CB_TRY (s_put_member (into, name, value));
    return 0;
}

static int
s_mend (cb_buf *into, const struct member *members, cb_part content, const struct found *found)
{
    CB_TRY (cb_buf_puts (into, "{"));
    for (int i = 0; members[i].name != NULL; i++)
        CB_TRY (s_put_field (into, &members[i], found->values[i]));
    CB_TRY (s_put_others (into, members, content));
    return cb_buf_puts (into, "}");
}

int
cb_shape_check (const char *msg_type, cb_part content, cb_buf *into)
{
    const struct row *row = CB_TABLE_FIND (s_rows, msg_type);
    struct found found;

    if (row == NULL)
        return CB_SHAPE_GOOD;
    s_look (row->members, content, &found);
    if (found.is_good)
        return CB_SHAPE_GOOD;
    int result = s_mend (into, row->members, content, &found);
    if (result == -CB_E_LIMIT) {
        into->size = 0;
        found = (struct found){.is_object = 1};
        result = s_mend (into, row->members, (cb_part){"{}", 2}, &found);
    }
    return result < 0 ? result : CB_SHAPE_MENDED;
}
