/* html.c - a strict tokenizer.
 *
 * What passes is shown in a page that has its reader's rights (a notebook), so nothing is repaired
 * or guessed: the grammar is so narrow that every HTML parser, template language and clean-up by a
 * regular expression reads the same tags into it. No '<' but those of tags, none in values and none
 * without its '>'; no doctype, no processing instructions, no foreign elements (svg, math), no
 * element whose contents are read in another way but <style>, whose text has no '<'. Tags must be
 * closed as they were opened, so nothing leaves its place. One pass; no memory but the stack. */
#include "wire/html.h"

#include "base/table.h"
#include "wire/css.h"
#include "wire/text.h"

#include <stdint.h>

/* Bytes of a tag's or attribute's name, end included. */
#define NAME_MAX_ 16

#define DIGITS "0123456789"
#define BLANKS " \t\n\r"

/* Which attributes an element may have beside those of all. */
enum {
    OF_ALL = 1 << 0,
    OF_TABLE = 1 << 1,
    OF_CELL = 1 << 2,
    OF_COLUMN = 1 << 3,
    OF_LINK = 1 << 4,
    OF_IMAGE = 1 << 5,
    OF_FONT = 1 << 6,
    OF_LIST = 1 << 7,
    OF_SHEET = 1 << 8,
    OF_METER = 1 << 9,
    OF_FOLD = 1 << 10,
};

enum {
    IS_VOID = 1 << 0,   /* has no end */
    IS_SHEET = 1 << 1,  /* holds CSS */
    IS_INLINE = 1 << 2, /* may stand within a line of Markdown */
};

typedef struct tag {
    const char *name;
    unsigned attributes; /* OF_* */
    unsigned flags;      /* IS_* */
} tag;

/* Sorted. */
static const tag s_tags[] = {
    {"a", OF_LINK, 0},
    {"abbr", 0, IS_INLINE},
    {"b", 0, IS_INLINE},
    {"big", 0, IS_INLINE},
    {"blockquote", 0, 0},
    {"br", 0, IS_VOID | IS_INLINE},
    {"caption", 0, 0},
    {"center", 0, 0},
    {"cite", 0, IS_INLINE},
    {"code", 0, IS_INLINE},
    {"col", OF_COLUMN, IS_VOID},
    {"colgroup", OF_COLUMN, 0},
    {"dd", 0, 0},
    {"del", 0, IS_INLINE},
    {"details", OF_FOLD, 0},
    {"div", 0, 0},
    {"dl", 0, 0},
    {"dt", 0, 0},
    {"em", 0, IS_INLINE},
    {"figcaption", 0, 0},
    {"figure", 0, 0},
    {"font", OF_FONT, IS_INLINE},
    {"h1", 0, 0},
    {"h2", 0, 0},
    {"h3", 0, 0},
    {"h4", 0, 0},
    {"h5", 0, 0},
    {"h6", 0, 0},
    {"hr", 0, IS_VOID | IS_INLINE},
    {"i", 0, IS_INLINE},
    {"img", OF_IMAGE, IS_VOID | IS_INLINE},
    {"ins", 0, IS_INLINE},
    {"kbd", 0, IS_INLINE},
    {"li", OF_LIST, 0},
    {"mark", 0, IS_INLINE},
    {"meter", OF_METER, 0},
    {"ol", OF_LIST, 0},
    {"p", 0, 0},
    {"pre", 0, 0},
    {"progress", OF_METER, 0},
    {"q", 0, IS_INLINE},
    {"s", 0, IS_INLINE},
    {"samp", 0, IS_INLINE},
    {"small", 0, IS_INLINE},
    {"span", 0, IS_INLINE},
    {"strike", 0, IS_INLINE},
    {"strong", 0, IS_INLINE},
    {"style", OF_SHEET, IS_SHEET},
    {"sub", 0, IS_INLINE},
    {"summary", 0, 0},
    {"sup", 0, IS_INLINE},
    {"table", OF_TABLE, 0},
    {"tbody", 0, 0},
    {"td", OF_CELL, 0},
    {"tfoot", 0, 0},
    {"th", OF_CELL, 0},
    {"thead", 0, 0},
    {"tr", OF_CELL, 0},
    {"tt", 0, IS_INLINE},
    {"u", 0, IS_INLINE},
    {"ul", OF_LIST, 0},
    {"var", 0, IS_INLINE},
};

/* ---- values ---- */

/* Bytes at the start of the part that are in the set. */
static size_t
s_span (cb_part part, const char *set)
{
    size_t n = 0;

    while (n < part.size && cb_text_is_in (set, part.data[n]))
        n++;
    return n;
}

