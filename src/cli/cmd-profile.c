/* cmd-profile.c - cellblock profile: which profiles there are, what each resolves to and where each
 * value was said. The daemon is asked: what it answers is what its sessions get. */
#include "base/name.h"
#include "cli/columns.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

/* Keys that the list shows beside the name; all others are in `show`. */
static const char *const s_shown[] = {"inherits", "wall", "cpu", "memory", "disk", "processes"};
static const char *const s_header[] = {"NAME",   "INHERITS", "WALL",      "CPU",
                                       "MEMORY", "DISK",     "PROCESSES", "NOTE"};

#define S_COUNT(array) (sizeof (array) / sizeof (array)[0])

_Static_assert(S_COUNT (s_header) == S_COUNT (s_shown) + 2, "a heading a column");

static int
s_print_list (const json_t *profiles, cb_err *err)
{
    cb_scoped (cb_columns) cb_columns table;
    size_t i;
    const json_t *profile;

    cb_columns_init (&table, S_COUNT (s_header));
    for (i = 0; i < S_COUNT (s_header); i++)
        cb_columns_add (&table, "%s", s_header[i]);
    json_array_foreach (profiles, i, profile)
    {
        const json_t *values = json_object_get (profile, "values");
        cb_columns_add (&table, "%s", cb_print_text (profile, "name"));
        for (size_t k = 0; k < S_COUNT (s_shown); k++)
            cb_columns_add (&table, "%s", cb_print_text (values, s_shown[k]));
        cb_columns_add (&table, "%s",
                        json_is_string (json_object_get (profile, "refused")) ? "refused" : "");
    }
    return cb_columns_print (&table, stdout, true) < 0 ? cb_fail_nomem (err) : 0;
}

/* "built-in", "/etc/...:3", "inherited from big (/etc/...:3)". */
static void
s_add_origin (cb_columns *table, const char *name, const json_t *value)
{
    const char *profile = cb_print_text (value, "profile");
    const char *origin = cb_print_text (value, "origin");

    if (strcmp (profile, name) == 0)
        cb_columns_add (table, "%s", origin);
    else
        cb_columns_add (table, "inherited from %s (%s)", profile, origin);
}

static int
s_print_one (const json_t *reply, cb_err *err)
{
    cb_scoped (cb_columns) cb_columns table;
    const char *name = cb_print_text (reply, "name");
    const char *refused = cb_print_text (reply, "refused");
    size_t i;
    const json_t *value;

    cb_columns_init (&table, 4);
    cb_columns_add (&table, "KEY");
    cb_columns_add (&table, "VALUE");
    cb_columns_add (&table, "FIXED");
    cb_columns_add (&table, "FROM");
    json_array_foreach (json_object_get (reply, "values"), i, value)
    {
        if (strcmp (cb_print_text (value, "key"), "fixed") == 0)
            continue; /* the column says it */
        cb_columns_add (&table, "%s", cb_print_text (value, "key"));
        cb_columns_add (&table, "%s", cb_print_text (value, "value"));
        cb_columns_add (&table, "%s", json_is_true (json_object_get (value, "fixed")) ? "yes" : "");
        s_add_origin (&table, name, value);
    }
    if (cb_columns_print (&table, stdout, true) < 0)
        return cb_fail_nomem (err);
    if (refused[0] != '\0')
        cb_cli_say ("no session can be made of it: %s", refused);
    return 0;
}

/* Asks the daemon, which is started when none runs: the configuration is its to read. */
static int
s_ask (const cb_cli *cli, const char *verb, json_t *content, json_t **ret_reply, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *taken = content;

    int result = cb_conn_open (&conn, cli, CB_CONN_START, err);
    if (result == 0)
        result = cb_conn_call (&conn, verb, cb_take (taken), ret_reply, err);
    cb_conn_done (&conn);
    return result;
}

static int
s_list (const cb_cli *cli, int format, cb_err *err)
{
    cb_owned (cb_json) json_t *reply = NULL;

    CB_TRY (s_ask (cli, "profiles", json_object (), &reply, err));
    if (format == CB_PRINT_JSON)
        return cb_print_json (reply, err);
    return s_print_list (json_object_get (reply, "profiles"), err);
}

static int
s_show (const cb_cli *cli, const char *name, int format, cb_err *err)
{
    cb_owned (cb_json) json_t *reply = NULL;

    CB_TRY (cb_name_check ("profile", name, err));
    CB_TRY (s_ask (cli, "profile", json_pack ("{s:s}", "profile", name), &reply, err));
    return format == CB_PRINT_JSON ? cb_print_json (reply, err) : s_print_one (reply, err);
}

int
cb_cmd_profile (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    int format = CB_PRINT_TEXT;
    const cb_option options[] = {
        {"output", 'o', CB_OPTION_CHOICE, &format, CB_PRINT_HINT, "how it is printed"},
        {0},
    };
    const cb_synopsis synopsis = {
        "profile",
        "ls|show [NAME] [-o json]",
        "Lists the profiles there are; tells what one (without a name: default) resolves to,\n"
        "where each value was said, and which of them nobody may loosen.",
        options,
        1,
        2};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    int list = strcmp (words.items[0], "ls") == 0;
    if (list ? words.count > 1 : strcmp (words.items[0], "show") != 0) {
        (void)cb_fail (&err, CB_E_INVALID, "say cellblock profile ls, or show [NAME]");
        return cb_cli_misused ("profile", &err);
    }
    const char *name = words.count > 1 ? words.items[1] : "default";
    int result = list ? s_list (cli, format, &err) : s_show (cli, name, format, &err);
    return result < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
