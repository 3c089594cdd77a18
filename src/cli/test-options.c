/* test-options.c - options by a table. */
#include "base/tap.h"
#include "cli/options.h"

#include <string.h>

typedef struct s_values {
    bool all;
    const char *session;
    cb_words inputs;
    double timeout;
    int output;
    bool config;
} s_values;

static s_values s_got;
static cb_words s_words;
static cb_err s_err;

static const cb_option s_globals[] = {
    {"config", 'C', CB_OPTION_FLAG, &s_got.config, NULL, "a global"},
    {"help", 'h', CB_OPTION_HELP, NULL, NULL, "this help"},
    {0},
};

static const cb_option s_options[] = {
    {"all", 'a', CB_OPTION_FLAG, &s_got.all, NULL, "all of them"},
    {"input", 0, CB_OPTION_WORDS, &s_got.inputs, "PATH", "a file"},
    {"output", 'o', CB_OPTION_CHOICE, &s_got.output, "text|json|stream-json", "the form"},
    {"session", 's', CB_OPTION_TEXT, &s_got.session, "NAME", "the session"},
    {"timeout", 't', CB_OPTION_TIME, &s_got.timeout, "SECONDS", "how long"},
    {0},
};

static int
s_parse (bool stop, const char *line)
{
    static char copy[512];
    static char *argv[32];
    cb_options_rules rules = {s_options, s_globals, stop};
    size_t count = 0;

    memset (&s_got, 0, sizeof s_got);
    memset (&s_err, 0, sizeof s_err);
    (void)snprintf (copy, sizeof copy, "%s", line);
    char *rest = copy;
    for (char *word = strsep (&rest, " "); word != NULL && count < 31; word = strsep (&rest, " "))
        argv[count++] = word;
    argv[count] = NULL;
    return cb_options_parse (&rules, argv, &s_words, &s_err);
}

static void
s_good (void)
{
    ok (s_parse (false, "run -s a -o json --input x --input=y f.py -at2") == 0 && s_got.all &&
            s_got.output == 1 && s_got.inputs.count == 2 && s_words.count == 1,
        "mixed with words");
    ok (strcmp (s_got.session, "a") == 0 && s_got.timeout > 1.99 && s_got.timeout < 2.01,
        "text and time");
    ok (s_parse (false, "run --session=b --timeout 500ms -ostream-json -C") == 0 &&
            s_got.timeout < 0.51 && s_got.output == 2 && s_got.config,
        "long forms, a global");
    ok (s_parse (false, "run -s -x -- -y -z") == 0 && strcmp (s_got.session, "-x") == 0 &&
            s_words.count == 2 && strcmp (s_words.items[0], "-y") == 0,
        "-- ends the options");
    ok (s_parse (false, "run -") == 0 && s_words.count == 1, "- is a word");
    ok (s_parse (true, "cellblock -C run -s a") == 0 && s_words.count == 3 && s_got.session == NULL,
        "stops at the first word");
    ok (s_parse (false, "run --help --nonsense") == CB_OPTIONS_HELP, "help");
    ok (s_parse (false, "run -ah") == CB_OPTIONS_HELP, "help in a bundle");
    ok (s_parse (false, "run -t 7d") == 0 && s_got.timeout > 604799, "a week");
    ok (s_parse (false, "run") == 0 && s_words.count == 0, "nothing");
}

static void
s_bad (void)
{
    static const char *const lines[] = {
        "run --sesion a",     "run -x",        "run --all=yes", "run -s",    "run --session",
        "run -o yaml",        "run --output=", "run -t soon",   "run -t -1", "run -t 0",
        "run --timeout=1e9h", "run -t 7.1d",   "run -t 604801"};

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ok (s_parse (false, lines[i]) == -CB_E_INVALID, "%s: %s", lines[i], s_err.text);
    ok (s_parse (false, "run --sesion a") < 0 && strstr (s_err.text, "--session?") != NULL,
        "a suggestion");
    ok (s_parse (false, "run --confg") < 0 && strstr (s_err.text, "--config?") != NULL,
        "a suggestion among the globals");
}

int
main (void)
{
    s_good ();
    s_bad ();
    return tap_done ();
}
