/* cmd-task.c - cellblock -p PROMPT: chooses the model, makes or finds the session, runs the task,
 * ends what was made for it. Everything that can be wrong with the question is found before the
 * daemon starts and before a model is asked. */
#include "cli/cmd-task.h"

#include "agent/choice.h"
#include "base/configs.h"
#include "base/fdio.h"
#include "cli/missing.h"
#include "cli/opening.h"
#include "cli/signals.h"
#include "cli/task.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a question: larger things are files for --input. */
#define S_PROMPT_MAX ((size_t)1 << 20)

/* The question itself; owned by into where it is read. */
static int
s_read_prompt (const cb_task_options *options, cb_buf *into, cb_err *err)
{
    cb_err why = CB_ERR_INIT;
    bool is_stdin = strcmp (options->prompt, "-") == 0;

    if (is_stdin && isatty (STDIN_FILENO) == 1)
        cb_cli_say ("type the task, then Ctrl-D on a line of its own");
    int result =
        is_stdin ? cb_read_all (STDIN_FILENO, into, &why) : cb_buf_puts (into, options->prompt);
    if (result == -CB_E_LIMIT)
        return cb_fail (err, CB_E_LIMIT, "a task of more than %zu MiB: give files by --input",
                        S_PROMPT_MAX >> 20);
    if (result < 0)
        return cb_fail (err, -result, "standard input: %.500s", why.text);
    if (into->size == 0 || strspn (into->data, " \t\r\n") == into->size)
        return cb_fail (err, CB_E_INVALID, "the task is empty");
    if (!cb_utf8_valid (into->data, into->size) || strlen (into->data) != into->size)
        return cb_fail (err, CB_E_INVALID, "the task is not UTF-8 text");
    return 0;
}

/* ---- the model --------------------------------------------------------------------------------
 */

static int
s_add_sources (const cb_configs *files, const cb_words *sets, cb_ini_sources *sources, cb_err *err)
{
    for (size_t i = 0; i < files->n; i++)
        sources->files[sources->n_files++] = (cb_ini_file){files->fds[i], files->labels[i]};
    for (size_t i = 0; i < sets->count; i++)
        CB_TRY (cb_ini_add_set (sources, sets->items[i], err));
    return 0;
}

static int
s_choose (const cb_cli *cli, const char *model, cb_choice *choice, cb_err *err)
{
    static cb_configs files; /* large */
    cb_ini_sources sources = {.n_files = 0};

    if (cli->configs.count > CB_CONFIGS_GIVEN)
        return cb_fail (err, CB_E_LIMIT, "more than %d times -C", CB_CONFIGS_GIVEN);
    int result = cb_configs_find (&files, cli->configs.items, cli->configs.count, err);
    if (result == 0)
        result = cb_configs_open (&files, err);
    if (result == 0)
        result = s_add_sources (&files, &cli->settings, &sources, err);
    if (result == 0)
        result = cb_choice_make (choice, &sources, model, err);
    cb_configs_close (&files);
    return result;
}

/* ---- the session ------------------------------------------------------------------------------
 */

/* What the model should know of the session: its inputs and how long a cell may take. */
static void
s_describe (cb_task *self, const json_t *request, const json_t *reply)
{
    const json_t *inputs = json_object_get (request, "inputs");
    const json_t *wall = json_object_get (reply, "wall_s");
    cb_buf text;

    cb_buf_init (&text, sizeof self->about - 1);
    int result = 0;
    if (json_is_number (wall))
        result = cb_buf_printf (&text, " A cell may take %g s.", json_number_value (wall));
    for (size_t i = 0; i < json_array_size (inputs) && result == 0; i++)
        result = cb_buf_printf (
            &text, "%s/input/%s", i == 0 ? " There are: " : ", ",
            json_string_value (json_object_get (json_array_get (inputs, i), "name")));
    if (text.data != NULL)
        memcpy (self->about, text.data, text.size + 1);
    cb_buf_done (&text);
}

static cb_opening
s_opening (const cb_task *self)
{
    const cb_task_options *options = self->options;

    return (cb_opening){options->session, options->profile, &options->inputs,
                        options->session == NULL};
}

static int
s_open_session (cb_task *self, json_t *request, cb_err *err)
{
    cb_owned (cb_json) json_t *asked = json_incref (request);
    const cb_opening opening = s_opening (self);
    cb_opened opened;

    int result = cb_opening_make (&opening, self->conn, request, &opened, err);
    (void)snprintf (self->session, sizeof self->session, "%s", opened.session);
    if (result == 0 && !opened.found)
        s_describe (self, asked, opened.reply);
    cb_opened_done (&opened);
    return result;
}

