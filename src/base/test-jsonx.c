/* test-jsonx.c - JSON from outside. */
#include "base/jsonx.h"
#include "base/tap.h"

#include <string.h>

static int
s_parse (const char *text)
{
    cb_owned (cb_json) json_t *object = NULL;
    return cb_json_parse ("test", text, strlen (text), &object, NULL);
}

int
main (void)
{
    cb_err err = CB_ERR_INIT;
    char deep[400] = "";

    ok (s_parse ("{\"a\":[1,2,{\"b\":null}]}") == 0, "an object");
    const char *const bad[] = {
        "", "[]", "1", "{", "{\"a\":1,\"a\":2}", "{\"a\":NaN}", "{\"a\":\"\xff\"}", "{} x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok (s_parse (bad[i]) == -CB_E_INVALID, "refused: %zu", i);
    memcpy (deep, "{\"a\":", 5);
    memset (deep + 5, '[', CB_JSON_DEPTH_MAX);
    ok (s_parse (deep) == -CB_E_LIMIT, "too deep");
    ok (s_parse (
            "{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}") ==
            0,
        "brackets in strings are no depth");

    ok (s_parse ("{\"a\":\"x\\u0000y\"}") == 0, "a program may print NUL");
    cb_owned (cb_json) json_t *object = NULL;
    const char text[] =
        "{\"s\":\"abc\",\"n\":\"a\\u0000\",\"i\":5,\"d\":1.5,\"b\":true,\"o\":{},\"a\":[1,2]}";
    const char *string;
    int64_t number;
    double real;
    int truth;
    json_t *member;
    ok (cb_json_parse ("test", text, strlen (text), &object, &err) == 0, "parsed");
    ok (cb_json_get_string (object, "s", 3, NULL, &string, &err) == 0 &&
            strcmp (string, "abc") == 0,
        "a string");
    ok (cb_json_get_string (object, "s", 2, NULL, &string, &err) == -CB_E_LIMIT, "%s", err.text);
    ok (cb_json_get_string (object, "n", 9, NULL, &string, &err) == -CB_E_INVALID, "%s", err.text);
    ok (cb_json_get_string (object, "i", 9, NULL, &string, &err) == -CB_E_INVALID, "%s", err.text);
    ok (cb_json_get_string (object, "x", 9, CB_JSON_REQUIRED, &string, &err) == -CB_E_INVALID, "%s",
        err.text);
    ok (cb_json_get_int (object, "i", 0, 9, 7, &number, &err) == 0 && number == 5, "a number");
    ok (cb_json_get_int (object, "i", 6, 9, 7, &number, &err) == -CB_E_INVALID, "%s", err.text);
    ok (cb_json_get_int (object, "x", 0, 9, 7, &number, &err) == 0 && number == 7, "a default");
    ok (cb_json_get_double (object, "d", 0, 2, 0, &real, &err) == 0 && real > 1.4, "a real");
    ok (cb_json_get_bool (object, "b", 0, &truth, &err) == 0 && truth == 1, "a truth");
    ok (cb_json_get_object (object, "o", &member, &err) == 0 && member != NULL, "an object");
    ok (cb_json_get_array (object, "a", 1, &member, &err) == -CB_E_LIMIT, "%s", err.text);
    cb_owned (cb_json) json_t *first = NULL;
    ok (cb_json_parse_first ("t", "{\"a\":1}{\"b\"", 12, &first, &err) == 0 &&
            json_object_size (first) == 1,
        "the first of two, the rest is left alone");
    ok (cb_json_parse_first ("t", "{\"a\":1", 6, &first, &err) == -CB_E_INVALID, "%s", err.text);
    return tap_done ();
}
