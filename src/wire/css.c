/* css.c - a list of CSS that is harmless, and nothing else.
 *
 * No parser: a grammar so small that every browser reads the same into it. No escapes, comments,
 * at-rules, strings with anything odd in them, no function but colours and gradients (so nothing is
 * loaded), no negative lengths and no positioning (so nothing is laid over other parts of the
 * page). What is not in it is not wrong, it is only not known. */
#include "wire/css.h"

#include "base/table.h"
#include "wire/text.h"

/* Bytes of a property's or function's name, end included. */
#define NAME_MAX_ 24
/* Parentheses within each other: a colour in a gradient. */
#define DEPTH_MAX 2

#define DIGITS "0123456789"

typedef struct css_name {
    const char *name;
} css_name;

/* Sorted. */
static const css_name s_properties[] = {
    {"background"},
    {"background-color"},
    {"border"},
    {"border-bottom"},
    {"border-bottom-color"},
    {"border-bottom-style"},
    {"border-bottom-width"},
    {"border-collapse"},
    {"border-color"},
    {"border-left"},
    {"border-left-color"},
    {"border-left-style"},
    {"border-left-width"},
    {"border-radius"},
    {"border-right"},
    {"border-right-color"},
    {"border-right-style"},
    {"border-right-width"},
    {"border-spacing"},
    {"border-style"},
    {"border-top"},
    {"border-top-color"},
    {"border-top-style"},
    {"border-top-width"},
    {"border-width"},
    {"caption-side"},
    {"color"},
    {"display"},
    {"empty-cells"},
    {"float"},
    {"font"},
    {"font-family"},
    {"font-size"},
    {"font-style"},
    {"font-variant"},
    {"font-weight"},
    {"height"},
    {"letter-spacing"},
    {"line-height"},
    {"list-style-type"},
    {"margin"},
    {"margin-bottom"},
    {"margin-left"},
    {"margin-right"},
    {"margin-top"},
    {"max-height"},
    {"max-width"},
    {"min-height"},
    {"min-width"},
    {"opacity"},
    {"overflow"},
    {"overflow-wrap"},
    {"overflow-x"},
    {"overflow-y"},
    {"padding"},
    {"padding-bottom"},
    {"padding-left"},
    {"padding-right"},
    {"padding-top"},
    {"table-layout"},
    {"text-align"},
    {"text-decoration"},
    {"text-overflow"},
    {"text-transform"},
    {"vertical-align"},
    {"visibility"},
    {"white-space"},
    {"width"},
    {"word-break"},
    {"word-wrap"},
};

/* Sorted. */
static const css_name s_functions[] = {
    {"hsl"}, {"hsla"}, {"linear-gradient"}, {"rgb"}, {"rgba"},
};

static cb_part
s_trim (const char *at, const char *end)
{
    while (at < end && cb_text_is_in (" \t\n\r", *at))
        at++;
    while (end > at && cb_text_is_in (" \t\n\r", end[-1]))
        end--;
    return (cb_part){at, (size_t)(end - at)};
}

/* The name in lower case; 0 when it is too long to be one of ours. */
static int
s_lower (cb_part name, char text[NAME_MAX_])
{
    if (name.size == 0 || name.size >= NAME_MAX_)
        return 0;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        text[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    text[name.size] = '\0';
    return 1;
}

static int
s_is_property (cb_part name)
{
    char text[NAME_MAX_];

    return s_lower (name, text) && CB_TABLE_FIND (s_properties, text) != NULL;
}

/* The word that ends at the parenthesis. */
static int
s_is_function (const char *start, const char *parenthesis)
{
    const char *word = parenthesis;
    char text[NAME_MAX_];

    while (word > start && (cb_text_is_alnum (word[-1]) || cb_text_is_in ("-_", word[-1])))
        word--;
    return s_lower ((cb_part){word, (size_t)(parenthesis - word)}, text) &&
           CB_TABLE_FIND (s_functions, text) != NULL;
}

/* Behind a quoted word of a font's name, or NULL. */
static const char *
s_behind_quoted (const char *at, const char *end)
{
    char quote = *at++;

    while (at < end && (cb_text_is_alnum (*at) || cb_text_is_in (" -_.", *at)))
        at++;
    return at < end && *at == quote ? at + 1 : NULL;
}

static int
s_is_value (cb_part value)
{
    const char *end = value.data + value.size;
    int depth = 0;

    for (const char *at = value.data; at < end; at++) {
        if (cb_text_is_alnum (*at))
            continue;
        if (*at == '(' && (++depth > DEPTH_MAX || !s_is_function (value.data, at)))
            return 0;
        if (*at == ')' && --depth < 0)
            return 0;
        if (*at == '-' && at + 1 < end && cb_text_is_in (DIGITS ".", at[1]))
            return 0;
        if (cb_text_is_in ("\"'", *at)) {
            at = s_behind_quoted (at, end);
            if (at == NULL)
                return 0;
            at--;
        } else if (!cb_text_is_in (" \t\n\r.%#,+!-()", *at)) {
            return 0;
        }
    }
    return value.size > 0 && depth == 0;
}

int
cb_css_is_style (cb_part text)
{
    const char *end = text.data + text.size;

    for (const char *at = text.data; at < end;) {
        const char *semicolon = memchr (at, ';', (size_t)(end - at));
        cb_part one = s_trim (at, semicolon != NULL ? semicolon : end);
        const char *colon = one.size > 0 ? memchr (one.data, ':', one.size) : NULL;
        const char *one_end = one.data + one.size;
        at = semicolon != NULL ? semicolon + 1 : end;
        if (one.size == 0)
            continue;
        if (colon == NULL || !s_is_property (s_trim (one.data, colon)) ||
            !s_is_value (s_trim (colon + 1, one_end)))
            return 0;
    }
    return 1;
}

/* .dataframe or #T_abc, and whatever is within. */
static int
s_is_selector (cb_part one)
{
    static const char table[] = ".dataframe";
    static const size_t table_size = sizeof table - 1;
    int is_table = one.size >= table_size && memcmp (one.data, table, table_size) == 0 &&
                   (one.size == table_size || cb_text_is_in (" \t\n\r>:.", one.data[table_size]));
    int is_id = one.size > 3 && memcmp (one.data, "#T_", 3) == 0;

    if (!is_table && !is_id)
        return 0;
    for (size_t i = 0; i < one.size; i++)
        if (!cb_text_is_alnum (one.data[i]) && !cb_text_is_in (" \t\n\r.#>:()_-", one.data[i]))
            return 0;
    return 1;
}

static int
s_are_selectors (cb_part text)
{
    const char *end = text.data + text.size;

    for (const char *at = text.data;;) {
        const char *comma = memchr (at, ',', (size_t)(end - at));
        if (!s_is_selector (s_trim (at, comma != NULL ? comma : end)))
            return 0;
        if (comma == NULL)
            return 1;
        at = comma + 1;
    }
}

int
cb_css_is_sheet (cb_part text)
{
    cb_part rest = s_trim (text.data, text.data + text.size);

    while (rest.size > 0) {
        const char *end = rest.data + rest.size;
        const char *open = memchr (rest.data, '{', rest.size);
        const char *close = open != NULL ? memchr (open, '}', (size_t)(end - open)) : NULL;
        if (close == NULL || !s_are_selectors ((cb_part){rest.data, (size_t)(open - rest.data)}) ||
            !cb_css_is_style ((cb_part){open + 1, (size_t)(close - open) - 1}))
            return 0;
        rest = s_trim (close + 1, end);
    }
    return 1;
}