/* What was made for this task alone ends with it; a named session is told about at a terminal. */
static void
s_close_session (cb_task *self)
{
    cb_owned (cb_json) json_t *reply = NULL;
    cb_err err = CB_ERR_INIT;

    if (self->session[0] == '\0' || self->session_gone)
        return;
    if (self->options->session == NULL) {
        json_t *content = json_pack ("{s:s}", "session", self->session);
        (void)!cb_conn_call (self->conn, "stop", content, &reply, &err);
    } else if (self->show.format == CB_FORMAT_TEXT && self->show.render.notes.term.tty) {
        (void)cb_render_say (&self->show.render, NULL,
                             "session '%s' stays; cellblock stop %s ends it", self->session,
                             self->session);
    }
}

/* ---- the task ---------------------------------------------------------------------------------
 */

/* Tells how it ended; the exit code. */
static int
s_report (cb_task *self, cb_task_end *end)
{
    cb_err err = CB_ERR_INIT;

    if (self->options->record != NULL &&
        cb_record_save (&self->record, self->options->record, &err) < 0 &&
        end->exit_code == CB_EXIT_OK)
        *end = (cb_task_end){"error", CB_EXIT_FAILED, err};
    if (end->err.code != 0 && end->exit_code != CB_EXIT_OK && !cb_show_is_over (&self->show))
        (void)cb_render_say (&self->show.render, NULL, "%s", end->err.text);
    cb_task_listen (self);
    cb_owned (cb_json) json_t *object = cb_task_object (self, end);
    if (object == NULL || cb_show_end (&self->show, object, &err) < 0)
        return end->exit_code != CB_EXIT_OK ? end->exit_code : CB_EXIT_FAILED;
    return end->exit_code;
}

/* Everything up to the loop. */
static int
s_prepare (cb_cli *cli, cb_task *self, cb_choice *choice, cb_err *err)
{
    const cb_task_options *options = self->options;
    const cb_opening opening = s_opening (self);
    cb_owned (cb_json) json_t *request = NULL;

    CB_TRY (cb_opening_check (&opening, &request, err));
    CB_TRY (s_choose (cli, options->model, choice, err));
    CB_TRY (cb_task_init (self, err));
    if (options->record != NULL) /* a path that cannot be written is known before, not after */
        CB_TRY (cb_record_save (&self->record, options->record, err));
    CB_TRY (cb_conn_open (self->conn, cli, CB_CONN_START_QUIET, err));
    self->show.render.state_dir = self->conn->state_dir;
    /* Only now: a daemon that is started inherits no blocked signals. */
    self->signals = cb_signals_open (err);
    if (self->signals < 0)
        return self->signals;
    self->conn->signals = self->signals;
    return s_open_session (self, cb_take (request), err);
}

static int
s_do (cb_cli *cli, cb_task *self)
{
    cb_choice choice = {.id = ""};
    cb_task_end end = {.status = "error", .exit_code = CB_EXIT_FAILED};

    self->choice = &choice;
    int result = s_prepare (cli, self, &choice, &end.err);
    if (result == 0)
        cb_task_run (self, &end);
    else if (self->conn->signal != 0)
        end = (cb_task_end){.status = "interrupted",
                            .exit_code = self->conn->signal == SIGTERM ? CB_EXIT_TERMINATED
                                                                       : CB_EXIT_INTERRUPTED};
    s_close_session (self);
    int code = s_report (self, &end);
    cb_task_done (self);
    cb_choice_done (&choice);
    return code;
}

int
cb_cmd_task (cb_cli *cli, const cb_task_options *options)
{
    cb_conn conn = {0};
    cb_task self = {.options = options, .conn = &conn, .signals = -1};
    cb_err err = CB_ERR_INIT;
    cb_scoped (cb_buf) cb_buf prompt;

    cb_buf_init (&prompt, S_PROMPT_MAX);
    if (s_read_prompt (options, &prompt, &err) < 0)
        return cb_cli_misused ("", &err);
    self.prompt = prompt.data;
    if (cb_show_init (&self.show, (cb_format)options->format, "", &err) < 0)
        return cb_cli_failed (&err);
    int code = s_do (cli, &self);
    if (self.signals >= 0)
        cb_close (&self.signals);
    cb_show_done (&self.show);
    cb_conn_done (&conn);
    return code;
}
