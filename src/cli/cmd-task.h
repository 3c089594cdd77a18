/* cmd-task.h - cellblock -p PROMPT. */
#ifndef CB_CLI_CMD_TASK_H
#define CB_CLI_CMD_TASK_H

#include "cli/cli.h"
#include "cli/task-options.h"

/* Does the task. The exit code. */
int cb_cmd_task (cb_cli *cli, const cb_task_options *options);

#endif
