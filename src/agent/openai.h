/* openai.h - an answer of Chat Completions, read as it streams: apart from HTTP, so that tests and
 * recordings reach it. */
#ifndef CB_AGENT_OPENAI_H
#define CB_AGENT_OPENAI_H

#include "agent/calls.h"
#include "agent/provider.h"
#include "base/buf.h"
#include "wire/sse.h"

typedef struct cb_openai_answer {
    cb_on_said *on_said;
    void *context; /* borrowed */
    const char
        *key; /* borrowed; NULL: none. What the server says of its faults is shown without it */
    cb_sse sse;
    cb_buf whole; /* the body of a server that does not stream */
    cb_calls calls;
    size_t text_bytes;
    int64_t input_tokens; /* -1: not told */
    int64_t output_tokens;
    cb_stop stop;
    int is_whole; /* application/json instead of a stream */
    int events;   /* how many came */
    int finished; /* a finish_reason came */
    int done;     /* [DONE] came: what follows is nothing */
} cb_openai_answer;

void cb_openai_answer_init (cb_openai_answer *self, cb_on_said *on_said, void *context);
void cb_openai_answer_done (cb_openai_answer *self);

/* The next bytes of the body. Words are told at once. */
int cb_openai_answer_put (cb_openai_answer *self, const char *content_type, const char *bytes,
                          size_t size, cb_err *err) __attribute__ ((warn_unused_result));

/* The body is over: tells calls, usage and done. -CB_E_PROTO: it broke off; then no call is told,
 * not even one that looks whole. */
int cb_openai_answer_end (cb_openai_answer *self, cb_err *err) __attribute__ ((warn_unused_result));

/* The request's body for a conversation. Owned (free); NULL with err. */
char *cb_openai_request (const cb_choice *choice, const cb_transcript *transcript,
                         uint32_t max_tokens, cb_err *err);

#endif
