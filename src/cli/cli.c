/* cli.c - what every command shares: its options with the common ones, and how it speaks to the
 * person. Standard output is for answers; everything here goes to standard error. */
#include "cli/cli.h"

#include "cli/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Bytes of one message to the person: an error's sentence, made harmless. */
#define S_SAY_MAX (CB_ERR_TEXT_MAX * 2)

void
cb_cli_say (const char *format, ...)
{
    char text[S_SAY_MAX];
    char safe[S_SAY_MAX];
    cb_term term;
    va_list args;

    va_start (args, format);
    (void)vsnprintf (text, sizeof text, format, args);
    va_end (args);
    cb_term_look (&term, STDERR_FILENO);
    (void)fprintf (stderr, "%scellblock:%s %s\n", cb_term_style (&term, "bold"),
                   cb_term_style (&term, "off"), cb_sanitise_line (text, safe, sizeof safe));
}

int
cb_cli_failed (const cb_err *err)
{
    cb_cli_say ("%s", err->text);
    return err->code == CB_E_POLICY ? CB_EXIT_DENIED : CB_EXIT_FAILED;
}

int
cb_cli_misused (const char *command, const cb_err *err)
{
    const char *space = command[0] != '\0' ? " " : "";

    cb_cli_say ("%s", err->text);
    (void)fprintf (stderr, "Help: cellblock%s%s --help\n", space, command);
    return CB_EXIT_USAGE;
}

static void
s_print_help (const cb_synopsis *synopsis, const cb_option *globals)
{
    int column = printf ("usage: cellblock %s ", synopsis->command);
    cb_options_wrap (synopsis->arguments, column > 0 ? (size_t)column : 0, stdout);
    (void)fputc ('\n', stdout);
    cb_options_wrap (synopsis->about, 0, stdout);
    if (synopsis->options != NULL && synopsis->options[0].name != NULL) {
        (void)printf ("\nOptions:\n");
        cb_options_explain (synopsis->options, stdout);
    }
    (void)printf ("\nEverywhere:\n");
    cb_options_explain (globals, stdout);
}

static int
s_check_count (const cb_synopsis *synopsis, const cb_words *words, cb_err *err)
{
    if (words->count < synopsis->least)
        return cb_fail (err, CB_E_INVALID, "something is missing: cellblock %s %s",
                        synopsis->command, synopsis->arguments);
    if (words->count > synopsis->most)
        return cb_fail (err, CB_E_INVALID, "'%s' is one word too many: cellblock %s%s%s",
                        words->items[synopsis->most], synopsis->command,
                        synopsis->arguments[0] != '\0' ? " " : "", synopsis->arguments);
    return 0;
}

int
cb_cli_options (cb_cli *cli, const cb_synopsis *synopsis, char **argv, cb_words *ret_words,
                int *ret_exit)
{
    cb_err err = CB_ERR_INIT;
    const cb_option globals[] = {
        CB_CLI_COMMON (cli),
        {0},
    };
    const cb_options_rules rules = {synopsis->options, globals, false};

    int outcome = cb_options_parse (&rules, argv, ret_words, &err);
    if (outcome == CB_OPTIONS_HELP) {
        s_print_help (synopsis, globals);
        *ret_exit = CB_EXIT_OK;
        return 1;
    }
    if (outcome == CB_OPTIONS_OK)
        outcome = s_check_count (synopsis, ret_words, &err);
    if (outcome == 0)
        return 0;
    *ret_exit = cb_cli_misused (synopsis->command, &err);
    return 1;
}
