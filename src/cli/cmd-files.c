/* cmd-files.c - cellblock files: what lies in a session's folders. */
#include "base/units.h"
#include "cli/columns.h"
#include "cli/print.h"

#include <stdio.h>

static int
s_print (const json_t *files, cb_err *err)
{
    char size[CB_UNITS_TEXT];
    cb_scoped (cb_columns) cb_columns table;

    cb_columns_init (&table, 2);
    for (size_t i = 0; i < json_array_size (files); i++) {
        const json_t *file = json_array_get (files, i);
        json_int_t bytes = cb_print_number (file, "size");
        cb_columns_add (&table, "%s", cb_print_text (file, "path"));
        cb_columns_add (&table, "%s", cb_size_text (bytes > 0 ? (uint64_t)bytes : 0, size));
    }
    return cb_columns_print (&table, stdout, false) < 0 ? cb_fail_nomem (err) : 0;
}

static int
s_files (const cb_cli *cli, const cb_words *words, int format, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *reply = NULL;
    const char *session = words->items[0];
    json_t *content = words->count > 1
                          ? json_pack ("{s:s, s:s}", "session", session, "path", words->items[1])
                          : json_pack ("{s:s}", "session", session);

    if (words->count > 1 && content == NULL)
        return cb_fail (err, CB_E_INVALID, "%s: not UTF-8 text", words->items[1]);
    int result = cb_conn_open_for (&conn, cli, session, err);
    if (result == 0)
        result = cb_conn_call (&conn, "files", cb_take (content), &reply, err);
    json_decref (content);
    cb_conn_done (&conn);
    if (result < 0)
        return result;
    if (format == CB_PRINT_JSON)
        return cb_print_json (reply, err);
    return s_print (json_object_get (reply, "files"), err);
}

int
cb_cmd_files (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    int format = CB_PRINT_TEXT;
    const cb_option options[] = {
        {"output", 'o', CB_OPTION_CHOICE, &format, CB_PRINT_HINT, "how the list is printed"},
        {0},
    };
    const cb_synopsis synopsis = {
        "files",
        "NAME [PATH] [-o json]",
        "Lists the files of a session: those in /work, /output and /tmp, or below PATH.",
        options,
        1,
        2};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    return s_files (cli, &words, format, &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
