/* test-zmsg.c - messages: copied and adopted parts, owners, cost. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "wire/zmsg.h"

#include <string.h>

static void
s_test_copy (void)
{
    char text[] = "hello";
    const cb_part parts[] = {{text, 5}, {NULL, 0}, {"ab", 2}};
    cb_zmsg *message = cb_zmsg_new (parts, 3);
    text[0] = 'X';

    size_t n = 0;
    const cb_part *got = cb_zmsg_parts (message, &n);
    ok (n == 3, "three parts");
    ok (got[0].size == 5 && memcmp (got[0].data, "hello", 5) == 0, "bytes are copied");
    ok (got[1].size == 0 && got[1].data != NULL, "an empty part is a part");
    ok (got[2].size == 2 && memcmp (got[2].data, "ab", 2) == 0, "last part");
    ok (cb_zmsg_cost (message) >= 7 + 3 * sizeof (cb_part), "cost covers bytes and table");

    cb_zmsg *second = cb_zmsg_ref (message);
    cb_zmsg_destroy (&message);
    ok (message == NULL, "the pointer is nulled");
    got = cb_zmsg_parts (second, &n);
    ok (memcmp (got[0].data, "hello", 5) == 0, "lives while somebody owns it");
    cb_zmsg_destroy (&second);
    cb_zmsg_destroy (&second);
    ok (second == NULL, "destroying nothing is allowed");
}

static void
s_test_share (void)
{
    static char large[8192] = "large";
    const cb_part parts[] = {{large, sizeof large}, {"small", 5}};
    cb_zmsg *source = cb_zmsg_new (parts, 2);
    size_t n = 0;
    const cb_part *from = cb_zmsg_parts (source, &n);
    const cb_part mixed[] = {{"own", 3}, from[0], from[1], {large, sizeof large}};
    cb_owned (cb_zmsg) cb_zmsg *shared = cb_zmsg_share (mixed, 4, source);
    const cb_part *got = cb_zmsg_parts (shared, &n);
    ok (n == 4 && got[1].data == from[0].data, "a large part of the other is shared");
    ok (got[2].data != from[1].data && memcmp (got[2].data, "small", 5) == 0,
        "a small one is copied");
    ok (got[3].data != large && got[3].size == sizeof large,
        "and so is a large one from elsewhere");
    ok (cb_zmsg_cost (shared) > 2 * sizeof large, "what is shared is charged as well");
    cb_zmsg_destroy (&source);
    ok (memcmp (got[1].data, "large", 6) == 0 && memcmp (got[0].data, "own", 3) == 0,
        "the bytes live as long as the message");
}

static void
s_test_adopt (void)
{
    char *block = calloc (1, 32768);
    memcpy (block + 20000, "abcdefg", 7);
    const size_t sizes[] = {20000, 0, 7};
    cb_owned (cb_zmsg) cb_zmsg *large = cb_zmsg_adopt (block, 32768, sizes, 3);
    size_t n = 0;
    const cb_part *got = cb_zmsg_parts (large, &n);
    ok (n == 3 && got[0].size == 20000 && got[1].size == 0, "parts follow one another");
    ok (got[2].size == 7 && memcmp (got[2].data, "abcdefg", 7) == 0, "with their bytes");
    ok (got[2].data == got[0].data + 20000, "in the block they came in");
    ok (cb_zmsg_cost (large) >= 20007 && cb_zmsg_cost (large) < 20007 + 256,
        "which was cut to fit");

    block = malloc (1024);
    memcpy (block, "abc", 3);
    const size_t few[] = {1, 2};
    cb_owned (cb_zmsg) cb_zmsg *small = cb_zmsg_adopt (block, 1024, few, 2);
    got = cb_zmsg_parts (small, &n);
    ok (n == 2 && got[0].data[0] == 'a' && memcmp (got[1].data, "bc", 2) == 0, "a small block");
    ok (cb_zmsg_cost (small) < 256, "costs little more than its bytes");

    const size_t none[] = {0};
    cb_owned (cb_zmsg) cb_zmsg *empty = cb_zmsg_adopt (NULL, 0, none, 1);
    got = cb_zmsg_parts (empty, &n);
    ok (n == 1 && got[0].size == 0, "one empty part without a block");
}

static void
s_test_bounds (void)
{
    const cb_part huge[] = {{"x", (size_t)-1 / 2}, {"x", (size_t)-1 / 2}};
    ok (cb_zmsg_new (huge, 2) == NULL, "sizes that cannot be are refused");
    cb_owned (cb_zmsg) cb_zmsg *none = cb_zmsg_new (NULL, 0);
    size_t n = 1;
    (void)cb_zmsg_parts (none, &n);
    ok (n == 0, "a message without parts");
}

int
main (void)
{
    s_test_copy ();
    s_test_share ();
    s_test_adopt ();
    s_test_bounds ();
    return tap_done ();
}
