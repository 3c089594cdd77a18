/* replay.c - the backend "replay": a file says what a model once said (or what somebody wrote in
 * its place). No server is asked; that is told every time. What it wants run is run for real. */
#include "agent/replay.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/table.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct s_replay {
    cb_provider base; /* first */
    cb_source *speak; /* deferred */
    json_t *object;   /* the file */
    json_t *turns;    /* in it */
    size_t turn;      /* the next one */
    cb_err broken;    /* what is wrong with the file: told when it is asked */
} s_replay;

static int
s_read (const char *path, json_t **ret_object, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf text;
    cb_err why = CB_ERR_INIT;

    cb_buf_init (&text, CB_REPLAY_FILE_MAX);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return cb_fail_errno (err, CB_E_NOTFOUND, "the recorded exchange %.500s", path);
    if (cb_read_all (fd, &text, &why) < 0)
        return cb_fail (err, why.code, "the recorded exchange %.500s: %.300s", path, why.text);
    if (cb_json_parse ("it", text.data != NULL ? text.data : "", text.size, ret_object, &why) < 0)
        return cb_fail (err, CB_E_PROTO, "the recorded exchange %.500s: %.300s", path, why.text);
    return 0;
}

/* Each call has texts for id and name, and arguments; objects among them become texts. */
static int
s_check_call (json_t *call, cb_err *err)
{
    const json_t *arguments = json_object_get (call, "arguments");
    const char *word = NULL;

    CB_TRY (cb_json_get_string (call, "id", 100, CB_JSON_REQUIRED, &word, err));
    CB_TRY (cb_json_get_string (call, "name", 100, CB_JSON_REQUIRED, &word, err));
    if (json_is_string (arguments))
        return 0;
    cb_auto_free char *text = json_is_object (arguments) ? cb_json_text (arguments, NULL) : NULL;
    if (text == NULL)
        return cb_fail (err, CB_E_INVALID, "field 'arguments' is neither a text nor an object");
    return json_object_set_new (call, "arguments", json_string (text)) < 0 ? cb_fail_nomem (err)
                                                                           : 0;
}

static int
s_check_turn (json_t *turn, cb_err *err)
{
    json_t *calls = NULL;
    json_t *usage = NULL;
    const char *text = NULL;

    if (!json_is_object (turn))
        return cb_fail (err, CB_E_INVALID, "not an object");
    CB_TRY (cb_json_get_string (turn, "text", CB_ANSWER_MAX, "", &text, err));
    CB_TRY (cb_json_get_string (turn, "stop", 16, "done", &text, err));
    CB_TRY (cb_json_get_array (turn, "calls", 32, &calls, err));
    CB_TRY (cb_json_get_object (turn, "usage", &usage, err));
    for (size_t i = 0; i < json_array_size (calls); i++)
        CB_TRY (s_check_call (json_array_get (calls, i), err));
    return 0;
}

static int
s_check (s_replay *self, cb_err *err)
{
    int64_t version = 0;
    json_t *turns = NULL;

    CB_TRY (cb_json_get_int (self->object, CB_REPLAY_MARK, 0, 1000, 0, &version, err));
    if (version != CB_REPLAY_VERSION)
        return cb_fail (err, CB_E_INVALID, "no \"%s\": %d", CB_REPLAY_MARK, CB_REPLAY_VERSION);
    CB_TRY (cb_json_get_array (self->object, "turns", CB_REPLAY_TURNS_MAX, &turns, err));
    if (json_array_size (turns) == 0)
        return cb_fail (err, CB_E_INVALID, "no turns");
    for (size_t i = 0; i < json_array_size (turns); i++) {
        cb_err why = CB_ERR_INIT;
        if (s_check_turn (json_array_get (turns, i), &why) < 0)
            return cb_fail (err, why.code, "turn %zu: %.300s", i + 1, why.text);
    }
    self->turns = turns;
    return 0;
}

/* ---- speaking ---------------------------------------------------------------------------------
 */

static void
s_say (s_replay *self, const cb_said *said)
{
    self->base.on_said (said, self->base.context);
}

static void
s_note (s_replay *self, const cb_transcript *transcript)
{
    char text[CB_ERR_TEXT_MAX];
    const char *prompt = json_string_value (json_object_get (self->object, "prompt"));
    const json_t *asked = NULL;

    for (size_t i = 0; i < json_array_size (transcript->messages); i++) {
        const json_t *message = json_array_get (transcript->messages, i);
        const char *role = json_string_value (json_object_get (message, "role"));
        if (asked == NULL && strcmp (role, "user") == 0)
            asked = json_object_get (message, "text");
    }
    bool other = prompt != NULL && asked != NULL && strcmp (prompt, json_string_value (asked)) != 0;
    int size = snprintf (
        text, sizeof text, "replay: no model is asked, %.400s is played; its code runs for real%s",
        self->base.choice->file, other ? ". It was made for another question than yours" : "");
    const cb_said said = {.kind = CB_SAID_NOTE, .text = text, .size = (size_t)size};
    s_say (self, &said);
}

