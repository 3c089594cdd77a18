/* test-active.c - what becomes of a kernel's messages before attached clients see them. */
#include "wire/active.h"

#include "base/tap.h"
#include "wire/msgtype.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const cb_active s_sandbox = {CB_ACTIVE_SANDBOX, "jailed", "a jail", "{\"by\":1}"};
static const cb_active s_full = {CB_ACTIVE_FULL, "jailed", "a jail", "{\"by\":1}"};

#define LINK         \
    "{\"text\":\"a " \
    "jail\",\"url\":\"https://manpages.debian.org/bookworm/bubblewrap/bwrap.1.en.html\"}"

static const struct {
    const char *type;
    const char *content;
    const char *becomes; /* NULL: it passes as it is; "": it does not pass */
} s_cases[] = {
    {"stream", "{\"name\":\"stdout\",\"text\":\"<script>\"}", NULL},
    {"clear_output", "{\"wait\":false}", NULL},
    {"comm_open", "{\"comm_id\":\"1\",\"target_name\":\"x\",\"data\":{}}", ""},
    {"comm_msg", "{\"comm_id\":\"1\",\"data\":{}}", ""},
    {"comm_close", "{\"comm_id\":\"1\",\"data\":{}}", ""},
    {"custom_message", "{}", ""},
    {"custom_reply", "{\"x\":1}", NULL},
    {"status", "{\"execution_state\":\"busy\"}", NULL},
    {"status", "{\"execution_state\":\"<img src=x>\",\"x\":1}",
     "{\"execution_state\":\"unknown\"}"},
    {"display_data",
     "{\"data\":{\"text/plain\":\"1\"},\"metadata\":{},\"transient\":{\"display_id\":\"a\"}}",
     NULL},
    {"display_data", "{\"data\":{\"text/plain\":\"1\"},\"metadata\":[],\"transient\":{\"x\":1}}",
     "{\"data\":{\"text/plain\":\"1\"},\"metadata\":{},\"transient\":{}}"},
    {"display_data", "{\"data\":{\"text/plain\":\"1\"},\"data\":{\"text/html\":\"<script>\"}}",
     "{\"data\":{\"text/plain\":\"1\"}}"},
    {"update_display_data",
     "{\"data\":{\"application/javascript\":\"x\",\"image/png\":\"AAAA\"},\"metadata\":{}}",
     "{\"data\":{\"image/png\":\"AAAA\"},\"metadata\":{}}"},
    {"execute_result", "{\"data\":{},\"metadata\":{},\"execution_count\":3}", NULL},
    {"execute_result",
     "{\"data\":{},\"metadata\":{},\"execution_count\":\"<img src=x onerror=y>\"}",
     "{\"data\":{},\"metadata\":{},\"execution_count\":null}"},
    {"execute_input", "{\"code\":\"<script>\",\"execution_count\":1}", NULL},
    {"execute_input", "{\"code\":[\"x\"],\"execution_count\":{}}",
     "{\"code\":\"\",\"execution_count\":null}"},
    {"error", "{\"ename\":\"E\",\"evalue\":\"<b>\",\"traceback\":[\"\\u001b[31mx\"]}", NULL},
    {"error", "{\"ename\":1,\"evalue\":null,\"traceback\":[{},\"x\"],\"html\":\"<script>\"}",
     "{\"ename\":\"\",\"evalue\":\"\",\"traceback\":[\"x\"]}"},
    {"error", "{\"traceback\":\"<script>\"}", "{\"traceback\":[]}"},
    {"execute_reply",
     "{\"status\":\"ok\",\"execution_count\":1,\"user_expressions\":{},\"payload\":[]}", NULL},
    {"execute_reply",
     "{\"status\":\"ok\",\"payload\":[{\"source\":\"page\",\"data\":{\"text/html\":\"<b>x</"
     "b>\"},\"start\":0},{\"source\":\"edit_magic\",\"filename\":\"/etc/"
     "passwd\"},{\"source\":\"set_next_input\",\"text\":\"x\",\"replace\":false,\"z\":1},{"
     "\"source\":\"page\",\"source\":\"edit\"},3]}",
     "{\"status\":\"ok\",\"payload\":[{\"source\":\"page\",\"data\":{\"text/html\":\"<b>x</"
     "b>\"},\"start\":0},{\"source\":\"set_next_input\",\"text\":\"x\",\"replace\":false}]}"},
    {"execute_reply",
     "{\"status\":\"ok\",\"user_expressions\":{\"a\":{\"status\":\"ok\",\"data\":{\"image/"
     "png\":\"\\\"\"},\"metadata\":{}},\"b\":{\"status\":\"error\",\"ename\":\"E\",\"evalue\":\"\","
     "\"traceback\":[]},\"c\":3}}",
     "{\"status\":\"ok\",\"user_expressions\":{\"a\":{\"status\":\"ok\",\"data\":{\"text/"
     "plain\":\"cellblock: a broken picture is not shown under active_output = sandbox; a session "
     "made with -l active_output=full shows "
     "it\"},\"metadata\":{}},\"b\":{\"status\":\"error\",\"ename\":\"E\",\"evalue\":\"\","
     "\"traceback\":[]},\"c\":{}}}"},
    {"inspect_reply",
     "{\"status\":\"ok\",\"found\":true,\"data\":{\"text/plain\":\"x\"},\"metadata\":{}}", NULL},
    {"inspect_reply", "{\"found\":1,\"data\":{\"text/javascript\":\"x\",\"text/plain\":\"x\"}}",
     "{\"found\":false,\"data\":{\"text/plain\":\"cellblock: JavaScript is not shown under "
     "active_output = sandbox; a session made with -l active_output=full shows it\\nx\"}}"},
    {"complete_reply",
     "{\"matches\":[\"a\"],\"cursor_start\":0,\"cursor_end\":1,\"metadata\":{\"_jupyter_types_"
     "experimental\":[{\"start\":0,\"end\":1,\"text\":\"a\",\"type\":\"<unknown>\"}]},\"status\":"
     "\"ok\"}",
     NULL},
    {"complete_reply",
     "{\"matches\":[\"a\",\"<img "
     "src=x>\",3],\"metadata\":{\"_jupyter_types_experimental\":[{\"text\":\"<b>\",\"type\":\"<b>"
     "\"}],\"x\":\"<b>\"}}",
     "{\"matches\":[\"a\"],\"metadata\":{\"_jupyter_types_experimental\":[{\"text\":\"\",\"type\":"
     "\"\"}]}}"},
    {"comm_info_reply", "{\"status\":\"ok\",\"comms\":{}}", NULL},
    {"comm_info_reply", "{\"status\":\"ok\",\"comms\":{\"1\":{\"target_name\":\"x\"}}}",
     "{\"status\":\"ok\",\"comms\":{}}"},
    {"kernel_info_reply",
     "{\"status\":\"ok\",\"protocol_version\":\"5.3\",\"implementation\":\"ipython\","
     "\"implementation_version\":\"8.5.0\",\"language_info\":{\"name\":\"python\",\"version\":"
     "\"3.11.2\",\"mimetype\":\"text/x-python\",\"codemirror_mode\":{\"name\":\"ipython\","
     "\"version\":3},\"pygments_lexer\":\"ipython3\",\"nbconvert_exporter\":\"python\","
     "\"file_extension\":\".py\"},\"banner\":\"x\",\"help_links\":[{\"text\":\"a\",\"url\":"
     "\"https://docs.python.org/3.11\"}]}",
     "{\"status\":\"ok\",\"protocol_version\":\"5.3\",\"implementation\":\"ipython\","
     "\"implementation_version\":\"8.5.0\",\"language_info\":{\"name\":\"python\",\"version\":"
     "\"3.11.2\",\"mimetype\":\"text/x-python\",\"codemirror_mode\":{\"name\":\"ipython\","
     "\"version\":3},\"pygments_lexer\":\"ipython3\",\"nbconvert_exporter\":\"python\","
     "\"file_extension\":\".py\",\"jail\":{\"by\":1}},\"banner\":\"x\\njailed\",\"help_links\":["
     "{\"text\":\"a\",\"url\":\"https://docs.python.org/3.11\"}," LINK "]}"},
    {"kernel_info_reply",
     "{\"language_info\":{\"codemirror_mode\":{\"name\":\"../../files/x\"},\"nbconvert_exporter\":"
     "\"os.path\",\"pygments_lexer\":3,\"jail\":{}},\"banner\":\"\",\"help_links\":[{\"text\":"
     "\"a\",\"url\":\"javascript:alert(1)\"}]}",
     "{\"language_info\":{\"codemirror_mode\":{\"name\":\"python\"},\"nbconvert_exporter\":"
     "\"python\",\"pygments_lexer\":\"ipython3\",\"jail\":{\"by\":1}},\"banner\":\"jailed\","
     "\"help_links\":[{\"text\":\"a\",\"url\":\"https://ipython.org/\"}," LINK "]}"},
    {"kernel_info_reply", "{\"language_info\":[],\"banner\":3,\"help_links\":\"x\"}",
     "{\"language_info\":{\"jail\":{\"by\":1}},\"banner\":\"jailed\",\"help_links\":[" LINK "]}"},
    {"debug_reply", "{\"success\":true,\"body\":{\"variables\":[]}}", NULL},
    {"debug_reply", "{\"body\":{\"data\":{\"text/html\":\"<b>x</b>\",\"x/y\":\"<script>\"}}}",
     "{\"body\":{\"data\":{\"text/html\":\"<b>x</b>\"}}}"},
    {"input_request", "{\"prompt\":\"<b>\",\"password\":false}", NULL},
    {"input_request", "{\"prompt\":[\"<img src=x onerror=y>\"],\"password\":\"x\"}",
     "{\"prompt\":\"\",\"password\":false}"},
    {"is_complete_reply", "{\"status\":\"incomplete\",\"indent\":\"  \"}", NULL},
    {"shutdown_reply", "{\"status\":\"ok\",\"restart\":false}", NULL},
    {"history_reply", "{\"history\":[[0,1,\"<b>\"]]}", NULL},
};

