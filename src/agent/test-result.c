/* test-result.c - a run as text for the model, and the code of a call. */
#include "agent/calls.h"
#include "agent/result.h"

#include "base/name.h"
#include "base/tap.h"

#include <stdlib.h>
#include <string.h>

static json_t *
s_json (const char *text)
{
    json_t *object = NULL;
    cb_err err = CB_ERR_INIT;

    if (cb_json_parse ("test", text, strlen (text), &object, &err) < 0)
        abort ();
    return object;
}

static void
s_add (cb_result *result, const char *type, const char *content)
{
    cb_owned (cb_json) json_t *object = s_json (content);
    cb_err err = CB_ERR_INIT;

    if (cb_result_add (result, type, object, &err) < 0)
        abort ();
}

/* The text of what was added, compared; result is done with. */
static void
s_check (cb_result *result, const char *reply, const char *wanted, const char *what)
{
    cb_owned (cb_json) json_t *object = s_json (reply);
    cb_err err = CB_ERR_INIT;

    cb_auto_free char *text = cb_result_text (result, object, &err);
    ok (text != NULL && strcmp (text, wanted) == 0, "%s", what);
    if (text == NULL || strcmp (text, wanted) != 0)
        printf ("# %s\n", text != NULL ? text : err.text);
    cb_result_done (result);
}

static void
s_test_outputs (void)
{
    cb_result r;

    cb_result_init (&r);
    s_check (&r, "{\"status\":\"ok\"}", "[no output]\n", "nothing");

    cb_result_init (&r);
    s_add (&r, "stream", "{\"name\":\"stdout\",\"text\":\"a\"}");
    s_add (&r, "stream", "{\"name\":\"stderr\",\"text\":\"b\"}");
    s_add (&r, "execute_result", "{\"data\":{\"text/plain\":[\"1\",\"2\"],\"text/html\":\"<b>\"}}");
    s_add (&r, "display_data", "{\"data\":{\"image/png\":\"xx\",\"text/plain\":\"<Figure>\"}}");
    s_add (&r, "status", "{\"execution_state\":\"idle\"}");
    s_check (&r, "{\"status\":\"ok\"}",
             "ab\n12\n[a picture (image/png) was shown to the user; you cannot see it]\n",
             "streams, a value, a picture");

    cb_result_init (&r);
    s_add (&r, "error",
           "{\"ename\":\"E\",\"traceback\":[\"\\u001b[0;31mE\\u001b[0m: \\u001b[38;5;28mx\"]}");
    s_check (&r, "{\"status\":\"error\",\"error\":{\"ename\":\"E\",\"evalue\":\"x\"}}", "E: x\n",
             "a traceback without its colours, told once");

    cb_result_init (&r);
    s_check (&r,
             "{\"status\":\"limit\",\"error\":{\"ename\":\"MemoryLimitExceeded\",\"evalue\":\"x\"},"
             "\"limit\":{\"name\":\"memory\",\"value\":\"512 MiB\"},"
             "\"artifacts\":[{\"path\":\"/output/a\",\"size\":3}]}",
             "[MemoryLimitExceeded: x]\n[limit memory: 512 MiB]\n[a new kernel was started: all "
             "variables are gone]\n[saved for the user: /output/a, 3 bytes]\n",
             "a death, a limit, a file");

    cb_result_init (&r);
    s_add (&r, "stream", "{\"text\":\"a\"}");
    s_check (&r, "{\"status\":\"ok\",\"pages\":[\"\\u001b[0;31mhelp\\u001b[0m\"]}", "a\nhelp\n",
             "help that it asked for");

    cb_result_init (&r);
    s_add (&r, "stream", "{\"text\":3}");
    s_add (&r, "execute_result", "{\"data\":[]}");
    s_add (&r, "error", "{\"traceback\":\"x\"}");
    s_check (&r, "{}", "[no output]\n", "members of a wrong type");
}

/* Cuts are between characters, and what is missing is counted. */
static void
s_test_cut (size_t shift)
{
    cb_result r;
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_json) json_t *reply = s_json ("{\"status\":\"ok\"}");
    size_t left_out = 0;
    size_t total = shift;

    cb_result_init (&r);
    cb_owned (cb_json) json_t *first = json_pack ("{s:s#}", "text", "xxxx", (int)shift);
    cb_owned (cb_json) json_t *more =
        s_json ("{\"text\":\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\"}");
    if (cb_result_add (&r, "stream", first, &err) < 0)
        abort ();
    for (int i = 0; i < 9000; i++, total += 9)
        if (cb_result_add (&r, "stream", more, &err) < 0)
            abort ();
    cb_auto_free char *text = cb_result_text (&r, reply, &err);
    const char *mark = text != NULL ? strstr (text, "[... ") : NULL;
    if (mark == NULL || sscanf (mark, "[... %zu bytes", &left_out) != 1)
        abort ();
    ok (cb_utf8_valid (text, strlen (text)) &&
            strlen (text) < CB_RESULT_HEAD + CB_RESULT_TAIL + 99 &&
            left_out + CB_RESULT_HEAD + CB_RESULT_TAIL == total,
        "%zu bytes in the middle are left out of %zu", left_out, total);
    cb_result_done (&r);
}

static void
s_test_large_piece (void)
{
    static char large[1 << 20];
    cb_result r;
    cb_err err = CB_ERR_INIT;

    memset (large, 'a', sizeof large);
    cb_result_init (&r);
    cb_owned (cb_json) json_t *piece = json_pack ("{s:s#}", "text", large, (int)sizeof large);
    for (int i = 0; i < 3; i++)
        if (cb_result_add (&r, "stream", piece, &err) < 0)
            abort ();
    ok (r.head.room + r.tail.room < 100 << 10, "memory is bounded while it grows");
    cb_result_done (&r);
}

static void
s_test_code (void)
{
    static const struct {
        const char *arguments;
        const char *code; /* NULL: none */
    } cases[] = {
        {"{\"code\":\"1\"}", "1"},
        {" {\"code\":\"1\",\"more\":2} ", "1"},
        {"{\"code\":\"1\"}{\"code\":\"2\"}", "1"},
        {"{\"code\":\"1\"}</tool_call>", "1"},
        {"{\"code\":\"\"}", ""},
        {"{\"code\":\"1\"", NULL},
        {"{\"code\":1}", NULL},
        {"{\"cod\":\"1\"}", NULL},
        {"[\"1\"]", NULL},
        {"\"1\"", NULL},
        {"print(1)", NULL},
        {"", NULL},
        {"  ", NULL},
        {"{}", NULL},
        {"{\"code\":\"a\\u0000b\"}", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cb_err err = CB_ERR_INIT;
        cb_auto_free char *code =
            cb_call_code (cases[i].arguments, strlen (cases[i].arguments), &err);
        int same = code == NULL || cases[i].code == NULL ? code == cases[i].code
                                                         : strcmp (code, cases[i].code) == 0;
        ok (same && (code != NULL || err.text[0] != '\0'), "arguments '%s': %s", cases[i].arguments,
            code != NULL ? code : err.text);
    }
}

int
main (void)
{
    s_test_outputs ();
    for (size_t shift = 0; shift < 3; shift++)
        s_test_cut (shift);
    s_test_large_piece ();
    s_test_code ();
    return tap_done ();
}
