/* fields.c - the kinds of fields that a kernel's messages have.
 *
 * Frontends put numbers, prompts and links into their pages as well as HTML, and few of them look
 * whether a number is one. So each field is of a kind here, and what does not fit is replaced. */
#include "wire/fields.h"

#include "base/err.h"
#include "base/table.h"
#include "wire/mime.h"

/* Bytes of a word: a state, a version, the name of a lexer. */
#define WORD_MAX 64

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* ---- single values ---- */

static int
s_put (cb_fields *self, cb_part value)
{
    return cb_buf_put (self->into, value.data, value.size);
}

static int
s_put_other (cb_fields *self, const cb_field *row)
{
    self->changed = 1;
    return cb_buf_puts (self->into, row->otherwise);
}

int
cb_field_any (cb_fields *self, const cb_field *row, cb_part value)
{
    (void)row;
    return s_put (self, value);
}

int
cb_field_text (cb_fields *self, const cb_field *row, cb_part value)
{
    return value.data[0] == '"' ? s_put (self, value) : s_put_other (self, row);
}

int
cb_field_flag (cb_fields *self, const cb_field *row, cb_part value)
{
    int fits = cb_part_is (value, "true") || cb_part_is (value, "false");

    return fits ? s_put (self, value) : s_put_other (self, row);
}

static int
s_is_all (cb_part part, const char *set)
{
    for (size_t i = 0; i < part.size; i++)
        if (part.data[i] == '\0' || strchr (set, part.data[i]) == NULL)
            return 0;
    return 1;
}

/* null, or a whole number of at most 18 digits. */
int
cb_field_count (cb_fields *self, const cb_field *row, cb_part value)
{
    int fits = value.size <= 18 && s_is_all (value, DIGITS);

    return fits || cb_part_is (value, "null") ? s_put (self, value) : s_put_other (self, row);
}

static int
s_is_word (cb_part value, const char *set)
{
    return value.size >= 2 && value.size <= WORD_MAX && value.data[0] == '"' &&
           s_is_all ((cb_part){value.data + 1, value.size - 2}, set);
}

int
cb_field_word (cb_fields *self, const cb_field *row, cb_part value)
{
    int fits = s_is_word (value, LETTERS DIGITS " _+.-");

    return fits ? s_put (self, value) : s_put_other (self, row);
}

/* What a frontend makes a path of (its editor's mode, an exporter): no dots. */
int
cb_field_mode (cb_fields *self, const cb_field *row, cb_part value)
{
    return s_is_word (value, LETTERS DIGITS "_-") ? s_put (self, value) : s_put_other (self, row);
}

int
cb_field_mime_type (cb_fields *self, const cb_field *row, cb_part value)
{
    int fits = s_is_word (value, LETTERS DIGITS "_+./-");

    return fits ? s_put (self, value) : s_put_other (self, row);
}

int
cb_field_link (cb_fields *self, const cb_field *row, cb_part value)
{
    static const char http[] = "\"http://";
    static const char https[] = "\"https://";
    int fits = (value.size > sizeof http && memcmp (value.data, http, sizeof http - 1) == 0) ||
               (value.size > sizeof https && memcmp (value.data, https, sizeof https - 1) == 0);

    return fits ? s_put (self, value) : s_put_other (self, row);
}

int
cb_field_bundle (cb_fields *self, const cb_field *row, cb_part value)
{
    (void)row;
    return cb_mime_put (self->into, value, &self->changed);
}

int
cb_field_nothing (cb_fields *self, const cb_field *row, cb_part value)
{
    if (cb_part_is (value, row->otherwise))
        return s_put (self, value);
    return s_put_other (self, row);
}

/* ---- objects and arrays ---- */

/* The row of a member, or the rule for all others, or NULL. */
static const cb_field *
s_find (const cb_field *fields, cb_part name)
{
    for (; fields->name != NULL; fields++)
        if (cb_part_is (name, fields->name))
            return fields;
    return fields->put != NULL ? fields : NULL;
}

/* A name that is quoted again as it is: what JSON escapes is in none of ours. */
static int
s_is_plain_name (cb_part name)
{
    return memchr (name.data, '\\', name.size) == NULL;
}

static int
s_put_member (cb_fields *self, const cb_field *row, cb_part name, cb_part value)
{
    size_t before = self->into->size;

    if (before > 0 && self->into->data[before - 1] != '{')
        CB_TRY (cb_buf_puts (self->into, ","));
    CB_TRY (cb_buf_puts (self->into, "\""));
    CB_TRY (cb_buf_put (self->into, name.data, name.size));
    CB_TRY (cb_buf_puts (self->into, "\":"));
    return row->put (self, row, value);
}

int
cb_fields_put (cb_fields *self, const cb_field *fields, cb_jwalk *walk)
{
    unsigned seen = 0;
    cb_part name;
    cb_part value;

    CB_TRY (cb_buf_puts (self->into, "{"));
    while (cb_jwalk_next (walk, &name, &value)) {
        const cb_field *row = s_is_plain_name (name) ? s_find (fields, name) : NULL;
        unsigned bit = row != NULL && row->name != NULL ? 1U << (row - fields) : 0;
        if (row == NULL || (seen & bit) != 0) {
            self->changed = 1;
            continue;
        }
        seen |= bit;
        CB_TRY (s_put_member (self, row, name, value));
    }
    return cb_buf_puts (self->into, "}");
}

int
cb_field_object (cb_fields *self, const cb_field *row, cb_part value)
{
    cb_jwalk walk;

    if (!cb_jwalk_object (&walk, value))
        return s_put_other (self, row);
    return cb_fields_put (self, row->fields, &walk);
}

