/* transcript.h - the conversation with a model, as every backend can translate it. */
#ifndef CB_AGENT_TRANSCRIPT_H
#define CB_AGENT_TRANSCRIPT_H

#include "base/err.h"
#include "base/jsonx.h"

#include <stddef.h>

/* Bytes of text in a whole conversation: more than any model of today reads. */
#define CB_TRANSCRIPT_MAX ((size_t)16 << 20)

/* Messages in order, each an object:
 *   {"role": "system" | "user", "text"}
 *   {"role": "assistant", "text", "calls": [{"id", "name", "arguments"}]}   arguments: a text
 *   {"role": "tool", "id", "text"}                                         the result of a call */
typedef struct cb_transcript {
    json_t *messages; /* owned */
    size_t bytes;
} cb_transcript;

int cb_transcript_init (cb_transcript *self, cb_err *err) __attribute__ ((warn_unused_result));
void cb_transcript_done (cb_transcript *self);

/* All append; texts that are not UTF-8 are mended. -CB_E_LIMIT: the conversation is full. */
int cb_transcript_say (cb_transcript *self, const char *role, const char *text, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_transcript_answer (cb_transcript *self, const char *text, json_t *calls, cb_err *err)
    __attribute__ ((warn_unused_result)); /* shares calls */
int cb_transcript_result (cb_transcript *self, const char *id, const char *text, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
