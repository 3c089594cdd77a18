/* cmd-new.c - cellblock new: a session that waits for cells; its name is the answer. */
#include "base/name.h"
#include "cli/conn.h"
#include "cli/inputs.h"
#include "cli/limits.h"
#include "cli/missing.h"
#include "cli/workdir.h"

#include <stdio.h>

static int
s_set_text (json_t *content, const char *member, const char *what, const char *value, cb_err *err)
{
    if (value == NULL)
        return 0;
    CB_TRY (cb_name_check (what, value, err));
    if (json_object_set_new (content, member, json_string (value)) < 0)
        return cb_fail_nomem (err);
    return 0;
}

/* Values of --workdir; the last is what counts without it. */
#define S_WORKDIRS "ro|rw|none"
enum { S_READ, S_WRITE, S_NONE };

typedef struct s_wish {
    const char *name;
    const char *profile;
    int workdir; /* a place in S_WORKDIRS */
    cb_words inputs;
    cb_words limits;
} s_wish;

/* Only when it is asked for. */
static int
s_add_workdir (const s_wish *wish, json_t *content, cb_err *err)
{
    json_t *workdir = NULL;

    if (wish->workdir == S_NONE)
        return 0;
    int outcome = cb_workdir_json (wish->workdir == S_WRITE ? "rw" : "ro", &workdir, err);
    CB_TRY (outcome);
    if (outcome == CB_WORKDIR_GIVEN && json_object_set_new (content, "workdir", workdir) < 0)
        return cb_fail_nomem (err);
    return 0;
}

static int
s_request (const s_wish *wish, json_t **ret_content, cb_err *err)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:b}", "wait", 1);

    if (content == NULL)
        return cb_fail_nomem (err);
    CB_TRY (s_set_text (content, "name", "session", wish->name, err));
    CB_TRY (s_set_text (content, "profile", "profile", wish->profile, err));
    CB_TRY (s_add_workdir (wish, content, err));
    if (wish->inputs.count > 0) {
        json_t *array = cb_inputs_json (&wish->inputs, err);
        if (array == NULL)
            return -CB_E_INVALID;
        if (json_object_set_new (content, "inputs", array) < 0)
            return cb_fail_nomem (err);
    }
    if (wish->limits.count > 0) {
        json_t *limits = cb_limits_json (&wish->limits, err);
        if (limits == NULL)
            return -CB_E_INVALID;
        if (json_object_set_new (content, "limits", limits) < 0)
            return cb_fail_nomem (err);
    }
    *ret_content = cb_take (content);
    return 0;
}

static int
s_new (const cb_cli *cli, json_t *content, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *taken = content;
    cb_owned (cb_json) json_t *reply = NULL;
    const char *session = NULL;

    int result = cb_conn_open (&conn, cli, CB_CONN_START, err);
    if (result == 0)
        result = cb_workdir_allow (json_object_get (taken, "workdir"), conn.runtime_dir, err);
    if (result == 0)
        result = cb_conn_call (&conn, "new", cb_take (taken), &reply, err);
    cb_conn_done (&conn);
    if (result < 0)
        return result;
    CB_TRY (cb_json_get_string (reply, "session", CB_NAME_MAX, CB_JSON_REQUIRED, &session, err));
    CB_TRY (cb_name_check ("session", session, err));
    (void)printf ("%s\n", session);
    return 0;
}

int
cb_cmd_new (cb_cli *cli, char **argv)
{
    cb_words words;
    static s_wish wish = {.workdir = S_NONE}; /* large */
    cb_err err = CB_ERR_INIT;
    json_t *content = NULL;
    int code = CB_EXIT_OK;
    const cb_option options[] = {
        {"input", 0, CB_OPTION_WORDS, &wish.inputs, "PATH",
         "show a file or folder read-only as /input/NAME"},
        {"limit", 'l', CB_OPTION_WORDS, &wish.limits, CB_LIMITS_HINT, CB_LIMITS_HELP},
        {"profile", 'P', CB_OPTION_TEXT, &wish.profile, "PROFILE", "limits of the session"},
        {"workdir", 0, CB_OPTION_CHOICE, &wish.workdir, S_WORKDIRS,
         "start in the folder you are in, to read or write it"},
        {0},
    };
    const cb_synopsis synopsis = {
        "new",
        "[NAME] [-P PROFILE] [-l NAME=VALUE]... [--input PATH]... [--workdir ro|rw|none]",
        "Starts a session and prints its name when its kernel is ready. It ends by\n"
        "cellblock stop, or when nobody has used it for an hour.",
        options,
        0,
        1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    wish.name = words.count > 0 ? words.items[0] : NULL;
    if (s_request (&wish, &content, &err) < 0)
        return cb_cli_failed (&err);
    return s_new (cli, content, &err) < 0 ? cb_missing_explain (&err) : CB_EXIT_OK;
}