/* An object of anything, which frontends only look things up in. */
int
cb_field_any_object (cb_fields *self, const cb_field *row, cb_part value)
{
    cb_jwalk walk;

    return cb_jwalk_object (&walk, value) ? s_put (self, value) : s_put_other (self, row);
}

/* Whether an item of an array stays. */
typedef int on_item (cb_part item);

static int
s_put_items (cb_fields *self, const cb_field *row, cb_part value, on_item *stays)
{
    const cb_field *item_row = row->fields;
    size_t n = 0;
    cb_jwalk walk;
    cb_part name;
    cb_part item;

    if (!cb_jwalk_array (&walk, value))
        return s_put_other (self, row);
    CB_TRY (cb_buf_puts (self->into, "["));
    while (cb_jwalk_next (&walk, &name, &item)) {
        if (!stays (item)) {
            self->changed = 1;
            continue;
        }
        if (n++ > 0)
            CB_TRY (cb_buf_puts (self->into, ","));
        CB_TRY (item_row->put (self, item_row, item));
    }
    return cb_buf_puts (self->into, "]");
}

static int
s_is_string (cb_part item)
{
    return item.data[0] == '"';
}

int
cb_field_texts (cb_fields *self, const cb_field *row, cb_part value)
{
    static const cb_field text = {"", cb_field_text, "\"\"", NULL};
    const cb_field texts = {row->name, row->put, row->otherwise, &text};

    return s_put_items (self, &texts, value, s_is_string);
}

/* No '<': completions are names, and some frontends mark the match in them by a tag. */
static int
s_is_name (cb_part item)
{
    return s_is_string (item) && memchr (item.data, '<', item.size) == NULL;
}

int
cb_field_names (cb_fields *self, const cb_field *row, cb_part value)
{
    static const cb_field text = {"", cb_field_text, "\"\"", NULL};
    const cb_field texts = {row->name, row->put, row->otherwise, &text};

    return s_put_items (self, &texts, value, s_is_name);
}

static int
s_is_object (cb_part item)
{
    return item.data[0] == '{';
}

int
cb_field_objects (cb_fields *self, const cb_field *row, cb_part value)
{
    const cb_field item = {"", cb_field_object, "{}", row->fields};
    const cb_field items = {row->name, row->put, row->otherwise, &item};

    return s_put_items (self, &items, value, s_is_object);
}

/* What a client does after a cell: shows a page, fills in the next cell, leaves. Opening an editor
 * is for files outside the jail: that is left out. */
static int
s_is_payload (cb_part item)
{
    static const char *const sources[] = {"\"page\"", "\"set_next_input\"", "\"ask_exit\""};
    cb_jwalk walk;
    cb_part name;
    cb_part value;
    int found = 0;

    if (!cb_jwalk_object (&walk, item))
        return 0;
    while (cb_jwalk_next (&walk, &name, &value)) {
        if (!cb_part_is (name, "source"))
            continue;
        found = 0;
        for (size_t i = 0; i < CB_COUNT (sources); i++)
            found |= cb_part_is (value, sources[i]);
    }
    return found;
}

int
cb_field_payloads (cb_fields *self, const cb_field *row, cb_part value)
{
    const cb_field item = {"", cb_field_object, "{}", row->fields};
    const cb_field items = {row->name, row->put, row->otherwise, &item};

    return s_put_items (self, &items, value, s_is_payload);
}

/* <unknown> is what IPython says of what it does not know. */
int
cb_field_type_name (cb_fields *self, const cb_field *row, cb_part value)
{
    int fits = s_is_name (value) || cb_part_is (value, "\"<unknown>\"");

    return fits ? s_put (self, value) : s_put_other (self, row);
}

/* A mode's name, or an object with it. */
int
cb_field_editor_mode (cb_fields *self, const cb_field *row, cb_part value)
{
    return value.data[0] == '{' ? cb_field_object (self, row, value)
                                : cb_field_mode (self, row, value);
}

/* ---- what is said of the jail ---- */

/* Takes back the last byte, which closes what was just written, and puts a comma where something
 * stands before. */
static int
s_reopen (cb_fields *self)
{
    cb_buf *into = self->into;
    char before = into->data[--into->size - 1];

    self->changed = 1;
    return before != '{' && before != '[' ? cb_buf_puts (into, ",") : 0;
}

int
cb_field_banner (cb_fields *self, const cb_field *row, cb_part value)
{
    const char *between = s_is_string (value) && value.size > 2 ? "\\n" : "";

    CB_TRY (cb_field_text (self, row, value));
    self->into->size--;
    self->changed = 1;
    return cb_buf_printf (self->into, "%s%s\"", between, self->about->banner);
}

int
cb_field_language (cb_fields *self, const cb_field *row, cb_part value)
{
    CB_TRY (cb_field_object (self, row, value));
    CB_TRY (s_reopen (self));
    return cb_buf_printf (self->into, "\"jail\":%s}", self->about->jail);
}

/* No page is about this jail; the one about what holds it together is. */
int
cb_field_links (cb_fields *self, const cb_field *row, cb_part value)
{
    CB_TRY (cb_field_objects (self, row, value));
    CB_TRY (s_reopen (self));
    return cb_buf_printf (self->into,
                          "{\"text\":\"%s\",\"url\":\"https://manpages.debian.org/bookworm/"
                          "bubblewrap/bwrap.1.en.html\"}]",
                          self->about->link);
}
