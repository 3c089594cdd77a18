/* main-talk.c - cellblock-talk: the prompt of cellblock without a command. cellblock has looked at
 * the words already and becomes this program; it is apart because readline would slow the start of
 * every other command. */
#include "cli/talk.h"

#include <signal.h>

int
main (int argc, char **argv)
{
    static cb_cli cli;
    static cb_task_options options;
    static cb_words words;
    cb_err err = CB_ERR_INIT;
    cb_option rows[CB_TASK_ROWS];
    const cb_option globals[] = {
        CB_CLI_COMMON (&cli),
        {0},
    };
    const cb_options_rules rules = {rows, globals, true};

    cb_task_rows (&options, rows);
    (void)signal (SIGPIPE, SIG_IGN);
    int outcome = argc > 0 ? cb_options_parse (&rules, argv, &words, &err) : CB_OPTIONS_HELP;
    if (outcome == CB_OPTIONS_OK && (isatty (STDIN_FILENO) != 1 || words.count > 0))
        outcome = CB_OPTIONS_HELP;
    if (outcome == CB_OPTIONS_HELP)
        outcome =
            cb_fail (&err, CB_E_INVALID, "this program is started by cellblock at a terminal");
    return outcome < 0 ? cb_cli_misused ("", &err) : cb_talk_main (&cli, &options);
}
