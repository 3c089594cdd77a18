/* openai-answer.c - reads what a server of Chat Completions streams. Written for what servers in
 * the field send, not for the book alone: comments and unknown members are passed over, broken
 * UTF-8 is mended, a server that does not stream is understood, usage may be missing, finish_reason
 * may say "stop" though calls were sent, [DONE] may be left out. What decides is that a stream
 * which ends without finish_reason and without [DONE] broke off: nothing of it is run. */
#include "agent/openai.h"

#include "base/cleanup.h"
#include "base/jsonx.h"
#include "base/name.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Bytes of a server's words about its fault that are shown. */
#define ERROR_WORDS 300

static int s_on_event (const char *name, const char *data, size_t size, void *context, cb_err *err);

void
cb_openai_answer_init (cb_openai_answer *self, cb_on_said *on_said, void *context)
{
    self->on_said = on_said;
    self->context = context;
    self->key = NULL;
    cb_sse_init (&self->sse, s_on_event, self);
    cb_buf_init (&self->whole, CB_SSE_MAX);
    cb_calls_init (&self->calls);
    self->text_bytes = 0;
    self->input_tokens = -1;
    self->output_tokens = -1;
    self->stop = CB_STOP_DONE;
    self->is_whole = 0;
    self->events = 0;
    self->finished = 0;
    self->done = 0;
}

void
cb_openai_answer_done (cb_openai_answer *self)
{
    cb_sse_done (&self->sse);
    cb_buf_done (&self->whole);
    cb_calls_done (&self->calls);
}

static int
s_tell_text (cb_openai_answer *self, const json_t *text, cb_err *err)
{
    const cb_said said = {
        .kind = CB_SAID_TEXT, .text = json_string_value (text), .size = json_string_length (text)};

    if (said.size > CB_ANSWER_MAX - self->text_bytes)
        return cb_fail (err, CB_E_LIMIT, "its answer is over %zu MiB of text", CB_ANSWER_MAX >> 20);
    self->text_bytes += said.size;
    if (said.size > 0)
        self->on_said (&said, self->context);
    return 0;
}

/* A text, or parts of which some are texts. */
static int
s_on_content (cb_openai_answer *self, const json_t *content, cb_err *err)
{
    if (json_is_string (content))
        return s_tell_text (self, content, err);
    for (size_t i = 0; i < json_array_size (content); i++) {
        const json_t *text = json_object_get (json_array_get (content, i), "text");
        if (json_is_string (text))
            CB_TRY (s_tell_text (self, text, err));
    }
    return 0;
}

/* Reasons that are not the model's own will, by name. */
static const struct {
    const char *name;
    cb_stop stop;
    int broken; /* the server gave up in the middle */
} s_reasons[] = {
    {"content_filter", CB_STOP_FILTER, 0},
    {"error", CB_STOP_DONE, 1},
    {"insufficient_system_resource", CB_STOP_DONE, 1},
    {"length", CB_STOP_LENGTH, 0},
};

static int
s_on_finish (cb_openai_answer *self, const json_t *reason, cb_err *err)
{
    const char *word = json_string_value (reason);

    if (word == NULL)
        return 0;
    self->finished = 1;
    __typeof__ (&s_reasons[0]) row = CB_TABLE_FIND (s_reasons, word);
    if (row != NULL && row->broken)
        return cb_fail (err, CB_E_PROTO, "it broke off in the middle of the answer: %s", row->name);
    if (row != NULL)
        self->stop = row->stop;
    return 0;
}

static int
s_on_choice (cb_openai_answer *self, const json_t *choice, cb_err *err)
{
    const json_t *delta = json_object_get (choice, "delta");

    if (!json_is_object (delta))
        delta = json_object_get (choice, "message");
    if (json_integer_value (json_object_get (choice, "index")) != 0)
        return 0; /* we asked for one */
    const json_t *calls = json_object_get (delta, "tool_calls");
    CB_TRY (s_on_content (self, json_object_get (delta, "content"), err));
    CB_TRY (s_on_content (self, json_object_get (delta, "refusal"), err));
    for (size_t i = 0; i < json_array_size (calls); i++)
        CB_TRY (cb_calls_add (&self->calls, json_array_get (calls, i), err));
    return s_on_finish (self, json_object_get (choice, "finish_reason"), err);
}

static void
s_on_usage (cb_openai_answer *self, const json_t *usage)
{
    int64_t input = cb_provider_tokens (json_object_get (usage, "prompt_tokens"));
    int64_t output = cb_provider_tokens (json_object_get (usage, "completion_tokens"));

    if (input >= 0)
        self->input_tokens = input;
    if (output >= 0)
        self->output_tokens = output;
}

