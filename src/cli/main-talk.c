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
    cb_err err = CB_ERR_INIT;

    (void)signal (SIGPIPE, SIG_IGN);
    int outcome = argc > 0 ? cb_task_parse (&options, &cli, argv, &err) : CB_OPTIONS_HELP;
    if (outcome == CB_OPTIONS_OK && isatty (STDIN_FILENO) != 1)
        outcome = CB_OPTIONS_HELP;
    if (outcome == CB_OPTIONS_HELP)
        outcome =
            cb_fail (&err, CB_E_INVALID, "this program is started by cellblock at a terminal");
    return outcome < 0 ? cb_cli_misused ("", &err) : cb_talk_main (&cli, &options);
}
