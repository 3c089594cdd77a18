/* replay.h - a recorded exchange: a file that plays a model, and the recording of one. */
#ifndef CB_AGENT_REPLAY_H
#define CB_AGENT_REPLAY_H

#include "agent/provider.h"
#include "base/jsonx.h"

/* Bytes of such a file, and answers in it. */
#define CB_REPLAY_FILE_MAX  ((size_t)16 << 20)
#define CB_REPLAY_TURNS_MAX 1000
/* "cellblock_exchange": the form's version. */
#define CB_REPLAY_MARK    "cellblock_exchange"
#define CB_REPLAY_VERSION 1

/* The file, an object:
 *   {"cellblock_exchange": 1, "model", "note", "prompt",
 *    "turns": [{"text", "calls": [{"id", "name", "arguments"}], "stop": "done|length|filter",
 *               "usage": {"input_tokens", "output_tokens"}}]}
 * In a call "arguments" may be an object instead of a text, so that a person can write it. */
typedef struct cb_record {
    json_t *object; /* owned */
} cb_record;

int cb_record_init (cb_record *self, const char *model, const char *prompt, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_record_done (cb_record *self);

/* One answer: text (UTF-8), calls shared; tokens below 0: not told. */
typedef struct cb_record_turn {
    const char *text;
    json_t *calls;
    cb_stop stop;
    int64_t input_tokens;
    int64_t output_tokens;
} cb_record_turn;
int cb_record_add (cb_record *self, const cb_record_turn *turn, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Writes the file as a whole or not at all, for its owner only. */
int cb_record_save (const cb_record *self, const char *path, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
