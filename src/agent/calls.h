/* calls.h - puts the tool calls of a streamed answer together, whatever pieces they come in. */
#ifndef CB_AGENT_CALLS_H
#define CB_AGENT_CALLS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"

#include <stddef.h>

/* Calls in one answer; bytes of one's arguments; of an id or name. */
#define CB_CALLS_MAX          32
#define CB_CALL_ARGUMENTS_MAX ((size_t)1 << 20)
#define CB_CALL_WORD_MAX      128

typedef struct cb_call {
    int64_t index; /* as the server counts; -1: it does not */
    char id[CB_CALL_WORD_MAX];
    char name[CB_CALL_WORD_MAX];
    cb_buf arguments;
} cb_call;

typedef struct cb_calls {
    cb_call items[CB_CALLS_MAX];
    size_t count;
} cb_calls;

void cb_calls_init (cb_calls *self);
void cb_calls_done (cb_calls *self);

/* One item of "tool_calls" (of a delta, or of a whole message). */
int cb_calls_add (cb_calls *self, const json_t *delta, cb_err *err)
    __attribute__ ((warn_unused_result));

/* A call's code: its arguments must be one whole JSON object with a text "code"; what stands behind
 * the object is left alone, no arguments at all are {}. Owned; NULL with a sentence for the model.
 */
char *cb_call_code (const char *arguments, size_t size, cb_err *err);

#endif
