/* openai.c - the backend "chat": OpenAI's Chat Completions, which most servers speak. The request
 * is made here, post.c sends it, openai-answer.c reads what comes. */
#include "agent/openai.h"

#include "agent/post.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

typedef struct s_openai {
    cb_provider base; /* first */
    cb_post *post;
    cb_openai_answer answer;
    int asking;
} s_openai;

/* ---- the request ------------------------------------------------------------------------------
 */

/* The only tool. Owned. */
static json_t *
s_tools (void)
{
    return json_pack (
        "[{s:s, s:{s:s, s:s, s:{s:s, s:{s:{s:s, s:s}}, s:[s], s:b}}}]", "type", "function",
        "function", "name", CB_TOOL_NAME, "description",
        "Runs Python code in a jailed IPython kernel and returns what it prints, its last value, "
        "its error. Variables stay between calls.",
        "parameters", "type", "object", "properties", CB_TOOL_ARGUMENT, "type", "string",
        "description", "The code of one cell.", "required", CB_TOOL_ARGUMENT,
        "additionalProperties", 0);
}

/* The calls of an answer in the server's form. Owned; NULL when out of memory. */
static json_t *
s_calls (const json_t *calls)
{
    cb_owned (cb_json) json_t *array = json_array ();

    for (size_t i = 0; i < json_array_size (calls); i++) {
        const json_t *call = json_array_get (calls, i);
        json_t *item =
            json_pack ("{s:O, s:s, s:{s:O, s:O}}", "id", json_object_get (call, "id"), "type",
                       "function", "function", "name", json_object_get (call, "name"), "arguments",
                       json_object_get (call, "arguments"));
        if (array == NULL || json_array_append_new (array, item) < 0)
            return NULL;
    }
    return cb_take (array);
}

/* One message in the server's form. Owned; NULL when out of memory. */
static json_t *
s_message (const json_t *message)
{
    const char *role = json_string_value (json_object_get (message, "role"));
    json_t *text = json_object_get (message, "text");
    json_t *calls = json_object_get (message, "calls");

    if (strcmp (role, "tool") == 0)
        return json_pack ("{s:s, s:O, s:O}", "role", role, "tool_call_id",
                          json_object_get (message, "id"), "content", text);
    if (json_array_size (calls) == 0)
        return json_pack ("{s:s, s:O}", "role", role, "content", text);
    json_t *content = json_string_length (text) > 0 ? json_incref (text) : json_null ();
    return json_pack ("{s:s, s:o, s:o}", "role", role, "content", content, "tool_calls",
                      s_calls (calls));
}

/* Owned; NULL when out of memory. */
static json_t *
s_messages (const cb_transcript *transcript)
{
    cb_owned (cb_json) json_t *array = json_array ();

    for (size_t i = 0; i < json_array_size (transcript->messages); i++) {
        json_t *message = s_message (json_array_get (transcript->messages, i));
        if (array == NULL || json_array_append_new (array, message) < 0)
            return NULL;
    }
    return cb_take (array);
}

char *
cb_openai_request (const cb_choice *choice, const cb_transcript *transcript, uint32_t max_tokens,
                   cb_err *err)
{
    cb_owned (cb_json) json_t *body =
        json_pack ("{s:s, s:o, s:o, s:b, s:b, s:{s:b}}", "model", choice->id, "messages",
                   s_messages (transcript), "tools", s_tools (), "parallel_tool_calls", 0, "stream",
                   1, "stream_options", "include_usage", 1);
    int failed = body == NULL;

    if (!failed && max_tokens > 0)
        failed |= json_object_set_new (body, "max_completion_tokens", json_integer (max_tokens));
    if (!failed && choice->temperature >= 0)
        failed |= json_object_set_new (body, "temperature", json_real (choice->temperature));
    char *text = !failed ? cb_json_text (body, NULL) : NULL;
    if (text == NULL)
        (void)cb_fail (err, CB_E_NOMEM,
                       "the request cannot be made: the model's name is not UTF-8, or memory is "
                       "out");
    return text;
}

/* ---- the backend ------------------------------------------------------------------------------
 */

static void
s_end_answer (s_openai *self)
{
    if (self->asking)
        cb_openai_answer_done (&self->answer);
    self->asking = 0;
}

static int
s_on_bytes (const cb_http_head *head, const char *bytes, size_t size, void *context, cb_err *err)
{
    s_openai *self = context;
    return cb_openai_answer_put (&self->answer, head->content_type, bytes, size, err);
}

static void
s_on_note (const char *text, void *context)
{
    s_openai *self = context;
    const cb_said said = {.kind = CB_SAID_NOTE, .text = text, .size = strlen (text)};

    self->base.on_said (&said, self->base.context);
}

static void
s_on_end (const cb_err *err, void *context)
{
    s_openai *self = context;
    cb_err why = *err;
    cb_err broken = CB_ERR_INIT;

    if (why.code == 0 && cb_openai_answer_end (&self->answer, &broken) < 0)
        (void)cb_fail (&why, broken.code, "the model's server at %.200s: %.700s",
                       self->base.choice->url, broken.text);
    s_end_answer (self);
    const cb_said said = {.kind = CB_SAID_ERROR, .err = &why};
    if (why.code != 0)
        self->base.on_said (&said, self->base.context);
}

static void
s_stop (cb_provider *base)
{
    s_openai *self = (s_openai *)base;

    cb_post_stop (self->post);
    s_end_answer (self);
}

static int
s_ask (cb_provider *base, const cb_transcript *transcript, uint32_t max_tokens, cb_err *err)
{
    s_openai *self = (s_openai *)base;

    s_stop (base);
    char *body = cb_openai_request (base->choice, transcript, max_tokens, err);
    if (body == NULL)
        return -CB_E_NOMEM;
    cb_openai_answer_init (&self->answer, base->on_said, base->context);
    self->answer.key = base->choice->key;
    self->asking = 1;
    return cb_post_send (self->post, "/chat/completions", body, err);
}

static void
s_destroy (cb_provider **base)
{
    s_openai *self = (s_openai *)*base;

    *base = NULL;
    if (self->post != NULL)
        s_end_answer (self);
    cb_post_destroy (&self->post);
    free (self);
}

static const cb_provider_ops s_ops = {s_ask, s_stop, s_destroy};

int
cb_openai_new (const cb_provider *base, cb_provider **ret_provider, cb_err *err)
{
    s_openai *self = calloc (1, sizeof *self);

    if (self == NULL)
        return cb_fail_nomem (err);
    self->base = *base;
    self->base.ops = &s_ops;
    const cb_post_events events = {s_on_bytes, s_on_note, s_on_end, self};
    self->post = cb_post_new (base->loop, base->choice, &events, err);
    if (self->post == NULL) {
        free (self);
        return -CB_E_NOMEM;
    }
    *ret_provider = &self->base;
    return 0;
}
