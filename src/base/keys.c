/* keys.c - a key of a section, its value and where that goes, by a table: one row a key. Texts
 * become copies that the object owns; everything else is checked against the row's range and
 * stored. */
#include "base/keys.h"

#include "base/clock.h"
#include "base/nearest.h"
#include "base/table.h"
#include "base/units.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static int
s_parse_word (const char *words, const char *value, uint64_t *ret_index, cb_err *err)
{
    uint64_t index = 0;
    size_t size = strlen (value);

    for (const char *at = words; *at != '\0'; index++) {
        size_t length = strcspn (at, " ");
        if (length == size && memcmp (at, value, size) == 0) {
            *ret_index = index;
            return 0;
        }
        at += length + (at[length] == ' ');
    }
    return cb_fail (err, CB_E_INVALID, "'%.64s' is not one of: %s", value, words);
}

static int
s_parse_count (const cb_key_row *row, const char *value, uint64_t *ret_number, cb_err *err)
{
    size_t digits = strspn (value, "0123456789");
    uint64_t number = 0;

    if (digits == 0 || value[digits] != '\0')
        return cb_fail (err, CB_E_INVALID, "'%.64s' is not a whole number", value);
    for (size_t i = 0; i < digits && number <= row->high; i++)
        number = number * 10 + (uint64_t)(value[i] - '0');
    if (number < row->low || number > row->high)
        return cb_fail (err, CB_E_LIMIT, "'%.64s' is out of range (%llu to %llu)", value,
                        (unsigned long long)row->low, (unsigned long long)row->high);
    *ret_number = number;
    return 0;
}

static int
s_parse_duration (const cb_key_row *row, const char *value, uint64_t *ret_number, cb_err *err)
{
    char low[CB_UNITS_TEXT];
    char high[CB_UNITS_TEXT];
    cb_usec duration = 0;
    int may_be_none = row->kind == CB_KEY_DURATION;

    if (may_be_none && strcmp (value, "none") == 0) {
        *ret_number = 0;
        return 0;
    }
    int result = cb_duration_parse (value, &duration, err);
    if (result == -CB_E_INVALID)
        return result;
    if (result < 0 || duration < row->low || duration > row->high)
        return cb_fail (err, CB_E_LIMIT, "'%.64s' is out of range (%s to %s%s)", value,
                        cb_duration_text (row->low, low), cb_duration_text (row->high, high),
                        may_be_none ? ", or none" : "");
    *ret_number = duration;
    return 0;
}

static int
s_parse_real (const cb_key_row *row, const char *value, cb_err *err)
{
    char *end = NULL;
    double number = strtod (value, &end);

    if (value[strspn (value, "0123456789.")] == '\0' && *value != '\0' && *end == '\0' &&
        number >= (double)row->low && number <= (double)row->high)
        return 0;
    return cb_fail (err, CB_E_INVALID, "'%.64s' is not a number from %llu to %llu", value,
                    (unsigned long long)row->low, (unsigned long long)row->high);
}

static int
s_parse (const cb_key_row *row, const char *value, uint64_t *ret_number, cb_err *err)
{
    *ret_number = 0;
    switch (row->kind) {
    case CB_KEY_DURATION:
    case CB_KEY_PERIOD:
        return s_parse_duration (row, value, ret_number, err);
    case CB_KEY_COUNT:
        return s_parse_count (row, value, ret_number, err);
    case CB_KEY_WORD:
        return s_parse_word (row->words, value, ret_number, err);
    case CB_KEY_REAL:
        return s_parse_real (row, value, err);
    case CB_KEY_REFUSED:
        return cb_fail (err, CB_E_INVALID, "%s", row->words);
    case CB_KEY_TEXT:
    default:
        if (*value == '\0')
            return cb_fail (err, CB_E_INVALID, "needs a value");
        return 0;
    }
}

/* A text replaces the one of a lower layer. */
static int
s_store_text (char *field, const char *value, cb_err *err)
{
    char *old = NULL;

    char *text = strdup (value);
    if (text == NULL)
        return cb_fail_nomem (err);
    memcpy (&old, field, sizeof old);
    free (old);
    memcpy (field, &text, sizeof text);
    return 0;
}

static int
s_store (const cb_key_row *row, void *object, const char *value, uint64_t number, cb_err *err)
{
    uint32_t small = (uint32_t)number;

    if (row->width == 0)
        return 0; /* checked only; there may be no object */
    char *field = (char *)object + row->offset;
    if (row->kind == CB_KEY_TEXT)
        return s_store_text (field, value, err);
    if (row->kind == CB_KEY_REAL) {
        double real = strtod (value, NULL);
        memcpy (field, &real, sizeof real);
    } else if (row->width == sizeof number) {
        memcpy (field, &number, sizeof number);
    } else {
        assert (row->width == sizeof small);
        memcpy (field, &small, sizeof small);
    }
    return 0;
}

int
cb_key_set (const cb_key_table *table, void *object, const char *key, const char *value,
            cb_err *err)
{
    uint64_t number = 0;
    cb_err why = CB_ERR_INIT;
    const cb_key_row *row =
        bsearch (key, table->rows, table->n_rows, sizeof table->rows[0], cb_table_compare);

    if (row == NULL) {
        const char *near = cb_nearest (key, table->rows, table->n_rows, sizeof *table->rows);
        return cb_fail (err, CB_E_INVALID, "unknown key of section [%s] '%.64s'%s%s%s",
                        table->section, key, near != NULL ? "; did you mean '" : "",
                        near != NULL ? near : "", near != NULL ? "'?" : "");
    }
    if (s_parse (row, value, &number, &why) < 0)
        return cb_fail (err, why.code, "%s: %.600s%s", key, why.text,
                        strchr (value, '#') != NULL ? " (a comment behind a value starts with ';')"
                                                    : "");
    return s_store (row, object, value, number, err);
}
