/* cmd-show.c - cellblock show: all about one session. */
#include "base/units.h"
#include "cli/print.h"

#include <string.h>

/* What control groups would hold: without them the warden looks after memory, and nobody after the
 * processor. A person is told beside it. */
static void
s_mark_loose (const json_t *reply)
{
    char text[CB_UNITS_TEXT];
    json_t *limits = json_object_get (reply, "limits");
    json_t *memory = json_object_get (limits, "memory_bytes");
    json_t *cpu = json_object_get (limits, "cpu_percent");
    const char *groups = cb_print_text (json_object_get (reply, "layers"), "cgroup");

    if (strcmp (groups, "none") != 0)
        return;
    if (json_is_integer (memory))
        (void)json_object_set_new (
            limits, "memory_bytes",
            json_sprintf ("%s, by a watchdog (no control groups: see cellblock doctor)",
                          cb_size_text ((uint64_t)json_integer_value (memory), text)));
    if (json_is_integer (cpu))
        (void)json_object_set_new (
            limits, "cpu_percent",
            json_sprintf ("%lld %%, not in force", (long long)json_integer_value (cpu)));
}

static int
s_show (const cb_cli *cli, const char *session, int format, cb_err *err)
{
    cb_owned (cb_json) json_t *reply = NULL;

    CB_TRY (cb_conn_ask (cli, "show", session, &reply, err));
    if (format == CB_PRINT_JSON)
        return cb_print_json (reply, err);
    (void)json_object_del (reply, "status");
    s_mark_loose (reply);
    return cb_print_members (reply, err);
}

int
cb_cmd_show (cb_cli *cli, char **argv)
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
        "show",
        "NAME [-o json]",
        "Tells all about a session: its state, its limits, what holds its jail.",
        options,
        1,
        1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    return s_show (cli, words.items[0], format, &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
