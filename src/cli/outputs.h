/* outputs.h - what a cell put out, collected as the outputs of a notebook's cell. */
#ifndef CB_CLI_OUTPUTS_H
#define CB_CLI_OUTPUTS_H

#include "base/err.h"
#include "base/jsonx.h"

typedef struct cb_outputs cb_outputs;

/* Bytes of one stream's text between two other outputs; the daemon's own bounds are lower. */
#define CB_OUTPUTS_STREAM_MAX ((size_t)1 << 30)

/* Caller owns the result; NULL when out of memory. */
cb_outputs *cb_outputs_new (void);
void cb_outputs_destroy (cb_outputs **self);

/* Takes in a kernel's message: stream, display_data, update_display_data, execute_result, error,
 * clear_output; others are ignored. content is borrowed and may be anything: what is malformed is
 * mended or left out, so the result is always valid nbformat. -CB_E_NOMEM, -CB_E_LIMIT. */
int cb_outputs_add (cb_outputs *self, const char *type, const json_t *content, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The outputs so far: an array as in nbformat 4.5. Owned by the caller; self is empty afterwards.
 * NULL when out of memory. */
json_t *cb_outputs_take (cb_outputs *self);

#endif