static void
s_test_sandbox (void)
{
    for (size_t i = 0; i < sizeof s_cases / sizeof s_cases[0]; i++) {
        const char *becomes = s_cases[i].becomes;
        int expected = becomes == NULL      ? CB_ACTIVE_PASS
                       : becomes[0] == '\0' ? CB_ACTIVE_DROP
                                            : CB_ACTIVE_CHANGED;
        cb_part content = {s_cases[i].content, strlen (s_cases[i].content)};
        cb_buf into;
        cb_buf_init (&into, CB_ACTIVE_CONTENT_MAX);
        int result = cb_active_check (&s_sandbox, s_cases[i].type, content, &into);
        int good =
            result == expected && (result != CB_ACTIVE_CHANGED || strcmp (into.data, becomes) == 0);
        ok (good, "%s (%zu)", s_cases[i].type, i);
        if (!good)
            printf ("# %d: %s\n", result, into.data != NULL ? into.data : "");
        cb_buf_done (&into);
    }
}

static void
s_test_full (void)
{
    static const char info[] = "{\"status\":\"ok\",\"banner\":\"IPython\",\"x\":1}";
    static const char display[] = "{\"data\":{\"application/javascript\":\"x\"}}";
    cb_buf into;

    cb_buf_init (&into, CB_ACTIVE_CONTENT_MAX);
    ok (cb_active_check (&s_full, "display_data", (cb_part){display, sizeof display - 1}, &into) ==
                CB_ACTIVE_PASS &&
            cb_active_check (&s_full, "comm_open", (cb_part){"{}", 2}, &into) == CB_ACTIVE_PASS &&
            cb_active_check (&s_full, "custom", (cb_part){"{}", 2}, &into) == CB_ACTIVE_PASS,
        "full: everything passes");
    int result =
        cb_active_check (&s_full, "kernel_info_reply", (cb_part){info, sizeof info - 1}, &into);
    ok (result == CB_ACTIVE_CHANGED &&
            strcmp (into.data, "{\"status\":\"ok\",\"banner\":\"IPython\\njailed\",\"x\":1}") == 0,
        "full: what is said of the jail comes behind the kernel's own");
    json_t *parsed = json_loads (into.data, 0, NULL);
    ok (parsed != NULL, "full: it is JSON");
    json_decref (parsed);
    cb_buf_done (&into);
}

