/* test-openai.c - the streams of tests/golden/models, in pieces of every size, and the request. */
#include "agent/openai.h"

#include "base/fdio.h"
#include "base/tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static cb_buf s_said;

static const char *const s_stops[] = {"done", "length", "filter"};

static void
s_on_said (const cb_said *said, void *context)
{
    int result = 0;

    (void)context;
    if (said->kind == CB_SAID_TEXT)
        result = cb_buf_printf (&s_said, "text %s\n", said->text);
    else if (said->kind == CB_SAID_CALL)
        result = cb_buf_printf (&s_said, "call %s %s %s\n", said->id, said->name, said->text);
    else if (said->kind == CB_SAID_USAGE)
        result = cb_buf_printf (&s_said, "usage %lld %lld\n", (long long)said->input_tokens,
                                (long long)said->output_tokens);
    else if (said->kind == CB_SAID_DONE)
        result = cb_buf_printf (&s_said, "done %s\n", s_stops[said->stop]);
    if (result < 0)
        abort ();
}

/* What comes of a stream in pieces of step bytes. */
static const char *
s_hear (const char *type, const cb_buf *stream, size_t step)
{
    cb_openai_answer answer;
    cb_err err = CB_ERR_INIT;
    int result = 0;

    cb_buf_done (&s_said);
    cb_openai_answer_init (&answer, s_on_said, NULL);
    for (size_t at = 0; at < stream->size && result == 0; at += step)
        result = cb_openai_answer_put (&answer, type, stream->data + at,
                                       stream->size - at < step ? stream->size - at : step, &err);
    if (result == 0)
        result = cb_openai_answer_end (&answer, &err);
    if (result < 0 && cb_buf_printf (&s_said, "error %s\n", err.text) < 0)
        abort ();
    cb_openai_answer_done (&answer);
    return s_said.data != NULL ? s_said.data : "";
}

static void
s_read (const char *folder, const char *name, cb_buf *into)
{
    char path[PATH_MAX];
    cb_err err = CB_ERR_INIT;

    (void)snprintf (path, sizeof path, "%s/%s", folder, name);
    cb_buf_init (into, 1 << 20);
    if (cb_read_file (AT_FDCWD, path, into, &err) < 0) {
        (void)fprintf (stderr, "%s\n", err.text);
        abort ();
    }
}

static void
s_test_stream (const char *folder, const char *name)
{
    char said[NAME_MAX + 1];
    cb_scoped (cb_buf) cb_buf stream;
    cb_scoped (cb_buf) cb_buf wanted;
    size_t bad = 0;

    (void)snprintf (said, sizeof said, "%.*s.said", (int)(strlen (name) - 4), name);
    s_read (folder, name, &stream);
    s_read (folder, said, &wanted);
    for (size_t step = 1; step <= stream.size + 1 && bad == 0; step += step < 70 ? 1 : 97)
        if (strcmp (s_hear ("text/event-stream", &stream, step), wanted.data) != 0)
            bad = step;
    ok (bad == 0, "%s", name);
    if (bad != 0)
        printf ("# in pieces of %zu bytes:\n# %s", bad, s_said.data);
}

static int
s_compare (const void *left, const void *right)
{
    return strcmp (left, right);
}

static void
s_test_streams (void)
{
    static char names[200][NAME_MAX + 1];
    size_t count = 0;
    const char *folder = CB_SRCDIR "/tests/golden/models";
    DIR *dir = opendir (folder);

    for (struct dirent *entry = dir != NULL ? readdir (dir) : NULL; entry != NULL && count < 200;
         entry = readdir (dir))
        if (strlen (entry->d_name) > 4 &&
            strcmp (entry->d_name + strlen (entry->d_name) - 4, ".sse") == 0)
            (void)snprintf (names[count++], sizeof names[0], "%s", entry->d_name);
    if (dir != NULL)
        (void)closedir (dir);
    qsort (names, count, sizeof names[0], s_compare);
    ok (count >= 30, "there are golden streams");
    for (size_t i = 0; i < count; i++)
        s_test_stream (folder, names[i]);
}

static void
s_test_whole (void)
{
    char text[] = "{\"choices\":[{\"message\":{\"content\":\"ok\",\"tool_calls\":[{\"id\":\"a\","
                  "\"function\":{\"name\":\"run_python\",\"arguments\":\"{}\"}}]},"
                  "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":1,"
                  "\"completion_tokens\":2}}";
    cb_buf body = {.data = text, .size = strlen (text)};

    ok (strcmp (s_hear ("application/json; charset=utf-8", &body, 7),
                "text ok\ncall a run_python {}\nusage 1 2\ndone done\n") == 0,
        "a server that does not stream");
    ok (strstr (s_hear ("Text/HTML", &body, 7), "error it answers with a web page") != NULL,
        "a web page");
}