/* Whether all of it is letters, digits and what is in the set. */
static int
s_is_all (cb_part part, const char *set)
{
    size_t n = 0;

    while (n < part.size && (cb_text_is_alnum (part.data[n]) || cb_text_is_in (set, part.data[n])))
        n++;
    return n == part.size;
}

static cb_part
s_rest (cb_part part, size_t skip)
{
    return (cb_part){part.data + skip, part.size - skip};
}

static int
s_is_nothing (cb_part value)
{
    return value.size == 0;
}

/* 3, 1.5, 50%, 20px: at most 16 bytes. */
static int
s_is_number (cb_part value)
{
    size_t digits = s_span (value, DIGITS ".");
    cb_part unit = s_rest (value, digits);

    return digits > 0 && value.size <= 16 &&
           (unit.size == 0 || cb_part_begins (unit, "%") || cb_part_begins (unit, "px")) &&
           unit.size <= 2;
}

static int
s_is_word (cb_part value)
{
    return value.size > 0 && value.size <= 32 && s_is_all (value, "-");
}

static int
s_is_words (cb_part value)
{
    return value.size <= 64 && s_is_all (value, " ");
}

static int
s_is_blank_target (cb_part value)
{
    return value.size == 6 && cb_part_begins (value, "_blank");
}

static int
s_is_type (cb_part value)
{
    return s_is_word (value) || (value.size == 8 && cb_part_begins (value, "text/css"));
}

static int
s_is_colour (cb_part value)
{
    return value.size <= 32 && s_is_all (value, "#");
}

/* Any text: it is only shown. */
static int
s_is_text (cb_part value)
{
    (void)value;
    return 1;
}

/* What the Styler of pandas gives its tables. Other ids could be those of the page. */
static int
s_is_id (cb_part value)
{
    return value.size > 2 && memcmp (value.data, "T_", 2) == 0 && s_is_all (value, "_");
}

/* Classes of pandas' tables: sorted, and words that end in a number. Others could be those of the
 * page, whose looks and whose scripts go by them. */
static const struct {
    const char *name;
} s_classes[] = {
    {"blank"},     {"col_heading"}, {"col_trim"},    {"data"},
    {"dataframe"}, {"index_name"},  {"row_heading"}, {"row_trim"},
};
static const char *const s_numbered[] = {"col", "level", "row"};

static int
s_is_class (cb_part word)
{
    char name[NAME_MAX_];

    for (size_t i = 0; i < CB_COUNT (s_numbered); i++) {
        size_t size = strlen (s_numbered[i]);
        if (word.size > size && word.size <= size + 8 &&
            memcmp (word.data, s_numbered[i], size) == 0 &&
            s_span (s_rest (word, size), DIGITS) == word.size - size)
            return 1;
    }
    if (word.size >= sizeof name)
        return 0;
    memcpy (name, word.data, word.size);
    name[word.size] = '\0';
    return CB_TABLE_FIND (s_classes, name) != NULL;
}

static int
s_are_classes (cb_part value)
{
    while (value.size > 0) {
        value = s_rest (value, s_span (value, " "));
        size_t size = 0;
        while (size < value.size && value.data[size] != ' ')
            size++;
        if (size > 0 && !s_is_class ((cb_part){value.data, size}))
            return 0;
        value = s_rest (value, size);
    }
    return 1;
}

/* Out into the web, by a person's click. A relative address would be one of the page's server. */
static int
s_is_link (cb_part value)
{
    if (!cb_part_begins (value, "http://") && !cb_part_begins (value, "https://") &&
        !cb_part_begins (value, "mailto:"))
        return 0;
    return s_is_all (value, "-._~:/?#[]@!$&()*+,;=%");
}

/* A picture that is all there: nothing is asked of any server for it. */
static int
s_is_picture (cb_part value)
{
    static const char *const kinds[] = {"png", "jpeg", "gif", "webp"};

    if (!cb_part_begins (value, "data:image/"))
        return 0;
    cb_part rest = s_rest (value, strlen ("data:image/"));
    for (size_t i = 0; i < CB_COUNT (kinds); i++) {
        size_t size = strlen (kinds[i]);
        if (cb_part_begins (rest, kinds[i]) && cb_part_begins (s_rest (rest, size), ";base64,"))
            return s_is_all (s_rest (rest, size + strlen (";base64,")), "+/=");
    }
    return 0;
}

typedef struct attribute {
    const char *name;
    unsigned of; /* OF_* */
    int (*is_known) (cb_part value);
} attribute;

