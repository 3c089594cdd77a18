/* ends.c - what a cell printed last, of all that is dropped.
 *
 * A flood is dropped at the speed of memchr: its text is not decoded, only counted (an escape of
 * JSON is one to four bytes of text). The last bytes are kept as JSON has them, in two halves of
 * which the older is forgotten when the younger is full; each begins at a character's border, so
 * both together are JSON again, which jansson decodes when the cell is over. */
#include "session/ends.h"

#include "base/jsonx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a half: JSON of CB_ENDS_TEXT bytes of text, unless most of it is escaped. */
#define HALF 32768

struct end {
    char *halves[2]; /* owned; [0] is the older */
    size_t sizes[2];
};

struct cb_ends {
    struct end streams[CB_ENDS__COUNT];
};

void
cb_ends_destroy (cb_ends **self)
{
    for (size_t i = 0; *self != NULL && i < CB_ENDS__COUNT; i++) {
        free ((*self)->streams[i].halves[0]);
        free ((*self)->streams[i].halves[1]);
    }
    free (*self);
    *self = NULL;
}

/* -- looking into the JSON ------------------------------------------------------------------- */

/* The string that begins at *at (behind its quote), which is left behind its end. */
static int
s_string (const char **at, const char *end, cb_part *ret_raw)
{
    const char *start = *at;

    for (const char *quote = start; quote < end; quote++) {
        quote = memchr (quote, '"', (size_t)(end - quote));
        if (quote == NULL)
            return -1;
        const char *slash = quote;
        while (slash > start && slash[-1] == '\\')
            slash--;
        if ((quote - slash) % 2 != 0)
            continue;
        *ret_raw = (cb_part){start, (size_t)(quote - start)};
        *at = quote + 1;
        return 0;
    }
    return -1;
}

static const char *
s_skip (const char *at, const char *end, char wanted)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at < end && *at == wanted ? at + 1 : NULL;
}

static int
s_is (cb_part part, const char *text)
{
    return part.size == strlen (text) && memcmp (part.data, text, part.size) == 0;
}

/* {"name": "stdout", "text": "..."}: nothing but these two, in any order. -1: it is not that. */
static int
s_parse (cb_part content, cb_part *ret_name, cb_part *ret_text)
{
    const char *at = content.data;
    const char *end = at + content.size;
    cb_part key;

    *ret_name = *ret_text = (cb_part){NULL, 0};
    at = s_skip (at, end, '{');
    for (int i = 0; i < 2 && at != NULL; i++) {
        cb_part value;
        if ((at = s_skip (at, end, '"')) == NULL || s_string (&at, end, &key) < 0 ||
            (at = s_skip (at, end, ':')) == NULL || (at = s_skip (at, end, '"')) == NULL ||
            s_string (&at, end, &value) < 0)
            return -1;
        if (s_is (key, "name"))
            *ret_name = value;
        else if (s_is (key, "text"))
            *ret_text = value;
        at = s_skip (at, end, i == 0 ? ',' : '}');
    }
    return at != NULL && ret_name->data != NULL && ret_text->data != NULL ? 0 : -1;
}

/* The number of a \uNNNN at the backslash, 0 when it is none. */
static unsigned
s_unit (const char *at, const char *end)
{
    char digits[5] = "";

    if (end - at < 6 || at[1] != 'u')
        return 0;
    memcpy (digits, at + 2, 4);
    return (unsigned)strtoul (digits, NULL, 16);
}

/* The escape at the backslash: bytes of JSON, and in *ret_text of text. */
static size_t
s_escape (const char *at, const char *end, size_t *ret_text)
{
    *ret_text = 1;
    if (end - at < 6 || at[1] != 'u')
        return end - at < 2 ? 1 : 2;
    unsigned unit = s_unit (at, end);
    unsigned low = s_unit (at + 6, end);
    if (unit >= 0xd800 && unit < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        *ret_text = 4;
        return 12;
    }
    *ret_text = unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
    return 6;
}

