/* task.c - the loop of a task. While the model speaks, our loop turns (libcurl and signals are
 * sources in it); while a cell runs, cli/runner follows it as it does for `cellblock run`. The two
 * never overlap, so each hears signals in its own way through the same descriptor.
 *
 * A first Ctrl-C stops the answer or interrupts the cell, and the task is over. */
#include "cli/task.h"

#include "cli/signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* What the model is told before the question. */
static const char s_system[] =
    "You work for a person at a command line. You have one tool, " CB_TOOL_NAME
    ": it runs Python in an IPython kernel inside a jail and gives back what the cell prints, its "
    "last value and its error. Variables stay between calls. The jail has no network and sees no "
    "files of the host but what lies in /input (read-only). numpy, pandas and matplotlib are "
    "there; nothing can be installed. Write files for the person to /output. Find out with code "
    "what can be found out, then answer in plain "
    "words; never present as computed what no cell has shown.";

/* ---- signals ----------------------------------------------------------------------------------
 */

static void
s_note_signal (cb_task *self, int number)
{
    if (number == 0)
        return;
    self->exit_code = number == SIGTERM ? CB_EXIT_TERMINATED : CB_EXIT_INTERRUPTED;
    self->show.words.safe.inside = true; /* the terminal shows ^C in the line */
}

static void
s_on_signal_io (cb_source *source, int fd, uint32_t events, void *context)
{
    (void)source;
    (void)events;
    s_note_signal (context, cb_signals_next (fd));
}

/* While a reader of ours is slow. */
static int
s_on_signal (int number, void *context)
{
    s_note_signal (context, number);
    return 1;
}

void
cb_task_listen (cb_task *self)
{
    cb_show_listen (&self->show, self->signals, s_on_signal, self);
}

/* ---- the model's answer -----------------------------------------------------------------------
 */

static void
s_end_turn (cb_task *self, int result, const cb_err *err)
{
    self->turn.over = true;
    if (result < 0 && self->turn.err.code == 0)
        self->turn.err = *err;
}

static void
s_on_text (cb_task *self, const cb_said *said)
{
    cb_err err = CB_ERR_INIT;

    int result = cb_buf_put (&self->turn.text, said->text, said->size);
    if (result < 0)
        result = cb_fail (&err, -result, "the model's answer does not fit");
    else
        result = cb_show_words (&self->show, said->text, said->size, &err);
    if (result < 0)
        s_end_turn (self, result, &err);
}

static void
s_on_call (cb_task *self, const cb_said *said)
{
    char id[32];
    cb_err err = CB_ERR_INIT;
    const char *name = said->name[0] != '\0' ? said->name : "?";

    (void)snprintf (id, sizeof id, "call_%u_%zu", self->turns + 1,
                    json_array_size (self->turn.calls) + 1);
    json_t *call = json_pack ("{s:s, s:s, s:s%}", "id", said->id[0] != '\0' ? said->id : id, "name",
                              name, "arguments", said->text, said->size);
    if (json_array_append_new (self->turn.calls, call) < 0)
        s_end_turn (self, cb_fail_nomem (&err), &err);
}

static void
s_on_usage (cb_task *self, const cb_said *said)
{
    self->turn.input_tokens = said->input_tokens;
    self->turn.output_tokens = said->output_tokens;
}

static void
s_on_said (const cb_said *said, void *context)
{
    cb_task *self = context;

    if (self->turn.over)
        return;
    switch (said->kind) {
    case CB_SAID_TEXT:
        s_on_text (self, said);
        break;
    case CB_SAID_CALL:
        s_on_call (self, said);
        break;
    case CB_SAID_USAGE:
        s_on_usage (self, said);
        break;
    case CB_SAID_NOTE:
        (void)!cb_show_words_end (&self->show, NULL);
        (void)cb_render_say (&self->show.render, NULL, "%s", said->text);
        break;
    case CB_SAID_DONE:
        self->turn.stop = said->stop;
        self->turn.over = true;
        break;
    case CB_SAID_ERROR:
        s_end_turn (self, -said->err->code, said->err);
        break;
    }
}

static void
s_reset_turn (cb_task *self)
{
    json_decref (self->turn.calls);
    cb_buf_done (&self->turn.text);
    self->turn = (cb_task_turn){.input_tokens = -1, .output_tokens = -1};
    cb_buf_init (&self->turn.text, CB_ANSWER_MAX);
    self->turn.calls = json_array ();
}

