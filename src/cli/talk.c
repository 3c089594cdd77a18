/* talk.c - Python mode: a prompt, cells that run in a session, and the session that stays.
 *
 * A cell is followed as cellblock run follows it (cli/runner), with a person to be asked by input
 * () and a session that is worth more than the cell. Whatever fails is said and the prompt comes
 * again; only a session that is gone with its daemon ends it. */
#include "cli/talk.h"

#include "base/fdio.h"
#include "cli/line.h"
#include "cli/missing.h"
#include "cli/runner.h"
#include "cli/signals.h"

#include <stdio.h>
#include <string.h>

/* Bytes of code the daemon takes. */
#define S_CODE_MAX ((size_t)8 << 20)

/* ---- a cell -----------------------------------------------------------------------------------
 */

static int
s_request (cb_talk *self, const cb_buf *code, int64_t *ret_request, cb_err *err)
{
    cb_owned (cb_json) json_t *content =
        json_pack ("{s:s%, s:s, s:b, s:b}", "code", code->data, code->size, "session",
                   self->session, "allow_stdin", 1, "interactive", 1);

    if (content == NULL)
        return cb_fail (err, CB_E_INVALID, "that is not UTF-8 text");
    if (self->options->timeout_s > 0 &&
        json_object_set_new (content, "timeout_s", json_real (self->options->timeout_s)) < 0)
        return cb_fail_nomem (err);
    cb_auto_free char *text = cb_json_text (content, NULL);
    if (text == NULL)
        return cb_fail_nomem (err);
    *ret_request = cellblock_request (self->conn.client, "run", text, NULL, 0);
    return *ret_request < 0 ? cb_conn_failed (&self->conn, err) : 0;
}

/* What the end of a run means for the prompt. */
static int
s_after (cb_talk *self, const cb_runner *runner, cb_err *err)
{
    const char *status = json_string_value (json_object_get (runner->result, "status"));

    /* A kernel that died was told about. */
    if (runner->killed || (status != NULL && strcmp (status, "ok") != 0 &&
                           strcmp (status, "error") != 0 && strcmp (status, "interrupted") != 0))
        self->restarts = -1;
    if (runner->exit_code == CB_EXIT_TERMINATED) {
        self->exit_code = CB_EXIT_TERMINATED;
        self->runs = runner->result == NULL && !runner->waiting;
        self->over = true;
        return 0;
    }
    /* A connection that closes withdraws what waits. */
    return runner->waiting ? cb_talk_reconnect (self, err) : 0;
}

static int
s_follow (cb_talk *self, const cb_buf *code, cb_render *render, cb_err *err)
{
    cb_runner runner = {
        .conn = &self->conn, .render = render, .signals = self->signals, .person = &self->person};
    int exit_code = 0;

    (void)snprintf (runner.session, sizeof runner.session, "%s", self->session);
    int result = s_request (self, code, &runner.request, err);
    if (result == 0)
        result = cb_runner_follow (&runner, &exit_code, err);
    cb_person_forget (&self->person);
    if (result == 0)
        result = s_after (self, &runner, err);
    cb_runner_done (&runner);
    return result;
}

static int
s_run (cb_talk *self, const cb_buf *code, cb_err *err)
{
    cb_render render;

    CB_TRY (cb_render_init (&render, CB_FORMAT_TEXT, self->conn.state_dir, false, err));
    int result = s_follow (self, code, &render, err);
    cb_render_done (&render);
    return result;
}

/* ---- the prompt -------------------------------------------------------------------------------
 */

/* Says what went wrong and mends what can be mended. */
static void
s_on_failure (cb_talk *self, cb_err *err)
{
    cb_err again = CB_ERR_INIT;

    cb_cli_say ("%s", err->text);
    if (cellblock_error_code (self->conn.client) != CELLBLOCK_E_GONE)
        return;
    if (cb_talk_reconnect (self, &again) == 0) {
        cb_cli_say ("connected again; session '%s' goes on", self->session);
        return;
    }
    cb_cli_say ("%s", again.text);
    self->over = true;
    self->exit_code = CB_EXIT_FAILED;
}

static void
s_turn (cb_talk *self)
{
    cb_err err = CB_ERR_INIT;
    cb_scoped (cb_buf) cb_buf code;

    cb_buf_init (&code, S_CODE_MAX);
    int outcome = cb_talk_read (self, &code, &err);
    if (outcome == CB_TALK_LEAVES)
        self->over = true;
    else if (outcome == CB_TALK_CODE)
        outcome = s_run (self, &code, &err);
    if (outcome < 0)
        s_on_failure (self, &err);
}

int
cb_talk_main (const cb_cli *cli, const cb_task_options *options)
{
    cb_talk self = {.cli = cli, .options = options, .signals = -1};
    cb_err err = CB_ERR_INIT;

    cb_term_look (&self.term, STDOUT_FILENO);
    int result = cb_talk_open (&self, &err);
    /* Only now: a daemon that is started inherits no blocked signals. */
    if (result == 0)
        result = self.signals = cb_signals_open (&err);
    if (result >= 0) {
        cb_person_init (&self.person, STDIN_FILENO, self.conn.client);
        cb_line_init ();
        while (!self.over)
            s_turn (&self);
        cb_talk_farewell (&self);
        cb_person_done (&self.person);
        cb_close (&self.signals);
    } else {
        self.exit_code = cb_missing_explain (&err);
    }
    cb_conn_done (&self.conn);
    return self.exit_code;
}
