/* frame.h - HTML and SVG in a frame that has no rights: no scripts, no origin, no network. */
#ifndef CB_WIRE_FRAME_H
#define CB_WIRE_FRAME_H

#include "base/buf.h"
#include "wire/zmsg.h"

typedef enum { CB_FRAME_HTML, CB_FRAME_SVG } cb_frame_kind;

/* Bytes at most that an escaped character has. */
#define CB_FRAME_GROWTH 6

/* How every frame begins and ends: for tests. */
extern const char cb_frame_begin[];
extern const char cb_frame_end[];

/* Whether it seems to want what a frame does not give: scripts, things from elsewhere. Only for
 * what people are told. */
int cb_frame_lacks (cb_part text);

/* Appends an <iframe> that holds the text; note (plain text without markup, or NULL) stands above
 * it. Between its ends there is neither a quote nor a bracket. What cb_buf_put returns. */
int cb_frame_put (cb_buf *into, cb_frame_kind kind, cb_part text, const char *note)
    __attribute__ ((warn_unused_result));

#endif
