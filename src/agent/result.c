/* result.c - a run's outputs as one text for the model. Rich outputs become their text/plain,
 * pictures a note (the model does not see them in this version), tracebacks lose their colours.
 * Bounded while it grows: a cell may print for minutes. */
#include "agent/result.h"

#include "base/cleanup.h"
#include "base/name.h"
#include "base/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of one note of ours. */
#define S_NOTE_MAX 512

void
cb_result_init (cb_result *self)
{
    *self = (cb_result){.left_out = 0};
    cb_buf_init (&self->head, CB_RESULT_HEAD);
    cb_buf_init (&self->tail, 2 * CB_RESULT_TAIL);
}

void
cb_result_done (cb_result *self)
{
    cb_buf_done (&self->head);
    cb_buf_done (&self->tail);
}

/* Behind the head only the last bytes stay. */
static int
s_put_tail (cb_result *self, const char *bytes, size_t size)
{
    if (size > CB_RESULT_TAIL) {
        self->left_out += self->tail.size + size - CB_RESULT_TAIL;
        self->tail.size = 0;
        bytes += size - CB_RESULT_TAIL;
        size = CB_RESULT_TAIL;
    }
    if (self->tail.size + size > 2 * CB_RESULT_TAIL) {
        size_t gone = self->tail.size - CB_RESULT_TAIL;
        self->left_out += gone;
        cb_buf_consume (&self->tail, gone);
    }
    return cb_buf_put (&self->tail, bytes, size);
}

static int
s_put (cb_result *self, const char *bytes, size_t size, cb_err *err)
{
    size_t room = CB_RESULT_HEAD - self->head.size;
    size_t first = size < room ? size : room;

    if (size == 0)
        return 0;
    if (cb_buf_put (&self->head, bytes, first) < 0 ||
        (first < size && s_put_tail (self, bytes + first, size - first) < 0))
        return cb_fail_nomem (err);
    self->mid_line = bytes[size - 1] != '\n';
    return 0;
}

/* On a line of its own. */
static int
s_put_line (cb_result *self, const char *bytes, size_t size, cb_err *err)
{
    if (self->mid_line)
        CB_TRY (s_put (self, "\n", 1, err));
    CB_TRY (s_put (self, bytes, size, err));
    return self->mid_line ? s_put (self, "\n", 1, err) : 0;
}

