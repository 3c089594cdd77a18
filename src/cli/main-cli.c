/* main-cli.c - cellblock: finds the command and runs it. A row a command, one file a command
 * (cmd-*.c). A bare word that is no command is a mistake and gets a suggestion; nothing is ever
 * guessed from it. */
#include "base/fdio.h"
#include "base/nearest.h"
#include "base/runtime.h"
#include "base/table.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/shim.h"
#include "cli/task-options.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CB_CLI_VERSION(at)                                              \
    {                                                                   \
        "version", 'V', CB_OPTION_FLAG, (at), NULL, "print the version" \
    }

static cb_command_fn s_help;
static cb_command_fn s_kernel;

static const cb_command s_commands[] = {
    {"attach", cb_cmd_attach, "tell how other Jupyter clients reach a session"},
    {"config", cb_cmd_config, "show what the configuration says and where"},
    {"daemon", cb_cmd_daemon, "start, stop, look at the daemon"},
    {"doctor", cb_cmd_doctor, "what this machine can enforce, what is missing, how to mend it"},
    {"files", cb_cmd_files, "list the files of a session"},
    {"get", cb_cmd_get, "copy a file out of a session"},
    {"help", s_help, "tell about a command"},
    {"interrupt", cb_cmd_interrupt, "stop what runs in a session, keep its variables"},
    {"kernel", s_kernel, "serve a connection file: what a kernelspec starts"},
    {"kernelspec", cb_cmd_kernelspec, "make a jailed kernel appear in Jupyter's frontends"},
    {"ls", cb_cmd_ls, "list the sessions"},
    {"new", cb_cmd_new, "start a session and print its name"},
    {"profile", cb_cmd_profile, "list profiles, tell what one resolves to and why"},
    {"put", cb_cmd_put, "copy files into a session"},
    {"restart", cb_cmd_restart, "give a session a new kernel"},
    {"run", cb_cmd_run, "run Python in a jail and show what it puts out"},
    {"show", cb_cmd_show, "tell all about a session"},
    {"stop", cb_cmd_stop, "end a session, or all of them"},
};

static void
s_print_help (FILE *to)
{
    cb_cli nobody = {.configs.count = 0};
    cb_task_options no_task = {.prompt = NULL};
    cb_option task[CB_TASK_ROWS];
    const cb_option options[] = {
        CB_CLI_COMMON (&nobody),
        CB_CLI_VERSION (NULL),
        {0},
    };

    (void)fprintf (to, "usage: cellblock [OPTIONS] COMMAND ...\n"
                       "       cellblock [PROMPT OPTIONS]\n"
                       "       cellblock -p TASK [TASK OPTIONS]\n\n"
                       "Runs Python in jailed IPython kernels. Without a command, a prompt. For "
                       "example:\n\n"
                       "  cellblock run -c 'print(6 * 7)'\n"
                       "  cellblock run -s work --input sales.csv analysis.py\n"
                       "  cellblock -p 'which month sold best?' --input sales.csv --model NAME\n\n"
                       "Commands:\n");
    for (size_t i = 0; i < CB_COUNT (s_commands); i++)
        (void)fprintf (to, "  %-12s%s\n", s_commands[i].name, s_commands[i].help);
    (void)fprintf (to, "\nOptions:\n");
    cb_options_explain (options, to);
    (void)fprintf (to, "\nOptions of a task, and (-s, -P, -t, --input) of the prompt:\n");
    cb_task_rows (&no_task, task);
    cb_options_explain (task, to);
    (void)fprintf (to, "\ncellblock COMMAND --help tells more; so does man cellblock.\n");
}

typedef struct s_other_word {
    const char *name;
    const char *command;
} s_other_word;

/* What other programs call it. */
static const s_other_word s_other_words[] = {
    {"create", "new"},
    {"delete", "stop"},
    {"exec", "run"},
    {"info", "show"},
    {"kill", "stop"},
    {"list", "ls"},
    {"ps", "ls"},
    {"reload", "daemon reload"},
    {"rm", "stop"},
    {"status", "daemon status"},
    {"version", "--version"},
};

static int
s_unknown (const char *word, cb_err *err)
{
    const s_other_word *other = CB_TABLE_FIND (s_other_words, word);
    const char *near =
        other != NULL ? other->command
                      : cb_nearest (word, s_commands, CB_COUNT (s_commands), sizeof (cb_command));
    size_t size = strlen (word);

    if (near != NULL)
        return cb_fail (err, CB_E_INVALID, "there is no command '%s'; did you mean '%s'?", word,
                        near);
    if (size > 3 && strcmp (word + size - 3, ".py") == 0)
        return cb_fail (err, CB_E_INVALID,
                        "there is no command '%s'; a file is run by: cellblock run %s", word, word);
    if (strchr (word, ' ') != NULL)
        return cb_fail (
            err, CB_E_INVALID,
            "there is no command '%s'; a task for a model is given by: cellblock -p '...'", word);
    return cb_fail (err, CB_E_INVALID, "there is no command '%s'", word);
}

