/* jscan.c - one pass over the text of a JSON object.
 *
 * Relayed messages are not built into trees: a tree of two headers costs more than both signatures.
 * This pass accepts exactly the grammar (the fuzzer compares it with jansson), so what is broken
 * never reaches anybody's JSON parser. Text with an escape in a name of the object or in a picked
 * string is rare and is left to jansson, so there is no second decoder of escapes. */
#include "wire/jscan.h"

#include "base/jsonx.h"
#include "base/name.h"

#include <stdint.h>
#include <string.h>

/* Characters of a number. More is no value of anybody's but costs readers dearly, or their life:
 * Python refuses integers of over 4,300 digits, since reading them takes quadratic time. */
#define NUMBER_MAX 4096

typedef struct cb_scan {
    const char *what;
    const char *start;
    const char *at;
    const char *end;
    uint64_t objects; /* bit i: level i is an object, else an array */
    int depth;
    int escaped; /* the last string has a backslash */
    cb_err *err;
} cb_scan;

static int
s_bad (const cb_scan *self, const char *problem)
{
    return cb_fail (self->err, CB_E_INVALID, "%s: not JSON: %s at byte %zu", self->what, problem,
                    (size_t)(self->at - self->start));
}

static void
s_space (cb_scan *self)
{
    while (self->at < self->end &&
           (*self->at == ' ' || *self->at == '\n' || *self->at == '\t' || *self->at == '\r'))
        self->at++;
}

static int
s_peek (const cb_scan *self)
{
    return self->at < self->end ? (unsigned char)*self->at : -1;
}

/* Whether one of eight bytes is a control character, a quote, a backslash or not ASCII. */
static int
s_special (const char *at)
{
    const uint64_t ones = UINT64_C (0x0101010101010101);
    uint64_t word;

    memcpy (&word, at, sizeof word);
    uint64_t quote = word ^ (ones * '"');
    uint64_t slash = word ^ (ones * '\\');
    uint64_t found = (word - ones * 0x20) | (quote - ones) | (slash - ones) | word;
    return (found & (ones * 0x80)) != 0;
}

static int
s_escape (cb_scan *self)
{
    size_t left = (size_t)(self->end - self->at);

    self->escaped = 1;
    if (left < 2 || memchr ("\"\\/bfnrtu", self->at[1], 9) == NULL)
        return s_bad (self, "wrong escape");
    if (self->at[1] != 'u') {
        self->at += 2;
        return 0;
    }
    for (size_t i = 2; i < 6; i++)
        if (left < 6 || memchr ("0123456789abcdefABCDEF", self->at[i], 22) == NULL)
            return s_bad (self, "wrong escape");
    self->at += 6;
    return 0;
}

static int
s_utf8_run (cb_scan *self)
{
    const char *start = self->at;

    while (self->at < self->end && (unsigned char)*self->at >= 0x80)
        self->at++;
    size_t size = (size_t)(self->at - start);
    self->at = start;
    if (!cb_utf8_valid (start, size))
        return s_bad (self, "not UTF-8");
    self->at += size;
    return 0;
}

/* From behind the opening quote to behind the closing one. */
static int
s_string (cb_scan *self)
{
    self->escaped = 0;
    for (;;) {
        while (self->end - self->at >= 8 && !s_special (self->at))
            self->at += 8;
        int c = s_peek (self);
        if (c == '"') {
            self->at++;
            return 0;
        }
        if (c < 0x20)
            return s_bad (self, c < 0 ? "a string does not end" : "control character in a string");
        if (c == '\\')
            CB_TRY (s_escape (self));
        else if (c >= 0x80)
            CB_TRY (s_utf8_run (self));
        else
            self->at++;
    }
}

static size_t
s_digits (cb_scan *self)
{
    const char *start = self->at;

    while (s_peek (self) >= '0' && s_peek (self) <= '9')
        self->at++;
    return (size_t)(self->at - start);
}

