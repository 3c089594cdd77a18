/* fuzz-jscan.c - the one-pass check of JSON objects against jansson (libFuzzer).
 *
 * What jansson takes must pass (but for zero bytes between tokens, which jansson swallows); what
 * passes and jansson refuses may only be what jansson cannot hold (numbers, lone surrogates, zero
 * bytes in names, names that are there twice). Picks must be the strings of jansson's tree. */
#include "base/jsonx.h"
#include "wire/jscan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
s_compare_pick (const cb_pick *pick, const json_t *object)
{
    const json_t *member = json_object_get (object, pick->name);

    if ((pick->state == CB_PICK_MISSING) != (member == NULL) ||
        (pick->state == CB_PICK_NULL) != json_is_null (member))
        abort ();
    if (pick->state == CB_PICK_FOUND && strcmp (pick->text, json_string_value (member)) != 0)
        abort ();
}

/* Whether a jansson error is one of the things it cannot hold. */
static int
s_cannot_hold (const char *text)
{
    static const char *const words[] = {"too big",
                                        "too small",
                                        "real number overflow",
                                        "invalid Unicode",
                                        "duplicate object key",
                                        "NUL byte in object key"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr (text, words[i]) != NULL)
            return 1;
    return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    char msg_id[20];
    char session[6];
    cb_pick picks[] = {{"msg_id", msg_id, sizeof msg_id, CB_PICK_MISSING},
                       {"session", session, sizeof session, CB_PICK_MISSING}};
    const cb_part text = {(const char *)data, size};
    cb_err err = CB_ERR_INIT;
    cb_err other = CB_ERR_INIT;
    cb_owned (cb_json) json_t *object = NULL;
    int plain = cb_json_scan ("fuzz", text, NULL, 0, &err);
    int tree = cb_json_parse ("fuzz", data, size, &object, &other);

    if (tree == 0 && plain < 0 && memchr (data, 0, size) == NULL)
        abort ();
    if (tree < 0 && plain == 0 && !s_cannot_hold (other.text))
        abort ();
    int picked = cb_json_scan ("fuzz", text, picks, 2, NULL);
    if (picked == 0 && plain < 0)
        abort ();
    if (picked == 0 && tree == 0) {
        s_compare_pick (&picks[0], object);
        s_compare_pick (&picks[1], object);
    }
    return 0;
}
