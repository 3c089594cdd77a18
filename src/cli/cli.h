/* cli.h - what every command shares: the options before it, exit codes, speaking to the person. */
#ifndef CB_CLI_CLI_H
#define CB_CLI_CLI_H

#include "base/err.h"
#include "cli/options.h"

/* What a command's end means; cellblock(1) lists them. */
enum {
    CB_EXIT_OK = 0,
    CB_EXIT_FAILED = 1, /* cellblock itself failed */
    CB_EXIT_USAGE = 2,  /* the command line makes no sense */
    CB_EXIT_DENIED = 3, /* policy forbids it */
    CB_EXIT_REVIEW = 4, /* a person must approve and there is none to ask */
    CB_EXIT_CELL = 5,   /* the cell raised */
    CB_EXIT_LIMIT = 6,  /* a limit was hit, or the kernel died */
    CB_EXIT_MODEL = 7,  /* the model's server failed */
    CB_EXIT_TURNS = 8,  /* turn or token limit of the model loop */
    CB_EXIT_WALL = 124, /* the cell ran longer than it may */
    CB_EXIT_INTERRUPTED = 130,
    CB_EXIT_TERMINATED = 143
};

/* What stands before the command, and may stand behind it too. */
typedef struct cb_cli {
    cb_words configs;  /* -C FILE */
    cb_words settings; /* --set section.key=value */
} cb_cli;

/* The rows for them. */
#define CB_CLI_COMMON(cli)                                                        \
    {"config",        'C',    CB_OPTION_WORDS,                                    \
     &(cli)->configs, "FILE", "configuration file, when this starts the daemon"}, \
        {"help", 'h', CB_OPTION_HELP, NULL, NULL, "this help"},                   \
    {                                                                             \
        "set", 0, CB_OPTION_WORDS, &(cli)->settings, "SECTION.KEY=VALUE",         \
            "one setting, when this starts the daemon"                            \
    }

/* "cellblock: " and the sentence on standard error; what came from elsewhere is neutralised. */
void cb_cli_say (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/* Says the error; the exit code that belongs to it. */
int cb_cli_failed (const cb_err *err);

/* Says what is wrong with the command line, and where help is; CB_EXIT_USAGE. */
int cb_cli_misused (const char *command, const cb_err *err);

/* Parses a command's options. 0: go on; > 0: help was printed or the usage is wrong, and
 * *ret_exit is the code to end with. The words that are no options are left in *ret_words. */
int cb_cli_options (cb_cli *cli, const cb_synopsis *synopsis, char **argv, cb_words *ret_words,
                    int *ret_exit);

/* A command: argv[0] is its name, NULL ends argv. The result is the exit code. */
typedef int cb_command_fn (cb_cli *cli, char **argv);

cb_command_fn cb_cmd_attach;
cb_command_fn cb_cmd_config;
cb_command_fn cb_cmd_daemon;
cb_command_fn cb_cmd_doctor;
cb_command_fn cb_cmd_files;
cb_command_fn cb_cmd_get;
cb_command_fn cb_cmd_interrupt;
cb_command_fn cb_cmd_kernelspec;
cb_command_fn cb_cmd_ls;
cb_command_fn cb_cmd_new;
cb_command_fn cb_cmd_profile;
cb_command_fn cb_cmd_put;
cb_command_fn cb_cmd_restart;
cb_command_fn cb_cmd_run;
cb_command_fn cb_cmd_show;
cb_command_fn cb_cmd_stop;

typedef struct cb_command {
    const char *name;
    cb_command_fn *run;
    const char *help;
} cb_command;

#endif
