/* test-shape.c - fields of another kind than the protocol's, type by type. */
#include "wire/shape.h"

#include "base/err.h"
#include "base/jsonx.h"
#include "base/tap.h"

#include <stdlib.h>
#include <string.h>

/* The content as it goes on; NULL: as it came. Owned. */
static char *
s_mended (const char *type, const char *content, size_t room)
{
    cb_buf into;

    cb_buf_init (&into, room);
    int outcome = cb_shape_check (type, (cb_part){content, strlen (content)}, &into);
    if (outcome == CB_SHAPE_MENDED)
        return cb_buf_steal (&into);
    cb_buf_done (&into);
    return outcome < 0 ? strdup ("failed") : NULL;
}

static const struct {
    const char *type;
    const char *content;
} s_good[] = {
    {"stream", "{\"name\": \"stdout\", \"text\": \"x\"}"},
    {"stream", "{\"text\": \"\\u0041\\\"\", \"name\": \"stderr\", \"more\": 1}"},
    {"status", "{\"execution_state\": \"busy\"}"},
    {"clear_output", "{\"wait\": true}"},
    {"display_data", "{\"data\": {\"text/plain\": \"x\", \"image/png\": [\"a\", \"b\"], "
                     "\"application/vnd.x.v1+json\": {\"a\": 1}}, \"metadata\": {}}"},
    {"execute_result", "{\"data\": {}, \"metadata\": {\"a\": 1}, \"execution_count\": 7, "
                       "\"transient\": {\"display_id\": \"x\"}}"},
    {"error", "{\"ename\": \"E\", \"evalue\": \"\", \"traceback\": [\"a\", \"b\"]}"},
    {"execute_input", "{\"code\": \"1\", \"execution_count\": 1}"},
    {"input_request", "{\"prompt\": \"? \", \"password\": false}"},
    {"complete_reply", "{\"status\": \"ok\", \"matches\": [\"a\"], \"cursor_start\": 0, "
                       "\"cursor_end\": 1, \"metadata\": {}}"},
    {"is_complete_reply", "{\"status\": \"incomplete\", \"indent\": \"    \"}"},
    {"comm_msg", "{\"data\": 7}"},
    {"of_nobody", "[]"},
};

static const struct {
    const char *type;
    const char *content;
    const char *mended;
} s_bad[] = {
    {"stream", "{\"name\": \"stdout\", \"text\": 7}", "{\"name\":\"stdout\",\"text\":\"\"}"},
    {"stream", "{\"name\": \"stdlog\", \"text\": \"a\"}", "{\"name\":\"stdout\",\"text\":\"a\"}"},
    {"stream", "{\"text\": \"a\"}", "{\"name\":\"stdout\",\"text\":\"a\"}"},
    {"stream", "{}", "{\"name\":\"stdout\",\"text\":\"\"}"},
    {"stream", "{\"name\": \"stderr\", \"text\": [\"a\"], \"more\": [1]}",
     "{\"name\":\"stderr\",\"text\":\"\",\"more\":[1]}"},
    {"stream", "{\"name\": \"stderr\", \"text\": \"a\", \"text\": 1}",
     "{\"name\":\"stderr\",\"text\":\"a\"}"},
    {"stream", "{\"name\": \"stderr\", \"te\\u0078t\": 1, \"text\": \"a\"}",
     "{\"name\":\"stderr\",\"text\":\"a\"}"},
    {"status", "{\"execution_state\": {}}", "{\"execution_state\":\"unknown\"}"},
    {"clear_output", "{\"wait\": 1}", "{\"wait\":false}"},
    {"display_data", "{\"data\": [], \"metadata\": 1, \"transient\": 2}",
     "{\"data\":{},\"metadata\":{}}"},
    {"display_data",
     "{\"data\": {\"text/plain\": 5, \"text/html\": \"<b>\", \"image/png\": {}}, \"metadata\": {}}",
     "{\"data\":{\"text/html\":\"<b>\"},\"metadata\":{}}"},
    {"execute_result", "{\"data\": {}, \"metadata\": {}, \"execution_count\": -1}",
     "{\"data\":{},\"metadata\":{},\"execution_count\":null}"},
    {"execute_result", "{\"data\": {}, \"metadata\": {}, \"execution_count\": 1e99}",
     "{\"data\":{},\"metadata\":{},\"execution_count\":null}"},
    {"execute_result", "{\"data\": {}, \"metadata\": {}, \"execution_count\": 1234567890123456789}",
     "{\"data\":{},\"metadata\":{},\"execution_count\":null}"},
    {"error", "{\"ename\": 1, \"evalue\": null, \"traceback\": \"x\"}",
     "{\"ename\":\"\",\"evalue\":\"\",\"traceback\":[]}"},
    {"error", "{\"ename\": \"E\", \"evalue\": \"v\", \"traceback\": [\"x\", 1]}",
     "{\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[]}"},
    {"input_request", "{\"prompt\": {}, \"password\": \"yes\"}",
     "{\"prompt\":\"\",\"password\":false}"},
    {"complete_reply", "{\"status\": \"ok\", \"matches\": [1], \"cursor_start\": \"x\"}",
     "{\"status\":\"ok\"}"},
    {"inspect_reply", "{\"status\": 1, \"found\": 1, \"data\": {\"text/plain\": 1}}",
     "{\"status\":\"error\",\"data\":{}}"},
    {"is_complete_reply", "{\"status\": \"complete\", \"indent\": 4}", "{\"status\":\"complete\"}"},
};

int
main (void)
{
    for (size_t i = 0; i < sizeof s_good / sizeof s_good[0]; i++) {
        char *text = s_mended (s_good[i].type, s_good[i].content, 1 << 20);
        ok (text == NULL, "%s passes: %s", s_good[i].type, s_good[i].content);
        free (text);
    }
    for (size_t i = 0; i < sizeof s_bad / sizeof s_bad[0]; i++) {
        char *text = s_mended (s_bad[i].type, s_bad[i].content, 1 << 20);
        json_t *json = NULL;
        ok (text != NULL && strcmp (text, s_bad[i].mended) == 0, "%s: %s", s_bad[i].type,
            text != NULL ? text : "passed");
        ok (text != NULL && cb_json_parse ("it", text, strlen (text), &json, NULL) == 0,
            "and is JSON");
        json_decref (json);
        free (text);
    }
    char *text =
        s_mended ("stream", "{\"name\": 1, \"text\": \"a long one that does not fit\"}", 40);
    ok (text != NULL && strcmp (text, "{\"name\":\"stdout\",\"text\":\"\"}") == 0,
        "what does not fit leaves empty fields: %s", text != NULL ? text : "passed");
    free (text);
    return tap_done ();
}
