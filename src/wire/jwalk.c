/* jwalk.c - steps through JSON text.
 *
 * The text was checked when it came in (wire/jscan); here only the ends of strings and brackets are
 * found, so a picture of a megabyte costs one memchr. Still nothing is read behind the end,
 * whatever the bytes are. */
#include "wire/jwalk.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

static void
s_blanks (cb_jwalk *self)
{
    while (self->at < self->end && strchr (" \n\t\r", *self->at) != NULL && *self->at != '\0')
        self->at++;
}

static int
s_begin (cb_jwalk *self, cb_part value, char open)
{
    *self = (cb_jwalk){.at = value.data, .end = NULL, .is_object = open == '{'};
    if (value.size < 2)
        return 0;
    self->end = self->at + value.size;
    s_blanks (self);
    if (self->at == self->end || *self->at != open)
        return 0;
    self->at++;
    return 1;
}

int
cb_jwalk_object (cb_jwalk *self, cb_part value)
{
    return s_begin (self, value, '{');
}

int
cb_jwalk_array (cb_jwalk *self, cb_part value)
{
    return s_begin (self, value, '[');
}

/* From the opening quote to behind the closing one; NULL without one. */
static const char *
s_behind_string (const char *at, const char *end)
{
    const char *start = ++at;

    while (at < end && (at = memchr (at, '"', (size_t)(end - at))) != NULL) {
        size_t slashes = 0;
        while (at - slashes > start && at[-(ptrdiff_t)slashes - 1] == '\\')
            slashes++;
        at++;
        if (slashes % 2 == 0)
            return at;
    }
    return NULL;
}

/* Behind an object or array. */
static const char *
s_behind_brackets (const char *at, const char *end)
{
    size_t depth = 0;

    while (at != NULL && at < end) {
        if (*at == '"') {
            at = s_behind_string (at, end);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0)
            return at;
    }
    return NULL;
}

static const char *
s_behind (const char *at, const char *end)
{
    if (at == end)
        return NULL;
    if (*at == '"')
        return s_behind_string (at, end);
    if (*at == '{' || *at == '[')
        return s_behind_brackets (at, end);
    const char *from = at;
    while (at < end && memchr (",]} \n\t\r", *at, 7) == NULL)
        at++;
    return at > from ? at : NULL;
}

static int
s_take (cb_jwalk *self, cb_part *ret_part)
{
    s_blanks (self);
    const char *behind = s_behind (self->at, self->end);
    if (behind == NULL)
        return 0;
    *ret_part = (cb_part){self->at, (size_t)(behind - self->at)};
    self->at = behind;
    s_blanks (self);
    return 1;
}

static int
s_take_name (cb_jwalk *self, cb_part *ret_name)
{
    if (self->at == self->end || *self->at != '"' || !s_take (self, ret_name))
        return 0;
    *ret_name = (cb_part){ret_name->data + 1, ret_name->size - 2};
    if (self->at == self->end || *self->at != ':')
        return 0;
    self->at++;
    return 1;
}

int
cb_jwalk_next (cb_jwalk *self, cb_part *ret_name, cb_part *ret_value)
{
    *ret_name = (cb_part){"", 0};
    s_blanks (self);
    if (self->at < self->end && *self->at == ',')
        self->at++;
    s_blanks (self);
    if (self->is_object && !s_take_name (self, ret_name))
        return 0;
    return s_take (self, ret_value);
}

int
cb_part_is (cb_part part, const char *text)
{
    return part.size == strlen (text) && memcmp (part.data, text, part.size) == 0;
}

/* ---- strings ---- */

/* Four digits, or -1. */
static long
s_hex4 (const char *at, const char *end)
{
    long value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)at[i] | 0x20;
        if (at[i] >= '0' && at[i] <= '9')
            value = value * 16 + (at[i] - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (c - 'a' + 10);
        else
            return -1;
    }
    return value;
}

static int
s_put_character (cb_buf *into, unsigned long c)
{
    char bytes[4];
    size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = size - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    bytes[0] = (char)(marks[size] | c);
    return cb_buf_put (into, bytes, size);
}

/* \uXXXX, or two of them; *at is behind the u and is moved. */
static int
s_unicode (const char **at, const char *end, cb_buf *into)
{
    long first = s_hex4 (*at, end);
    long second = -1;

    if (first < 0)
        return -CB_E_INVALID;
    *at += 4;
    if (first >= 0xd800 && first < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u')
        second = s_hex4 (*at + 2, end);
    if (second >= 0xdc00 && second < 0xe000) {
        *at += 6;
        return s_put_character (
            into, 0x10000 + (unsigned long)((first - 0xd800) << 10 | (second - 0xdc00)));
    }
    return s_put_character (into,
                            first >= 0xd800 && first < 0xe000 ? 0xfffd : (unsigned long)first);
}

/* What follows a backslash; *at is moved. */
static int
s_escape (const char **at, const char *end, cb_buf *into)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char c = *(*at)++;
    const char *found = memchr (from, c, sizeof from - 1);

    if (c == 'u')
        return s_unicode (at, end, into);
    if (found == NULL)
        return -CB_E_INVALID;
    return cb_buf_put (into, &to[found - from], 1);
}

int
cb_jstring_decode (cb_part value, cb_buf *into)
{
    if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"')
        return -CB_E_INVALID;
    const char *at = value.data + 1;
    const char *end = value.data + value.size - 1;
    CB_TRY (cb_buf_put (into, "", 0));
    /* Never more than it has now, but the limit may be less. */
    (void)cb_buf_reserve (into, (size_t)(end - at));
    while (at < end) {
        const char *slash = memchr (at, '\\', (size_t)(end - at));
        CB_TRY (cb_buf_put (into, at, (size_t)((slash != NULL ? slash : end) - at)));
        if (slash == NULL)
            return 0;
        at = slash + 1;
        if (at == end)
            return -CB_E_INVALID;
        CB_TRY (s_escape (&at, end, into));
    }
    return 0;
}

static int
s_put_escape (cb_buf *into, char c)
{
    static const char from[] = "\"\\\n\r\t";
    static const char to[] = "\"\\nrt";
    const char *found = memchr (from, c, sizeof from - 1);
    char hex[8] = {'\\', found != NULL ? to[found - from] : 'u'};

    if (found == NULL)
        (void)snprintf (hex + 2, sizeof hex - 2, "%04x", (unsigned)(unsigned char)c);
    return cb_buf_put (into, hex, found != NULL ? 2 : 6);
}

int
cb_jstring_put (cb_buf *into, const char *text, size_t size)
{
    const char *end = text + size;

    CB_TRY (cb_buf_put (into, "\"", 1));
    while (text < end) {
        const char *from = text;
        while (text < end && (unsigned char)*text >= 0x20 && *text != '"' && *text != '\\')
            text++;
        CB_TRY (cb_buf_put (into, from, (size_t)(text - from)));
        if (text < end)
            CB_TRY (s_put_escape (into, *text++));
    }
    return cb_buf_put (into, "\"", 1);
}
