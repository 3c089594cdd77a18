/* test-outputs.c - a cell's outputs as nbformat has them. */
#include "base/tap.h"
#include "cli/outputs.h"

#include <string.h>

/* Any JSON value. */
static json_t *
s_json (const char *text)
{
    char wrapped[1024];
    cb_owned (cb_json) json_t *object = NULL;
    cb_err err = CB_ERR_INIT;

    int size = snprintf (wrapped, sizeof wrapped, "{\"v\":%s}", text);
    if (cb_json_parse ("test", wrapped, (size_t)size, &object, &err) < 0)
        printf ("# the test's JSON is wrong: %s: %s\n", text, err.text);
    return json_incref (json_object_get (object, "v"));
}

/* Adds messages ("TYPE CONTENT") and compares the outputs. */
static void
s_check (const char *what, const char *const *messages, const char *want)
{
    cb_owned (cb_outputs) cb_outputs *outputs = cb_outputs_new ();
    int result = 0;

    for (; *messages != NULL; messages++) {
        char type[64] = "";
        const char *space = strchr (*messages, ' ');
        (void)snprintf (type, sizeof type, "%.*s", (int)(space - *messages), *messages);
        cb_owned (cb_json) json_t *content = s_json (space + 1);
        result |= cb_outputs_add (outputs, type, content, NULL);
    }
    cb_owned (cb_json) json_t *got = cb_outputs_take (outputs);
    cb_owned (cb_json) json_t *expected = s_json (want);
    ok (result == 0 && expected != NULL && json_equal (got, expected), "%s", what);
    if (!json_equal (got, expected)) {
        cb_auto_free char *text = cb_json_text (got, NULL);
        printf ("# got %s\n", text);
    }
}

#define MESSAGES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
s_streams (void)
{
    s_check ("neighbouring streams are one, others keep their order",
             MESSAGES ("stream {\"name\":\"stdout\",\"text\":\"a\"}",
                       "stream {\"name\":\"stdout\",\"text\":\"b\\u0000c\"}",
                       "stream {\"name\":\"stderr\",\"text\":\"e\"}", "status {}",
                       "stream {\"name\":\"stderr\",\"text\":\"f\"}",
                       "stream {\"name\":\"stdout\",\"text\":\"g\"}"),
             "[{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"ab\\u0000c\"},"
             "{\"output_type\":\"stream\",\"name\":\"stderr\",\"text\":\"ef\"},"
             "{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"g\"}]");
}

static void
s_rich (void)
{
    s_check ("a result between streams",
             MESSAGES ("stream {\"name\":\"stdout\",\"text\":\"a\"}",
                       "execute_result {\"execution_count\":3,\"data\":{\"text/plain\":\"1\"},"
                       "\"metadata\":{}}",
                       "stream {\"name\":\"stdout\",\"text\":\"b\"}"),
             "[{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"a\"},"
             "{\"output_type\":\"execute_result\",\"execution_count\":3,"
             "\"data\":{\"text/plain\":\"1\"},\"metadata\":{}},"
             "{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"b\"}]");
    s_check ("an update changes every output of its display_id and none else",
             MESSAGES ("display_data {\"data\":{\"text/plain\":\"1\"},\"metadata\":{\"m\":1},"
                       "\"transient\":{\"display_id\":\"d\"}}",
                       "display_data {\"data\":{\"text/plain\":\"2\"},\"metadata\":{}}",
                       "display_data {\"data\":{\"text/plain\":\"3\"},\"metadata\":{},"
                       "\"transient\":{\"display_id\":\"d\"}}",
                       "update_display_data {\"data\":{\"text/plain\":\"9\"},\"metadata\":{},"
                       "\"transient\":{\"display_id\":\"d\"}}",
                       "update_display_data {\"data\":{},\"transient\":{\"display_id\":\"x\"}}"),
             "[{\"output_type\":\"display_data\",\"data\":{\"text/plain\":\"9\"},\"metadata\":{}},"
             "{\"output_type\":\"display_data\",\"data\":{\"text/plain\":\"2\"},\"metadata\":{}},"
             "{\"output_type\":\"display_data\",\"data\":{\"text/plain\":\"9\"},\"metadata\":{}}]");
    s_check (
        "an error", MESSAGES ("error {\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[\"t\"]}"),
        "[{\"output_type\":\"error\",\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[\"t\"]}]");
}

static void
s_clearing (void)
{
    s_check ("clear_output at once",
             MESSAGES ("stream {\"name\":\"stdout\",\"text\":\"a\"}",
                       "display_data {\"data\":{},\"transient\":{\"display_id\":\"d\"}}",
                       "clear_output {\"wait\":false}",
                       "update_display_data {\"data\":{},\"transient\":{\"display_id\":\"d\"}}"),
             "[]");
    s_check (
        "clear_output with the next output",
        MESSAGES ("stream {\"name\":\"stdout\",\"text\":\"a\"}", "clear_output {\"wait\":true}",
                  "stream {\"name\":\"stdout\",\"text\":\"b\"}", "clear_output {\"wait\":true}"),
        "[{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"b\"}]");
}

static void
s_hostile (void)
{
    s_check ("wrong types never get into the notebook",
             MESSAGES ("stream {\"name\":7,\"text\":\"a\"}", "stream {\"name\":\"stdout\"}",
                       "stream []",
                       "execute_result {\"execution_count\":-1,\"data\":{\"text/plain\":{},"
                       "\"application/json\":{\"a\":1},\"image/png\":[\"a\",\"b\"]},"
                       "\"metadata\":3}",
                       "display_data {\"data\":[],\"transient\":[]}",
                       "error {\"ename\":1,\"traceback\":[1]}", "error 7"),
             "[{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"a\"},"
             "{\"output_type\":\"execute_result\",\"execution_count\":null,\"data\":{"
             "\"application/json\":{\"a\":1},\"image/png\":[\"a\",\"b\"]},\"metadata\":{}},"
             "{\"output_type\":\"display_data\",\"data\":{},\"metadata\":{}},"
             "{\"output_type\":\"error\",\"ename\":\"Error\",\"evalue\":\"\",\"traceback\":[]},"
             "{\"output_type\":\"error\",\"ename\":\"Error\",\"evalue\":\"\",\"traceback\":[]}]");
}

int
main (void)
{
    s_streams ();
    s_rich ();
    s_clearing ();
    s_hostile ();
    return tap_done ();
}