static int
s_number (cb_scan *self)
{
    const char *start = self->at;

    if (s_peek (self) == '-')
        self->at++;
    const char *first = self->at;
    size_t whole = s_digits (self);
    if (whole == 0 || (whole > 1 && *first == '0'))
        return s_bad (self, "wrong number");
    if (s_peek (self) == '.') {
        self->at++;
        if (s_digits (self) == 0)
            return s_bad (self, "wrong number");
    }
    if (s_peek (self) == 'e' || s_peek (self) == 'E') {
        self->at++;
        if (s_peek (self) == '+' || s_peek (self) == '-')
            self->at++;
        if (s_digits (self) == 0)
            return s_bad (self, "wrong number");
    }
    if (self->at - start > NUMBER_MAX)
        return s_bad (self, "a number too long to be read");
    return 0;
}

static int
s_word (cb_scan *self, const char *word, size_t size)
{
    if ((size_t)(self->end - self->at) < size || memcmp (self->at, word, size) != 0)
        return s_bad (self, "wrong word");
    self->at += size;
    return 0;
}

static int
s_scalar (cb_scan *self)
{
    switch (s_peek (self)) {
    case '"':
        self->at++;
        return s_string (self);
    case 't':
        return s_word (self, "true", 4);
    case 'f':
        return s_word (self, "false", 5);
    case 'n':
        return s_word (self, "null", 4);
    default:
        return s_number (self);
    }
}

static int
s_enter (cb_scan *self, int is_object)
{
    if (self->depth >= CB_JSON_DEPTH_MAX)
        return cb_fail (self->err, CB_E_LIMIT, "%s: JSON deeper than %d levels", self->what,
                        CB_JSON_DEPTH_MAX);
    uint64_t bit = UINT64_C (1) << self->depth++;
    self->objects = is_object ? self->objects | bit : self->objects & ~bit;
    self->at++;
    return 0;
}

static int
s_in_object (const cb_scan *self)
{
    return (self->objects >> (self->depth - 1) & 1) != 0;
}

/* A member's name and its colon. *ret_name lies inside the quotes. */
static int
s_name (cb_scan *self, cb_part *ret_name)
{
    s_space (self);
    if (s_peek (self) != '"')
        return s_bad (self, "a name is missing");
    const char *name = ++self->at;
    CB_TRY (s_string (self));
    *ret_name = (cb_part){name, (size_t)(self->at - name) - 1};
    s_space (self);
    if (s_peek (self) != ':')
        return s_bad (self, "a colon is missing");
    self->at++;
    return 0;
}

enum { MORE_FOLLOWS, VALUE_ENDS };

/* Behind a value, or inside what was just opened and is empty: closes what ends here, down to
 * level base, and steps over the comma (and the name) before the next value. */
static int
s_after (cb_scan *self, int base)
{
    cb_part name;

    for (;;) {
        if (self->depth == base)
            return VALUE_ENDS;
        s_space (self);
        if (s_peek (self) != (s_in_object (self) ? '}' : ']'))
            break;
        self->at++;
        self->depth--;
    }
    if (s_peek (self) != ',')
        return s_bad (self, "a comma is missing");
    self->at++;
    if (s_in_object (self))
        CB_TRY (s_name (self, &name));
    return MORE_FOLLOWS;
}

/* A value of any kind below the object: nothing in it is picked. */
static int
s_value (cb_scan *self)
{
    const int base = self->depth;
    int next = MORE_FOLLOWS;
    cb_part name;

    while (next == MORE_FOLLOWS) {
        s_space (self);
        int c = s_peek (self);
        int opens = c == '{' || c == '[';
        CB_TRY (opens ? s_enter (self, c == '{') : s_scalar (self));
        s_space (self);
        if (opens && s_peek (self) != c + 2) {
            if (c == '{')
                CB_TRY (s_name (self, &name));
            continue;
        }
        next = s_after (self, base);
    }
    return next < 0 ? next : 0;
}