/* Tokens this answer may have. */
static uint32_t
s_allowance (const cb_task *self)
{
    uint32_t each = self->choice->max_tokens;
    uint32_t all = self->options->max_tokens;

    if (all == 0)
        return each;
    uint32_t left = all > self->output_tokens ? all - (uint32_t)self->output_tokens : 1;
    return each != 0 && each < left ? each : left;
}

/* Asks and waits until the answer is there, has failed, or a signal came. */
static int
s_ask (cb_task *self, cb_err *err)
{
    s_reset_turn (self);
    if (self->turn.calls == NULL)
        return cb_fail_nomem (err);
    cb_task_listen (self);
    CB_TRY (cb_provider_ask (self->provider, &self->transcript, s_allowance (self), err));
    while (!self->turn.over && self->exit_code == 0)
        CB_TRY (cb_loop_turn (self->loop, CB_USEC_NEVER, err));
    cb_provider_stop (self->provider);
    return 0;
}

/* The answer's words and tokens, whatever becomes of it. Without the server's count: four bytes a
 * token, so that a bound on tokens holds in any case. */
static int
s_count_turn (cb_task *self, cb_err *err)
{
    cb_task_turn *turn = &self->turn;
    const char *text = turn->text.data != NULL ? turn->text.data : "";

    self->turns++;
    self->input_tokens += turn->input_tokens > 0 ? turn->input_tokens : 0;
    self->output_tokens +=
        turn->output_tokens >= 0 ? turn->output_tokens : (int64_t)(turn->text.size / 4);
    if (turn->text.size > 0) {
        json_decref (self->answer);
        self->answer = json_stringn (text, turn->text.size);
    }
    CB_TRY (cb_show_words_end (&self->show, err));
    return cb_show_usage (&self->show, turn->input_tokens, turn->output_tokens, err);
}

static int
s_keep_turn (cb_task *self, cb_err *err)
{
    cb_task_turn *turn = &self->turn;
    const char *text = turn->text.data != NULL ? turn->text.data : "";
    const cb_record_turn said = {text, turn->calls, turn->stop, turn->input_tokens,
                                 turn->output_tokens};

    CB_TRY (cb_record_add (&self->record, &said, err));
    return cb_transcript_answer (&self->transcript, text, turn->calls, err);
}

/* ---- the end ----------------------------------------------------------------------------------
 */

enum { S_GO_ON = 0, S_OVER = 1 };

static int
s_end (cb_task_end *end, const char *status, int exit_code)
{
    end->status = status;
    end->exit_code = exit_code;
    return S_OVER;
}

static int
s_end_by_signal (const cb_task *self, cb_task_end *end)
{
    return s_end (end, "interrupted", self->exit_code);
}

static int
s_limit (cb_task_end *end, const char *what, uint32_t number)
{
    (void)cb_fail (&end->err, CB_E_LIMIT, "%s (%u)", what, number);
    return s_end (end, "limit", CB_EXIT_TURNS);
}

/* A fault of ours; when our reader is gone it is told by the exit code alone. */
static int
s_fault (cb_task_end *end, int result)
{
    return s_end (end, result == -CB_E_LIMIT ? "limit" : "error",
                  result == -CB_E_LIMIT ? CB_EXIT_TURNS : CB_EXIT_FAILED);
}

/* An answer without calls is the last one. */
static int
s_conclude (cb_task *self, cb_task_end *end)
{
    if (self->turn.stop == CB_STOP_FILTER) {
        (void)cb_fail (&end->err, CB_E_DENIED, "the server's content filter ended the answer");
        return s_end (end, "error", CB_EXIT_MODEL);
    }
    if (self->turn.stop == CB_STOP_LENGTH) {
        (void)cb_fail (&end->err, CB_E_LIMIT, "the answer was cut off by a token limit");
        return s_end (end, "limit", CB_EXIT_TURNS);
    }
    if (self->turn.text.size == 0 && self->show.format == CB_FORMAT_TEXT)
        (void)cb_render_say (&self->show.render, NULL, "the model ended without a word");
    return s_end (end, "ok", CB_EXIT_OK);
}

