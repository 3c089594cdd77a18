/* sse.h - server-sent events: a stream of bytes to events, piece by piece, bounded. */
#ifndef CB_WIRE_SSE_H
#define CB_WIRE_SSE_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* Bytes of one event's data, and of one line: a model's server sends a few hundred, some a whole
 * answer in one. */
#define CB_SSE_MAX ((size_t)8 << 20)
/* Bytes of an event's name that are kept. */
#define CB_SSE_NAME_MAX 64

/* One event: its name ("message" when none was sent) and its data, an end byte behind it. Borrowed
 * for the call. A fault ends the parsing and is returned. */
typedef int cb_on_sse (const char *name, const char *data, size_t size, void *context, cb_err *err);

typedef struct cb_sse {
    cb_on_sse *on_event;
    void *context; /* borrowed */
    cb_buf line;
    cb_buf data;
    char name[CB_SSE_NAME_MAX];
    int has_data;  /* a data line came, perhaps an empty one */
    int after_cr;  /* a line feed now belongs to the line end before it */
    int any_bytes; /* not the stream's first: no byte order mark any more */
} cb_sse;

void cb_sse_init (cb_sse *self, cb_on_sse *on_event, void *context);
void cb_sse_done (cb_sse *self);

/* Takes in the next bytes, however they are cut. -CB_E_LIMIT: a line or an event over the bound. */
int cb_sse_put (cb_sse *self, const char *bytes, size_t size, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The stream is over: an event that was not ended by a blank line is delivered all the same. */
int cb_sse_end (cb_sse *self, cb_err *err) __attribute__ ((warn_unused_result));

#endif