static int
s_take_pick (cb_scan *self, cb_pick *pick)
{
    if (pick->state != CB_PICK_MISSING)
        return cb_fail (self->err, CB_E_INVALID, "%s: field '%s' is there twice", self->what,
                        pick->name);
    s_space (self);
    if (s_peek (self) == 'n') {
        pick->state = CB_PICK_NULL;
        return s_word (self, "null", 4);
    }
    if (s_peek (self) != '"')
        return cb_fail (self->err, CB_E_INVALID, "%s: field '%s' is not a string", self->what,
                        pick->name);
    const char *text = ++self->at;
    CB_TRY (s_string (self));
    size_t size = (size_t)(self->at - text) - 1;
    if (self->escaped)
        return 0;
    if (size >= pick->room)
        return cb_fail (self->err, CB_E_LIMIT, "%s: field '%s' is over %zu bytes", self->what,
                        pick->name, pick->room - 1);
    memcpy (pick->text, text, size);
    pick->text[size] = '\0';
    pick->state = CB_PICK_FOUND;
    return 0;
}

static cb_pick *
s_pick_named (cb_pick *picks, size_t n_picks, cb_part name)
{
    for (size_t i = 0; i < n_picks; i++)
        if (strlen (picks[i].name) == name.size &&
            memcmp (picks[i].name, name.data, name.size) == 0)
            return &picks[i];
    return NULL;
}

/* *ret_escaped: a name or a picked string has a backslash, so the picks are not to be trusted. */
static int
s_object (cb_scan *self, cb_pick *picks, size_t n_picks, int *ret_escaped)
{
    s_space (self);
    if (s_peek (self) != '{')
        return cb_fail (self->err, CB_E_INVALID, "%s: not a JSON object", self->what);
    self->at++;
    self->depth = 1;
    s_space (self);
    for (int first = 1; s_peek (self) != '}'; first = 0) {
        cb_part name;
        if (!first && s_peek (self) != ',')
            return s_bad (self, "a comma is missing");
        self->at += first ? 0 : 1;
        CB_TRY (s_name (self, &name));
        *ret_escaped |= self->escaped;
        cb_pick *pick = s_pick_named (picks, n_picks, name);
        self->escaped = 0;
        CB_TRY (pick != NULL ? s_take_pick (self, pick) : s_value (self));
        if (pick != NULL)
            *ret_escaped |= self->escaped;
        s_space (self);
    }
    self->at++;
    s_space (self);
    return self->at == self->end ? 0 : s_bad (self, "something follows the object");
}

/* The same by jansson. */
static int
s_pick_decoded (const cb_scan *scan, cb_pick *picks, size_t n_picks)
{
    cb_owned (cb_json) json_t *object = NULL;
    size_t size = (size_t)(scan->end - scan->start);

    CB_TRY (cb_json_parse (scan->what, scan->start, size, &object, scan->err));
    for (size_t i = 0; i < n_picks; i++) {
        const json_t *member = json_object_get (object, picks[i].name);
        const char *text = NULL;
        CB_TRY (
            cb_json_get_string (object, picks[i].name, picks[i].room - 1, NULL, &text, scan->err));
        picks[i].state = member == NULL ? CB_PICK_MISSING
                         : text == NULL ? CB_PICK_NULL
                                        : CB_PICK_FOUND;
        if (text != NULL)
            memcpy (picks[i].text, text, strlen (text) + 1);
    }
    return 0;
}

int
cb_json_scan (const char *what, cb_part bytes, cb_pick *picks, size_t n_picks, cb_err *err)
{
    const char *start = bytes.size > 0 ? bytes.data : "";
    cb_scan scan = {
        .what = what, .start = start, .at = start, .end = start + bytes.size, .err = err};
    int escaped = 0;

    for (size_t i = 0; i < n_picks; i++)
        picks[i].state = CB_PICK_MISSING;
    CB_TRY (s_object (&scan, picks, n_picks, &escaped));
    if (escaped && n_picks > 0)
        return s_pick_decoded (&scan, picks, n_picks);
    return 0;
}
