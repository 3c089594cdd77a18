/* cmd-task.h - cellblock -p PROMPT: its options stand where a command would. */
#ifndef CB_CLI_CMD_TASK_H
#define CB_CLI_CMD_TASK_H

#include "cli/cli.h"
#include "cli/task.h"

/* Rows of cb_task_rows, its end not counted. */
#define CB_TASK_ROWS 10

/* The options of a task, which go into self. */
void cb_task_rows (cb_task_options *self, cb_option rows[CB_TASK_ROWS]);

/* Whether one of them was given: without -p that is a mistake. Its long name, or NULL. */
const char *cb_task_given (const cb_task_options *self);

/* Does the task. The exit code. */
int cb_cmd_task (cb_cli *cli, const cb_task_options *options);

#endif
