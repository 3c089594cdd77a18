/* frame.c - wraps what is not known.
 *
 * Three walls, each enough for most of it: sandbox without a word (no scripts, no forms, no popups,
 * an origin of its own, so no cookies of the page), a policy inside that loads nothing but what is
 * in the text itself, and no credentials where a browser knows that attribute. Neither the quotes
 * nor the brackets of the text are left, so nothing of it can be taken for markup of the page.
 * Without scripts a frame cannot tell its height: that is guessed, and a person can draw it. */
#include "wire/frame.h"

#include "base/err.h"
#include "base/table.h"
#include "wire/text.h"

#include <stdio.h>
#include <stdlib.h>

/* Pixels. */
#define LINE_HEIGHT 24
#define HTML_MIN    72
#define HTML_MAX    480
#define SVG_WIDTH   300 /* of one that does not say it: what browsers take */
#define SVG_HEIGHT  150
#define SVG_MIN     8
#define SVG_MAX     2000
#define NOTE_HEIGHT 24
/* Bytes of an <svg ...> tag that are read, and of a number in it. */
#define SVG_TAG_MAX 4096
#define NUMBER_MAX  32

const char cb_frame_begin[] = "<iframe sandbox=\"\" credentialless referrerpolicy=\"no-referrer\" ";
const char cb_frame_end[] = "\"></iframe>";

/* Tables look as they do in notebooks. */
static const char s_head[] =
    "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" "
    "content=\"default-src 'none'; img-src data:; media-src data:; font-src data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
    "<style>body{margin:0;background:#fff;color:#000;font:14px/1.3 Helvetica,Arial,sans-serif}"
    "table{border-collapse:collapse;border:0;font-size:12px}"
    "th,td{padding:.4em .5em;border:0;text-align:right}thead{border-bottom:1px solid #000}"
    "tbody tr:nth-child(odd){background:#f5f5f5}svg{display:block;max-width:100%}</style>";

static int
s_begins (const char *at, const char *end, const char *text)
{
    return cb_part_begins ((cb_part){at, (size_t)(end - at)}, text);
}

/* ---- what it would need ---- */

/* At an '=': whether the attribute before it loads something that is not in the text. */
static int
s_is_remote (const char *start, const char *at, const char *end)
{
    if (at - start < 3 || !s_begins (at - 3, end, "src="))
        return 0;
    at++;
    at += at < end && (*at == '"' || *at == '\'');
    return at < end && !s_begins (at, end, "data:");
}

int
cb_frame_lacks (cb_part text)
{
    static const char *const tags[] = {"<script", "<iframe", "<object", "<embed", "<form"};
    const char *end = text.data + text.size;

    for (const char *at = text.data; at < end; at++) {
        if (*at == '=' && s_is_remote (text.data, at, end))
            return 1;
        for (size_t i = 0; *at == '<' && i < CB_COUNT (tags); i++)
            if (s_begins (at, end, tags[i]))
                return 1;
    }
    return 0;
}

/* ---- sizes ---- */

typedef struct size {
    unsigned width; /* 0: all there is */
    unsigned height;
} size;

static unsigned
s_within (double value, unsigned low, unsigned high)
{
    if (!(value >= low))
        return low;
    return value > high ? high : (unsigned)value;
}

/* The lines that a person would see. */
static size
s_html_size (cb_part text)
{
    static const char *const breaks[] = {"<tr", "<br", "<p", "<li", "<h"};
    const char *end = text.data + text.size;
    unsigned lines = 1;

    for (const char *at = text.data; at < end && lines < HTML_MAX / LINE_HEIGHT; at++)
        for (size_t i = 0; *at == '<' && i < CB_COUNT (breaks); i++)
            lines += s_begins (at, end, breaks[i]) ? 1 : 0;
    return (size){0, s_within ((lines + 2) * LINE_HEIGHT, HTML_MIN, HTML_MAX)};
}

/* A length in pixels, 0 when it is none that can be known here. */
static double
s_pixels (const char *text)
{
    static const struct {
        const char *unit;
        double pixels;
    } units[] = {{"cm", 96 / 2.54}, {"em", 16},       {"in", 96}, {"mm", 96 / 25.4},
                 {"pc", 16},        {"pt", 96. / 72}, {"px", 1},  {"", 1}};
    char *rest;
    double value = strtod (text, &rest);

    for (size_t i = 0; rest > text && i < CB_COUNT (units); i++)
        if (strcmp (rest, units[i].unit) == 0)
            return value * units[i].pixels;
    return 0;
}