static void
s_test_table (void)
{
    size_t n_rows = 0;
    const cb_msgtype *rows = cb_msgtype_rows (&n_rows);
    size_t at = 0;
    int missing = 0;

    for (size_t i = 0; i < n_rows; i++) {
        const char *type = cb_active_type (at);
        if (rows[i].from_kernel == 0)
            continue;
        missing += type == NULL || strcmp (type, rows[i].name) != 0;
        at++;
    }
    ok (missing == 0 && cb_active_type (at) == NULL,
        "there is a row for every type that a kernel sends, in order");
}

/* A bundle of HTML whose frames would be too large. */
static void
s_test_size (void)
{
    enum { SIZE = 4 * 1024 * 1024 - 100 };
    static const char begin[] = "{\"data\":{\"text/html\":\"<script>";
    static const char figure[] = "\",\"application/vnd.plotly.v1+json\":{}}}";
    char *content = malloc (SIZE + 128);
    cb_buf into;

    memcpy (content, begin, sizeof begin - 1);
    memset (content + sizeof begin - 1, '\'', SIZE);
    memcpy (content + sizeof begin - 1 + SIZE, "\"}}", 4);
    cb_buf_init (&into, CB_ACTIVE_CONTENT_MAX);
    int result =
        cb_active_check (&s_sandbox, "display_data", (cb_part){content, strlen (content)}, &into);
    ok (result == CB_ACTIVE_CHANGED && into.size < 1000 &&
            strstr (into.data, "HTML that is too large") != NULL,
        "a frame that is too large");
    cb_buf_done (&into);
    memcpy (content + sizeof begin - 1 + SIZE, figure, sizeof figure);
    cb_buf_init (&into, CB_ACTIVE_CONTENT_MAX);
    result =
        cb_active_check (&s_sandbox, "display_data", (cb_part){content, strlen (content)}, &into);
    ok (result == CB_ACTIVE_CHANGED && strstr (into.data, "a Plotly figure is not shown") != NULL,
        "what it was is told where that is known");
    cb_buf_done (&into);
    cb_buf_init (&into, 8);
    result =
        cb_active_check (&s_sandbox, "execute_reply", (cb_part){"{\"status\":\"ok\"}", 15}, &into);
    ok (result < 0, "no room for anything is told");
    cb_buf_done (&into);
    free (content);
}

int
main (void)
{
    s_test_sandbox ();
    s_test_full ();
    s_test_table ();
    s_test_size ();
    return tap_done ();
}