/* cellblock help [COMMAND] is cellblock [COMMAND] --help. */
static int
s_help (cb_cli *cli, char **argv)
{
    static char option[] = "--help";
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    const cb_synopsis synopsis = {"help", "[COMMAND]", "Tells about a command.", NULL, 0, 1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    if (words.count == 0) {
        s_print_help (stdout);
        return CB_EXIT_OK;
    }
    const cb_command *command = CB_TABLE_FIND (s_commands, words.items[0]);
    if (command == NULL) {
        (void)s_unknown (words.items[0], &err);
        return cb_cli_misused ("", &err);
    }
    char *asked[] = {argv[0], option, NULL};
    return command->run (cli, asked);
}

static int
s_run_command (cb_cli *cli, cb_words *words, cb_err *err)
{
    char *argv[CB_WORDS_MAX + 1] = {NULL};

    const cb_command *command = CB_TABLE_FIND (s_commands, words->items[0]);
    if (command == NULL)
        return s_unknown (words->items[0], err);
    for (size_t i = 0; i < words->count; i++)
        argv[i] = (char *)(uintptr_t)words->items[i];
    return command->run (cli, argv);
}

/* What was printed must have arrived: a full disk is a failure. */
static int
s_flush (int code)
{
    if (fflush (stdout) == 0 && ferror (stdout) == 0)
        return code;
    if (errno != EPIPE)
        cb_cli_say ("the output cannot be written: %s", strerror (errno));
    return code == CB_EXIT_OK ? CB_EXIT_FAILED : code;
}

/* Becomes a program of ours that reads the same words again. */
static int
s_become (const char *name, char **argv)
{
    char path[PATH_MAX];
    cb_err err = CB_ERR_INIT;

    if (cb_find_program (name, path, sizeof path, &err) < 0)
        return cb_cli_failed (&err);
    (void)execv (path, argv);
    (void)cb_fail_errno (&err, CB_E_IO, "%s", path);
    return cb_cli_failed (&err);
}

/* cellblock kernel: a program of its own, which is given the options before the command too. */
static int
s_kernel (cb_cli *cli, char **argv)
{
    static char program[] = CB_SHIM_PROGRAM;
    static char config[] = "-C", set[] = "--set";
    size_t count = 0;

    while (argv[count] != NULL)
        count++;
    char **words =
        calloc (count + 2 * (cli->configs.count + cli->settings.count) + 2, sizeof *words);
    if (words == NULL) {
        cb_cli_say ("out of memory");
        return CB_EXIT_FAILED;
    }
    size_t n = 0;
    words[n++] = program;
    for (size_t i = 0; i < cli->configs.count; i++) {
        words[n++] = config;
        words[n++] = (char *)(uintptr_t)cli->configs.items[i];
    }
    for (size_t i = 0; i < cli->settings.count; i++) {
        words[n++] = set;
        words[n++] = (char *)(uintptr_t)cli->settings.items[i];
    }
    memcpy (words + n, argv + 1, (count - 1) * sizeof *words);
    int code = s_become (CB_SHIM_PROGRAM, words);
    free (words);
    return code;
}

/* A prompt needs somebody at a terminal; code that is piped in is for run. */
static int
s_prompt (const cb_task_options *options, char **argv, cb_err *err)
{
    const char *given = cb_task_given (options, CB_FOR_PROMPT);

    if (given != NULL)
        return cb_fail (err, CB_E_INVALID, "--%s belongs behind a command, or to -p PROMPT", given);
    if (isatty (STDIN_FILENO) == 1 && (isatty (STDOUT_FILENO) == 1 || isatty (STDERR_FILENO) == 1))
        return s_become (CB_TALK_PROGRAM, argv);
    s_print_help (stderr);
    cb_cli_say ("the prompt needs a terminal; cellblock run - runs code from standard input");
    return CB_EXIT_USAGE;
}

/* The task, a command, or the prompt; a code, or -CB_E_INVALID. */
static int
s_do (cb_cli *cli, const cb_task_options *task, char **argv, cb_words *words, cb_err *err)
{
    const char *given = cb_task_given (task, task->prompt != NULL ? CB_FOR_TASK : 0);

    if (task->prompt != NULL && given != NULL)
        return cb_fail (err, CB_E_INVALID, "--%s is for the prompt and for run, not for a task",
                        given);
    if (task->prompt != NULL && words->count > 0)
        return cb_fail (err, CB_E_INVALID, "'%s' is one word too many: cellblock -p PROMPT",
                        words->items[0]);
    if (task->prompt != NULL)
        return s_become (CB_TASK_PROGRAM, argv);
    if (words->count == 0)
        return s_prompt (task, argv, err);
    if (given != NULL)
        return cb_fail (err, CB_E_INVALID, "--%s belongs behind a command, or to -p PROMPT", given);
    return s_run_command (cli, words, err);
}

int
main (int argc, char **argv)
{
    static cb_cli cli;
    static cb_task_options task;
    static cb_words words;
    cb_err err = CB_ERR_INIT;
    bool version = false;
    cb_option task_rows[CB_TASK_ROWS];
    const cb_option options[] = {
        CB_CLI_COMMON (&cli),
        CB_CLI_VERSION (&version),
        {0},
    };
    cb_task_rows (&task, task_rows);
    const cb_options_rules rules = {options, task_rows, true};

    cb_hold_standard ();
    (void)signal (SIGPIPE, SIG_IGN);
    (void)signal (SIGCHLD, SIG_DFL); /* a parent that ignores it hands that on: no child is heard */
    int outcome = argc > 0 ? cb_options_parse (&rules, argv, &words, &err) : -CB_E_INVALID;
    if (outcome == CB_OPTIONS_HELP) {
        s_print_help (stdout);
        return s_flush (CB_EXIT_OK);
    }
    if (outcome == CB_OPTIONS_OK && version) {
        (void)printf ("cellblock %s\n", PACKAGE_VERSION);
        return s_flush (CB_EXIT_OK);
    }
    if (outcome == CB_OPTIONS_OK)
        outcome = s_do (&cli, &task, argv, &words, &err);
    return s_flush (outcome < 0 ? cb_cli_misused ("", &err) : outcome);
}
