/* test-filer.c - collecting /output, with an ordinary folder in the jail's place. */
#include "prov/filer.h"

#include "base/cleanup.h"
#include "base/tap.h"
#include "prov/test-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MIB (1024 * 1024)

#define SHA_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
s_test_collect (void)
{
    test_open ();
    ok (test_collect ("r0", MIB) == 0 && test_got.n_items == 0 && test_got.refused == 0, "nothing");
    ok (test_state_lacks ("runs/r0"), "no folder for nothing");
    test_text ("output/b.txt", "abc");
    test_text ("output/a.txt", "");
    test_text ("output/stale", "abcd");
    (void)mkdirat (test.jail, "output/sub", 0700);
    (void)mkdirat (test.jail, "output/sub/deep", 0700);
    test_text ("output/sub/deep/c", "abc");
    (void)!fchmodat (test.jail, "output/b.txt", 06755, 0);
    ok (test_collect ("r1", MIB) == 0, "collects: %s", test_got.text);
    ok (test_got.n_items == 4 && strcmp (test_got.items[0].path, "a.txt") == 0 &&
            strcmp (test_got.items[1].path, "b.txt") == 0 &&
            strcmp (test_got.items[3].path, "sub/deep/c") == 0,
        "by name, files before folders");
    ok (test_got.items[1].size == 3 && strcmp (test_got.items[1].sha256, SHA_ABC) == 0,
        "its SHA-256");
    ok (test_state_has ("runs/r1/output/b.txt", "abc", 0600), "0600, no setuid bits");
    ok (test_state_has ("runs/r1/output/sub/deep/c", "abc", 0600), "below folders");
    ok (test_state_has ("runs/r1/output/a.txt", "", 0600), "an empty file is one");
    ok (test_collect ("r2", MIB) == 0 && test_got.n_items == 0, "nothing new");
    test_text ("output/b.txt", "ABC");
    (void)renameat (test.jail, "output/a.txt", test.jail, "output/z.txt");
    ok (test_collect ("r3", MIB) == 0 && test_got.n_items == 2 &&
            strcmp (test_got.items[0].path, "b.txt") == 0 &&
            strcmp (test_got.items[1].path, "z.txt") == 0,
        "changed and renamed");
    cb_job forget = {.kind = CB_JOB_FORGET, .jail = 1};
    ok (test_do (&forget) == 0 && test_collect ("r4", MIB) == 0 && test_got.n_items == 4,
        "forgotten");
    ok (test_state_has ("runs/r1/output/b.txt", "abc", 0600), "the first run's copy stays");
    cb_job gone = {.kind = CB_JOB_COLLECT, .jail = 2, .run = "r5", .max_bytes = MIB};
    ok (test_do (&gone) == CB_E_NOTFOUND, "a jail that is gone: %s", test_got.text);
    cb_job bad = {.kind = CB_JOB_COLLECT, .jail = 1, .run = "../x", .max_bytes = MIB};
    ok (test_do (&bad) == -1, "a run's name is one name");
    ok (test_close (), "both processes end with their lines");
}

