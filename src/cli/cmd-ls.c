/* cmd-ls.c - cellblock ls: the sessions there are. Without a daemon there are none. */
#include "base/units.h"
#include "cli/columns.h"
#include "cli/print.h"

#include <stdio.h>

static void
s_add_row (cb_columns *table, const json_t *info)
{
    char idle[CB_UNITS_TEXT];
    double idle_s = json_number_value (json_object_get (info, "idle_s"));
    cb_usec whole = idle_s > 0 ? (cb_usec)idle_s * CB_USEC_PER_SEC : 0;

    cb_columns_add (table, "%s", cb_print_text (info, "name"));
    cb_columns_add (table, "%s", cb_print_text (info, "state"));
    cb_columns_add (table, "%s", cb_print_text (info, "profile"));
    cb_columns_add (table, "%lld", (long long)cb_print_number (info, "executions"));
    cb_columns_add (table, "%s", cb_duration_text (whole, idle));
    cb_columns_add (table, "%lld", (long long)cb_print_number (info, "clients"));
    cb_columns_add (table, "%s", cb_print_text (info, "created"));
}

static int
s_print (const json_t *sessions, cb_err *err)
{
    static const char *const header[] = {"NAME", "STATE",   "PROFILE", "CELLS",
                                         "IDLE", "CLIENTS", "CREATED"};
    cb_scoped (cb_columns) cb_columns table;

    cb_columns_init (&table, sizeof header / sizeof header[0]);
    for (size_t i = 0; i < sizeof header / sizeof header[0]; i++)
        cb_columns_add (&table, "%s", header[i]);
    for (size_t i = 0; i < json_array_size (sessions); i++)
        s_add_row (&table, json_array_get (sessions, i));
    return cb_columns_print (&table, stdout, true) < 0 ? cb_fail_nomem (err) : 0;
}

static int
s_list (const cb_cli *cli, int format, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *reply = NULL;

    int result = cb_conn_open (&conn, cli, CB_CONN_ONLY_RUNNING, err);
    if (result == CB_CONN_NO_DAEMON) {
        result = 0;
        reply = json_pack ("{s:[]}", "sessions");
    } else if (result == CB_CONN_OPEN) {
        result = cb_conn_call (&conn, "list", json_object (), &reply, err);
    }
    cb_conn_done (&conn);
    if (result < 0)
        return result;
    if (format == CB_PRINT_JSON)
        return cb_print_json (reply, err);
    if (json_array_size (json_object_get (reply, "sessions")) > 0)
        return s_print (json_object_get (reply, "sessions"), err);
    cb_cli_say ("there are no sessions");
    return 0;
}

int
cb_cmd_ls (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    int format = CB_PRINT_TEXT;
    const cb_option options[] = {
        {"output", 'o', CB_OPTION_CHOICE, &format, CB_PRINT_HINT, "how the list is printed"},
        {0},
    };
    const cb_synopsis synopsis = {"ls", "[-o json]", "Lists the sessions.", options, 0, 0};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    return s_list (cli, format, &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
