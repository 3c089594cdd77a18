/* test-sse.c - server-sent events, whole and cut at every byte. */
#include "wire/sse.h"

#include "base/tap.h"

#include <string.h>

static char s_seen[4096];
static size_t s_size;

static int
s_on_event (const char *name, const char *data, size_t size, void *context, cb_err *err)
{
    (void)context;
    if (strcmp (data, "stop") == 0)
        return cb_fail (err, CB_E_PROTO, "stopped");
    int put = snprintf (s_seen + s_size, sizeof s_seen - s_size, "[%s|%s]", name, data);
    s_size += put > 0 && strlen (data) == size ? (size_t)put : 0;
    return 0;
}

/* What comes of text, given in pieces of step bytes. */
static const char *
s_parse (const char *text, size_t step)
{
    cb_sse sse;
    cb_err err = CB_ERR_INIT;
    size_t size = strlen (text);
    int result = 0;

    s_size = 0;
    s_seen[0] = '\0';
    cb_sse_init (&sse, s_on_event, NULL);
    for (size_t at = 0; at < size && result == 0; at += step)
        result = cb_sse_put (&sse, text + at, size - at < step ? size - at : step, &err);
    if (result == 0)
        result = cb_sse_end (&sse, &err);
    cb_sse_done (&sse);
    if (result < 0)
        (void)snprintf (s_seen, sizeof s_seen, "%s", err.text);
    return s_seen;
}

static const struct {
    const char *text;
    const char *seen;
    const char *what;
} s_cases[] = {
    {"data: a\n\ndata: b\n\n", "[message|a][message|b]", "two events"},
    {"data: a\r\n\r\ndata: b\r\n\r\n", "[message|a][message|b]", "CRLF"},
    {"data: a\r\ndata: b\r\n\r\n", "[message|a\nb]", "one line end, not two"},
    {"data: a\r\rdata: b\r\r", "[message|a][message|b]", "CR"},
    {"data: a\ndata:\ndata:  b\n\n", "[message|a\n\n b]", "data lines are joined by a line feed"},
    {": ping\n\n:\ndata: a\n\n", "[message|a]", "comments are no events"},
    {"event: delta\ndata: a\n\ndata: b\n\n", "[delta|a][message|b]", "a name holds for one event"},
    {"event: delta\n\ndata\n\n", "[message|]", "an event without data is none, an empty one is"},
    {"data: [DONE]", "[message|[DONE]]", "the last event without its blank line"},
    {"data: a\nid: 3\nretry: 10\nnonsense\n", "[message|a]", "other fields are left out"},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "[message|a]", "a byte order mark"},
    {"data: gr\xc3\xbc\xc3\x9f\n\n", "[message|gr\xc3\xbc\xc3\x9f]", "UTF-8"},
    {"", "", "nothing"},
    {"\n\n\n", "", "blank lines"},
    {"data: a\n\ndata: stop\n\ndata: b\n\n", "stopped", "a fault of the receiver ends it"},
};

static void
s_test_bounds (void)
{
    static char large[1 << 20];
    cb_sse sse;
    cb_err err = CB_ERR_INIT;
    int result = 0;

    memset (large, 'x', sizeof large);
    cb_sse_init (&sse, s_on_event, NULL);
    for (int i = 0; i < 100 && result == 0; i++)
        result = cb_sse_put (&sse, large, sizeof large, &err);
    ok (result == -CB_E_LIMIT && sse.line.room <= 2 * CB_SSE_MAX, "a line without an end: %s",
        err.text);
    cb_sse_done (&sse);

    cb_sse_init (&sse, s_on_event, NULL);
    result = 0;
    for (int i = 0; i < 100 && result == 0; i++) {
        result = cb_sse_put (&sse, "data:", 5, &err);
        if (result == 0)
            result = cb_sse_put (&sse, large, sizeof large, &err);
        if (result == 0)
            result = cb_sse_put (&sse, "\n", 1, &err);
    }
    ok (result == -CB_E_LIMIT && sse.data.room <= 2 * CB_SSE_MAX, "an event without an end: %s",
        err.text);
    cb_sse_done (&sse);
}

int
main (void)
{
    for (size_t i = 0; i < sizeof s_cases / sizeof s_cases[0]; i++) {
        int same = 1;
        for (size_t step = 1; step <= strlen (s_cases[i].text) + 1; step++)
            same &= strcmp (s_parse (s_cases[i].text, step), s_cases[i].seen) == 0;
        ok (same, "%s, in pieces of any size", s_cases[i].what);
    }
    s_test_bounds ();
    return tap_done ();
}
