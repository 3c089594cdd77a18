/* result.h - what a run put out, as text for the model: output, values, errors, in their order. */
#ifndef CB_AGENT_RESULT_H
#define CB_AGENT_RESULT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"

/* Bytes of a result for the model: its beginning and its end are kept, in between it is told how
 * much is missing. */
#define CB_RESULT_HEAD ((size_t)12 << 10)
#define CB_RESULT_TAIL ((size_t)8 << 10)

typedef struct cb_result {
    cb_buf head;
    cb_buf tail;     /* the last CB_RESULT_TAIL bytes behind the head, and some more */
    size_t left_out; /* bytes between */
    int mid_line;    /* what was put last did not end its line */
    int error_shown; /* a traceback came */
} cb_result;

void cb_result_init (cb_result *self);
void cb_result_done (cb_result *self);

/* Takes in a message of the kernel or a notice of the daemon; what it cannot use is left out. */
int cb_result_add (cb_result *self, const char *type, const json_t *content, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The reply's content: what became of it. Then the text: owned (free); NULL with err. */
char *cb_result_text (cb_result *self, const json_t *reply, cb_err *err);

#endif
