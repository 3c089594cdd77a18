/* options.c - options by a table, in the way of git: every command owns a table of rows that name
 * the option, where its value goes and what the help says. Nothing is abbreviated: an option that
 * is nearly one gets the suggestion instead. */
#include "cli/options.h"

#include "base/nearest.h"
#include "base/units.h"
#include "wire/ctl.h"

#include <assert.h>
#include <string.h>

/* Columns before the explanation of an option, and of a terminal that shows it whole. */
#define S_HELP_COLUMN 30
#define S_HELP_WIDTH  80
/* The largest number an option takes: nine digits. */
#define S_NUMBER_MAX 999999999U

static size_t
s_count (const cb_option *options)
{
    size_t count = 0;

    while (options != NULL && options[count].name != NULL)
        count++;
    return count;
}

static const cb_option *
s_find_in (const cb_option *options, const char *name, size_t size)
{
    for (size_t i = 0; i < s_count (options); i++)
        if (strlen (options[i].name) == size && memcmp (options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

static const cb_option *
s_find (const cb_options_rules *rules, const char *name, size_t size)
{
    const cb_option *found = s_find_in (rules->options, name, size);
    return found != NULL ? found : s_find_in (rules->globals, name, size);
}

static const cb_option *
s_find_letter (const cb_options_rules *rules, char letter)
{
    const cb_option *tables[] = {rules->options, rules->globals};

    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < s_count (tables[t]); i++)
            if (tables[t][i].letter == letter)
                return &tables[t][i];
    return NULL;
}

static int
s_unknown (const cb_options_rules *rules, const char *word, size_t size, cb_err *err)
{
    char name[64] = "";
    const char *near = NULL;

    if (size < sizeof name) {
        memcpy (name, word, size);
        near = cb_nearest (name, rules->options, s_count (rules->options), sizeof (cb_option));
        if (near == NULL)
            near = cb_nearest (name, rules->globals, s_count (rules->globals), sizeof (cb_option));
    }
    if (near != NULL)
        return cb_fail (err, CB_E_INVALID, "there is no option --%s; did you mean --%s?", name,
                        near);
    return cb_fail (err, CB_E_INVALID, "there is no option --%.*s", (int)size, word);
}

static int
s_add_word (cb_words *words, const char *what, const char *word, cb_err *err)
{
    if (words->count == CB_WORDS_MAX)
        return cb_fail (err, CB_E_INVALID, "more than %d of %s", CB_WORDS_MAX, what);
    words->items[words->count++] = word;
    return 0;
}

static int
s_take_choice (const cb_option *option, const char *value, cb_err *err)
{
    assert (value != NULL); /* s_wants_value */
    size_t size = strlen (value);
    int place = 0;

    for (const char *choice = option->hint; choice != NULL; place++) {
        const char *end = strchr (choice, '|');
        size_t length = end != NULL ? (size_t)(end - choice) : strlen (choice);
        if (size == length && memcmp (choice, value, size) == 0) {
            *(int *)option->value = place;
            return 0;
        }
        choice = end != NULL ? end + 1 : NULL;
    }
    return cb_fail (err, CB_E_INVALID, "--%s takes %s, not '%s'", option->name, option->hint,
                    value);
}

static int
s_take_time (const cb_option *option, const char *value, cb_err *err)
{
    cb_usec duration = 0;
    cb_err why = CB_ERR_INIT;

    if (cb_duration_parse (value, &duration, &why) < 0)
        return cb_fail (err, CB_E_INVALID, "--%s: %s", option->name, why.text);
    if (duration == 0)
        return cb_fail (err, CB_E_INVALID, "--%s: '%s' is no time at all", option->name, value);
    if (duration > CB_CTL_SECONDS_MAX * CB_USEC_PER_SEC)
        return cb_fail (err, CB_E_INVALID, "--%s: '%s' is more than a week", option->name, value);
    *(double *)option->value = (double)duration / (double)CB_USEC_PER_SEC;
    return 0;
}

static int
s_take_number (const cb_option *option, const char *value, cb_err *err)
{
    assert (value != NULL);
    uint32_t number = 0;
    size_t digits = strspn (value, "0123456789");

    for (size_t i = 0; i < digits && i < 9; i++)
        number = number * 10 + (uint32_t)(value[i] - '0');
    if (digits == 0 || digits > 9 || value[digits] != '\0' || number == 0)
        return cb_fail (err, CB_E_INVALID, "--%s takes a number from 1 to %u, not '%s'",
                        option->name, S_NUMBER_MAX, value);
    *(uint32_t *)option->value = number;
    return 0;
}

static int
s_take (const cb_option *option, const char *value, cb_err *err)
{
    switch (option->kind) {
    case CB_OPTION_FLAG:
        *(bool *)option->value = true;
        return 0;
    case CB_OPTION_TEXT:
        *(const char **)option->value = value;
        return 0;
    case CB_OPTION_WORDS:
        return s_add_word (option->value, option->name, value, err);
    case CB_OPTION_TIME:
        return s_take_time (option, value, err);
    case CB_OPTION_NUMBER:
        return s_take_number (option, value, err);
    case CB_OPTION_CHOICE:
        return s_take_choice (option, value, err);
    case CB_OPTION_HELP:
        break;
    }
    return 0;
}

static bool
s_wants_value (const cb_option *option)
{
    return option->kind != CB_OPTION_FLAG && option->kind != CB_OPTION_HELP;
}

/* --name, --name=value, --name value. The place of the last word used in *at. */
static int
s_parse_long (const cb_options_rules *rules, char **argv, size_t *at, cb_err *err)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr (name, '=');
    size_t size = equals != NULL ? (size_t)(equals - name) : strlen (name);
    const cb_option *option = s_find (rules, name, size);

    if (option == NULL)
        return s_unknown (rules, name, size, err);
    if (option->kind == CB_OPTION_HELP)
        return CB_OPTIONS_HELP;
    if (!s_wants_value (option)) {
        if (equals != NULL)
            return cb_fail (err, CB_E_INVALID, "--%s takes no value", option->name);
        return s_take (option, NULL, err);
    }
    if (equals != NULL)
        return s_take (option, equals + 1, err);
    if (argv[*at + 1] == NULL)
        return cb_fail (err, CB_E_INVALID, "--%s needs a value: %s", option->name, option->hint);
    return s_take (option, argv[++*at], err);
}

/* -x, -xVALUE, -x VALUE, -xyz for flags. */
static int
s_parse_short (const cb_options_rules *rules, char **argv, size_t *at, cb_err *err)
{
    for (const char *letter = argv[*at] + 1; *letter != '\0'; letter++) {
        const cb_option *option = s_find_letter (rules, *letter);
        if (option == NULL)
            return cb_fail (err, CB_E_INVALID, "there is no option -%c", *letter);
        if (option->kind == CB_OPTION_HELP)
            return CB_OPTIONS_HELP;
        if (!s_wants_value (option)) {
            CB_TRY (s_take (option, NULL, err));
            continue;
        }
        if (letter[1] != '\0')
            return s_take (option, letter + 1, err);
        if (argv[*at + 1] == NULL)
            return cb_fail (err, CB_E_INVALID, "-%c needs a value: %s", *letter, option->hint);
        return s_take (option, argv[++*at], err);
    }
    return 0;
}

static int
s_rest (char **argv, size_t at, cb_words *words, cb_err *err)
{
    for (; argv[at] != NULL; at++)
        CB_TRY (s_add_word (words, "words", argv[at], err));
    return 0;
}

int
cb_options_parse (const cb_options_rules *rules, char **argv, cb_words *ret_words, cb_err *err)
{
    ret_words->count = 0;
    for (size_t at = 1; argv[0] != NULL && argv[at] != NULL; at++) {
        const char *word = argv[at];
        int outcome = 0;
        if (word[0] != '-' || word[1] == '\0') { /* "-" alone is standard input */
            if (rules->stop)
                return s_rest (argv, at, ret_words, err);
            outcome = s_add_word (ret_words, "words", word, err);
        } else if (strcmp (word, "--") == 0) {
            return s_rest (argv, at + 1, ret_words, err);
        } else if (word[1] == '-') {
            outcome = s_parse_long (rules, argv, &at, err);
        } else {
            outcome = s_parse_short (rules, argv, &at, err);
        }
        if (outcome != CB_OPTIONS_OK)
            return outcome;
    }
    return CB_OPTIONS_OK;
}

/* Up to the next blank or line end that is not within brackets. */
static size_t
s_piece (const char *text)
{
    size_t size = 0;
    int depth = 0;

    for (; text[size] != '\0' && (depth > 0 || strchr (" \n", text[size]) == NULL); size++) {
        depth += text[size] == '[' || text[size] == '(';
        depth -= text[size] == ']' || text[size] == ')';
    }
    return size;
}

void
cb_options_wrap (const char *text, size_t indent, FILE *to)
{
    size_t column = indent;

    for (size_t size = 0; text[size] != '\0'; column += size) {
        text += size + strspn (text + size, " \n");
        size = s_piece (text);
        if (column > indent && column + 1 + size > S_HELP_WIDTH) {
            (void)fprintf (to, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            (void)fputc (' ', to);
            column++;
        }
        (void)fprintf (to, "%.*s", (int)size, text);
    }
    (void)fputc ('\n', to);
}

void
cb_options_explain (const cb_option *options, FILE *to)
{
    for (const cb_option *option = options; option != NULL && option->name != NULL; option++) {
        char left[128];
        char letter[8] = "    ";
        if (option->letter != '\0')
            (void)snprintf (letter, sizeof letter, "-%c, ", option->letter);
        (void)snprintf (left, sizeof left, "  %s--%s%s%s", letter, option->name,
                        s_wants_value (option) ? " " : "",
                        s_wants_value (option) ? option->hint : "");
        if (strlen (left) + 1 < S_HELP_COLUMN)
            (void)fprintf (to, "%-*s", S_HELP_COLUMN, left);
        else
            (void)fprintf (to, "%s\n%-*s", left, S_HELP_COLUMN, "");
        cb_options_wrap (option->help, S_HELP_COLUMN, to);
    }
}