/* One answer and what it wants run. */
static int
s_step (cb_task *self, cb_task_end *end)
{
    uint32_t max_turns = self->options->max_turns;
    uint32_t max_tokens = self->options->max_tokens;
    cb_err *err = &end->err;

    int result = s_ask (self, err);
    if (result == 0)
        result = s_count_turn (self, err);
    if (self->exit_code != 0)
        return s_end_by_signal (self, end);
    if (result < 0 || cb_show_is_over (&self->show))
        return s_fault (end, result);
    if (self->turn.err.code != 0) {
        *err = self->turn.err;
        return s_end (end, "error", CB_EXIT_MODEL);
    }
    result = s_keep_turn (self, err);
    /* What a filter stepped into is not run, however whole it looks. */
    if (result == 0 &&
        (json_array_size (self->turn.calls) == 0 || self->turn.stop == CB_STOP_FILTER))
        return s_conclude (self, end);
    if (result == 0)
        result = cb_task_run_calls (self, err);
    if (self->exit_code != 0)
        return s_end_by_signal (self, end);
    if (result < 0)
        return s_fault (end, result);
    if (self->turns >= (max_turns > 0 ? max_turns : CB_TASK_TURNS))
        return s_limit (end, "the model wants to go on, but --max-turns is reached", self->turns);
    if (max_tokens > 0 && self->output_tokens >= (int64_t)max_tokens)
        return s_limit (end, "the model wants to go on, but --max-tokens is reached", max_tokens);
    return S_GO_ON;
}

static int
s_say_system (cb_task *self, cb_err *err)
{
    char text[sizeof s_system + CB_TASK_ABOUT];

    (void)snprintf (text, sizeof text, "%s%s", s_system, self->about);
    return cb_transcript_say (&self->transcript, "system", text, err);
}

void
cb_task_run (cb_task *self, cb_task_end *ret_end)
{
    *ret_end = (cb_task_end){.status = "error", .exit_code = CB_EXIT_FAILED};
    int result = cb_loop_io (self->loop, self->signals, EPOLLIN, s_on_signal_io, self,
                             &self->on_signals, &ret_end->err);
    if (result == 0)
        result = s_say_system (self, &ret_end->err);
    if (result == 0)
        result = cb_transcript_say (&self->transcript, "user", self->prompt, &ret_end->err);
    if (result == 0)
        result = cb_show_start (&self->show, self->session, self->choice->id, &ret_end->err);
    if (result < 0) {
        (void)s_fault (ret_end, result);
        return;
    }
    while (s_step (self, ret_end) == S_GO_ON)
        ;
}

json_t *
cb_task_object (const cb_task *self, const cb_task_end *end)
{
    json_t *answer = self->answer != NULL ? json_incref (self->answer) : json_string ("");
    /* What failed before the first question has neither model nor runs. */
    json_t *runs = self->runs != NULL ? json_incref (self->runs) : json_array ();
    json_t *artifacts = self->artifacts != NULL ? json_incref (self->artifacts) : json_array ();
    json_t *object =
        json_pack ("{s:o, s:s, s:s, s:s, s:i, s:{s:I, s:I}, s:o, s:o}", "answer", answer, "session",
                   self->session, "model", self->choice->id != NULL ? self->choice->id : "",
                   "status", end->status, "turns", (int)self->turns, "usage", "input_tokens",
                   (json_int_t)self->input_tokens, "output_tokens", (json_int_t)self->output_tokens,
                   "runs", runs, "artifacts", artifacts);

    if (object != NULL && strcmp (end->status, "error") == 0)
        (void)json_object_set_new (object, "error",
                                   json_pack ("{s:s, s:o}", "code", cb_err_name (end->err.code),
                                              "message", cb_json_words (end->err.text)));
    return object;
}

int
cb_task_init (cb_task *self, cb_err *err)
{
    CB_TRY (cb_transcript_init (&self->transcript, err));
    CB_TRY (cb_record_init (&self->record, self->choice->id, self->prompt, err));
    self->runs = json_array ();
    self->artifacts = json_array ();
    if (self->runs == NULL || self->artifacts == NULL)
        return cb_fail_nomem (err);
    self->loop = cb_loop_new (err);
    if (self->loop == NULL)
        return -CB_E_NOMEM;
    const cb_provider base = {
        .loop = self->loop, .choice = self->choice, .on_said = s_on_said, .context = self};
    return cb_provider_new (&base, &self->provider, err);
}

void
cb_task_done (cb_task *self)
{
    cb_provider_destroy (&self->provider);
    cb_source_destroy (&self->on_signals);
    cb_loop_destroy (&self->loop);
    cb_transcript_done (&self->transcript);
    cb_record_done (&self->record);
    json_decref (self->turn.calls);
    cb_buf_done (&self->turn.text);
    json_decref (self->runs);
    json_decref (self->artifacts);
    json_decref (self->answer);
}
