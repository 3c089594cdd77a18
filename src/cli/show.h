/* show.h - how a task is shown: the model's words, its code, what that puts out, the end. */
#ifndef CB_CLI_SHOW_H
#define CB_CLI_SHOW_H

#include "agent/result.h"
#include "cli/render.h"

typedef struct cb_show {
    cb_render render; /* first: of the cells; in the format text all of it goes to standard error */
    cb_out words;     /* standard output, of the format text */
    cb_format format;
    cb_result *result; /* borrowed: gathers the running cell's output for the model; or NULL */
    bool inside;       /* the words' last line is not ended */
} cb_show;

int cb_show_init (cb_show *self, cb_format format, const char *state_dir, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_show_done (cb_show *self);

/* Whoever waits for a slow reader of ours hears signals (cb_out). */
void cb_show_listen (cb_show *self, int signals, cb_out_on_signal *on_signal, void *context);

/* The stream that carries the answer is closed: nobody reads on. */
bool cb_show_is_over (const cb_show *self);

/* The first event. */
int cb_show_start (cb_show *self, const char *session, const char *model, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Words of the model as they come, and the end of its answer. */
int cb_show_words (cb_show *self, const char *text, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_show_words_end (cb_show *self, cb_err *err) __attribute__ ((warn_unused_result));
/* A cell that is about to run. */
int cb_show_code (cb_show *self, const char *code, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Tokens of one answer; below 0: not told. */
int cb_show_usage (cb_show *self, int64_t input, int64_t output, cb_err *err)
    __attribute__ ((warn_unused_result));
/* The end: the object of -o json, borrowed. */
int cb_show_end (cb_show *self, json_t *object, cb_err *err) __attribute__ ((warn_unused_result));

#endif