static void
s_test_hostile (void)
{
    static const char *const names[] = {"output/new\nline", "output/bad\xff", "output/esc\x1b[2J"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[600] = "output/";

    test_open ();
    test_symlink ("/etc/passwd", "output/link");
    test_symlink ("/etc", "output/linkdir");
    (void)mkfifoat (test.jail, "output/fifo", 0600);
    for (size_t i = 0; i < 3; i++)
        test_text (names[i], "x");
    test_text ("output/one", "abc");
    (void)!linkat (test.jail, "output/one", test.jail, "output/two", 0);
    cb_auto_close int sock = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/output/sock",
                    test.jail);
    (void)bind (sock, (const struct sockaddr *)&address, sizeof address);
    cb_auto_close int sparse = openat (test.jail, "output/sparse", O_WRONLY | O_CREAT, 0644);
    (void)!ftruncate (sparse, (off_t)10 * 1024 * MIB);
    test_text ("output/vanish", "gone soon");
    test_text ("output/good", "abc");
    for (int i = 0; i < 20; i++) {
        (void)mkdirat (test.jail, path, 0755);
        (void)memcpy (path + strlen (path), "d/", 3);
    }
    (void)mkdirat (test.jail, path, 0755);

    ok (test_collect ("h1", MIB) == 0, "hostile contents are no fault");
    ok (test_got.n_items == 1 && strcmp (test_got.items[0].path, "good") == 0, "only the good one");
    /* link linkdir fifo 3 names one two sock sparse, and one folder too deep */
    ok (test_got.refused == 11, "%u refused", test_got.refused);
    ok (strcmp (test_got.text, "11 not collected, the first: /output/bad\\xff has a name with "
                               "control characters or bytes that are "
                               "not UTF-8") == 0,
        "%s", test_got.text);
    ok (test_collect ("h2", MIB) == 0 && test_got.refused == 0 && test_got.text[0] == '\0',
        "told once (%u)", test_got.refused);
    (void)unlinkat (test.jail, "output/two", 0);
    ok (test_collect ("h3", MIB) == 0 && test_got.n_items == 1 &&
            strcmp (test_got.items[0].path, "one") == 0,
        "one link left: collected");
    ok (test_close (), "both processes end with their lines");
}

/* Holes stay holes; size, bound and hash are of all the bytes. */
static void
s_test_sparse (void)
{
    static const char holes_sha[] =
        "95fe357a7a22bbd35583c5d89605a77cfa5f176b9e0bde85893ff354901492c8";
    struct stat copy;

    test_open ();
    cb_auto_close int fd = openat (test.jail, "output/holes", O_WRONLY | O_CREAT, 0644);
    ok (ftruncate (fd, 64 * MIB) == 0 && pwrite (fd, "abc", 3, 32 * MIB) == 3, "a file of holes");
    cb_auto_close int none = openat (test.jail, "output/none", O_WRONLY | O_CREAT, 0644);
    ok (ftruncate (none, 8 * MIB) == 0, "and one of nothing else");
    ok (test_collect ("s1", 80 * MIB) == 0 && test_got.n_items == 2, "are collected: %s",
        test_got.text);
    ok (strcmp (test_got.items[0].path, "holes") == 0 && test_got.items[0].size == 64 * MIB &&
            strcmp (test_got.items[0].sha256, holes_sha) == 0,
        "with the hash of all bytes");
    ok (fstatat (test.state, "runs/s1/output/holes", &copy, 0) == 0 && copy.st_size == 64 * MIB &&
            copy.st_blocks * 512 < (blkcnt_t)MIB,
        "and take no room for nothing: %lld blocks", (long long)copy.st_blocks);
    ok (fstatat (test.state, "runs/s1/output/none", &copy, 0) == 0 && copy.st_size == 8 * MIB &&
            copy.st_blocks * 512 < (blkcnt_t)MIB,
        "also where there is nothing at all");
    test_text ("output/more", "x");
    ok (ftruncate (fd, 81 * MIB) == 0 && test_collect ("s2", 80 * MIB) == 0 &&
            test_got.n_items == 1 && test_got.refused == 1,
        "the bound is of the size it seems to have: %s", test_got.text);
    ok (test_close (), "both processes end with their lines");
}