/* Sorted. */
static const attribute s_attributes[] = {
    {"align", OF_ALL, s_is_word},
    {"alt", OF_IMAGE, s_is_text},
    {"bgcolor", OF_TABLE | OF_CELL, s_is_colour},
    {"border", OF_TABLE, s_is_number},
    {"cellpadding", OF_TABLE, s_is_number},
    {"cellspacing", OF_TABLE, s_is_number},
    {"class", OF_ALL, s_are_classes},
    {"color", OF_FONT, s_is_colour},
    {"colspan", OF_CELL, s_is_number},
    {"dir", OF_ALL, s_is_word},
    {"halign", OF_CELL, s_is_word},
    {"height", OF_TABLE | OF_CELL | OF_IMAGE, s_is_number},
    {"href", OF_LINK, s_is_link},
    {"id", OF_ALL, s_is_id},
    {"lang", OF_ALL, s_is_word},
    {"max", OF_METER, s_is_number},
    {"min", OF_METER, s_is_number},
    {"nowrap", OF_CELL, s_is_nothing},
    {"open", OF_FOLD, s_is_nothing},
    {"rel", OF_LINK, s_is_words},
    {"rowspan", OF_CELL, s_is_number},
    {"scope", OF_CELL, s_is_word},
    {"scoped", OF_SHEET, s_is_nothing},
    {"size", OF_FONT, s_is_number},
    {"span", OF_COLUMN, s_is_number},
    {"src", OF_IMAGE, s_is_picture},
    {"start", OF_LIST, s_is_number},
    {"style", OF_ALL, cb_css_is_style},
    {"target", OF_LINK, s_is_blank_target},
    {"title", OF_ALL, s_is_text},
    {"type", OF_LIST | OF_SHEET, s_is_type},
    {"valign", OF_ALL, s_is_word},
    {"value", OF_METER | OF_LIST, s_is_number},
    {"width", OF_TABLE | OF_CELL | OF_COLUMN | OF_IMAGE, s_is_number},
};

const char *
cb_html_tag (size_t index)
{
    return index < CB_COUNT (s_tags) ? s_tags[index].name : NULL;
}

const char *
cb_html_attribute (size_t index)
{
    return index < CB_COUNT (s_attributes) ? s_attributes[index].name : NULL;
}

/* ---- tags ---- */

typedef struct scan {
    const char *at;
    const char *end;
    int is_line; /* in a line of Markdown: of one line, and no value has what is marked up there */
    size_t depth;
    uint8_t open[CB_HTML_DEPTH_MAX]; /* rows of s_tags */
} scan;

_Static_assert(CB_COUNT (s_tags) <= UINT8_MAX, "a row's number is a byte");

static int
s_peek (const scan *self)
{
    return self->at < self->end ? (unsigned char)*self->at : -1;
}

static int
s_blanks (scan *self)
{
    const char *from = self->at;

    while (self->at < self->end && cb_text_is_in (self->is_line ? " " : BLANKS, *self->at))
        self->at++;
    return self->at > from;
}

