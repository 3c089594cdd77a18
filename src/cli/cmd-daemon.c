/* cmd-daemon.c - cellblock daemon start, stop, status, reload. */
#include "base/nearest.h"
#include "base/table.h"
#include "cli/print.h"
#include "cli/start.h"

#include <stdio.h>

/* Says which daemon it is. */
static int
s_say_pid (cb_conn *conn, const char *what, cb_err *err)
{
    cb_owned (cb_json) json_t *reply = NULL;

    CB_TRY (cb_conn_call (conn, "status", json_object (), &reply, err));
    cb_cli_say ("%s (pid %lld)", what, (long long)cb_print_number (reply, "warden_pid"));
    return 0;
}

static int
s_start (const cb_cli *cli, int format, cb_err *err)
{
    cb_conn conn = {0};

    (void)format;
    CB_TRY (cb_conn_find (&conn, err));
    bool ran = cb_start_answers (conn.runtime_dir) != 0;
    int result = cb_conn_open (&conn, cli, CB_CONN_START, err);
    if (result == 0)
        result = s_say_pid (&conn, ran ? "the daemon runs already" : "the daemon runs", err);
    cb_conn_done (&conn);
    return result;
}

static int
s_stop (const cb_cli *cli, int format, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *reply = NULL;

    (void)format;
    int result = cb_conn_open (&conn, cli, CB_CONN_ONLY_RUNNING, err);
    if (result == CB_CONN_OPEN)
        result = cb_conn_call (&conn, "shutdown", json_object (), &reply, err);
    else if (result == CB_CONN_NO_DAEMON)
        cb_cli_say ("no daemon runs");
    cb_conn_done (&conn);
    if (result == CB_CONN_OPEN)
        result = cb_start_wait_gone (conn.runtime_dir, CB_START_TIME, err);
    return result < 0 ? result : 0;
}

static int
s_status (const cb_cli *cli, int format, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *reply = NULL;

    int result = cb_conn_open (&conn, cli, CB_CONN_ONLY_RUNNING, err);
    if (result == CB_CONN_OPEN)
        result = cb_conn_call (&conn, "status", json_object (), &reply, err);
    else if (result == CB_CONN_NO_DAEMON)
        result = cb_fail (err, CB_E_NOTFOUND, "no daemon runs in %s", conn.runtime_dir);
    cb_conn_done (&conn);
    if (result < 0)
        return result;
    if (format == CB_PRINT_JSON)
        return cb_print_json (reply, err);
    (void)json_object_del (reply, "status");
    return cb_print_members (reply, err);
}

static int
s_reload (const cb_cli *cli, int format, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *reply = NULL;

    (void)format;
    int result = cb_conn_open (&conn, cli, CB_CONN_ONLY_RUNNING, err);
    if (result == CB_CONN_OPEN)
        result = cb_conn_call (&conn, "reload", json_object (), &reply, err);
    else if (result == CB_CONN_NO_DAEMON)
        result = cb_fail (err, CB_E_NOTFOUND, "no daemon runs in %s", conn.runtime_dir);
    cb_conn_done (&conn);
    return result;
}

typedef struct s_verb {
    const char *name;
    int (*run) (const cb_cli *cli, int format, cb_err *err);
} s_verb;

static const s_verb s_verbs[] = {
    {"reload", s_reload},
    {"start", s_start},
    {"status", s_status},
    {"stop", s_stop},
};

static int
s_unknown (const char *word)
{
    cb_err err = CB_ERR_INIT;
    const char *near = cb_nearest (word, s_verbs, CB_COUNT (s_verbs), sizeof s_verbs[0]);

    (void)cb_fail (&err, CB_E_INVALID, "daemon has no '%s'%s%s%s", word,
                   near != NULL ? "; did you mean '" : ": it is start, stop, status or reload",
                   near != NULL ? near : "", near != NULL ? "'?" : "");
    return cb_cli_misused ("daemon", &err);
}

int
cb_cmd_daemon (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    int format = CB_PRINT_TEXT;
    const cb_option options[] = {
        {"output", 'o', CB_OPTION_CHOICE, &format, CB_PRINT_HINT, "how status is printed"},
        {0},
    };
    const cb_synopsis synopsis = {
        "daemon",
        "start|stop|status|reload",
        "Commands that need the daemon start it by themselves; it ends 5 minutes after its last\n"
        "session and client. stop ends all sessions with it. reload reads the configuration\n"
        "again. status fails when no daemon runs.",
        options,
        1,
        1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    const s_verb *verb = CB_TABLE_FIND (s_verbs, words.items[0]);
    if (verb == NULL)
        return s_unknown (words.items[0]);
    return verb->run (cli, format, &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