static void
s_fail (s_replay *self, const cb_err *err)
{
    const cb_said said = {.kind = CB_SAID_ERROR, .err = err};
    s_say (self, &said);
}

static cb_stop
s_stop_of (const json_t *turn)
{
    const char *word = json_string_value (json_object_get (turn, "stop"));

    if (word != NULL && strcmp (word, "length") == 0)
        return CB_STOP_LENGTH;
    return word != NULL && strcmp (word, "filter") == 0 ? CB_STOP_FILTER : CB_STOP_DONE;
}

static void
s_say_calls (s_replay *self, const json_t *calls)
{
    for (size_t i = 0; i < json_array_size (calls); i++) {
        const json_t *call = json_array_get (calls, i);
        const json_t *arguments = json_object_get (call, "arguments");
        const cb_said said = {.kind = CB_SAID_CALL,
                              .id = json_string_value (json_object_get (call, "id")),
                              .name = json_string_value (json_object_get (call, "name")),
                              .text = json_string_value (arguments),
                              .size = json_string_length (arguments)};
        s_say (self, &said);
    }
}

static void
s_on_speak (cb_source *source, void *context)
{
    s_replay *self = context;
    cb_err err = CB_ERR_INIT;

    (void)source;
    if (self->broken.code != 0) {
        s_fail (self, &self->broken);
        return;
    }
    if (self->turn >= json_array_size (self->turns)) {
        (void)cb_fail (&err, CB_E_PROTO,
                       "the recorded exchange %.500s ends after %zu turns, but more was asked",
                       self->base.choice->file, self->turn);
        s_fail (self, &err);
        return;
    }
    const json_t *turn = json_array_get (self->turns, self->turn++);
    const json_t *text = json_object_get (turn, "text");
    const json_t *usage = json_object_get (turn, "usage");
    const cb_said words = {
        .kind = CB_SAID_TEXT, .text = json_string_value (text), .size = json_string_length (text)};
    const cb_said used = {
        .kind = CB_SAID_USAGE,
        .input_tokens = cb_provider_tokens (json_object_get (usage, "input_tokens")),
        .output_tokens = cb_provider_tokens (json_object_get (usage, "output_tokens"))};
    const cb_said done = {.kind = CB_SAID_DONE, .stop = s_stop_of (turn)};
    if (words.size > 0)
        s_say (self, &words);
    s_say_calls (self, json_object_get (turn, "calls"));
    if (usage != NULL)
        s_say (self, &used);
    s_say (self, &done);
}

static int
s_ask (cb_provider *base, const cb_transcript *transcript, uint32_t max_tokens, cb_err *err)
{
    s_replay *self = (s_replay *)base;

    (void)max_tokens;
    (void)err;
    if (self->turn == 0 && self->broken.code == 0)
        s_note (self, transcript);
    cb_source_on (self->speak, 1);
    return 0;
}

static void
s_stop (cb_provider *base)
{
    cb_source_on (((s_replay *)base)->speak, 0);
}

static void
s_destroy (cb_provider **base)
{
    s_replay *self = (s_replay *)*base;

    *base = NULL;
    cb_source_destroy (&self->speak);
    json_decref (self->object);
    free (self);
}

static const cb_provider_ops s_ops = {s_ask, s_stop, s_destroy};

int
cb_replay_new (const cb_provider *base, cb_provider **ret_provider, cb_err *err)
{
    s_replay *self = calloc (1, sizeof *self);
    cb_err why = CB_ERR_INIT;

    if (self == NULL)
        return cb_fail_nomem (err);
    self->base = *base;
    self->base.ops = &s_ops;
    cb_provider *made = &self->base;
    int result = s_read (base->choice->file, &self->object, &why);
    if (result == -CB_E_NOTFOUND)
        result = cb_fail (err, why.code, "%s", why.text);
    else if (result < 0)
        self->broken = why; /* what would come from a server is told as one's failure */
    else if (s_check (self, &why) < 0)
        (void)cb_fail (&self->broken, CB_E_PROTO, "the recorded exchange %.500s: %.400s",
                       base->choice->file, why.text);
    if (result != -CB_E_NOTFOUND)
        result = cb_loop_defer (base->loop, s_on_speak, self, &self->speak, err);
    if (result < 0) {
        cb_provider_destroy (&made);
        return result;
    }
    cb_source_on (self->speak, 0);
    *ret_provider = made;
    return 0;
}
