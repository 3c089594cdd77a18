/* main-task.c - cellblock-task: does what cellblock -p asks for. cellblock has looked at the words
 * already and becomes this program; it is apart because libcurl and what comes with it would double
 * the start of every other command. */
#include "cli/cmd-task.h"

#include <signal.h>

int
main (int argc, char **argv)
{
    static cb_cli cli;
    static cb_task_options task;
    cb_err err = CB_ERR_INIT;

    (void)signal (SIGPIPE, SIG_IGN);
    int outcome = argc > 0 ? cb_task_parse (&task, &cli, argv, &err) : CB_OPTIONS_HELP;
    if (outcome == CB_OPTIONS_OK && task.prompt == NULL)
        outcome = CB_OPTIONS_HELP;
    if (outcome == CB_OPTIONS_HELP)
        outcome = cb_fail (&err, CB_E_INVALID, "this program is started by cellblock -p PROMPT");
    return outcome < 0 ? cb_cli_misused ("", &err) : cb_cmd_task (&cli, &task);
}
