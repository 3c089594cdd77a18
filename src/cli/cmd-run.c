/* cmd-run.c - cellblock run: one cell, in a session that ends with it or in a named one. */
#include "base/fdio.h"
#include "base/name.h"
#include "cli/inputs.h"
#include "cli/limits.h"
#include "cli/missing.h"
#include "cli/runner.h"
#include "cli/signals.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Bytes of code the daemon takes. */
#define S_CODE_MAX ((size_t)8 << 20)

typedef struct s_run {
    const char *session;
    const char *profile;
    const char *code;
    double timeout_s;
    int format;
    bool raw;
    cb_words inputs;
    cb_words limits;
} s_run;

static int
s_read_file (const char *path, cb_buf *into, cb_err *err)
{
    cb_err why = CB_ERR_INIT;
    bool is_stdin = strcmp (path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;

    cb_auto_close int fd = is_stdin ? dup (STDIN_FILENO) : open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cb_fail_errno (err, CB_E_NOTFOUND, "%s", name);
    if (is_stdin && isatty (fd) == 1)
        cb_cli_say ("type Python, then Ctrl-D on a line of its own");
    int result = cb_read_all (fd, into, &why);
    if (result == -CB_E_LIMIT)
        return cb_fail (err, CB_E_LIMIT, "%s: more than %zu MiB of code", name, S_CODE_MAX >> 20);
    return result < 0 ? cb_fail (err, -result, "%s: %s", name, why.text) : 0;
}

/* The code as the daemon wants it: UTF-8 without a byte order mark. */
static int
s_check_code (const char *what, cb_buf *code, cb_err *err)
{
    if (code->size >= 3 && memcmp (code->data, "\xef\xbb\xbf", 3) == 0)
        cb_buf_consume (code, 3);
    if (!cb_utf8_valid (code->data, code->size))
        return cb_fail (err, CB_E_INVALID, "%s is not UTF-8 text", what);
    if (memchr (code->data, '\0', code->size) != NULL)
        return cb_fail (err, CB_E_INVALID, "%s has NUL bytes in it: no Python", what);
    return 0;
}

static int
s_read_code (const s_run *run, const cb_words *words, cb_buf *code, cb_err *err)
{
    if (cb_buf_puts (code, run->code != NULL ? run->code : "") < 0)
        return cb_fail (err, CB_E_LIMIT, "--code: more than %zu MiB of code", S_CODE_MAX >> 20);
    if (run->code != NULL)
        return s_check_code ("--code", code, err);
    const char *path = words->items[0];
    CB_TRY (s_read_file (path, code, err));
    return s_check_code (strcmp (path, "-") == 0 ? "standard input" : path, code, err);
}

static int
s_set (json_t *object, const char *name, json_t *value, cb_err *err)
{
    return json_object_set_new (object, name, value) < 0 ? cb_fail_nomem (err) : 0;
}

/* The request's content. Owned in *ret_content. */
static int
s_make_request (const s_run *run, const cb_buf *code, json_t **ret_content, cb_err *err)
{
    cb_owned (cb_json) json_t *content = json_object ();

    CB_TRY (s_set (content, "code", json_stringn (code->data, code->size), err));
    if (run->session != NULL)
        CB_TRY (s_set (content, "session", json_string (run->session), err));
    if (run->profile != NULL)
        CB_TRY (s_set (content, "profile", json_string (run->profile), err));
    if (run->timeout_s > 0)
        CB_TRY (s_set (content, "timeout_s", json_real (run->timeout_s), err));
    if (run->inputs.count > 0) {
        json_t *inputs = cb_inputs_json (&run->inputs, err);
        if (inputs == NULL)
            return -CB_E_INVALID;
        CB_TRY (s_set (content, "inputs", inputs, err));
    }
    if (run->limits.count > 0) {
        json_t *limits = cb_limits_json (&run->limits, err);
        if (limits == NULL)
            return -CB_E_INVALID;
        CB_TRY (s_set (content, "limits", limits, err));
    }
    *ret_content = cb_take (content);
    return 0;
}

static int
s_check_names (const s_run *run, cb_err *err)
{
    if (run->session != NULL)
        CB_TRY (cb_name_check ("session", run->session, err));
    return run->profile != NULL ? cb_name_check ("profile", run->profile, err) : 0;
}

/* Who reads objects gets one also of what came to nothing, with what was put out until then. */
static void
s_show_failure (const s_run *run, cb_render *render, const cb_err *why)
{
    int denied = why->code == CB_E_POLICY;
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_json) json_t *result = json_pack (
        "{s:s?, s:s?, s:s, s:n, s:{s:s, s:o, s:[]}, s:[], s:[]}", "session", run->session, "run",
        render->run[0] != '\0' ? render->run : NULL, "status", denied ? "denied" : "error",
        "execution_count", "error", "ename", denied ? "DeniedByPolicy" : "CellblockFailed",
        "evalue", cb_json_words (why->text), "traceback", "findings", "artifacts");

    if (run->format != CB_FORMAT_TEXT && result != NULL)
        (void)!cb_render_end (render, result, &err);
}

