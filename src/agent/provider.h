/* provider.h - a model, whoever serves it: a conversation goes in, words and calls come out. */
#ifndef CB_AGENT_PROVIDER_H
#define CB_AGENT_PROVIDER_H

#include "agent/choice.h"
#include "agent/transcript.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of words in one answer. */
#define CB_ANSWER_MAX ((size_t)4 << 20)

/* The only tool: its name and what it is given. */
#define CB_TOOL_NAME     "run_python"
#define CB_TOOL_ARGUMENT "code"

typedef enum {
    CB_SAID_TEXT,  /* more words: text, size */
    CB_SAID_CALL,  /* a whole call: id, name, text (its arguments as they came), size */
    CB_SAID_USAGE, /* input_tokens, output_tokens of this answer */
    CB_SAID_NOTE,  /* something a person should know: text, a sentence */
    CB_SAID_DONE,  /* the answer is over: stop */
    CB_SAID_ERROR  /* there is none, or no more of it: err; nothing follows */
} cb_said_kind;

typedef enum {
    CB_STOP_DONE,   /* the model has said what it wants */
    CB_STOP_LENGTH, /* it ran into a token limit: the last call may be cut */
    CB_STOP_FILTER  /* the server's content filter stepped in */
} cb_stop;

typedef struct cb_said {
    cb_said_kind kind;
    const char *text; /* borrowed for the call, UTF-8; has an end byte too */
    size_t size;
    const char *id;
    const char *name;
    int64_t input_tokens;
    int64_t output_tokens;
    cb_stop stop;
    const cb_err *err;
} cb_said;

/* Texts in their order, then calls, usage (where the server tells it), done. Never called from
 * inside cb_provider_ask. May not destroy the provider. */
typedef void cb_on_said (const cb_said *said, void *context);

typedef struct cb_provider cb_provider;

/* What a backend is: one row a backend in provider.c, one file behind it. */
typedef struct cb_provider_ops {
    int (*ask) (cb_provider *self, const cb_transcript *transcript, uint32_t max_tokens,
                cb_err *err);
    void (*stop) (cb_provider *self);
    void (*destroy) (cb_provider **self);
} cb_provider_ops;

/* First member of each backend's own struct. */
struct cb_provider {
    const cb_provider_ops *ops;
    cb_loop *loop;           /* borrowed */
    const cb_choice *choice; /* borrowed */
    cb_on_said *on_said;
    void *context; /* borrowed */
};

/* A provider of the model chosen. Owned. -CB_E_UNSUPPORTED: a backend of a later version. */
int cb_provider_new (const cb_provider *base, cb_provider **ret_provider, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_provider_destroy (cb_provider **self);

/* Asks for the next answer; one at a time. max_tokens of it, 0: the server's own bound. */
int cb_provider_ask (cb_provider *self, const cb_transcript *transcript, uint32_t max_tokens,
                     cb_err *err) __attribute__ ((warn_unused_result));

/* Gives the answer up: nothing more of it comes. */
void cb_provider_stop (cb_provider *self);

/* A number of tokens that somebody else counted; -1: none, or one that cannot be. */
int64_t cb_provider_tokens (const json_t *number);

/* The backends: base is copied. */
int cb_openai_new (const cb_provider *base, cb_provider **ret_provider, cb_err *err);
int cb_replay_new (const cb_provider *base, cb_provider **ret_provider, cb_err *err);

#endif
