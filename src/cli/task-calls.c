/* task-calls.c - the calls of one answer, one after the other. What cannot be run is not run, not
 * even in part: the model reads why and may try again. After a call that failed, those behind it
 * are left alone: they were written for its success. */
#include "agent/calls.h"
#include "cli/runner.h"
#include "cli/task.h"

#include <stdio.h>
#include <string.h>

/* The answer to a call that was not run. */
static int
s_refuse (cb_task *self, const char *id, cb_err *err, const char *why)
{
    char text[CB_ERR_TEXT_MAX + 128];

    (void)snprintf (text, sizeof text, "[not run: %s]", why);
    if (self->show.format == CB_FORMAT_TEXT)
        (void)cb_render_say (&self->show.render, NULL, "a call of the model was not run: %s", why);
    return cb_transcript_result (&self->transcript, id, text, err);
}

/* The run's id and files for the object of -o json. */
static int
s_keep_run (cb_task *self, const json_t *reply, cb_err *err)
{
    json_t *run = json_object_get (reply, "run");
    json_t *artifacts = json_object_get (reply, "artifacts");

    if (json_is_string (run) && json_array_append (self->runs, run) < 0)
        return cb_fail_nomem (err);
    if (json_is_array (artifacts) && json_array_extend (self->artifacts, artifacts) < 0)
        return cb_fail_nomem (err);
    return 0;
}

/* Sends the code and follows the run; *ret_ok: it ended well. */
static int
s_follow (cb_task *self, const char *code, cb_runner *runner, cb_err *err)
{
    int exit_code = 0;
    cb_owned (cb_json) json_t *content =
        json_pack ("{s:s, s:s}", "code", code, "session", self->session);
    cb_auto_free char *text = content != NULL ? cb_json_text (content, NULL) : NULL;

    if (text == NULL)
        return cb_fail_nomem (err);
    (void)snprintf (runner->session, sizeof runner->session, "%s", self->session);
    runner->request = cellblock_request (self->conn->client, "run", text, NULL, 0);
    if (runner->request < 0)
        return cb_conn_failed (self->conn, err);
    int result = cb_runner_follow (runner, &exit_code, err);
    self->exit_code = runner->exit_code;
    self->session_gone |= runner->killed;
    return result;
}

static bool
s_ended_well (const json_t *reply)
{
    const char *status = json_string_value (json_object_get (reply, "status"));
    return status != NULL && strcmp (status, "ok") == 0;
}

/* Runs code and tells the model. */
static int
s_run (cb_task *self, const char *id, const char *code, bool *ret_ok, cb_err *err)
{
    cb_result result;
    cb_runner runner = {.conn = self->conn, .render = &self->show.render, .signals = self->signals};

    CB_TRY (cb_show_code (&self->show, code, err));
    cb_result_init (&result);
    self->show.result = &result;
    self->show.render.pictures = 0;
    self->show.render.told[0] = '\0';
    int outcome = s_follow (self, code, &runner, err);
    self->show.result = NULL;
    cb_task_listen (self);
    if (outcome == 0)
        outcome = s_keep_run (self, runner.result, err);
    cb_auto_free char *text = outcome == 0 ? cb_result_text (&result, runner.result, err) : NULL;
    if (outcome == 0)
        outcome =
            text != NULL ? cb_transcript_result (&self->transcript, id, text, err) : -CB_E_NOMEM;
    *ret_ok = s_ended_well (runner.result);
    cb_runner_done (&runner);
    cb_result_done (&result);
    return outcome;
}

/* One call. *ret_ok: it was run and ended well. */
static int
s_call (cb_task *self, const json_t *call, bool *ret_ok, cb_err *err)
{
    const char *id = json_string_value (json_object_get (call, "id"));
    const char *name = json_string_value (json_object_get (call, "name"));
    const json_t *arguments = json_object_get (call, "arguments");
    char words[CB_ERR_TEXT_MAX];
    cb_err why = CB_ERR_INIT;

    if (strcmp (name, CB_TOOL_NAME) != 0) {
        (void)snprintf (words, sizeof words, "there is no tool '%.100s', only " CB_TOOL_NAME, name);
        return s_refuse (self, id, err, words);
    }
    if (self->turn.stop == CB_STOP_LENGTH)
        return s_refuse (self, id, err, "your answer was cut off by a token limit; write less");
    cb_auto_free char *code =
        cb_call_code (json_string_value (arguments), json_string_length (arguments), &why);
    if (code == NULL) {
        (void)snprintf (words, sizeof words,
                        "%.600s; " CB_TOOL_NAME " takes one JSON object, {\"" CB_TOOL_ARGUMENT
                        "\": \"...\"}",
                        why.text);
        return s_refuse (self, id, err, words);
    }
    return s_run (self, id, code, ret_ok, err);
}

int
cb_task_run_calls (cb_task *self, cb_err *err)
{
    bool ok = true;

    for (size_t i = 0; i < json_array_size (self->turn.calls); i++) {
        const json_t *call = json_array_get (self->turn.calls, i);
        const char *id = json_string_value (json_object_get (call, "id"));
        if (!ok) {
            CB_TRY (s_refuse (self, id, err, "a call before it failed"));
            continue;
        }
        ok = false;
        CB_TRY (s_call (self, call, &ok, err));
        if (self->exit_code != 0)
            return 0;
    }
    return 0;
}
