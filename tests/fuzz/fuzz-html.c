/* fuzz-html.c - what a page with its reader's rights gets to see (libFuzzer).
 *
 * The first byte says what the rest is: HTML, CSS, Markdown, or the JSON text of a bundle. Whatever
 * passes as plain is read again here in the crudest way there is, and may hold only tags and
 * attributes of a list of its own; whatever is put into a frame has neither quotes nor brackets,
 * and is what went in; whatever becomes of a bundle is JSON with nothing in it that acts. */
#include "base/cleanup.h"
#include "wire/active.h"
#include "wire/css.h"
#include "wire/frame.h"
#include "wire/html.h"
#include "wire/jscan.h"
#include "wire/jwalk.h"
#include "wire/markdown.h"
#include "wire/mime.h"
#include "wire/shape.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static const char s_tags[] =
    " a abbr b big blockquote br caption center cite code col colgroup dd del details div dl dt em "
    "figcaption figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark meter ol p pre progress q s "
    "samp small span strike strong style sub summary sup table tbody td tfoot th thead tr tt u ul "
    "var ";
static const char s_attributes[] =
    " align alt bgcolor border cellpadding cellspacing class color colspan dir halign height href "
    "id lang max min nowrap open rel rowspan scope scoped size span src start style target title "
    "type valign value width ";

static void
s_must (int condition)
{
    if (!condition)
        abort ();
}

