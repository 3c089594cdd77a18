/* test-mime.c - bundles of types: what becomes of each. */
#include "wire/mime.h"

#include "base/tap.h"
#include "wire/frame.h"
#include "wire/jwalk.h"
#include "wire/markdown.h"

#include <stdlib.h>
#include <string.h>

static cb_part
s_part (const char *text)
{
    return (cb_part){text, strlen (text)};
}

/* The bundle as it may be shown; NULL when it is unchanged. Owned. */
static char *
s_shown (const char *bundle)
{
    cb_buf into;
    int changed = 0;

    cb_buf_init (&into, 1 << 20);
    if (cb_mime_put (&into, s_part (bundle), &changed) < 0 || !changed) {
        cb_buf_done (&into);
        return changed ? strdup ("failed") : NULL;
    }
    return cb_buf_steal (&into);
}

static const char *const s_same[] = {
    "{}",
    "{\"text/plain\": \"<script>alert(1)</script>\"}",
    "{\"image/png\": \"iVBORw0KGgo=\\n\", \"text/plain\": \"<Figure>\"}",
    "{\"text/html\": \"<table border=\\\"1\\\"><tr><td>1</td></tr></table>\", \"text/plain\": "
    "\"1\"}",
    "{ \"text/html\" : \"\\u003cb>x\\u003c/b>\" }",
    "{\"application/json\": {\"a\": [1, \"<script>\", null, {}]}, \"text/plain\": \"x\"}",
    "{\"text/markdown\": \"**a** <b>c</b> [x](https://example.org/)\"}",
    "{\"text/latex\": \"$a < b$\"}",
};

#define SHOWS_IT                                                                                   \
    "is not shown under active_output = sandbox; a session made with -l active_output=full shows " \
    "it"

static const struct {
    const char *bundle;
    const char *has; /* NULL: nothing of it may be there but what `not` says */
    const char * not ;
} s_changed[] = {
    {"{\"application/javascript\": \"alert(1)\", \"text/plain\": "
     "\"<IPython.core.display.Javascript object>\"}",
     "{\"text/plain\":\"cellblock: JavaScript " SHOWS_IT
     "\\n<IPython.core.display.Javascript object>\"}",
     "alert"},
    {"{\"application/vnd.jupyter.widget-view+json\": {\"model_id\": \"1\"}, \"text/plain\": "
     "\"IntSlider(value=0)\"}",
     "{\"text/plain\":\"cellblock: a widget " SHOWS_IT "\\nIntSlider(value=0)\"}", "model_id"},
    {"{\"application/vnd.plotly.v1+json\": {}, \"image/png\": \"AAAA\", \"text/plain\": \"x\"}",
     "{\"image/png\":\"AAAA\",\"text/plain\":\"x\"}", "plotly"},
    {"{\"application/vnd.plotly.v1+json\": {}, \"text/html\": \"<b>x</b>\"}",
     "{\"text/html\":\"<b>x</b><div>cellblock: a Plotly figure", "plotly"},
    {"{\"application/vnd.bokehjs_exec.v0+json\": \"\", \"text/html\": \"<div class='bk'></div>\"}",
     "cellblock: a Bokeh figure", "bokehjs"},
    {"{\"text/html\": \"<script>alert(1)</script>\"}", "&lt;script&gt;", "<script"},
    {"{\"text/html\": \"<img src=x onerror=alert(1)>\", \"text/html\": \"<b>x</b>\"}",
     "{\"text/html\":\"<b>x</b>\"}", "onerror"},
    {"{\"text/html\": [\"<img src=x onerror=alert(1)>\"]}", "data of a type", "onerror"},
    {"{\"text\\/html\": \"<img src=x onerror=alert(1)>\"}", "data of a type", "onerror"},
    {"{\"Text/HTML\": \"<img src=x onerror=alert(1)>\", \"text/plain\": \"x\"}",
     "{\"text/plain\":\"x\"}", "onerror"},
    {"{\"text/html; charset=utf-8\": \"<b onclick=alert(1)>\", \"text/plain\": \"x\"}",
     "{\"text/plain\":\"x\"}", "onclick"},
    {"{\"image/svg+xml\": \"<svg onload=\\\"alert(1)\\\" width=\\\"10\\\"></svg>\", "
     "\"text/plain\": \"x\"}",
     "&lt;svg onload=&quot;alert(1)&quot;", "<svg"},
    {"{\"image/svg+xml\": \"<svg/>\", \"text/html\": \"<b>x</b>\"}", "{\"text/html\":\"<b>x</b>\"}",
     "svg"},
    {"{\"image/png\": \"x\\\" onerror=\\\"alert(1)\"}", "a broken picture", "onerror"},
    {"{\"image/png\": \"AAAA\\u0022\\u0020onerror=alert\"}", "a broken picture", "onerror"},
    {"{\"image/png\": {\"toString\": \"x\"}}", "a broken picture", "toString"},
    {"{\"application/pdf\": \"JVBE\", \"text/plain\": \"x\"}", "a PDF document", "JVBE"},
    {"{\"application/x-evil\": \"<script>\", \"text/plain\": \"x\"}", "{\"text/plain\":\"x\"}",
     "script"},
    {"{\"application/x-evil\": \"<script>\"}", "data of a type that is not known", "script"},
    {"{\"text/plain\": {\"length\": 1}}", "data of a type", "length"},
    {"{\"text/markdown\": \"<script>alert(1)</script>\"}", "< script>alert(1)< /script>",
     "<script"},
    {"{\"text/latex\": \"$<script>$\"}", "$< script>$", "<script"},
    {"[\"<script>\"]", "data of a type", "script"},
    {"\"<script>\"", "data of a type", "script"},
    {"null", "data of a type", "null"},
};

