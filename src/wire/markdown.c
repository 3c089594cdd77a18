/* markdown.c - defuses, and does not render.
 *
 * Renderers differ, so what could become a tag, an address or a picture is taken apart by a space
 * behind its first character: "< script>", "] (address)", "! [picture]" are plain text for all of
 * them, and a reader sees what was meant. Formulas are the trap: notebooks take them out before
 * they render and put them back as they were, so a quote in one that lies in an address would end
 * an attribute; where formulas may be, quotes become character references and tags have no
 * attributes. */
#include "wire/markdown.h"

#include "base/err.h"
#include "base/table.h"
#include "wire/html.h"
#include "wire/text.h"

static cb_part
s_rest (cb_part part, size_t skip)
{
    return (cb_part){part.data + skip, part.size - skip};
}

/* Bytes at the start that stay as they are; 0: it has to be taken apart. */
typedef size_t on_mark (cb_part at);

static size_t
s_on_less (cb_part at)
{
    size_t size = cb_html_inline_tag (at);

    if (size > 0)
        return size;
    return at.size < 2 || !(cb_text_is_letter (at.data[1]) || strchr ("/!?", at.data[1]) != NULL);
}

/* Where formulas may be: only tags without attributes, which have quotes. */
static size_t
s_on_less_bare (cb_part at)
{
    size_t size = s_on_less (at);

    return size > 1 && memchr (at.data, '=', size) != NULL ? 0 : size;
}

/* "](" and "]:" are followed by an address. */
static size_t
s_on_bracket (cb_part at)
{
    static const char *const schemes[] = {"http://", "https://", "mailto:"};

    if (at.size < 2 || (at.data[1] != '(' && at.data[1] != ':'))
        return 1;
    cb_part rest = s_rest (at, 2);
    while (rest.size > 0 && memchr (" \t\r\n", rest.data[0], 4) != NULL)
        rest = s_rest (rest, 1);
    for (size_t i = 0; i < CB_COUNT (schemes); i++)
        if (cb_part_begins (rest, schemes[i]))
            return 2;
    return 0;
}

/* ![text](data:image/png;base64,...): nothing is asked of any server for it. */
static size_t
s_on_mark (cb_part at)
{
    static const char *const kinds[] = {"png;base64,", "jpeg;base64,", "gif;base64,"};
    size_t size = 2;

    if (at.size < 2 || at.data[1] != '[')
        return 1;
    /* Its end byte too: there are no zero bytes in it. */
    while (size < at.size && memchr ("[]\\<>`$@\"\n", at.data[size], 11) == NULL)
        size++;
    if (!cb_part_begins (s_rest (at, size), "](data:image/"))
        return 0;
    size += strlen ("](data:image/");
    for (size_t i = 0; i < CB_COUNT (kinds); i++)
        if (cb_part_begins (s_rest (at, size), kinds[i]))
            return size;
    return 0;
}

/* A space goes behind the character when its function says 0. */
static int
s_put_apart (cb_buf *into, cb_part *text, on_mark *keeps)
{
    size_t size = keeps (*text);
    size_t put = size > 0 ? size : 1;

    CB_TRY (cb_buf_put (into, text->data, put));
    *text = s_rest (*text, put);
    return size > 0 ? 0 : cb_buf_put (into, " ", 1);
}

static int
s_put_until (cb_buf *into, cb_part *text, const char *marks)
{
    size_t size = 0;

    while (size < text->size && (text->data[size] == '\0' || !strchr (marks, text->data[size])))
        size++;
    CB_TRY (cb_buf_put (into, text->data, size));
    *text = s_rest (*text, size);
    return 0;
}

int
cb_markdown_put (cb_buf *into, cb_part text)
{
    int has_formulas = text.size > 0 &&
                       (memchr (text.data, '$', text.size) || memchr (text.data, '\\', text.size));

    for (;;) {
        CB_TRY (s_put_until (into, &text, "<]!\""));
        if (text.size == 0)
            return 0;
        if (*text.data == '<') {
            CB_TRY (s_put_apart (into, &text, has_formulas ? s_on_less_bare : s_on_less));
        } else if (*text.data == ']') {
            CB_TRY (s_put_apart (into, &text, s_on_bracket));
        } else if (*text.data == '!') {
            CB_TRY (s_put_apart (into, &text, s_on_mark));
        } else {
            CB_TRY (cb_buf_puts (into, has_formulas ? "&quot;" : "\""));
            text = s_rest (text, 1);
        }
    }
}

static size_t
s_on_any_less (cb_part at)
{
    return at.size < 2 || !(cb_text_is_letter (at.data[1]) || strchr ("/!?", at.data[1]) != NULL);
}

int
cb_latex_put (cb_buf *into, cb_part text)
{
    for (;;) {
        CB_TRY (s_put_until (into, &text, "<"));
        if (text.size == 0)
            return 0;
        CB_TRY (s_put_apart (into, &text, s_on_any_less));
    }
}
