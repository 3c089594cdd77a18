/* mime.h - what becomes of each type of data that a kernel shows to a page with its reader's
 * rights.
 */
#ifndef CB_WIRE_MIME_H
#define CB_WIRE_MIME_H

#include "base/buf.h"
#include "wire/zmsg.h"

/* HTML, SVG, Markdown or LaTeX over so many bytes is not looked at and not shown; a frame around it
 * has at most so many. */
#define CB_MIME_TEXT_MAX  ((size_t)4 * 1024 * 1024)
#define CB_MIME_FRAME_MAX ((size_t)16 * 1024 * 1024)

typedef enum {
    CB_MIME_TEXT,     /* passes when it is a string: shown as text everywhere */
    CB_MIME_JSON,     /* passes, whatever it is */
    CB_MIME_BASE64,   /* a picture: passes when it is base64 */
    CB_MIME_HTML,     /* passes when all of it is known (html.h), else goes into a frame */
    CB_MIME_SVG,      /* goes into a frame, as HTML */
    CB_MIME_MARKDOWN, /* defused */
    CB_MIME_LATEX,    /* defused */
    CB_MIME_ACTIVE,   /* a sentence in its place */
    CB_MIME_UNKNOWN,  /* left out; a sentence when nothing else is there */
} cb_mime_kind;

/* *ret_what: what people call it ("a widget"), for ACTIVE. */
cb_mime_kind cb_mime_kind_of (cb_part type, const char **ret_what);

/* Appends a bundle (an object of type and data, as JSON text that was checked) as it may be shown.
 * *changed is set when that is not the bundle as it came. What cb_buf_put returns. */
int cb_mime_put (cb_buf *into, cb_part bundle, int *changed) __attribute__ ((warn_unused_result));

#endif