/* A stream of one call, cut anywhere: the call is told only when the server has said that it is
 * done, and then all of it. */
static void
s_test_halves (void)
{
    char text[] =
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":"
        "{\"name\":\"run_python\",\"arguments\":\"{\\\"code\\\":\"}}]}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":"
        "{\"arguments\":\" \\\"1\\\"}\"}}]}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n";
    size_t whole = strlen (text) - 2; /* the end of a body ends its last event */
    size_t bad = 0;

    for (size_t size = 0; size <= whole + 2; size++) {
        cb_buf body = {.data = text, .size = size};
        const char *said = s_hear ("text/event-stream", &body, size + 1);
        const char *wanted = "call a run_python {\"code\": \"1\"}\ndone done\n";
        int right = size >= whole ? strcmp (said, wanted) == 0 : strncmp (said, "error ", 6) == 0;
        bad += !right;
    }
    ok (bad == 0, "a call that is cut off is no call");
}

static void
s_test_faults (void)
{
    char key[] = "sk-0123456789";
    char text[] = "bad key sk-0123456789, or\nsk-0123456789";
    char last[] = "data: {\"choices\":[{\"finish_reason\":\"error\"}]}\n\n";
    cb_buf body = {.data = last, .size = strlen (last)};

    cb_key_clean (text, key);
    ok (strcmp (text, "bad key *************, or *************") == 0, "%s", text);
    cb_key_clean (text, "bad");
    ok (strstr (text, "bad key") != NULL, "what is too short to be a key is a word");
    ok (strncmp (s_hear ("text/event-stream", &body, 9), "error it broke off", 18) == 0,
        "a server that gave up");
    cb_owned (cb_json) json_t *many = json_integer (INT64_MAX);
    cb_owned (cb_json) json_t *few = json_integer (7);
    ok (cb_provider_tokens (NULL) == -1 && cb_provider_tokens (many) == -1 &&
            cb_provider_tokens (few) == 7,
        "counts of tokens");
}

static void
s_test_request (void)
{
    cb_transcript transcript;
    cb_err err = CB_ERR_INIT;
    const cb_choice choice = {.id = "gpt-x", .temperature = 0.5};
    json_t *calls =
        json_pack ("[{s:s, s:s, s:s}]", "id", "a", "name", "run_python", "arguments", "{}");
    cb_owned (cb_json) json_t *body = NULL;

    if (cb_transcript_init (&transcript, &err) < 0 ||
        cb_transcript_say (&transcript, "user", "caf\xe9?", &err) < 0 ||
        cb_transcript_answer (&transcript, "", calls, &err) < 0 ||
        cb_transcript_result (&transcript, "a", "4", &err) < 0)
        abort ();
    cb_auto_free char *text = cb_openai_request (&choice, &transcript, 9, &err);
    ok (text != NULL && cb_json_parse ("request", text, strlen (text), &body, &err) == 0,
        "a request is JSON");
    const json_t *messages = json_object_get (body, "messages");
    const json_t *first = json_array_get (messages, 0);
    const json_t *second = json_array_get (messages, 1);
    const json_t *third = json_array_get (messages, 2);
    ok (strcmp (json_string_value (json_object_get (first, "content")), "caf\xef\xbf\xbd?") == 0,
        "what is not UTF-8 is mended");
    ok (json_is_null (json_object_get (second, "content")) &&
            json_array_size (json_object_get (second, "tool_calls")) == 1,
        "an answer of calls alone has no content");
    ok (strcmp (json_string_value (json_object_get (third, "tool_call_id")), "a") == 0,
        "a result names its call");
    ok (json_integer_value (json_object_get (body, "max_completion_tokens")) == 9, "a token limit");
    json_decref (calls);
    cb_transcript_done (&transcript);
}

static void
s_test_transcript_bound (void)
{
    static char large[4 << 20];
    cb_transcript transcript;
    cb_err err = CB_ERR_INIT;
    int result = cb_transcript_init (&transcript, &err);

    memset (large, 'x', sizeof large - 1);
    for (int i = 0; i < 10 && result == 0; i++)
        result = cb_transcript_say (&transcript, "user", large, &err);
    ok (result == -CB_E_LIMIT && json_array_size (transcript.messages) == 4, "%s", err.text);
    cb_transcript_done (&transcript);
}

int
main (void)
{
    cb_buf_init (&s_said, 1 << 20);
    s_test_streams ();
    s_test_whole ();
    s_test_halves ();
    s_test_faults ();
    s_test_request ();
    s_test_transcript_bound ();
    cb_buf_done (&s_said);
    return tap_done ();
}
