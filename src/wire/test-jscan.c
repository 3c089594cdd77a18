/* test-jscan.c - the one-pass check of JSON objects, beside jansson. */
#include "base/jsonx.h"
#include "base/tap.h"
#include "wire/jscan.h"

#include <string.h>

static int
s_scan (const char *text, cb_err *err)
{
    return cb_json_scan ("test", (cb_part){text, strlen (text)}, NULL, 0, err);
}

static int
s_pick (const char *text, char *into, size_t room, cb_pick_state *ret_state, cb_err *err)
{
    cb_pick pick = {"id", into, room, CB_PICK_MISSING};
    int result = cb_json_scan ("test", (cb_part){text, strlen (text)}, &pick, 1, err);

    *ret_state = pick.state;
    return result;
}

static void
s_grammar (void)
{
    static const char *const good[] = {
        "{}",
        " \t\r\n{ } \n",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":[{},[],\"\",0,-0,1.5e-3,1E+9,true,false,null]}",
        "{\"a\":{\"b\":{\"c\":[[[1],2],3]}},\"d\":\"x\"}",
        "{\"a\":\"0123456789 a long text without anything special in it, over and over\"}",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\u0000\"}",
        "{\"Gr\xc3\xbc\xc3\x9f\x65\":\"\xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x90\x8d\"}",
        "{\"\":\"\x7f\"}",
    };
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "1",
        "\"a\"",
        "null",
        "{",
        "}",
        "{}}",
        "{} {}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":[}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":tru}",
        "{\"a\":trues}",
        "{\"a\":nul",
        "{\"a\":\"",
        "{\"a\":\"x",
        "{\"a\":\"\\\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12",
        "{\"a\":\"\\",
        "{\"a\":\"line\nline\"}",
        "{\"a\":\"01234567\x01\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc3\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xc0\xaf\"}",
        "{\"a\":\"\xf5\x80\x80\x80\"}",
        "{\"a\":/**/1}",
    };
    cb_err err = CB_ERR_INIT;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ok (s_scan (good[i], &err) == 0, "good %zu %s", i, err.text);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cb_owned (cb_json) json_t *object = NULL;
        ok (s_scan (bad[i], &err) == -CB_E_INVALID, "%s", err.text);
        if (cb_json_parse ("test", bad[i], strlen (bad[i]), &object, NULL) == 0)
            ok (0, "jansson takes bad %zu", i);
    }
    ok (cb_json_scan ("test", (cb_part){NULL, 0}, NULL, 0, &err) == -CB_E_INVALID, "no bytes");
    ok (cb_json_scan ("test", (cb_part){"{}\0", 3}, NULL, 0, &err) == -CB_E_INVALID, "%s",
        err.text);
}

static void
s_depth (void)
{
    char text[2 * CB_JSON_DEPTH_MAX + 10] = "{\"a\":";
    cb_err err = CB_ERR_INIT;

    for (int depth = CB_JSON_DEPTH_MAX; depth <= CB_JSON_DEPTH_MAX + 1; depth++) {
        size_t inner = (size_t)depth - 1;
        memset (text + 5, '[', inner);
        memset (text + 5 + inner, ']', inner);
        memcpy (text + 5 + 2 * inner, "}", 2);
        int expected = depth > CB_JSON_DEPTH_MAX ? -CB_E_LIMIT : 0;
        ok (s_scan (text, &err) == expected, "%d levels: %s", depth, err.text);
    }
}

static void
s_picks (void)
{
    char id[8] = "";
    cb_pick_state state;
    cb_err err = CB_ERR_INIT;

    ok (s_pick ("{\"a\":{\"id\":5},\"id\" : \"seven77\" }", id, 8, &state, &err) == 0 &&
            state == CB_PICK_FOUND && strcmp (id, "seven77") == 0,
        "only the outermost member is picked");
    ok (s_pick ("{}", id, 8, &state, &err) == 0 && state == CB_PICK_MISSING, "a missing one");
    ok (s_pick ("{\"id\":null}", id, 8, &state, &err) == 0 && state == CB_PICK_NULL, "null");
    ok (s_pick ("{\"id\":\"eight888\"}", id, 8, &state, &err) == -CB_E_LIMIT, "%s", err.text);
    ok (s_pick ("{\"id\":7}", id, 8, &state, &err) == -CB_E_INVALID, "%s", err.text);
    ok (s_pick ("{\"id\":{}}", id, 8, &state, &err) == -CB_E_INVALID, "%s", err.text);
    ok (s_pick ("{\"id\":\"a\",\"id\":\"b\"}", id, 8, &state, &err) == -CB_E_INVALID, "%s",
        err.text);
    ok (s_pick ("{\"id\":\"a\",\"\\u0069d\":\"b\"}", id, 8, &state, &err) == -CB_E_INVALID, "%s",
        err.text);
    ok (s_pick ("{\"\\u0069d\":\"b\"}", id, 8, &state, &err) == 0 && strcmp (id, "b") == 0,
        "an escaped name is the same name");
    ok (s_pick ("{\"id\":\"\\u00e4\\n\"}", id, 8, &state, &err) == 0 &&
            strcmp (id, "\xc3\xa4\n") == 0,
        "an escaped string is decoded");
    ok (s_pick ("{\"id\":\"\\n2345678\"}", id, 8, &state, &err) == -CB_E_LIMIT, "%s", err.text);
    ok (s_pick ("{\"id\":\"a\\u0000b\"}", id, 8, &state, &err) == -CB_E_INVALID, "%s", err.text);
}

/* The longest number is let through; one digit more is not. */
static void
s_long_numbers (void)
{
    char text[4200];
    cb_err err = CB_ERR_INIT;

    for (size_t digits = 4096; digits <= 4097; digits++) {
        memcpy (text, "{\"a\":", 5);
        memset (text + 5, '9', digits);
        text[5 + digits] = '}';
        cb_part part = {text, digits + 6};
        int wanted = digits == 4096 ? 0 : -CB_E_INVALID;
        ok (cb_json_scan ("test", part, NULL, 0, &err) == wanted, "a number of %zu digits", digits);
    }
}

int
main (void)
{
    s_grammar ();
    s_depth ();
    s_picks ();
    s_long_numbers ();
    return tap_done ();
}
