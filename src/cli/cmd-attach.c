/* cmd-attach.c - cellblock attach: where a session's connection file is, and who can use it. */
#include "base/fdio.h"
#include "cli/print.h"
#include "cli/sanitise.h"
#include "wire/connfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Whether somebody listens behind the file: its shell socket is there. */
static bool
s_is_served (const char *path)
{
    cb_scoped (cb_connfile) cb_connfile file;
    cb_scoped (cb_buf) cb_buf text;
    char endpoint[CB_ENDPOINT_MAX];
    static const char scheme[] = "ipc://";

    cb_connfile_init (&file);
    cb_buf_init (&text, CB_CONNFILE_MAX);
    return cb_read_file (AT_FDCWD, path, &text, NULL) == 0 &&
           cb_connfile_read (&file, text.data, text.size, NULL) == 0 &&
           cb_connfile_endpoint (&file, CB_CHANNEL_SHELL, endpoint, NULL) == 0 &&
           strncmp (endpoint, scheme, sizeof scheme - 1) == 0 &&
           access (endpoint + sizeof scheme - 1, W_OK) == 0;
}

static int
s_attach (const cb_cli *cli, const char *session, bool only_path, cb_err *err)
{
    cb_owned (cb_json) json_t *reply = NULL;
    char safe[PATH_MAX];
    const char *path = NULL;

    CB_TRY (cb_conn_ask (cli, "show", session, &reply, err));
    CB_TRY (
        cb_json_get_string (reply, "connection_file", PATH_MAX - 1, CB_JSON_REQUIRED, &path, err));
    (void)cb_sanitise_line (path, safe, sizeof safe);
    if (only_path) {
        (void)printf ("%s\n", isatty (STDOUT_FILENO) == 1 ? safe : path);
        return 0;
    }
    (void)printf ("Connection file of session %s:\n  %s\n\n", session, safe);
    if (s_is_served (path))
        (void)printf ("Any Jupyter client attaches with it, for example:\n"
                      "  jupyter console --existing %s\n"
                      "  jupyter qtconsole --existing %s\n"
                      "  jupyter run --existing %s FILE.py\n"
                      "A console's Ctrl-C stays with the console; what interrupts the cell is:\n"
                      "  cellblock interrupt %s\n",
                      safe, safe, safe, session);
    else
        (void)printf ("This daemon serves no sockets behind it: sessions are reached by the\n"
                      "commands of cellblock and by libcellblock.\n");
    return 0;
}

int
cb_cmd_attach (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    bool only_path = false;
    const cb_option options[] = {
        {"path", 0, CB_OPTION_FLAG, &only_path, NULL, "print nothing but the file's path"},
        {0},
    };
    const cb_synopsis synopsis = {
        "attach",
        "NAME [--path]",
        "Tells where the connection file of a session is, with which Jupyter clients reach it.",
        options,
        1,
        1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    return s_attach (cli, words.items[0], only_path, &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