static int s_note (cb_result *self, cb_err *err, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

static int
s_note (cb_result *self, cb_err *err, const char *format, ...)
{
    char text[S_NOTE_MAX];
    va_list args;

    va_start (args, format);
    (void)vsnprintf (text, sizeof text, format, args);
    va_end (args);
    return s_put_line (self, text, strlen (text), err);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static int
s_on_stream (cb_result *self, const json_t *content, cb_err *err)
{
    const json_t *text = json_object_get (content, "text");
    return s_put (self, json_string_value (text), json_string_length (text), err);
}

/* A text or an array of texts. */
static int
s_put_text (cb_result *self, const json_t *text, cb_err *err)
{
    for (size_t i = 0; i < json_array_size (text); i++) {
        const json_t *part = json_array_get (text, i);
        CB_TRY (s_put (self, json_string_value (part), json_string_length (part), err));
    }
    if (json_is_string (text))
        CB_TRY (s_put (self, json_string_value (text), json_string_length (text), err));
    return self->mid_line ? s_put (self, "\n", 1, err) : 0;
}

static int
s_on_data (cb_result *self, const json_t *content, cb_err *err)
{
    json_t *data = json_object_get (content, "data");
    const char *mime = NULL;
    json_t *value = NULL;

    json_object_foreach (data, mime, value)
    {
        if (strncmp (mime, "image/", 6) == 0)
            return s_note (self, err,
                           "[a picture (%.40s) was shown to the user; you cannot see it]", mime);
    }
    if (self->mid_line)
        CB_TRY (s_put (self, "\n", 1, err));
    return s_put_text (self, json_object_get (data, "text/plain"), err);
}

/* A line without escape sequences (IPython's colours). */
static int
s_put_plain (cb_result *self, const char *line, cb_err *err)
{
    while (*line != '\0') {
        size_t size = strcspn (line, "\033");
        CB_TRY (s_put (self, line, size, err));
        line += size;
        if (*line == '\0')
            break;
        line++;
        if (*line != '[')
            continue;
        line += 1 + strspn (line + 1, "0123456789;:<=>? !\"#$%&'()*+,-./");
        line += *line != '\0';
    }
    return s_put (self, "\n", 1, err);
}

/* Texts without their colours, each from a line of its own on. */
static int
s_put_lines (cb_result *self, const json_t *lines, cb_err *err)
{
    if (self->mid_line && json_array_size (lines) > 0)
        CB_TRY (s_put (self, "\n", 1, err));
    for (size_t i = 0; i < json_array_size (lines); i++) {
        const char *line = json_string_value (json_array_get (lines, i));
        if (line != NULL)
            CB_TRY (s_put_plain (self, line, err));
    }
    return 0;
}

static int
s_on_error (cb_result *self, const json_t *content, cb_err *err)
{
    const json_t *lines = json_object_get (content, "traceback");

    CB_TRY (s_put_lines (self, lines, err));
    self->error_shown = json_array_size (lines) > 0;
    return 0;
}

static int
s_on_lost (cb_result *self, const json_t *content, cb_err *err)
{
    return s_note (self, err, "[%lld bytes of output were lost]",
                   (long long)json_integer_value (json_object_get (content, "bytes")));
}

typedef struct s_row {
    const char *name;
    int (*add) (cb_result *self, const json_t *content, cb_err *err);
} s_row;

static const s_row s_rows[] = {
    {"display_data", s_on_data}, {"error", s_on_error},   {"execute_result", s_on_data},
    {"lost", s_on_lost},         {"stream", s_on_stream}, {"update_display_data", s_on_data},
};

int
cb_result_add (cb_result *self, const char *type, const json_t *content, cb_err *err)
{
    const s_row *row = CB_TABLE_FIND (s_rows, type);
    return row != NULL ? row->add (self, content, err) : 0;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

/* Errors after which a session has a new kernel (cellblock-protocol(7)). */
static int
s_is_death (const char *ename)
{
    static const char *const deaths[] = {"CpuTimeLimitExceeded", "KernelDied",
                                         "MemoryLimitExceeded"};

    for (size_t i = 0; ename != NULL && i < CB_COUNT (deaths); i++)
        if (strcmp (ename, deaths[i]) == 0)
            return 1;
    return 0;
}

/* What the status and the error say that no traceback has said. */
static int
s_put_status (cb_result *self, const json_t *reply, cb_err *err)
{
    const json_t *error = json_object_get (reply, "error");
    const json_t *limit = json_object_get (reply, "limit");
    const char *status = json_string_value (json_object_get (reply, "status"));
    const char *name = json_string_value (json_object_get (error, "ename"));
    const char *text = json_string_value (json_object_get (error, "evalue"));
    const char *bound = json_string_value (json_object_get (limit, "name"));
    const char *value = json_string_value (json_object_get (limit, "value"));

    if (status == NULL || strcmp (status, "ok") == 0)
        return 0;
    if (name != NULL && (!self->error_shown || strcmp (status, "error") != 0))
        CB_TRY (s_note (self, err, "[%s: %.400s]", name, text != NULL ? text : ""));
    if (bound != NULL)
        CB_TRY (s_note (self, err, "[limit %.60s: %.60s]", bound, value != NULL ? value : ""));
    if (s_is_death (name))
        return s_note (self, err, "[a new kernel was started: all variables are gone]");
    return strcmp (status, "interrupted") == 0 ? s_note (self, err, "[the user interrupted it]")
                                               : 0;
}

static int
s_put_artifacts (cb_result *self, const json_t *reply, cb_err *err)
{
    const json_t *artifacts = json_object_get (reply, "artifacts");

    for (size_t i = 0; i < json_array_size (artifacts) && i < 50; i++) {
        const json_t *artifact = json_array_get (artifacts, i);
        const char *path = json_string_value (json_object_get (artifact, "path"));
        if (path != NULL)
            CB_TRY (s_note (self, err, "[saved for the user: %.300s, %lld bytes]", path,
                            (long long)json_integer_value (json_object_get (artifact, "size"))));
    }
    return 0;
}

/* Head, what is missing, tail; a character that was cut loses its rest. */
static int
s_join (cb_result *self, cb_buf *raw, cb_err *err)
{
    const char *tail = self->tail.data != NULL ? self->tail.data : "";
    size_t size = self->tail.size;
    int result = cb_buf_put (raw, self->head.data != NULL ? self->head.data : "", self->head.size);

    if (size > CB_RESULT_TAIL && self->left_out + size > CB_RESULT_TAIL) {
        self->left_out += size - CB_RESULT_TAIL;
        tail += size - CB_RESULT_TAIL;
        size = CB_RESULT_TAIL;
    }
    if (result == 0 && self->left_out > 0) {
        for (; size > 0 && ((unsigned char)*tail & 0xc0) == 0x80; size--)
            tail++;
        result = cb_buf_printf (raw, "\n[... %zu bytes are left out here ...]\n", self->left_out);
    }
    if (result == 0)
        result = cb_buf_put (raw, tail, size);
    return result < 0 ? cb_fail_nomem (err) : 0;
}

char *
cb_result_text (cb_result *self, const json_t *reply, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf raw;
    cb_buf text;

    cb_buf_init (&raw, CB_RESULT_HEAD + 2 * CB_RESULT_TAIL + S_NOTE_MAX);
    cb_buf_init (&text, 4 * raw.limit);
    if (s_put_lines (self, json_object_get (reply, "pages"), err) < 0 ||
        s_put_status (self, reply, err) < 0 || s_put_artifacts (self, reply, err) < 0)
        return NULL;
    if (self->head.size == 0 && s_note (self, err, "[no output]") < 0)
        return NULL;
    if (s_join (self, &raw, err) < 0)
        return NULL;
    if (cb_utf8_mend (raw.data, raw.size, &text) < 0) {
        cb_buf_done (&text);
        (void)cb_fail_nomem (err);
        return NULL;
    }
    return cb_buf_steal (&text);
}
