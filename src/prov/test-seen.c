/* test-seen.c - what is remembered of a jail, SHA-256, paths and shown names. */
#include "prov/seen.h"

#include "base/cleanup.h"
#include "base/table.h"
#include "base/tap.h"
#include "prov/filemsg.h"
#include "prov/sha256.h"

#include <string.h>

static void
s_test_seen (void)
{
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_seen) cb_seen *seen = cb_seen_new (&err);
    cb_seen_mark a = {cb_seen_path ("output/a"), 1, 2, 3};
    cb_seen_mark b = {cb_seen_path ("output/b"), 2, 2, 3};
    cb_seen_mark changed = a;

    changed.changed_ns++;
    ok (a.path != b.path, "paths differ");
    ok (cb_seen_begin (seen, 7, &err) == 0, "a first walk");
    ok (!cb_seen_known (seen, &a), "nothing known");
    cb_seen_add (seen, &a);
    cb_seen_add (seen, &b);
    cb_seen_end (seen, 1);

    ok (cb_seen_begin (seen, 7, &err) == 0 && cb_seen_known (seen, &a), "known");
    ok (!cb_seen_known (seen, &changed), "changed is new");
    cb_seen_end (seen, 1);
    ok (cb_seen_begin (seen, 7, &err) == 0 && !cb_seen_known (seen, &b), "not met: forgotten");
    cb_seen_end (seen, 0);
    ok (cb_seen_begin (seen, 7, &err) == 0 && cb_seen_known (seen, &a), "broken off: kept");
    cb_seen_end (seen, 1);

    ok (cb_seen_begin (seen, 8, &err) == 0 && !cb_seen_known (seen, &a), "another jail");
    cb_seen_end (seen, 1);
    cb_seen_forget (seen, 7);
    cb_seen_forget (seen, 99);
    ok (cb_seen_begin (seen, 7, &err) == 0 && !cb_seen_known (seen, &a), "forgotten");
    for (uint64_t i = 0; i < CB_COLLECT_ENTRIES + 10; i++) {
        cb_seen_mark many = {.path = i};
        cb_seen_add (seen, &many);
    }
    cb_seen_end (seen, 1);
    ok (cb_seen_begin (seen, 7, &err) == 0, "bounded");
    cb_seen_end (seen, 0);
}

static void
s_test_sha256 (void)
{
    cb_owned (cb_sha256) cb_sha256 *hash = cb_sha256_new (NULL);
    char text[CB_SHA256_TEXT];

    cb_sha256_add (hash, "a", 1);
    cb_sha256_add (hash, "bc", 2);
    cb_sha256_text (hash, text);
    ok (strcmp (text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0,
        "abc (FIPS 180)");
    cb_sha256_text (hash, text);
    ok (strcmp (text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") == 0,
        "nothing, and it started anew");
}

static void
s_test_paths (void)
{
    static const char *const good[] = {"work", "work/a", "output/a/b c.png", "tmp/\xc3\xa4"};
    static const char *const bad[] = {"",          "/work/a",
                                      "work/",     "work//a",
                                      "work/../a", "work/./a",
                                      "shm/a",     "..",
                                      "work/\xff", "work/a\n",
                                      "work\x01",  "workx/a",
                                      "/etc",      "output/a/../../../etc/passwd"};
    char shown[CB_SHOWN_MAX];
    char longest[600];
    cb_err err = CB_ERR_INIT;

    for (size_t i = 0; i < CB_COUNT (good); i++)
        ok (cb_filer_path_check (good[i], 0, &err) == 0, "path %s", good[i]);
    for (size_t i = 0; i < CB_COUNT (bad); i++)
        ok (cb_filer_path_check (bad[i], 0, &err) < 0, "%s", err.text);
    ok (cb_filer_path_check ("", 1, &err) == 0, "nothing, where that is allowed");
    memset (longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy (longest, "work/", 5);
    ok (cb_filer_path_check (longest, 0, &err) < 0, "a long name");

    ok (strcmp (cb_filer_shown ("a\n\x1b[31m\\\xff\xc3\xa4\xc2\x85", shown),
                "a\\x0a\\x1b[31m\\x5c\\xff\xc3\xa4\\xc2\\x85") == 0,
        "%s", shown);
    ok (strlen (cb_filer_shown (longest, shown)) < sizeof shown && strstr (shown, "...") != NULL,
        "a long one is cut");
    memset (longest, '\xff', sizeof longest - 1);
    ok (strlen (cb_filer_shown (longest, shown)) < sizeof shown, "a long escaped one too");
}

int
main (void)
{
    s_test_seen ();
    s_test_sha256 ();
    s_test_paths ();
    return tap_done ();
}