static char
s_lower (char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int
s_is_name (char c)
{
    return (s_lower (c) >= 'a' && s_lower (c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == ':' || c == '_' || (unsigned char)c >= 0x80;
}

/* The word at text is in the list. */
static size_t
s_listed (const char *text, size_t size, const char *list)
{
    char word[34] = " ";
    size_t length = 0;

    while (length < size && s_is_name (text[length]))
        length++;
    s_must (length > 0 && length < 32);
    for (size_t i = 0; i < length; i++)
        word[i + 1] = s_lower (text[i]);
    word[length + 1] = ' ';
    word[length + 2] = '\0';
    s_must (strstr (list, word) != NULL);
    return length;
}

static void
s_check_value (const char *name, const char *value, size_t size)
{
    char lower[64] = "";

    for (size_t i = 0; i < size && i < sizeof lower - 1; i++)
        lower[i] = s_lower (value[i]);
    if (strncmp (name, "href", 4) == 0)
        s_must (strncmp (lower, "http://", 7) == 0 || strncmp (lower, "https://", 8) == 0 ||
                strncmp (lower, "mailto:", 7) == 0);
    if (strncmp (name, "src", 3) == 0)
        s_must (strncmp (lower, "data:image/", 11) == 0 && strstr (lower, "svg") == NULL);
    if (strncmp (name, "style", 5) == 0)
        for (size_t i = 0; i < size; i++)
            s_must (strchr ("\\@{}<>&/*", value[i]) == NULL || value[i] == '\0');
    for (size_t i = 0; i < size; i++)
        s_must (value[i] != '<' && value[i] != '>');
}

/* From behind a tag's name to its '>': no value has one. */
static void
s_check_attributes (const char *at, const char *end)
{
    while (at < end) {
        if (strchr (" \t\n\r/", *at) != NULL) {
            at++;
            continue;
        }
        const char *name = at;
        at += s_listed (at, (size_t)(end - at), s_attributes);
        if (at == end || *at != '=')
            continue;
        char quote = *++at;
        const char *value = at;
        if (quote == '"' || quote == '\'') {
            value = ++at;
            at = memchr (at, quote, (size_t)(end - at));
            s_must (at != NULL);
        } else {
            while (at < end && strchr (" \t\n\r/", *at) == NULL)
                at++;
        }
        s_check_value (name, value, (size_t)(at - value));
        at += at < end && *at == quote;
    }
}

/* Every '<' of plain HTML. */
static void
s_check_plain (const char *text, size_t size, const char *list)
{
    const char *end = text + size;

    for (const char *at = text; at < end; at++) {
        s_must ((unsigned char)*at >= 0x20 || strchr ("\t\n\r", *at) != NULL);
        if (*at != '<')
            continue;
        s_must (++at < end);
        if (strchr (" =\n0123456789", *at) != NULL)
            continue;
        const char *close = memchr (at, '>', (size_t)(end - at));
        s_must (close != NULL);
        if (*at == '!') {
            s_must (close - at >= 5 && memcmp (at, "!--", 3) == 0 && close[-1] == '-');
        } else if (*at == '/') {
            (void)s_listed (at + 1, (size_t)(close - at) - 1, list);
        } else {
            size_t length = s_listed (at, (size_t)(close - at), list);
            s_check_attributes (at + length, close);
        }
        at = close;
    }
}

static void
s_check_frame (cb_frame_kind kind, cb_part text)
{
    cb_scoped (cb_buf) cb_buf frame;
    size_t end = strlen (cb_frame_end);
    size_t kept = 0;

    cb_buf_init (&frame, text.size * CB_FRAME_GROWTH + 4096);
    s_must (cb_frame_put (&frame, kind, text, "note") == 0);
    s_must (strncmp (frame.data, cb_frame_begin, strlen (cb_frame_begin)) == 0);
    s_must (strcmp (frame.data + frame.size - end, cb_frame_end) == 0);
    const char *inside = strstr (frame.data, "srcdoc=\"") + 8;
    for (const char *at = inside; at < frame.data + frame.size - end; at++) {
        s_must (strchr ("\"'<>`", *at) == NULL);
        s_must ((unsigned char)*at >= 0x20 || strchr ("\t\n\r", *at) != NULL);
        kept += *at != '&';
    }
    s_must (kept >= text.size);
    (void)cb_frame_lacks (text);
}

/* A zero byte stands behind the text. */
static int
s_is_address (const char *text)
{
    static const char *const begins[] = {"http://", "https://", "mailto:", "data:image/"};
    char lower[12] = "";

    text += strspn (text, " \t\r\n");
    for (size_t i = 0; text[i] != '\0' && i < sizeof lower - 1; i++)
        lower[i] = s_lower (text[i]);
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (strncmp (lower, begins[i], strlen (begins[i])) == 0)
            return 1;
    return 0;
}

static void
s_check_markdown (cb_part text)
{
    cb_scoped (cb_buf) cb_buf made;
    cb_scoped (cb_buf) cb_buf again;

    cb_buf_init (&made, text.size * 6 + 16);
    cb_buf_init (&again, text.size * 36 + 16);
    s_must (cb_markdown_put (&made, text) == 0);
    for (size_t i = 0; i + 1 < made.size; i++) {
        char next = made.data[i + 1];
        if (made.data[i] == '<' &&
            ((s_lower (next) >= 'a' && s_lower (next) <= 'z') || strchr ("/!?", next) != NULL))
            s_must (cb_html_inline_tag ((cb_part){made.data + i, made.size - i}) > 0);
        if (made.data[i] == ']' && (next == '(' || next == ':'))
            s_must (s_is_address (made.data + i + 2));
        const char *address = strstr (made.data + i, "](");
        if (made.data[i] == '!' && next == '[')
            s_must (address != NULL && s_is_address (address + 2));
    }
    s_must (cb_markdown_put (&again, (cb_part){made.data, made.size}) == 0);
    s_must (again.size == made.size);
}

static void
s_check_type (const char *type, const json_t *value)
{
    const char *what;
    cb_mime_kind kind = cb_mime_kind_of ((cb_part){type, strlen (type)}, &what);

    s_must (kind != CB_MIME_ACTIVE && kind != CB_MIME_UNKNOWN && kind != CB_MIME_SVG);
    s_must (kind == CB_MIME_JSON || json_is_string (value));
    if (kind != CB_MIME_HTML)
        return;
    const char *html = json_string_value (value);
    size_t size = json_string_length (value);
    if (strncmp (html, cb_frame_begin, strlen (cb_frame_begin)) != 0)
        s_check_plain (html, size, s_tags);
}

static void
s_check_bundle (cb_part text)
{
    cb_scoped (cb_buf) cb_buf made;
    int changed = 0;
    cb_err err = CB_ERR_INIT;
    const char *type;
    json_t *value;

    cb_buf_init (&made, 1 << 24);
    if (cb_json_scan ("bundle", text, NULL, 0, &err) < 0) {
        /* Nothing may be read behind its end, whatever it is. */
        (void)!cb_mime_put (&made, text, &changed);
        return;
    }
    s_must (cb_mime_put (&made, text, &changed) == 0);
    json_t *bundle = json_loadb (made.data, made.size, JSON_ALLOW_NUL, NULL);
    if (bundle == NULL)
        return; /* half a surrogate, which is for its reader to refuse */
    json_object_foreach (bundle, type, value) s_check_type (type, value);
    json_decref (bundle);
}

static void
s_check_contents (cb_part text)
{
    static const char *const types[] = {"display_data", "execute_reply", "complete_reply",
                                        "kernel_info_reply", "debug_reply"};
    const cb_active about = {CB_ACTIVE_SANDBOX, "banner", "link", "null"};
    cb_err err = CB_ERR_INIT;
    int is_json = cb_json_scan ("content", text, NULL, 0, &err) == 0;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        cb_scoped (cb_buf) cb_buf made;
        cb_buf_init (&made, 1 << 24);
        int result = cb_active_check (&about, types[i], text, &made);
        s_must (result == CB_ACTIVE_PASS || result == CB_ACTIVE_CHANGED);
        if (is_json && result == CB_ACTIVE_CHANGED)
            s_must (cb_json_scan ("made", (cb_part){made.data, made.size}, NULL, 0, &err) == 0);
    }
}

/* What was mended is JSON, and needs it no more. */
static void
s_check_shapes (cb_part text)
{
    static const char *const types[] = {"stream", "display_data", "execute_result", "error",
                                        "inspect_reply"};
    cb_err err = CB_ERR_INIT;
    int is_json = cb_json_scan ("content", text, NULL, 0, &err) == 0;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        cb_scoped (cb_buf) cb_buf made;
        cb_scoped (cb_buf) cb_buf again;
        cb_buf_init (&made, 1 << 24);
        cb_buf_init (&again, 1 << 24);
        int result = cb_shape_check (types[i], text, &made);
        s_must (result == CB_SHAPE_GOOD || result == CB_SHAPE_MENDED);
        if (!is_json || result == CB_SHAPE_GOOD)
            continue;
        cb_part mended = {made.data, made.size};
        s_must (cb_json_scan ("made", mended, NULL, 0, &err) == 0);
        s_must (cb_shape_check (types[i], mended, &again) == CB_SHAPE_GOOD);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    /* Of exactly this size, so that a byte behind it is found. */
    char *copy = malloc (size);
    memcpy (copy, data + 1, size - 1);
    char *fit = realloc (copy, size > 1 ? size - 1 : 1);
    cb_part text = {fit, size - 1};
    switch (data[0] % 4) {
    case 0:
        if (cb_html_is_plain (text))
            s_check_plain (text.data, text.size, s_tags);
        s_check_frame (data[0] & 4 ? CB_FRAME_SVG : CB_FRAME_HTML, text);
        break;
    case 1:
        (void)cb_css_is_sheet (text);
        if (cb_css_is_style (text))
            s_check_value ("style", text.data, text.size);
        break;
    case 2:
        s_check_markdown (text);
        break;
    default:
        s_check_bundle (text);
        s_check_contents (text);
        s_check_shapes (text);
        break;
    }
    free (fit);
    return 0;
}
