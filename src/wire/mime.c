/* mime.c - the table of types, and a bundle made harmless.
 *
 * Frontends take the richest type of a bundle that they know. So what cannot be shown as it is must
 * be gone, and what stands in its place must be of a type that every frontend takes instead: a
 * frame is text/html, a sentence is text/plain, or stands above the frame. */
#include "wire/mime.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/table.h"
#include "wire/frame.h"
#include "wire/html.h"
#include "wire/jwalk.h"
#include "wire/markdown.h"

#include <stdio.h>

/* Bytes of a type's name, end included. */
#define TYPE_MAX 64
/* A text/plain of this size stays below a sentence; a larger one is no help. */
#define SHORT_TEXT 400
#define NOTE_MAX   256

#define ALLOWED_BY "active_output = sandbox; a session made with -l active_output=full shows it"

static const struct {
    const char *name;
    cb_mime_kind kind;
    const char *what;
} s_types[] = {
    {"application/ecmascript", CB_MIME_ACTIVE, "JavaScript"},
    {"application/javascript", CB_MIME_ACTIVE, "JavaScript"},
    {"application/json", CB_MIME_JSON, NULL},
    {"application/pdf", CB_MIME_ACTIVE, "a PDF document"},
    {"application/x-javascript", CB_MIME_ACTIVE, "JavaScript"},
    {"application/xhtml+xml", CB_MIME_ACTIVE, "an XHTML page"},
    {"image/bmp", CB_MIME_BASE64, NULL},
    {"image/gif", CB_MIME_BASE64, NULL},
    {"image/jpeg", CB_MIME_BASE64, NULL},
    {"image/png", CB_MIME_BASE64, NULL},
    {"image/svg+xml", CB_MIME_SVG, NULL},
    {"image/webp", CB_MIME_BASE64, NULL},
    {"module/javascript", CB_MIME_ACTIVE, "JavaScript"},
    {"text/ecmascript", CB_MIME_ACTIVE, "JavaScript"},
    {"text/html", CB_MIME_HTML, NULL},
    {"text/javascript", CB_MIME_ACTIVE, "JavaScript"},
    {"text/latex", CB_MIME_LATEX, NULL},
    {"text/markdown", CB_MIME_MARKDOWN, NULL},
    {"text/plain", CB_MIME_TEXT, NULL},
};

/* Types whose names begin so. */
static const struct {
    const char *prefix;
    const char *what;
} s_families[] = {
    {"application/geo+json", "a map"},
    {"application/vnd.bokeh", "a Bokeh figure"},
    {"application/vnd.holoviews", "a HoloViews figure"},
    {"application/vnd.jupyter.widget", "a widget"},
    {"application/vnd.plotly", "a Plotly figure"},
    {"application/vnd.vega", "a Vega chart"},
    {"audio/", "a sound"},
    {"video/", "a video"},
};

cb_mime_kind
cb_mime_kind_of (cb_part type, const char **ret_what)
{
    char name[TYPE_MAX];

    *ret_what = NULL;
    for (size_t i = 0; i < CB_COUNT (s_families); i++) {
        size_t size = strlen (s_families[i].prefix);
        if (type.size >= size && memcmp (type.data, s_families[i].prefix, size) == 0) {
            *ret_what = s_families[i].what;
            return CB_MIME_ACTIVE;
        }
    }
    if (type.size >= sizeof name)
        return CB_MIME_UNKNOWN;
    memcpy (name, type.data, type.size);
    name[type.size] = '\0';
    __typeof__ (&s_types[0]) row = CB_TABLE_FIND (s_types, name);
    if (row == NULL || strlen (row->name) != type.size)
        return CB_MIME_UNKNOWN;
    *ret_what = row->what;
    return row->kind;
}

/* ---- a bundle on its way ---- */

typedef struct bundle {
    cb_buf *into;
    size_t n_put;
    int changed;
    int rich;         /* something better than text was put */
    const char *lost; /* what people would have seen; NULL: nothing */
    cb_part text;     /* values that are put last: size 0 without */
    cb_part html;
    cb_part svg;
} bundle;

static int
s_put_name (bundle *self, const char *type)
{
    CB_TRY (cb_buf_printf (self->into, "%s\"%s\":", self->n_put > 0 ? "," : "", type));
    self->n_put++;
    return 0;
}