static void
s_test_bundles (void)
{
    for (size_t i = 0; i < sizeof s_same / sizeof s_same[0]; i++) {
        char *shown = s_shown (s_same[i]);
        ok (shown == NULL, "a bundle stays as it is (%zu)", i);
        free (shown);
    }
    for (size_t i = 0; i < sizeof s_changed / sizeof s_changed[0]; i++) {
        char *shown = s_shown (s_changed[i].bundle);
        ok (shown != NULL && strstr (shown, s_changed[i].has) != NULL &&
                strstr (shown, s_changed[i].not ) == NULL,
            "a bundle is changed (%zu)", i);
        if (shown != NULL && strstr (shown, s_changed[i].has) == NULL)
            printf ("# %s\n", shown);
        free (shown);
    }
}

static const struct {
    const char *text;
    const char *defused; /* NULL: the same */
} s_markdown[] = {
    {"# a\n\n*b* `c` | d |\n![x](data:image/png;base64,AAAA)\n[x](https://example.org/ \"y\")",
     NULL},
    {"a < b, a<3, a <= b, <br> <b>x</b> <span style=\"color: red\">x</span>", NULL},
    {"[a]: https://example.org/\n[a] [b][a] x!", NULL},
    {"<script>x</script>", "< script>x< /script>"},
    {"<img src=x onerror=alert(1)>", "< img src=x onerror=alert(1)>"},
    {"<javascript:alert(1)>", "< javascript:alert(1)>"},
    {"<!-- x -->", "< !-- x -->"},
    {"<b\nonclick=alert(1)>", "< b\nonclick=alert(1)>"},
    {"<b title=\"\nonclick=alert(1)\">", "< b title=\"\nonclick=alert(1)\">"},
    {"<b title=\"$\"> <b title='$ \" onclick=alert(1) '>",
     "< b title=&quot;$&quot;> < b title='$ &quot; onclick=alert(1) '>"},
    {"<b title=\"`\">", "< b title=\"`\">"},
    {"<td title=\"x\">", "< td title=\"x\">"},
    {"</div>", "< /div>"},
    {"<a href=\"https://x/\">", "< a href=\"https://x/\">"},
    {"[x](javascript:alert(1))", "[x] (javascript:alert(1))"},
    {"[x]( \n JaVaScRiPt:alert(1))", "[x] ( \n JaVaScRiPt:alert(1))"},
    {"[x](<javascript:alert(1)>)", "[x] (< javascript:alert(1)>)"},
    {"[x](&#106;avascript:alert(1))", "[x] (&#106;avascript:alert(1))"},
    {"[x](/terminals/new)", "[x] (/terminals/new)"},
    {"[x]: javascript:alert(1)\n\n[x]", "[x] : javascript:alert(1)\n\n[x]"},
    {"> [x]:\n> javascript:alert(1)", "> [x] :\n> javascript:alert(1)"},
    {"![x](/terminals/new)", "! [x] (/terminals/new)"},
    {"![x](http://localhost:8888/terminals/new)", "! [x](http://localhost:8888/terminals/new)"},
    {"![x][y]", "! [x][y]"},
    {"![a](data:image/svg+xml;base64,AAAA)", "! [a] (data:image/svg+xml;base64,AAAA)"},
    {"![a\"b](data:image/png;base64,AAAA)", "! [a\"b] (data:image/png;base64,AAAA)"},
    {"[x](http://$\" onclick=\"alert(1)\"$)", "[x](http://$&quot; onclick=&quot;alert(1)&quot;$)"},
    {"http://$\" onclick=alert(1) $", "http://$&quot; onclick=alert(1) $"},
    {"[x](http://a$b$ 'c $<i style=\"color:red\"> onclick=alert(1) $')",
     "[x](http://a$b$ 'c $< i style=&quot;color:red&quot;> onclick=alert(1) $')"},
    {"<b>x</b> $y$ <i>z</i>", NULL},
    {"\\\\(\" onclick=alert(1)\\\\)", "\\\\(&quot; onclick=alert(1)\\\\)"},
    {"<", NULL},
    {"!", NULL},
    {"]", NULL},
    {"![", "! ["},
    {"](", "] ("},
    {"", NULL},
};