static void
s_test_bounds (void)
{
    static char block[MIB / 2];
    char name[64];

    test_open ();
    test_write ("output/a", block, sizeof block);
    test_write ("output/b", block, sizeof block);
    test_write ("output/c", block, sizeof block);
    test_write ("output/d", block, 1);
    ok (test_collect ("b1", MIB) == 0 && test_got.n_items == 2 && test_got.refused == 2, "%s",
        test_got.text);
    ok (test_collect ("b2", MIB) == 0 && test_got.n_items == 2 && test_got.refused == 0,
        "the next run takes the rest");
    /* Large, so that reading it takes longer than a turn of the process that appends. */
    test_write ("output/grow", block, sizeof block);
    cb_auto_close int grow = openat (test.jail, "output/grow", O_WRONLY | O_CLOEXEC);
    (void)!ftruncate (grow, 64 * MIB);
    ok (test_collect ("b3", 100 * MIB) == 0 && test_got.n_items == 0 && test_got.refused == 1, "%s",
        test_got.text);
    ok (test_state_lacks ("runs/b3"), "nothing is left of it");
    ok (test_close (), "both processes end with their lines");

    test_open ();
    for (int i = 0; i < CB_ARTIFACTS_MAX + 5; i++) {
        (void)snprintf (name, sizeof name, "output/f%03d", i);
        test_text (name, "x");
    }
    ok (test_collect ("c1", MIB) == 0 && test_got.n_items == CB_ARTIFACTS_MAX &&
            test_got.refused == 5,
        "%s", test_got.text);
    ok (test_collect ("c2", MIB) == 0 && test_got.n_items == 5 && test_got.refused == 0,
        "then the rest");
    (void)mkdirat (test.jail, "output/many", 0755);
    for (int i = 0; i < CB_COLLECT_ENTRIES; i++) {
        (void)snprintf (name, sizeof name, "output/many/f%04d", i);
        test_symlink ("x", name);
    }
    ok (test_collect ("c3", MIB) == 0 && test_got.n_items == 0, "too many entries: %u refused",
        test_got.refused);
    /* 261 files are known, the rest of 4,096 is links, and that there is more is one. */
    ok (test_got.refused == CB_COLLECT_ENTRIES - CB_ARTIFACTS_MAX - 5 - 1 + 1, "and bounded");
    ok (test_close (), "both processes end with their lines");
}

static void
s_test_full_disk (void)
{
    static char block[MIB];

    if (unshare (CLONE_NEWNS) < 0 || mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0) {
        ok (1, "a full disk # SKIP no mount namespace here: %s", strerror (errno));
        return;
    }
    test_open ();
    char path[128];
    (void)snprintf (path, sizeof path, "%s/jail/small", test.folder);
    (void)mkdir (path, 0700);
    if (mount ("tmpfs", path, "tmpfs", 0, "size=1536k") < 0) {
        ok (1, "a full disk # SKIP no tmpfs here: %s", strerror (errno));
        ok (test_close (), "both processes end with their lines");
        return;
    }
    /* Started again with the small one as its state folder. */
    cb_filer_destroy (&test.self);
    (void)test_wait (test.filer);
    (void)test_wait (test.warden);
    cb_auto_close int small = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    test_start (small);

    test_write ("output/a", block, sizeof block);
    test_write ("output/b", block, sizeof block);
    test_write ("output/c", block, 1);
    ok (test_collect ("f1", 16 * MIB) == CB_E_IO && strstr (test_got.text, "No space left") != NULL,
        "%s", test_got.text);
    ok (test_got.n_items == 2 && strcmp (test_got.items[0].path, "a") == 0 &&
            strcmp (test_got.items[1].path, "c") == 0,
        "what fits is there, before and behind");
    struct stat status;
    ok (fstatat (small, "runs/f1/output/a", &status, 0) == 0 && status.st_size == MIB, "whole");
    ok (fstatat (small, "runs/f1/.part-1", &status, 0) < 0 &&
            fstatat (small, "runs/f1/output/b", &status, 0) < 0,
        "nothing half");
    (void)unlinkat (small, "runs/f1/output/a", 0);
    ok (test_collect ("f2", 16 * MIB) == 0 && test_got.n_items == 1, "with room again: the other");
    (void)umount2 (path, MNT_DETACH);
    ok (test_close (), "both processes end with their lines");
}

int
main (void)
{
    s_test_collect ();
    s_test_hostile ();
    s_test_sparse ();
    s_test_bounds ();
    s_test_full_disk ();
    return tap_done ();
}
