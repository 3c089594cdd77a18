/* task-options.h - the options of what needs no command: a task (cellblock -p PROMPT) and the
 * prompt (cellblock). They stand where a command would. */
#ifndef CB_CLI_TASK_OPTIONS_H
#define CB_CLI_TASK_OPTIONS_H

#include "cli/cli.h"
#include "cli/options.h"

#include <stdint.h>

/* The program that does tasks: apart, so that no other command loads libcurl. */
#define CB_TASK_PROGRAM "cellblock-task"
/* The one with the prompt: apart, so that no other command loads readline. */
#define CB_TALK_PROGRAM "cellblock-talk"

/* Answers of the model, when --max-turns says nothing. */
#define CB_TASK_TURNS 20

typedef struct cb_task_options {
    const char *prompt; /* of the command line; "-": standard input */
    const char *session;
    const char *profile;
    const char *model;
    const char *record; /* file, or NULL */
    int format;
    double timeout_s;    /* of each cell at the prompt, 0: none was given */
    uint32_t max_turns;  /* 0: CB_TASK_TURNS */
    uint32_t max_tokens; /* of all answers together, 0: no bound */
    cb_words inputs;
} cb_task_options;

/* Rows of cb_task_rows, their end counted. */
#define CB_TASK_ROWS 11

/* The rows, which put what they find into self. */
void cb_task_rows (cb_task_options *self, cb_option rows[CB_TASK_ROWS]);

/* Reads the words of a program that stands where a command would: what cellblock looked at already.
 * Returns an outcome of cb_options_parse, without words too many: CB_OPTIONS_HELP. */
int cb_task_parse (cb_task_options *self, cb_cli *cli, char **argv, cb_err *err);

/* Who takes an option. */
enum { CB_FOR_TASK = 1, CB_FOR_PROMPT = 2 };

/* The long name of an option that was given and is for none of these; NULL: there is none. */
const char *cb_task_given (const cb_task_options *self, int takers);

#endif