uint64_t
cb_ends_count (cb_part raw, size_t from, size_t *ret_border)
{
    const char *at = raw.data;
    const char *end = at + raw.size;
    const char *border = NULL;
    uint64_t bytes = 0;

    while (at < end) {
        const char *slash = memchr (at, '\\', (size_t)(end - at));
        const char *stop = slash != NULL ? slash : end;
        size_t text = 0;
        if (border == NULL && stop >= raw.data + from) {
            border = at > raw.data + from ? at : raw.data + from;
            while (border < stop && ((unsigned char)*border & 0xc0) == 0x80)
                border++;
        }
        bytes += (uint64_t)(stop - at);
        at = stop;
        if (slash != NULL)
            at += s_escape (slash, end, &text);
        bytes += text;
    }
    *ret_border = border != NULL ? (size_t)(border - raw.data) : raw.size;
    return bytes;
}

/* -- keeping --------------------------------------------------------------------------------- */

static struct end *
s_end (cb_ends **self, cb_part name)
{
    int stream = s_is (name, "stdout") ? CB_ENDS_OUT : s_is (name, "stderr") ? CB_ENDS_ERR : -1;

    if (stream < 0)
        return NULL;
    if (*self == NULL)
        *self = calloc (1, sizeof **self);
    if (*self == NULL)
        return NULL;
    struct end *end = &(*self)->streams[stream];
    for (size_t i = 0; i < 2; i++)
        if (end->halves[i] == NULL && (end->halves[i] = malloc (HALF)) == NULL)
            return NULL;
    return end;
}

static void
s_append (struct end *end, const char *bytes, size_t size)
{
    if (size > HALF - end->sizes[1]) {
        char *older = end->halves[0];
        end->halves[0] = end->halves[1];
        end->sizes[0] = end->sizes[1];
        end->halves[1] = older;
        end->sizes[1] = 0;
    }
    memcpy (end->halves[1] + end->sizes[1], bytes, size);
    end->sizes[1] += size;
}

uint64_t
cb_ends_take (cb_ends **self, cb_part content)
{
    cb_part name;
    cb_part text;
    size_t border = 0;

    if (s_parse (content, &name, &text) < 0)
        return content.size;
    uint64_t bytes = cb_ends_count (text, text.size > HALF ? text.size - HALF : 0, &border);
    struct end *end = s_end (self, name);
    if (end != NULL)
        s_append (end, text.data + border, text.size - border);
    return bytes;
}

size_t
cb_ends_text (const cb_ends *self, int stream, char text[CB_ENDS_TEXT + 1])
{
    static const char before[] = "{\"text\":\"";
    static const char behind[] = "\"}";
    char json[2 * HALF + sizeof before + sizeof behind];
    size_t size = 0;

    text[0] = '\0';
    if (self == NULL || self->streams[stream].halves[1] == NULL)
        return 0;
    const struct end *end = &self->streams[stream];
    memcpy (json, before, sizeof before - 1);
    size += sizeof before - 1;
    for (size_t i = 0; i < 2; i++) {
        memcpy (json + size, end->halves[i], end->sizes[i]);
        size += end->sizes[i];
    }
    memcpy (json + size, behind, sizeof behind - 1);
    size += sizeof behind - 1;
    cb_owned (cb_json) json_t *object = NULL;
    if (cb_json_parse ("output", json, size, &object, NULL) < 0)
        return 0;
    const json_t *decoded = json_object_get (object, "text");
    const char *bytes = json_string_value (decoded);
    size = json_string_length (decoded);
    size_t from = size > CB_ENDS_TEXT ? size - CB_ENDS_TEXT : 0;
    while (from < size && ((unsigned char)bytes[from] & 0xc0) == 0x80)
        from++;
    memcpy (text, bytes + from, size - from);
    text[size - from] = '\0';
    return size - from;
}