static int
s_follow (const s_run *run, cb_runner *runner, const json_t *content, int *ret_exit, cb_err *err)
{
    cb_auto_free char *request = cb_json_text (content, NULL);

    if (request == NULL)
        return cb_fail_nomem (err);
    cb_auto_close int signals = cb_signals_open (err);
    CB_TRY (signals);
    runner->signals = signals;
    runner->fresh = run->session == NULL;
    if (run->session != NULL)
        (void)snprintf (runner->session, sizeof runner->session, "%s", run->session);
    runner->request = cellblock_request (runner->conn->client, "run", request, NULL, 0);
    return runner->request < 0 ? cb_conn_failed (runner->conn, err)
                               : cb_runner_follow (runner, ret_exit, err);
}

static int
s_ask (const s_run *run, const cb_words *words, json_t **ret_content, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf code;

    cb_buf_init (&code, S_CODE_MAX);
    CB_TRY (s_check_names (run, err));
    CB_TRY (s_read_code (run, words, &code, err));
    return s_make_request (run, &code, ret_content, err);
}

static int
s_run_it (cb_cli *cli, const s_run *run, const cb_words *words, int *ret_exit, cb_err *err)
{
    cb_conn conn = {0};
    cb_render render;
    cb_runner runner = {.conn = &conn, .render = &render};
    cb_owned (cb_json) json_t *content = NULL;

    CB_TRY (cb_render_init (&render, (cb_format)run->format, conn.state_dir, run->raw, err));
    int result = s_ask (run, words, &content, err);
    if (result == 0)
        result = cb_conn_open (&conn, cli, CB_CONN_START, err);
    if (result == 0)
        result = s_follow (run, &runner, content, ret_exit, err);
    if (result < 0 && runner.result == NULL)
        s_show_failure (run, &render, err);
    cb_runner_done (&runner);
    cb_render_done (&render);
    cb_conn_done (&conn);
    return result;
}

int
cb_cmd_run (cb_cli *cli, char **argv)
{
    static s_run run; /* large */
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    const cb_option options[] = {
        {"code", 'c', CB_OPTION_TEXT, &run.code, "CODE", "the code itself"},
        {"input", 0, CB_OPTION_WORDS, &run.inputs, "PATH",
         "show a file or folder read-only as /input/NAME (a new session only)"},
        {"limit", 'l', CB_OPTION_WORDS, &run.limits, CB_LIMITS_HINT, CB_LIMITS_HELP},
        {"output", 'o', CB_OPTION_CHOICE, &run.format, CB_FORMAT_HINT, "how the result is shown"},
        {"profile", 'P', CB_OPTION_TEXT, &run.profile, "PROFILE", "limits of the session"},
        {"raw", 0, CB_OPTION_FLAG, &run.raw, NULL,
         "send the cell's bytes to the terminal as they are (they can command it)"},
        {"session", 's', CB_OPTION_TEXT, &run.session, "NAME",
         "run in this session and keep it; it is made when it does not exist"},
        {"timeout", 't', CB_OPTION_TIME, &run.timeout_s, "SECONDS",
         "how long the cell may run (without a unit: seconds)"},
        {0},
    };
    const cb_synopsis synopsis = {
        "run",
        "[OPTIONS] (-c CODE | FILE | -)",
        "Runs Python in a jailed kernel and shows what it puts out. Without --session the kernel\n"
        "is a fresh one and ends with the cell.",
        options,
        0,
        1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    if ((run.code != NULL) + words.count != 1) {
        (void)cb_fail (&err, CB_E_INVALID,
                       "give code in one way: -c CODE, FILE, or - for "
                       "standard input");
        return cb_cli_misused ("run", &err);
    }
    if (s_run_it (cli, &run, &words, &code, &err) < 0)
        return cb_missing_explain (&err);
    return code;
}