/* The value of an attribute in a tag's text; "" without. */
static void
s_attribute (const char *tag, const char *name, char value[NUMBER_MAX])
{
    const char *at = strstr (tag, name);
    size_t length = 0;

    value[0] = '\0';
    if (at == NULL)
        return;
    at += strlen (name);
    char quote = *at;
    if (quote != '"' && quote != '\'')
        return;
    at++;
    while (at[length] != '\0' && at[length] != quote)
        length++;
    if (at[length] == quote && length < NUMBER_MAX) {
        memcpy (value, at, length);
        value[length] = '\0';
    }
}

static size
s_svg_tag_size (const char *tag)
{
    char width[NUMBER_MAX];
    char height[NUMBER_MAX];
    char box[NUMBER_MAX];
    double numbers[4] = {0, 0, SVG_WIDTH, SVG_HEIGHT};
    char *at = box;

    s_attribute (tag, " width=", width);
    s_attribute (tag, " height=", height);
    s_attribute (tag, " viewBox=", box);
    for (size_t i = 0; i < CB_COUNT (numbers) && *at != '\0'; i++) {
        numbers[i] = strtod (at, &at);
        at += *at == ',';
    }
    double wide = s_pixels (width) > 0 ? s_pixels (width) : numbers[2];
    double high = s_pixels (height) > 0 ? s_pixels (height) : numbers[3];
    return (size){s_within (wide, SVG_MIN, SVG_MAX), s_within (high, SVG_MIN, SVG_MAX)};
}

static size
s_svg_size (cb_part text)
{
    const char *end = text.data + text.size;
    char tag[SVG_TAG_MAX];
    size_t length = 0;

    for (const char *at = text.data; at < end; at++) {
        if (*at != '<' || !s_begins (at, end, "<svg"))
            continue;
        while (at + length < end && at[length] != '>' && length + 1 < sizeof tag) {
            char c = at[length];
            tag[length++] = (char)((unsigned char)c < 0x20 ? ' ' : c);
        }
        break;
    }
    tag[length] = '\0';
    return s_svg_tag_size (tag);
}

/* ---- the frame ---- */

/* What stands for a character; NULL: itself. */
static const char *const s_escaped[256] = {
    [0 ... 8] = " ",  [11 ... 12] = " ", [14 ... 31] = " ", ['"'] = "&quot;", ['&'] = "&amp;",
    ['\''] = "&#39;", ['<'] = "&lt;",    ['>'] = "&gt;",    ['`'] = "&#96;",
};

static int
s_put_escaped (cb_buf *into, cb_part text)
{
    const char *end = text.data + text.size;

    for (const char *at = text.data; at < end;) {
        const char *from = at;
        const char *instead = NULL;
        while (at < end && (instead = s_escaped[(unsigned char)*at]) == NULL)
            at++;
        CB_TRY (cb_buf_put (into, from, (size_t)(at - from)));
        if (at < end) {
            CB_TRY (cb_buf_puts (into, instead));
            at++;
        }
    }
    return 0;
}

static int
s_put_text (cb_buf *into, const char *text)
{
    return s_put_escaped (into, (cb_part){text, strlen (text)});
}

int
cb_frame_put (cb_buf *into, cb_frame_kind kind, cb_part text, const char *note)
{
    size it = kind == CB_FRAME_SVG ? s_svg_size (text) : s_html_size (text);
    unsigned height = it.height + (note != NULL ? NOTE_HEIGHT : 0) + 2;

    CB_TRY (cb_buf_puts (into, cb_frame_begin));
    if (it.width > 0)
        CB_TRY (cb_buf_printf (into, "style=\"display:block;border:0;max-width:100%%;width:%upx;",
                               it.width + 2));
    else
        CB_TRY (cb_buf_puts (into, "style=\"display:block;border:0;width:100%;"));
    CB_TRY (cb_buf_printf (into, "height:%upx;resize:vertical\" srcdoc=\"", height));
    CB_TRY (s_put_text (into, s_head));
    if (note != NULL) {
        CB_TRY (s_put_text (into, "<div style=\"font-size:12px;color:#666;padding:3px 0\">"));
        CB_TRY (s_put_text (into, note));
        CB_TRY (s_put_text (into, "</div>"));
    }
    CB_TRY (s_put_escaped (into, text));
    return cb_buf_puts (into, cb_frame_end);
}
