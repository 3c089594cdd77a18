/* sse.c - server-sent events (WHATWG HTML, 9.2.6): lines end with LF, CR or CRLF; a blank line ends
 * an event; data lines are joined by LF; lines that begin with a colon are comments.
 *
 * Two things differ from a browser: an event at the end of the stream counts without its blank line
 * (some servers and recordings leave it out), and everything is bounded. Bytes are not looked at:
 * what is in the data is the caller's to check, so a character cut between two pieces is whole
 * again when its line is. */
#include "wire/sse.h"

#include <string.h>

void
cb_sse_init (cb_sse *self, cb_on_sse *on_event, void *context)
{
    *self = (cb_sse){.on_event = on_event, .context = context};
    cb_buf_init (&self->line, CB_SSE_MAX);
    cb_buf_init (&self->data, CB_SSE_MAX);
}

void
cb_sse_done (cb_sse *self)
{
    cb_buf_done (&self->line);
    cb_buf_done (&self->data);
}

static int
s_too_much (int result, cb_err *err)
{
    if (result == -CB_E_LIMIT)
        return cb_fail (err, CB_E_LIMIT, "an event of the stream is over %zu MiB",
                        CB_SSE_MAX >> 20);
    return cb_fail_nomem (err);
}

/* The event is whole. One without data is none. */
static int
s_dispatch (cb_sse *self, cb_err *err)
{
    int result = 0;

    if (self->has_data) {
        const char *data = self->data.data != NULL ? self->data.data : "";
        const char *name = self->name[0] != '\0' ? self->name : "message";
        result = self->on_event (name, data, self->data.size, self->context, err);
    }
    self->data.size = 0;
    self->has_data = 0;
    self->name[0] = '\0';
    return result;
}

static int
s_add_data (cb_sse *self, const char *value, size_t size, cb_err *err)
{
    int result = self->has_data ? cb_buf_put (&self->data, "\n", 1) : 0;

    if (result == 0)
        result = cb_buf_put (&self->data, value, size);
    self->has_data = 1;
    return result < 0 ? s_too_much (result, err) : 0;
}

/* One whole line without its end. */
static int
s_on_line (cb_sse *self, const char *line, size_t size, cb_err *err)
{
    if (size == 0)
        return s_dispatch (self, err);
    const char *colon = memchr (line, ':', size);
    size_t field = colon != NULL ? (size_t)(colon - line) : size;
    const char *value = line + field + (colon != NULL);
    size_t left = size - (size_t)(value - line);
    if (left > 0 && value[0] == ' ') {
        value++;
        left--;
    }
    if (field == 4 && memcmp (line, "data", 4) == 0)
        return s_add_data (self, value, left, err);
    if (field == 5 && memcmp (line, "event", 5) == 0) {
        size_t kept = left < sizeof self->name - 1 ? left : sizeof self->name - 1;
        memcpy (self->name, value, kept);
        self->name[kept] = '\0';
    }
    return 0; /* comments, id, retry and what nobody knows */
}

static int
s_end_line (cb_sse *self, cb_err *err)
{
    const char *line = self->line.data != NULL ? self->line.data : "";
    size_t size = self->line.size;

    if (!self->any_bytes && size >= 3 && memcmp (line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        size -= 3;
    }
    self->any_bytes = 1;
    int result = s_on_line (self, line, size, err);
    self->line.size = 0;
    return result;
}

int
cb_sse_put (cb_sse *self, const char *bytes, size_t size, cb_err *err)
{
    for (size_t at = 0; at < size;) {
        if (self->after_cr && bytes[at] == '\n') {
            self->after_cr = 0;
            at++;
            continue;
        }
        self->after_cr = 0;
        size_t end = at;
        while (end < size && bytes[end] != '\n' && bytes[end] != '\r')
            end++;
        int result = cb_buf_put (&self->line, bytes + at, end - at);
        if (result < 0)
            return s_too_much (result, err);
        if (end == size)
            return 0;
        self->after_cr = bytes[end] == '\r';
        at = end + 1;
        CB_TRY (s_end_line (self, err));
    }
    return 0;
}

int
cb_sse_end (cb_sse *self, cb_err *err)
{
    if (self->line.size > 0)
        CB_TRY (s_end_line (self, err));
    return s_dispatch (self, err);
}
