/* cmd-stop.c - cellblock stop, restart, interrupt: what becomes of a session's kernel. */
#include "cli/conn.h"

static int
s_tell (const cb_cli *cli, const char *verb, const char *session, cb_err *err)
{
    cb_owned (cb_json) json_t *reply = NULL;

    return cb_conn_ask (cli, verb, session, &reply, err);
}

static int
s_stop_all (const cb_cli *cli, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *reply = NULL;

    int result = cb_conn_open (&conn, cli, CB_CONN_ONLY_RUNNING, err);
    if (result == CB_CONN_OPEN)
        result = cb_conn_call (&conn, "stop", json_pack ("{s:b}", "all", 1), &reply, err);
    else if (result == CB_CONN_NO_DAEMON)
        result = 0; /* and so no sessions */
    cb_conn_done (&conn);
    return result;
}

/* Every name is tried; the first failure decides the exit code. */
static int
s_tell_each (const cb_cli *cli, const char *verb, const cb_words *names)
{
    int code = CB_EXIT_OK;

    for (size_t i = 0; i < names->count; i++) {
        cb_err err = CB_ERR_INIT;
        if (s_tell (cli, verb, names->items[i], &err) < 0)
            code = cb_cli_failed (&err);
    }
    return code;
}

int
cb_cmd_stop (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    bool all = false;
    const cb_option options[] = {
        {"all", 'a', CB_OPTION_FLAG, &all, NULL, "all sessions"},
        {0},
    };
    const cb_synopsis synopsis = {"stop",
                                  "NAME... | --all",
                                  "Ends sessions: their kernels, variables and files are gone.",
                                  options,
                                  0,
                                  CB_WORDS_MAX};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    if (all == (words.count > 0)) {
        (void)cb_fail (&err, CB_E_INVALID, "name the sessions to stop, or say --all");
        return cb_cli_misused ("stop", &err);
    }
    if (!all)
        return s_tell_each (cli, "stop", &words);
    return s_stop_all (cli, &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}

int
cb_cmd_restart (cb_cli *cli, char **argv)
{
    cb_words words;
    int code = CB_EXIT_OK;
    const cb_synopsis synopsis = {
        "restart",
        "NAME...",
        "Gives sessions a new kernel: variables are gone, inputs and limits stay.",
        NULL,
        1,
        CB_WORDS_MAX};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    return s_tell_each (cli, "restart", &words);
}

int
cb_cmd_interrupt (cb_cli *cli, char **argv)
{
    cb_words words;
    int code = CB_EXIT_OK;
    const cb_synopsis synopsis = {
        "interrupt",
        "NAME...",
        "Raises KeyboardInterrupt in the cell that runs in a session; variables stay.",
        NULL,
        1,
        CB_WORDS_MAX};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    return s_tell_each (cli, "interrupt", &words);
}
