/* test-ctl.c - the table of control verbs and the check of their fields. */
#include "base/fdio.h"
#include "base/jsonx.h"
#include "base/table.h"
#include "base/tap.h"
#include "wire/ctl.h"

#include <fcntl.h>

static int
s_check (const char *type, const char *text, size_t n_buffers, cb_err *err)
{
    cb_owned (cb_json) json_t *content = NULL;

    CB_TRY (cb_json_parse ("test", text, strlen (text), &content, err));
    return cb_ctl_check (cb_ctl_find (type), content, n_buffers, err);
}

static void
s_table (void)
{
    size_t rows;
    const cb_ctl_verb *verbs = cb_ctl_verbs (&rows);
    int pairs = 1;

    ok (rows == 19 && cb_table_sorted (verbs, rows, sizeof verbs[0]), "verbs are sorted");
    for (size_t i = 0; i < rows; i++) {
        size_t stem = strlen (verbs[i].name) - strlen ("_request");
        pairs &= strcmp (verbs[i].name + stem, "_request") == 0 &&
                 strncmp (verbs[i].name, verbs[i].reply, stem) == 0 &&
                 strcmp (verbs[i].reply + stem, "_reply") == 0;
        pairs &= verbs[i].fields[CB_CTL_FIELDS_MAX - 1].name == NULL;
    }
    ok (pairs, "each has its reply and an end of its fields");
    const cb_ctl_event *events = cb_ctl_events (&rows);
    ok (rows == 6 && cb_table_sorted (events, rows, sizeof events[0]), "events are sorted");
    ok (cb_ctl_find (cb_ctl_input ()->name) == NULL &&
            cb_msgtype_find (cb_ctl_input ()->name) != NULL,
        "an answer is no verb");
    ok (cb_ctl_find ("run_reply") == NULL && cb_ctl_find ("") == NULL, "others are unknown");
    for (size_t i = 0; i < rows; i++)
        ok (cb_msgtype_find (events[i].name) == NULL, "no kernel message is called %s",
            events[i].name);
    ok (cb_ctl_forwards (cb_msgtype_find ("stream")) &&
            cb_ctl_forwards (cb_msgtype_find ("status")) &&
            cb_ctl_forwards (cb_msgtype_find ("execute_input")),
        "a kernel's output goes on");
    ok (!cb_ctl_forwards (NULL) && !cb_ctl_forwards (cb_msgtype_find ("shutdown_reply")),
        "a kernel does not speak in the broker's name");
    ok (cb_ctl_event_find ("lost") != NULL && cb_ctl_event_find ("stream") == NULL, "events");
}

static void
s_good (void)
{
    static const struct {
        const char *type;
        const char *text;
        size_t buffers;
    } good[] = {
        {"hello_request", "{}", 0},
        {"run_request", "{\"code\":\"1\"}", 0},
        {"run_request", "{\"code\":\"1\",\"allow_stdin\":true,\"interactive\":true}", 0},
        {"run_request",
         "{\"code\":\"\",\"session\":null,\"profile\":\"big\",\"timeout_s\":0.5,\"silent\":true,"
         "\"store_history\":false,\"keep\":true,\"inputs\":[{\"path\":\"/a\"},"
         "{\"path\":\"/b\",\"name\":\"c d\"}]}",
         0},
        {"new_request", "{\"name\":\"a\",\"wait\":false}", 0},
        {"new_request", "{\"workdir\":{\"path\":\"/a\",\"mode\":\"rw\"}}", 0},
        {"new_request", "{\"workdir\":{\"path\":\"/a\",\"mode\":\"ro\"}}", 0},
        {"new_request", "{\"workdir\":null}", 0},
        {"new_request", "{\"limits\":{\"memory\":\"1G\",\"wall\":\"none\"}}", 0},
        {"run_request", "{\"code\":\"1\",\"limits\":null,\"interactive\":true}", 0},
        {"profiles_request", "{}", 0},
        {"profile_request", "{\"profile\":\"safe_eval\"}", 0},
        {"put_request", "{\"session\":\"a\",\"path\":\"x\",\"offset\":0,\"eof\":true}", 1},
        {"get_request", "{\"session\":\"a\",\"path\":\"x\",\"offset\":9,\"size\":262144}", 0},
        {"stop_request", "{\"all\":true}", 0},
        {"ask_request", "{\"session\":\"a\",\"question\":\"x\",\"content\":{\"y\":1}}", 0},
        {"stop_request", "{\"session\":\"a\"}", 0},
    };
    cb_err err = CB_ERR_INIT;

    for (size_t i = 0; i < CB_COUNT (good); i++)
        ok (s_check (good[i].type, good[i].text, good[i].buffers, &err) == 0, "%s %s", good[i].type,
            err.text);
}

