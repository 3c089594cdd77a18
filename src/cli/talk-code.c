/* talk-code.c - one cell from the prompt. Whether it goes on is the kernel's to say (is_complete);
 * where it does not answer in time, because it is busy, a simple rule serves. Text that is pasted
 * comes as one block where the terminal marks it; where it does not, lines that wait already are
 * taken before a blank one ends the cell. */
#include "cli/line.h"
#include "cli/talk.h"

#include <string.h>

/* Bytes of code the daemon takes. */
#define S_CODE_MAX ((size_t)8 << 20)
/* Columns that the kernel may propose. */
#define S_INDENT_MAX 80

typedef enum { S_COMPLETE, S_INCOMPLETE } s_verdict;

/* ---- is it whole? -----------------------------------------------------------------------------
 */

/* Only blanks are taken from a kernel. */
static void
s_take_indent (const json_t *answer, char indent[S_INDENT_MAX + 1])
{
    const char *text = json_string_value (json_object_get (answer, "indent"));
    size_t size = text != NULL ? strspn (text, " ") : 0;

    memset (indent, ' ', S_INDENT_MAX);
    indent[size < S_INDENT_MAX ? size : S_INDENT_MAX] = '\0';
}

static const char *
s_last_line (const char *code)
{
    const char *at = strrchr (code, '\n');
    return at != NULL ? at + 1 : code;
}

static bool
s_is_blank (const char *text)
{
    return text[strspn (text, " \t\n")] == '\0';
}

/* IPython wants two blank lines behind a cell magic, where a person at a prompt gives one. */
static bool
s_ends_magic (const char *code)
{
    return strncmp (code + strspn (code, " \t\n"), "%%", 2) == 0 && strchr (code, '\n') != NULL &&
           s_is_blank (s_last_line (code));
}

/* Nobody says: a blank line ends a block, and one line is a cell unless it clearly goes on. */
static s_verdict
s_guess (const char *code)
{
    size_t size = strlen (code);

    if (s_is_blank (s_last_line (code)))
        return S_COMPLETE;
    if (strchr (code, '\n') != NULL || strchr (":\\([{,", code[size - 1]) != NULL)
        return S_INCOMPLETE;
    return S_COMPLETE;
}

static int
s_judge (cb_talk *self, const char *code, char indent[S_INDENT_MAX + 1], cb_err *err)
{
    cb_owned (cb_json) json_t *reply = NULL;
    json_t *content = json_pack ("{s:s, s:s, s:{s:s}}", "session", self->session, "question",
                                 "is_complete", "content", "code", code);

    indent[0] = '\0';
    if (content == NULL) /* not UTF-8: that is said when it is run */
        return S_COMPLETE;
    if (self->busy) {
        json_decref (content);
        return (int)s_guess (code);
    }
    int outcome = cb_talk_call (self, "ask", content, &reply, err);
    if (outcome == -CB_E_GONE && cellblock_error_code (self->conn.client) == CELLBLOCK_E_GONE)
        return outcome;
    const json_t *answer = outcome == CB_TALK_ANSWERED ? json_object_get (reply, "answer") : NULL;
    const char *status = json_string_value (json_object_get (answer, "status"));
    err->code = 0;
    if (status == NULL || strcmp (status, "unknown") == 0)
        return s_guess (code);
    if (strcmp (status, "incomplete") != 0)
        return S_COMPLETE;
    s_take_indent (answer, indent);
    return S_INCOMPLETE;
}

/* ---- words that are ours ----------------------------------------------------------------------
 */

/* Behind the word: nothing, or the brackets of a call, perhaps with the number that scripts give.
 */
static bool
s_is_bare_call (const char *rest)
{
    rest += strspn (rest, " \t");
    if (*rest == '(') {
        rest += 1 + strspn (rest + 1, " \t0123456789");
        if (*rest++ != ')')
            return false;
    }
    return s_is_blank (rest);
}

/* In IPython these ask the frontend to go. */
static bool
s_leaves (const char *line)
{
    line += strspn (line, " \t");
    return (strncmp (line, "exit", 4) == 0 || strncmp (line, "quit", 4) == 0) &&
           s_is_bare_call (line + 4);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* Something of the daemon's while the prompt stands: late replies, or its end. */
static bool
s_on_wake (void *context)
{
    cb_talk *self = context;
    cellblock_event *event;

    while ((event = cellblock_next (self->conn.client, 0)) != NULL)
        cellblock_event_free (&event);
    return cellblock_error_code (self->conn.client) == CELLBLOCK_E_GONE;
}

static int
s_read_line (cb_talk *self, bool first, const char *preset, char **ret_line, cb_err *err)
{
    const cb_line_want want = {.prompt = first ? ">>> " : "... ",
                               .style = cb_term_style (&self->term, "green"),
                               .preset = preset,
                               .signals = self->signals,
                               .wake = cellblock_fd (self->conn.client),
                               .on_wake = s_on_wake,
                               .context = self};

    return cb_line_read (&want, ret_line, err);
}

static int
s_add (cb_buf *code, const char *line, cb_err *err)
{
    int result = code->size > 0 ? cb_buf_puts (code, "\n") : 0;

    if (result == 0)
        result = cb_buf_puts (code, line);
    if (result < 0)
        return cb_fail (err, -result, "a cell of more than %zu MiB", S_CODE_MAX >> 20);
    return 0;
}

/* A line of the cell is there: whether it goes on. */
static int
s_on_line (cb_talk *self, cb_buf *code, const char *line, char indent[S_INDENT_MAX + 1],
           cb_err *err)
{
    bool more = cb_line_more_waits ();
    bool begun = code->size > 0;

    CB_TRY (s_add (code, line, err));
    if (begun && more && s_is_blank (line))
        return S_INCOMPLETE; /* pasted: a blank line within it ends nothing */
    int looked = cb_talk_look (self, err);
    if (looked < 0)
        return looked;
    if (s_ends_magic (code->data))
        return S_COMPLETE;
    int verdict = s_judge (self, code->data, indent, err);
    if (more)
        indent[0] = '\0'; /* what comes has its own */
    return verdict;
}

/* How the person ended the prompt without a line. */
static int
s_on_end (cb_talk *self, int outcome, bool first)
{
    if (outcome == CB_LINE_TERMINATED) {
        self->exit_code = CB_EXIT_TERMINATED;
        return CB_TALK_LEAVES;
    }
    return outcome == CB_LINE_END && first ? CB_TALK_LEAVES : CB_TALK_NOTHING;
}

int
cb_talk_read (cb_talk *self, cb_buf *code, cb_err *err)
{
    char indent[S_INDENT_MAX + 1] = "";
    int verdict = S_INCOMPLETE;

    while (verdict == S_INCOMPLETE) {
        cb_auto_free char *line = NULL;
        bool first = code->size == 0;
        int outcome = s_read_line (self, first, indent, &line, err);
        if (outcome < 0)
            return outcome;
        if (outcome == CB_LINE_WOKEN)
            return cb_conn_failed (&self->conn, err);
        if (outcome != CB_LINE_READ || line == NULL)
            return s_on_end (self, outcome, first);
        if (first && s_is_blank (line))
            return CB_TALK_NOTHING;
        if (first && s_leaves (line))
            return CB_TALK_LEAVES;
        verdict = s_on_line (self, code, line, indent, err);
    }
    if (code->data != NULL)
        cb_line_remember (code->data);
    return verdict < 0 ? verdict : CB_TALK_CODE;
}