/* An error in the middle of a stream. */
static int
s_on_error (const cb_openai_answer *self, const json_t *error, cb_err *err)
{
    char words[ERROR_WORDS + CB_KEY_MAX];
    const char *text = json_string_value (json_object_get (error, "message"));

    if (text == NULL)
        text = json_string_value (error);
    (void)snprintf (words, sizeof words, "%s", text != NULL ? text : "without words");
    cb_key_clean (words, self->key);
    return cb_fail (err, CB_E_PROTO, "it broke off with an error: %.*s", ERROR_WORDS, words);
}

/* One chunk, or the whole answer. */
static int
s_on_object (cb_openai_answer *self, const char *bytes, size_t size, cb_err *err)
{
    cb_owned (cb_json) json_t *object = NULL;
    cb_scoped (cb_buf) cb_buf mended;

    cb_buf_init (&mended, 4 * CB_SSE_MAX);
    if (!cb_utf8_valid (bytes, size)) {
        if (cb_utf8_mend (bytes, size, &mended) < 0)
            return cb_fail_nomem (err);
        bytes = mended.data;
        size = mended.size;
    }
    if (cb_json_parse ("its stream", bytes, size, &object, err) < 0)
        return -CB_E_PROTO;
    const json_t *error = json_object_get (object, "error");
    const json_t *choices = json_object_get (object, "choices");
    if (error != NULL && !json_is_null (error))
        return s_on_error (self, error, err);
    for (size_t i = 0; i < json_array_size (choices); i++)
        CB_TRY (s_on_choice (self, json_array_get (choices, i), err));
    s_on_usage (self, json_object_get (object, "usage"));
    self->events += json_is_array (choices);
    return 0;
}

static int
s_on_event (const char *name, const char *data, size_t size, void *context, cb_err *err)
{
    cb_openai_answer *self = context;

    (void)name;
    if (self->done || size == 0)
        return 0;
    if (strcmp (data, "[DONE]") == 0) {
        self->done = 1;
        return 0;
    }
    return s_on_object (self, data, size, err);
}

int
cb_openai_answer_put (cb_openai_answer *self, const char *content_type, const char *bytes,
                      size_t size, cb_err *err)
{
    if (strncasecmp (content_type, "text/html", 9) == 0)
        return cb_fail (err, CB_E_PROTO,
                        "it answers with a web page, not with an answer: does base_url end with "
                        "/v1?");
    self->is_whole = strncasecmp (content_type, "application/json", 16) == 0;
    if (!self->is_whole)
        return cb_sse_put (&self->sse, bytes, size, err);
    int result = cb_buf_put (&self->whole, bytes, size);
    if (result == -CB_E_LIMIT)
        return cb_fail (err, CB_E_LIMIT, "its answer is over %zu MiB", CB_SSE_MAX >> 20);
    return result < 0 ? cb_fail_nomem (err) : 0;
}

static void
s_tell_calls (cb_openai_answer *self)
{
    for (size_t i = 0; i < self->calls.count; i++) {
        cb_call *call = &self->calls.items[i];
        const char *text = call->arguments.data != NULL ? call->arguments.data : "";
        const cb_said said = {.kind = CB_SAID_CALL,
                              .id = call->id,
                              .name = call->name,
                              .text = text,
                              .size = call->arguments.size};
        self->on_said (&said, self->context);
    }
}

int
cb_openai_answer_end (cb_openai_answer *self, cb_err *err)
{
    if (self->is_whole)
        CB_TRY (s_on_object (self, self->whole.data != NULL ? self->whole.data : "",
                             self->whole.size, err));
    else
        CB_TRY (cb_sse_end (&self->sse, err));
    if (self->events == 0)
        return cb_fail (err, CB_E_PROTO, "it answered, but not with Chat Completions");
    if (!self->finished && !self->done && !self->is_whole)
        return cb_fail (err, CB_E_PROTO, "the stream ended in the middle of the answer");
    s_tell_calls (self);
    const cb_said usage = {.kind = CB_SAID_USAGE,
                           .input_tokens = self->input_tokens,
                           .output_tokens = self->output_tokens};
    if (self->input_tokens >= 0 || self->output_tokens >= 0)
        self->on_said (&usage, self->context);
    const cb_said done = {.kind = CB_SAID_DONE, .stop = self->stop};
    self->on_said (&done, self->context);
    return 0;
}