static void
s_bad (void)
{
    static const struct {
        const char *type;
        const char *text;
        size_t buffers;
        int code;
    } bad[] = {
        {"hello_request", "{\"x\":1}", 0, CB_E_INVALID},
        {"hello_request", "{}", 1, CB_E_INVALID},
        {"run_request", "{}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":null}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":5}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"timeout_s\":0}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"timeout_s\":-1}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"timeout_s\":1e9}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"timeout_s\":\"1\"}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"silent\":1}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"allow_stdin\":\"yes\"}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"session\":\"../x\"}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"session\":\"\"}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":\"/a\"}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":{}}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":{\"path\":\"/a\"}}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":{\"mode\":\"ro\"}}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":{\"path\":\"a\",\"mode\":\"ro\"}}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":{\"path\":\"/a\",\"mode\":\"wr\"}}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":{\"path\":\"/a\",\"mode\":\"none\"}}", 0, CB_E_INVALID},
        {"new_request", "{\"workdir\":{\"path\":\"/a\",\"mode\":\"ro\",\"x\":1}}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"workdir\":{\"path\":\"/a\",\"mode\":\"ro\"}}", 0,
         CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"inputs\":[1]}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"inputs\":{}}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"inputs\":[{\"path\":\"a\"}]}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"inputs\":[{\"name\":\"a\"}]}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"inputs\":[{\"path\":\"/a\",\"name\":\"..\"}]}", 0,
         CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"limits\":[]}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"limits\":{\"memory\":5}}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"limits\":{\"memory\":\"1\\u0000G\"}}", 0, CB_E_INVALID},
        {"run_request", "{\"code\":\"1\",\"interactive\":1}", 0, CB_E_INVALID},
        {"profile_request", "{}", 0, CB_E_INVALID},
        {"show_request", "{}", 0, CB_E_INVALID},
        {"put_request", "{\"session\":\"a\",\"path\":\"x\"}", 0, CB_E_INVALID},
        {"put_request", "{\"session\":\"a\",\"path\":\"x\",\"offset\":-1}", 1, CB_E_INVALID},
        {"get_request", "{\"session\":\"a\",\"path\":\"x\",\"size\":262145}", 0, CB_E_INVALID},
        {"stop_request", "{}", 0, CB_E_INVALID},
        {"ask_request", "{\"session\":\"a\"}", 0, CB_E_INVALID},
        {"ask_request", "{\"session\":\"a\",\"question\":\"x\",\"content\":[]}", 0, CB_E_INVALID},
        {"stop_request", "{\"all\":false}", 0, CB_E_INVALID},
        {"stop_request", "{\"all\":true,\"session\":\"a\"}", 0, CB_E_INVALID},
    };
    cb_err err = CB_ERR_INIT;

    for (size_t i = 0; i < CB_COUNT (bad); i++)
        ok (s_check (bad[i].type, bad[i].text, bad[i].buffers, &err) == -bad[i].code, "%s",
            err.text);
}

static void
s_bounds (void)
{
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_json) json_t *inputs = json_array ();

    for (int i = 0; i <= CB_CTL_INPUTS_MAX; i++)
        (void)json_array_append_new (inputs, json_pack ("{ss}", "path", "/a"));
    cb_owned (cb_json) json_t *content = json_pack ("{ss sO}", "code", "1", "inputs", inputs);
    ok (cb_ctl_check (cb_ctl_find ("run_request"), content, 0, &err) == -CB_E_LIMIT, "%s",
        err.text);
    cb_auto_free char *code = malloc (CB_CTL_CODE_MAX + 1);
    memset (code, 'x', CB_CTL_CODE_MAX + 1);
    cb_owned (cb_json) json_t *large = json_pack ("{ss#}", "code", code, CB_CTL_CODE_MAX + 1);
    ok (cb_ctl_check (cb_ctl_find ("run_request"), large, 0, &err) == -CB_E_LIMIT, "%s", err.text);
}

/* cellblock-protocol(7) names every verb with its fields, and every event. */
static void
s_page (void)
{
    size_t rows;
    cb_scoped (cb_buf) cb_buf page;
    char entry[80];

    cb_buf_init (&page, 1 << 20);
    ok (cb_read_file (AT_FDCWD, CB_SRCDIR "/doc/cellblock-protocol.7", &page, NULL) == 0, "a page");
    const cb_ctl_verb *verbs = cb_ctl_verbs (&rows);
    for (size_t i = 0; i < rows; i++) {
        (void)snprintf (entry, sizeof entry, ".It Cm %s Li {", verbs[i].name);
        const char *at = page.data != NULL ? strstr (page.data, entry) : NULL;
        ok (at != NULL, "%s is on the page", verbs[i].name);
        size_t size = at != NULL ? strcspn (at, "\n") : 0;
        for (const cb_ctl_field *field = verbs[i].fields; at != NULL && field->name != NULL;
             field++)
            ok (memmem (at, size, field->name, strlen (field->name)) != NULL, "with its %s",
                field->name);
    }
    ok (page.data != NULL && strstr (page.data, ".It Cm input_reply Li {value}") != NULL,
        "the answer is on the page");
    const cb_ctl_event *events = cb_ctl_events (&rows);
    for (size_t i = 0; i < rows; i++) {
        (void)snprintf (entry, sizeof entry, ".It Cm %s Li {", events[i].name);
        ok (page.data != NULL && strstr (page.data, entry) != NULL, "%s is on the page",
            events[i].name);
    }
}

int
main (void)
{
    s_page ();
    s_table ();
    s_good ();
    s_bad ();
    s_bounds ();
    return tap_done ();
}