/* A name of letters and digits, in lower case; 0 when there is none that fits. */
static int
s_name (scan *self, char name[NAME_MAX_])
{
    size_t size = 0;

    while (self->at < self->end && cb_text_is_alnum (*self->at)) {
        char c = *self->at++;
        if (size + 1 == NAME_MAX_)
            return 0;
        name[size++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    name[size] = '\0';
    return size > 0;
}

/* What may stand between quotes: nothing that could end a tag for another reader. Markdown takes
 * formulas out first and puts them back unread, so there no value may hold one, nor a part. */
static int
s_is_quotable (const scan *self, char c)
{
    if (cb_text_is_alnum (c))
        return 1;
    if (self->is_line)
        return cb_text_is_in (" #%.,:;()_/+=-", c);
    return !cb_text_is_in ("<>`", c) && ((unsigned char)c >= 0x20 || cb_text_is_in (BLANKS, c));
}

/* Behind the '='. */
static int
s_value (scan *self, cb_part *ret_value)
{
    int quote = s_peek (self);
    const char *from = self->at;

    if (quote != '"' && quote != '\'') {
        while (self->at < self->end &&
               (cb_text_is_alnum (*self->at) || cb_text_is_in ("-_.#%", *self->at)))
            self->at++;
        *ret_value = (cb_part){from, (size_t)(self->at - from)};
        return self->at > from;
    }
    from = ++self->at;
    while (self->at < self->end && *self->at != quote) {
        if (!s_is_quotable (self, *self->at))
            return 0;
        self->at++;
    }
    if (self->at == self->end)
        return 0;
    *ret_value = (cb_part){from, (size_t)(self->at++ - from)};
    return 1;
}

/* One attribute; its name is next. */
static int
s_attribute (scan *self, const tag *of)
{
    char name[NAME_MAX_];
    cb_part value = {"", 0};

    if (!s_name (self, name))
        return 0;
    const attribute *row = CB_TABLE_FIND (s_attributes, name);
    if (row == NULL || (row->of & (of->attributes | OF_ALL)) == 0)
        return 0;
    if (s_peek (self) == '=') {
        self->at++;
        if (!s_value (self, &value))
            return 0;
    }
    return row->is_known (value);
}

/* Behind the name of an opening tag, to behind its '>'. */
static int
s_attributes_of (scan *self, const tag *of)
{
    for (;;) {
        int apart = s_blanks (self);
        int c = s_peek (self);
        if (c == '/' && (of->flags & IS_VOID) != 0) {
            self->at++;
            c = s_peek (self);
            if (c != '>')
                return 0;
        }
        if (c == '>') {
            self->at++;
            return 1;
        }
        if (!apart || !s_attribute (self, of))
            return 0;
    }
}

/* From behind <style> to behind </style>. */
static int
s_sheet (scan *self)
{
    static const char end[] = "</style>";
    const char *from = self->at;
    const char *to = memchr (from, '<', (size_t)(self->end - from));

    if (to == NULL || !cb_part_begins ((cb_part){to, (size_t)(self->end - to)}, end))
        return 0;
    self->at = to + sizeof end - 1;
    return cb_css_is_sheet ((cb_part){from, (size_t)(to - from)});
}

static int
s_open (scan *self, const tag *row)
{
    if (!s_attributes_of (self, row))
        return 0;
    if ((row->flags & IS_SHEET) != 0)
        return s_sheet (self);
    if ((row->flags & IS_VOID) != 0)
        return 1;
    if (self->depth == CB_HTML_DEPTH_MAX)
        return 0;
    self->open[self->depth++] = (uint8_t)(row - s_tags);
    return 1;
}

static int
s_close (scan *self, const char *name)
{
    (void)s_blanks (self);
    if (s_peek (self) != '>' || self->depth == 0 ||
        strcmp (name, s_tags[self->open[self->depth - 1]].name) != 0)
        return 0;
    self->at++;
    self->depth--;
    return 1;
}

/* <!-- with neither '-' nor '<' nor '>' inside -->: there are parsers that differ on all others. */
static int
s_comment (scan *self)
{
    if (!cb_part_begins ((cb_part){self->at, (size_t)(self->end - self->at)}, "!--"))
        return 0;
    self->at += 3;
    while (self->at < self->end && !cb_text_is_in ("-<>", *self->at) &&
           ((unsigned char)*self->at >= 0x20 || cb_text_is_in (BLANKS, *self->at)))
        self->at++;
    if (!cb_part_begins ((cb_part){self->at, (size_t)(self->end - self->at)}, "-->"))
        return 0;
    self->at += 3;
    return 1;
}

/* Behind a '<'. */
static int
s_markup (scan *self)
{
    char name[NAME_MAX_];
    int c = s_peek (self);

    if (c == '!')
        return s_comment (self);
    /* "a < b", "x <= y": text for everybody. */
    if (c >= 0 && cb_text_is_in (" =\n" DIGITS, (char)c))
        return 1;
    if (c == '/')
        self->at++;
    if (!s_name (self, name))
        return 0;
    if (c == '/')
        return s_close (self, name);
    const tag *row = CB_TABLE_FIND (s_tags, name);
    return row != NULL && s_open (self, row);
}

int
cb_html_is_plain (cb_part text)
{
    scan self = {.at = text.data, .end = text.data + text.size};

    while (self.at < self.end) {
        unsigned char c = (unsigned char)*self.at++;
        if (c == '<' && !s_markup (&self))
            return 0;
        if (c < 0x20 && !cb_text_is_in (BLANKS, (char)c))
            return 0;
    }
    return self.depth == 0;
}

size_t
cb_html_inline_tag (cb_part text)
{
    scan self = {.at = text.data, .end = text.data + text.size, .is_line = 1};
    char name[NAME_MAX_];

    if (text.size < 3 || *self.at++ != '<')
        return 0;
    int closes = *self.at == '/';
    self.at += closes;
    const tag *row = s_name (&self, name) ? CB_TABLE_FIND (s_tags, name) : NULL;
    if (row == NULL || (row->flags & IS_INLINE) == 0)
        return 0;
    if (closes ? s_peek (&self) != '>' || (row->flags & IS_VOID) != 0
               : !s_attributes_of (&self, row))
        return 0;
    self.at += closes;
    return (size_t)(self.at - text.data);
}