static int
s_put_as_is (bundle *self, cb_part type, cb_part value)
{
    CB_TRY (cb_buf_puts (self->into, self->n_put > 0 ? ",\"" : "\""));
    CB_TRY (cb_buf_put (self->into, type.data, type.size));
    CB_TRY (cb_buf_puts (self->into, "\":"));
    self->n_put++;
    return cb_buf_put (self->into, value.data, value.size);
}

static int
s_lose (bundle *self, const char *what)
{
    self->changed = 1;
    if (what != NULL)
        self->lost = what;
    return 0;
}

static int
s_is_string (cb_part value)
{
    return value.size >= 2 && value.data[0] == '"';
}

/* Base64, perhaps in lines: no other escape may stand for what is none. */
static int
s_is_base64 (cb_part value)
{
    static const unsigned char allowed[256] = {
        ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['+'] = 1,
        ['/'] = 1,         ['='] = 1,         ['\\'] = 1,
    };
    const char *end = value.data + value.size - 1;
    unsigned char all = 1;

    if (!s_is_string (value))
        return 0;
    for (const char *at = value.data + 1; at < end; at++)
        all &= allowed[(unsigned char)*at];
    for (const char *at = value.data; (at = memchr (at, '\\', (size_t)(end - at))) != NULL; at++)
        if (strchr ("nr/", at[1]) == NULL)
            return 0;
    return all;
}

/* 1: the text is in `text`; 0: it is too large, or none. */
static int
s_decode (cb_part value, cb_buf *text)
{
    int result = value.size > 2 * CB_MIME_TEXT_MAX ? -CB_E_LIMIT : cb_jstring_decode (value, text);

    return result == -CB_E_NOMEM ? result : result == 0;
}

typedef int on_text (cb_buf *into, cb_part text);

static int
s_put_defused (bundle *self, cb_part type, cb_part value, on_text *defuse)
{
    cb_scoped (cb_buf) cb_buf text;
    cb_scoped (cb_buf) cb_buf made;

    cb_buf_init (&text, CB_MIME_TEXT_MAX);
    cb_buf_init (&made, 6 * CB_MIME_TEXT_MAX);
    int known = s_decode (value, &text);
    if (known <= 0)
        return known < 0 ? known : s_lose (self, "a text that is too large");
    CB_TRY (defuse (&made, (cb_part){text.data, text.size}));
    self->rich = 1;
    if (made.size == text.size)
        return s_put_as_is (self, type, value);
    self->changed = 1;
    CB_TRY (s_put_as_is (self, type, (cb_part){"", 0}));
    return cb_jstring_put (self->into, made.data, made.size);
}

/* For later; of two of a kind, which only a forged bundle has, the last. */
static void
s_keep (bundle *self, cb_part *at, cb_part value)
{
    self->changed |= at->size > 0;
    if (s_is_string (value))
        *at = value;
    else
        self->changed = 1;
}

/* One member. */
static int
s_take (bundle *self, cb_part type, cb_part value)
{
    const char *what;
    cb_mime_kind kind = cb_mime_kind_of (type, &what);

    switch (kind) {
    case CB_MIME_TEXT:
        s_keep (self, &self->text, value);
        return 0;
    case CB_MIME_HTML:
        s_keep (self, &self->html, value);
        return 0;
    case CB_MIME_SVG:
        self->changed = 1;
        s_keep (self, &self->svg, value);
        return 0;
    case CB_MIME_JSON:
        return s_put_as_is (self, type, value);
    case CB_MIME_BASE64:
        if (!s_is_base64 (value))
            return s_lose (self, "a broken picture");
        self->rich = 1;
        return s_put_as_is (self, type, value);
    case CB_MIME_MARKDOWN:
        return s_put_defused (self, type, value, cb_markdown_put);
    case CB_MIME_LATEX:
        return s_put_defused (self, type, value, cb_latex_put);
    case CB_MIME_ACTIVE:
        return s_lose (self, what);
    case CB_MIME_UNKNOWN:
    default:
        return s_lose (self, NULL);
    }
}

/* ---- what is put last ---- */

static const char *
s_note (const char *what, char note[NOTE_MAX])
{
    (void)snprintf (note, NOTE_MAX, "cellblock: %s is not shown under " ALLOWED_BY, what);
    return note;
}

/* What it was part of is known where a richer type stood beside it. */
static int
s_lose_html (bundle *self)
{
    return s_lose (self, self->lost != NULL ? self->lost : "HTML that is too large");
}

