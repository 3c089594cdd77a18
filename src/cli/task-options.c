/* task-options.c - the rows of a task's options, for the program that finds out what is meant and
 * the one that does it. */
#include "cli/task-options.h"

#include "cli/render.h"

#include <string.h>

void
cb_task_rows (cb_task_options *self, cb_option rows[CB_TASK_ROWS])
{
    const cb_option made[CB_TASK_ROWS] = {
        {"print", 'p', CB_OPTION_TEXT, &self->prompt, "PROMPT",
         "do this task with a model and print its answer (-: read it)"},
        {"input", 0, CB_OPTION_WORDS, &self->inputs, "PATH",
         "show a file or folder read-only as /input/NAME (a new session only)"},
        {"max-tokens", 0, CB_OPTION_NUMBER, &self->max_tokens, "N",
         "tokens of all answers together"},
        {"max-turns", 0, CB_OPTION_NUMBER, &self->max_turns, "N",
         "answers of the model at most (20)"},
        {"model", 0, CB_OPTION_TEXT, &self->model, "NAME",
         "a section [model NAME], or a model of OPENAI_BASE_URL"},
        {"output", 'o', CB_OPTION_CHOICE, &self->format, CB_FORMAT_HINT, "how the task is shown"},
        {"profile", 'P', CB_OPTION_TEXT, &self->profile, "PROFILE", "limits of the session"},
        {"record", 0, CB_OPTION_TEXT, &self->record, "FILE",
         "write down what the model says, for backend = replay"},
        {"session", 's', CB_OPTION_TEXT, &self->session, "NAME",
         "work in this session and keep it; it is made when it does not exist"},
        {"timeout", 't', CB_OPTION_TIME, &self->timeout_s, "SECONDS",
         "at the prompt: how long a cell may run (without a unit: seconds)"},
        {0},
    };
    memcpy (rows, made, sizeof made);
}

int
cb_task_parse (cb_task_options *self, cb_cli *cli, char **argv, cb_err *err)
{
    static cb_words words;
    cb_option rows[CB_TASK_ROWS];
    const cb_option globals[] = {
        CB_CLI_COMMON (cli),
        {0},
    };
    const cb_options_rules rules = {rows, globals, true};

    cb_task_rows (self, rows);
    int outcome = cb_options_parse (&rules, argv, &words, err);
    return outcome == CB_OPTIONS_OK && words.count > 0 ? CB_OPTIONS_HELP : outcome;
}

const char *
cb_task_given (const cb_task_options *self, int takers)
{
    const struct {
        bool given;
        int takers;
        const char *name;
    } rows[] = {
        {self->session != NULL, CB_FOR_TASK | CB_FOR_PROMPT, "session"},
        {self->profile != NULL, CB_FOR_TASK | CB_FOR_PROMPT, "profile"},
        {self->inputs.count > 0, CB_FOR_TASK | CB_FOR_PROMPT, "input"},
        {self->timeout_s > 0, CB_FOR_PROMPT, "timeout"},
        {self->model != NULL, CB_FOR_TASK, "model"},
        {self->record != NULL, CB_FOR_TASK, "record"},
        {self->max_turns > 0, CB_FOR_TASK, "max-turns"},
        {self->max_tokens > 0, CB_FOR_TASK, "max-tokens"},
        {self->format != CB_FORMAT_TEXT, CB_FOR_TASK, "output"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].given && (rows[i].takers & takers) == 0)
            return rows[i].name;
    return NULL;
}
