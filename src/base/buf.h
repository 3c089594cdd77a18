/* buf.h - a growing run of bytes that knows its bound. */
#ifndef CB_BASE_BUF_H
#define CB_BASE_BUF_H

#include <stddef.h>

typedef struct cb_buf {
    char *data;   /* owned; NULL while empty */
    size_t size;  /* bytes in use */
    size_t room;  /* bytes allocated */
    size_t limit; /* never more bytes than this */
} cb_buf;

/* An empty buffer that refuses to grow over limit bytes. Allocates nothing. */
void cb_buf_init (cb_buf *self, size_t limit);

/* Frees the bytes; the buffer is empty and usable again. */
void cb_buf_done (cb_buf *self);

/* Appends; -CB_E_LIMIT over the limit, -CB_E_NOMEM; then nothing was appended. */
int cb_buf_put (cb_buf *self, const void *bytes, size_t size);

/* Appends text (no end byte is counted, but one always stands behind data). */
int cb_buf_puts (cb_buf *self, const char *text);
int cb_buf_printf (cb_buf *self, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

/* Makes room for size more bytes behind data + size; the caller adds to size what it wrote. */
int cb_buf_reserve (cb_buf *self, size_t size);

/* Drops bytes at the front. */
void cb_buf_consume (cb_buf *self, size_t size);

/* The text as a string of its own, owned by the caller; NULL when out of memory. Leaves self empty.
 */
char *cb_buf_steal (cb_buf *self);

#endif
