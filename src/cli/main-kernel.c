/* main-kernel.c - cellblock-kernel: what `cellblock kernel` becomes. Frontends add words of their
 * own for the kernel behind ours, so what is no option of ours is passed on. */
#include "cli/shim.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cb_option *
s_row (const cb_option *options, const char *word)
{
    size_t size = strcspn (word, "=");

    for (; options->name != NULL; options++) {
        if (strncmp (word, "--", 2) == 0 && strlen (options->name) == size - 2 &&
            strncmp (word + 2, options->name, size - 2) == 0)
            return options;
        if (word[0] == '-' && word[1] == options->letter && options->letter != 0)
            return options;
    }
    return NULL;
}

/* Whether the option's value is the next word. */
static bool
s_takes_next (const cb_option *row, const char *word)
{
    if (row->kind == CB_OPTION_FLAG || row->kind == CB_OPTION_HELP)
        return false;
    return word[1] == '-' ? strchr (word, '=') == NULL : word[2] == '\0';
}

/* Ours into own (ended by NULL), the kernel's into others. */
static int
s_divide (const cb_option *options, char **argv, char **own, cb_words *others, cb_err *err)
{
    size_t count = 0;

    own[count++] = argv[0];
    for (char **at = argv + 1; *at != NULL; at++) {
        const cb_option *row = s_row (options, *at);
        if (row == NULL && others->count == CB_WORDS_MAX)
            return cb_fail (err, CB_E_LIMIT, "more than %d words", CB_WORDS_MAX);
        if (row == NULL) {
            others->items[others->count++] = *at;
            continue;
        }
        own[count++] = *at;
        if (s_takes_next (row, *at) && at[1] != NULL)
            own[count++] = *++at;
    }
    own[count] = NULL;
    return 0;
}

int
main (int argc, char **argv)
{
    static cb_cli cli;
    static cb_shim_options options;
    static cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    const cb_option rows[] = {
        CB_CLI_COMMON (&cli),
        {"connection-file", 'f', CB_OPTION_TEXT, &options.file, "FILE",
         "the connection file that the frontend has made"},
        {"profile", 'P', CB_OPTION_TEXT, &options.profile, "PROFILE", "limits of the session"},
        {"active-output", 0, CB_OPTION_CHOICE, &options.active_output, CB_SHIM_ACTIVE_HINT,
         "whether frontends are shown what can act"},
        {"workdir", 0, CB_OPTION_CHOICE, &options.workdir, CB_SHIM_WORKDIR_HINT,
         "start in the folder of the frontend, to read or write it (auto: ro, where it can be)"},
        {0},
    };
    const cb_synopsis synopsis = {
        "kernel",
        "-f FILE [--profile PROFILE] [--active-output WHICH] [--workdir MODE] [ARGUMENT...]",
        "Serves the ports of a Jupyter connection file with a session of the daemon: what a\n"
        "kernelspec starts (cellblock kernelspec install). Further arguments are the kernel's.",
        rows + 3,
        0,
        0};
    char **own = calloc ((size_t)argc + 2, sizeof *own);

    if (own == NULL)
        (void)cb_fail_nomem (&err);
    if (own == NULL || argc < 1 || s_divide (rows, argv, own, &options.arguments, &err) < 0) {
        code = own == NULL ? cb_cli_failed (&err) : cb_cli_misused ("kernel", &err);
        free (own);
        return code;
    }
    if (cb_cli_options (&cli, &synopsis, own, &words, &code) == 0 && options.file == NULL) {
        (void)cb_fail (&err, CB_E_INVALID, "which connection file? -f FILE");
        code = cb_cli_misused ("kernel", &err);
    } else if (options.file != NULL && code == CB_EXIT_OK)
        code = cb_shim_run (&cli, &options);
    free (own);
    return code;
}