static int
s_put_frame (bundle *self, cb_frame_kind kind, cb_part text, const char *note)
{
    cb_scoped (cb_buf) cb_buf frame;

    cb_buf_init (&frame, CB_MIME_FRAME_MAX);
    int result = cb_frame_put (&frame, kind, text, note);
    if (result == -CB_E_LIMIT)
        return s_lose_html (self);
    CB_TRY (result);
    self->changed = 1;
    self->rich = 1;
    CB_TRY (s_put_name (self, "text/html"));
    return cb_jstring_put (self->into, frame.data, frame.size);
}

/* Known HTML, and something beside it that cannot be shown. */
static int
s_put_html_and_note (bundle *self, cb_buf *text, const char *note)
{
    cb_scoped (cb_buf) cb_buf both;

    cb_buf_init (&both, 2 * CB_MIME_TEXT_MAX);
    CB_TRY (cb_buf_put (&both, text->data, text->size));
    CB_TRY (cb_buf_printf (&both, "<div>%s</div>", note));
    self->rich = 1;
    CB_TRY (s_put_name (self, "text/html"));
    return cb_jstring_put (self->into, both.data, both.size);
}

static int
s_put_html (bundle *self)
{
    const char *const lacks = "cellblock: no scripts and nothing from elsewhere under " ALLOWED_BY;
    cb_scoped (cb_buf) cb_buf text;
    char note[NOTE_MAX];

    cb_buf_init (&text, CB_MIME_TEXT_MAX);
    int known = s_decode (self->html, &text);
    if (known <= 0)
        return known < 0 ? known : s_lose_html (self);
    const char *lost = self->lost != NULL ? s_note (self->lost, note) : NULL;
    cb_part part = {text.data, text.size};
    if (!cb_html_is_plain (part))
        return s_put_frame (self, CB_FRAME_HTML, part,
                            lost != NULL || !cb_frame_lacks (part) ? lost : lacks);
    if (lost != NULL)
        return s_put_html_and_note (self, &text, lost);
    self->rich = 1;
    CB_TRY (s_put_name (self, "text/html"));
    return cb_buf_put (self->into, self->html.data, self->html.size);
}

static int
s_put_svg (bundle *self)
{
    cb_scoped (cb_buf) cb_buf text;

    cb_buf_init (&text, CB_MIME_TEXT_MAX);
    int known = s_decode (self->svg, &text);
    if (known <= 0)
        return known < 0 ? known : s_lose (self, "a picture (SVG) that is too large");
    return s_put_frame (self, CB_FRAME_SVG, (cb_part){text.data, text.size}, NULL);
}

/* The sentence, and a short text below it. */
static int
s_put_sentence (bundle *self)
{
    cb_scoped (cb_buf) cb_buf text;
    char note[NOTE_MAX];

    cb_buf_init (&text, NOTE_MAX + SHORT_TEXT + 1);
    CB_TRY (cb_buf_puts (&text, s_note (self->lost, note)));
    if (self->text.size > 2 && self->text.size <= SHORT_TEXT) {
        CB_TRY (cb_buf_puts (&text, "\n"));
        CB_TRY (cb_jstring_decode (self->text, &text));
    }
    self->changed = 1;
    CB_TRY (s_put_name (self, "text/plain"));
    return cb_jstring_put (self->into, text.data, text.size);
}

static int
s_put_rest (bundle *self)
{
    if (self->html.size > 0)
        CB_TRY (s_put_html (self));
    else if (self->svg.size > 0)
        CB_TRY (s_put_svg (self));
    if (self->n_put == 0 && self->text.size == 0 && self->changed && self->lost == NULL)
        self->lost = "data of a type that is not known";
    if (self->lost != NULL && !self->rich)
        return s_put_sentence (self);
    if (self->text.size == 0)
        return 0;
    CB_TRY (s_put_name (self, "text/plain"));
    return cb_buf_put (self->into, self->text.data, self->text.size);
}

int
cb_mime_put (cb_buf *into, cb_part value, int *changed)
{
    bundle self = {.into = into};
    cb_jwalk walk;
    cb_part type;
    cb_part data;

    int more = cb_jwalk_object (&walk, value);
    self.changed = !more;
    CB_TRY (cb_buf_puts (into, "{"));
    while (more && (more = cb_jwalk_next (&walk, &type, &data)) != 0)
        CB_TRY (s_take (&self, type, data));
    CB_TRY (s_put_rest (&self));
    *changed |= self.changed;
    return cb_buf_puts (into, "}");
}