static void
s_test_markdown (void)
{
    for (size_t i = 0; i < sizeof s_markdown / sizeof s_markdown[0]; i++) {
        const char *expected =
            s_markdown[i].defused != NULL ? s_markdown[i].defused : s_markdown[i].text;
        cb_buf into;
        cb_buf_init (&into, 4096);
        int result = cb_markdown_put (&into, s_part (s_markdown[i].text));
        ok (result == 0 && into.size == strlen (expected) &&
                memcmp (into.data, expected, into.size) == 0,
            "Markdown (%zu)", i);
        if (into.data != NULL && strcmp (into.data, expected) != 0)
            printf ("# %s\n", into.data);
        cb_buf_done (&into);
    }
}

/* ---- JSON text without a tree ---- */

static const struct {
    const char *json;
    const char *text; /* NULL: no string */
} s_strings[] = {
    {"\"\"", ""},
    {"\"a\\n\\\"\\\\\\/\\b\\f\\r\\t\"", "a\n\"\\/\b\f\r\t"},
    {"\"\\u00fc\\u20AC\\ud83d\\ude00\"", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\"\\ud83d\\u0041\\udc00x\"", "\xef\xbf\xbd"
                                   "A\xef\xbf\xbdx"},
    {"\"\\ud83d\"", "\xef\xbf\xbd"},
    {"3", NULL},
    {"\"", NULL},
    {"\"\\x\"", NULL},
    {"\"\\u12\"", NULL},
};

static void
s_test_strings (void)
{
    for (size_t i = 0; i < sizeof s_strings / sizeof s_strings[0]; i++) {
        cb_buf into;
        cb_buf_init (&into, 4096);
        int result = cb_jstring_decode (s_part (s_strings[i].json), &into);
        ok (s_strings[i].text == NULL ? result < 0
                                      : result == 0 && strcmp (into.data, s_strings[i].text) == 0,
            "a string (%zu)", i);
        cb_buf_done (&into);
    }
    cb_buf into;
    cb_buf_init (&into, 4096);
    ok (cb_jstring_put (&into, "a\"\\\n\r\t\x01\xc3\xbc\0b", 11) == 0 &&
            strcmp (into.data, "\"a\\\"\\\\\\n\\r\\t\\u0001\xc3\xbc\\u0000b\"") == 0,
        "a text as a string");
    cb_buf_done (&into);
}

static void
s_test_walk (void)
{
    static const char json[] =
        " { \"a\" : [1, {\"b\": \"]}\\\\\\\"\"}] , \"c\\\"\":true,\"d\":-1.5e3, \"e\" : {} } ";
    static const char *const broken[] = {"{\"a\"", "{\"a\":", "{\"a\":[",  "{\"a\":\"x",
                                         "{",      "{a:1}",   "{\"a\" 1}", "{\"a\":{\"b\":\"",
                                         "{,",     "{\"a\":,"};
    char seen[256] = "";
    cb_jwalk walk;
    cb_part name;
    cb_part value;
    size_t n = 0;

    (void)cb_jwalk_object (&walk, s_part (json));
    while (cb_jwalk_next (&walk, &name, &value))
        n += (size_t)snprintf (seen + n, sizeof seen - n, "%.*s=%.*s;", (int)name.size, name.data,
                               (int)value.size, value.data);
    ok (strcmp (seen, "a=[1, {\"b\": \"]}\\\\\\\"\"}];c\\\"=true;d=-1.5e3;e={};") == 0,
        "an object is walked through");
    int found = 0;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        if (cb_jwalk_object (&walk, s_part (broken[i])))
            found += cb_jwalk_next (&walk, &name, &value);
    ok (found == 0, "what is no object has no members");
    ok (!cb_jwalk_array (&walk, s_part ("{}")) && cb_jwalk_array (&walk, s_part ("[1]")) &&
            cb_jwalk_next (&walk, &name, &value) && cb_part_is (value, "1") &&
            !cb_jwalk_next (&walk, &name, &value),
        "an array");
}

int
main (void)
{
    s_test_bundles ();
    s_test_markdown ();
    s_test_strings ();
    s_test_walk ();
    return tap_done ();
}
