/* test-filejobs.c - put, get, list, the queue and what happens when a process is gone. */
#include "prov/filer.h"

#include "base/cleanup.h"
#include "base/tap.h"
#include "base/tree.h"
#include "prov/filemsg.h"
#include "prov/test-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static void
s_test_put_get (void)
{
    static char block[CB_FILER_BLOCK_MAX];

    memset (block, 'b', sizeof block);
    test_open ();
    ok (test_put ("work/a.csv", 0, "1,2\n", 4) == 0 && test_got.file_size == 4, "put");
    ok (test_put ("work/a.csv", 4, "3,4\n", 4) == 0 && test_got.file_size == 8, "the next block");
    ok (test_put ("work/a.csv", 4, "x", 1) == CB_E_INVALID, "%s", test_got.text);
    ok (test_put ("work/a.csv", 9, "x", 1) == CB_E_INVALID, "%s", test_got.text);
    ok (test_put ("work/none", 5, "x", 1) == CB_E_NOTFOUND, "%s", test_got.text);
    ok (test_put ("work/no/a", 0, "x", 1) == CB_E_NOTFOUND, "%s", test_got.text);
    ok (test_get ("work/a.csv", 0, 100) == 0 && test_got.size == 8 && test_got.file_size == 8 &&
            memcmp (test_got.bytes, "1,2\n3,4\n", 8) == 0,
        "get");
    ok (test_get ("work/a.csv", 6, 1) == 0 && test_got.size == 1 && test_got.bytes[0] == '4',
        "a part");
    ok (test_get ("work/a.csv", 100, 1) == 0 && test_got.size == 0 && test_got.file_size == 8,
        "behind");
    ok (test_put ("work/a.csv", 0, "", 0) == 0 && test_got.file_size == 0, "emptied");
    ok (test_put ("output/big", 0, block, sizeof block) == 0 &&
            test_put ("output/big", sizeof block, block, sizeof block) == 0 &&
            test_got.file_size == 2 * sizeof block,
        "whole blocks");
    ok (test_get ("output/big", 1, sizeof block) == 0 && test_got.size == sizeof block &&
            memcmp (test_got.bytes, block, sizeof block) == 0,
        "and back");

    struct stat holes;
    memset (block, 0, sizeof block);
    ok (test_put ("work/zeros", 0, block, sizeof block) == 0 &&
            test_put ("work/zeros", sizeof block, "x", 1) == 0 &&
            test_got.file_size == sizeof block + 1 &&
            fstatat (test.jail, "work/zeros", &holes, 0) == 0 &&
            holes.st_size == (off_t)sizeof block + 1 &&
            holes.st_blocks * 512 < (blkcnt_t)sizeof block,
        "zeros are a hole");
    ok (test_get ("work/zeros", 1, sizeof block) == 0 && test_got.size == sizeof block &&
            memcmp (test_got.bytes, block, sizeof block - 1) == 0 &&
            test_got.bytes[sizeof block - 1] == 'x',
        "and read as zeros");

    test_symlink ("/etc/passwd", "work/link");
    test_symlink ("/etc", "work/linkdir");
    (void)mkfifoat (test.jail, "work/fifo", 0600);
    ok (test_get ("work/link", 0, 10) == CB_E_INVALID, "%s", test_got.text);
    ok (test_get ("work/linkdir/passwd", 0, 10) == CB_E_INVALID, "%s", test_got.text);
    ok (test_get ("work/fifo", 0, 10) == CB_E_INVALID, "%s", test_got.text);
    ok (test_put ("work/link", 0, "x", 1) == CB_E_INVALID, "%s", test_got.text);
    ok (test_put ("work/fifo", 0, "x", 1) == CB_E_INVALID, "%s", test_got.text);
    ok (test_get ("work", 0, 10) == CB_E_INVALID, "a folder: %s", test_got.text);
    ok (test_get ("work/gone", 0, 10) == CB_E_NOTFOUND, "%s", test_got.text);
    ok (test_get ("/etc/passwd", 0, 10) == -1 && test_get ("work/../../etc/passwd", 0, 10) == -1 &&
            test_get ("shm/x", 0, 10) == -1 && test_put ("work", 0, block, sizeof block + 1) == -1,
        "refused at the queue");
    ok (test_close (), "both processes end with their lines");
}

static void
s_test_list (void)
{
    char name[64];

    test_open ();
    test_text ("work/b", "abc");
    (void)mkdirat (test.jail, "work/a", 0755);
    test_text ("work/a/c", "abcd");
    test_text ("output/o", "");
    test_text ("tmp/t", "");
    test_symlink ("x", "work/link");
    ok (test_list ("") == 0 && test_got.n_items == 4, "work and output");
    ok (strcmp (test_got.items[0].path, "work/b") == 0 && test_got.items[0].size == 3 &&
            strcmp (test_got.items[1].path, "work/a/") == 0 &&
            strcmp (test_got.items[2].path, "work/a/c") == 0 && test_got.items[2].size == 4 &&
            strcmp (test_got.items[3].path, "output/o") == 0,
        "files with sizes, folders with a slash");
    ok (test_got.refused == 1, "%s", test_got.text);
    ok (test_list ("tmp") == 0 && test_got.n_items == 1, "tmp when asked for");
    ok (test_list ("work/a") == 0 && test_got.n_items == 1, "a folder below");
    ok (test_list ("work/none") == CB_E_NOTFOUND, "%s", test_got.text);
    ok (test_list ("work/link") == CB_E_INVALID, "%s", test_got.text);
    for (int i = 0; i < CB_LIST_MAX + 10; i++) {
        (void)snprintf (name, sizeof name, "work/f%04d", i);
        test_text (name, "");
    }
    ok (test_list ("") == 0 && test_got.n_items == CB_LIST_MAX && test_got.refused > 0, "%s",
        test_got.text);
    ok (test_close (), "both processes end with their lines");
}

static void
s_test_queue (void)
{
    cb_err err = CB_ERR_INIT;
    cb_job get = {.kind = CB_JOB_GET, .path = "work/a", .size = 1};
    cb_job collect = {.kind = CB_JOB_COLLECT, .run = "q", .max_bytes = 1, .jail = 99};
    cb_job forget = {.kind = CB_JOB_FORGET, .jail = 1};
    int mine;
    int taken = 0;

    test_open ();
    get.jail = 1;
    while (taken < 1000 && cb_filer_submit (test.self, &get, test_on_job, &mine, &err) == 0)
        taken++;
    ok (taken == CB_FILER_JAIL_MAX, "%d of one jail: %s", taken, err.text);
    for (get.jail = 2;
         taken < 1000 && cb_filer_submit (test.self, &get, test_on_job, NULL, &err) == 0;
         get.jail++)
        taken++;
    ok (taken == CB_FILER_QUEUE_MAX / 2, "%d of all: %s", taken, err.text);
    while (taken < 1000 && cb_filer_submit (test.self, &collect, test_on_job, NULL, &err) == 0)
        taken++;
    ok (taken == CB_FILER_QUEUE_MAX, "%d with collections: %s", taken, err.text);
    ok (cb_filer_submit (test.self, &forget, test_on_job, NULL, &err) == 0,
        "forgetting always goes");
    cb_filer_cancel (test.self, &mine);
    int answered = CB_FILER_QUEUE_MAX + 1 - CB_FILER_JAIL_MAX;
    test_got.count = 0;
    ok (test_run (answered) == 0 && test_got.count == answered, "%d answers without the cancelled",
        test_got.count);
    ok (cb_filer_submit (test.self, &forget, NULL, NULL, &err) == 0 && test_list ("work") == 0,
        "an answer nobody waits for");
    ok (test_close (), "both processes end with their lines");
}

static int s_resubmitted;

static void
s_on_gone (const cb_job_result *result, void *context)
{
    cb_err err = CB_ERR_INIT;
    cb_job job = {.kind = CB_JOB_FORGET};

    test_on_job (result, context);
    s_resubmitted += cb_filer_submit (test.self, &job, NULL, NULL, &err) == 0;
}

static void
s_test_death (void)
{
    cb_err err = CB_ERR_INIT;
    cb_job get = {.kind = CB_JOB_GET, .jail = 1, .path = "work/a", .size = 1};

    test_open ();
    (void)kill (test.filer, SIGKILL);
    test_got.count = 0;
    for (int i = 0; i < 3; i++)
        ok (cb_filer_submit (test.self, &get, s_on_gone, NULL, &err) == 0, "submitted");
    ok (test_run (100) == -CB_E_GONE && test_got.count == 3 && test_got.code == CB_E_GONE, "%s",
        test_got.text);
    ok (s_resubmitted == 0 &&
            cb_filer_submit (test.self, &get, test_on_job, NULL, &err) == -CB_E_GONE &&
            cb_filer_dispatch (test.self, &err) == -CB_E_GONE,
        "and no more");
    cb_filer_destroy (&test.self);
    (void)test_wait (test.filer);
    (void)test_wait (test.warden);
    cb_close (&test.jail);
    cb_close (&test.state);
    (void)cb_remove_tree (AT_FDCWD, test.folder, NULL);

    /* The warden's line ends in the middle: the job fails, the process stays. */
    test_open ();
    test_text ("output/die", "x");
    ok (test_collect ("d", MIB) == CB_E_GONE, "%s", test_got.text);
    ok (test_get ("work/a", 0, 1) == CB_E_GONE, "%s", test_got.text);
    ok (test_close (), "both processes end with their lines");
}

/* A well-made answer to another question. */
static void
s_test_wrong_serial (void)
{
    cb_job get = {.kind = CB_JOB_GET, .jail = 1, .path = "work/a", .size = 1};
    cb_filer_end end = {.serial = 2, .type = CB_FILER_END};
    char ask[sizeof (cb_filer_ask)];
    cb_err err = CB_ERR_INIT;
    int line[2];

    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0)
        test_die ("socketpair");
    test.self = cb_filer_new (line[0], &err);
    ok (cb_filer_submit (test.self, &get, test_on_job, NULL, &err) == 0, "asked");
    ok (read (line[1], ask, sizeof ask) == sizeof ask, "heard");
    ok (write (line[1], &end, sizeof end) == sizeof end, "answered to something else");
    ok (cb_filer_dispatch (test.self, &err) == -CB_E_GONE && test_got.code == CB_E_GONE, "%s",
        err.text);
    cb_filer_destroy (&test.self);
    (void)close (line[1]);
}

/* What their contexts keep is let go of by the answer. */
static void
s_test_end (void)
{
    cb_job get = {.kind = CB_JOB_GET, .jail = 1, .path = "work/a", .size = 1};
    cb_err err = CB_ERR_INIT;
    int line[2];

    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0)
        test_die ("socketpair");
    test.self = cb_filer_new (line[0], &err);
    test_got.count = s_resubmitted = 0;
    for (int i = 0; i < 3; i++)
        ok (cb_filer_submit (test.self, &get, s_on_gone, NULL, &err) == 0, "submitted");
    cb_filer_destroy (&test.self);
    ok (test_got.count == 3 && test_got.code == CB_E_GONE && s_resubmitted == 0, "%s",
        test_got.text);
    (void)close (line[1]);
}

/* A file process that somebody has taken over: what it may send is bounded and checked. */
static void
s_test_bad_process (void)
{
    static const size_t sizes[] = {
        1, 8, 12, sizeof (cb_filer_item), sizeof (cb_filer_end), sizeof (cb_filer_end) + 5};
    static char bytes[sizeof (cb_filer_end) + 4096];
    cb_job get = {.kind = CB_JOB_GET, .jail = 1, .path = "work/a", .size = 1};
    cb_err err = CB_ERR_INIT;

    for (unsigned i = 0; i < 6 * 8; i++) {
        int line[2];
        if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0)
            test_die ("socketpair");
        test.self = cb_filer_new (line[0], &err);
        test_got.count = 0;
        memset (bytes, i % 2 ? 0xff : 0, sizeof bytes);
        cb_filer_end *end = (cb_filer_end *)(void *)bytes;
        end->serial = i / 2 % 2; /* right or wrong */
        end->type = i / 4 % 2 ? CB_FILER_END : CB_FILER_ITEM;
        int submitted = i < 40 && cb_filer_submit (test.self, &get, test_on_job, NULL, &err) == 0;
        if (submitted) { /* or closing would reset the line before we have spoken */
            char ask[sizeof (cb_filer_ask)];
            (void)!read (line[1], ask, sizeof ask);
        }
        (void)!write (line[1], bytes, sizes[i % 6]);
        (void)!write (line[1], bytes, sizes[i % 6]);
        (void)close (line[1]);
        int result = cb_filer_dispatch (test.self, &err);
        ok (result == -CB_E_GONE && test_got.count == submitted, "%s", err.text);
        cb_filer_destroy (&test.self);
    }
}

int
main (void)
{
    s_test_put_get ();
    s_test_list ();
    s_test_queue ();
    s_test_death ();
    s_test_wrong_serial ();
    s_test_end ();
    s_test_bad_process ();
    return tap_done ();
}
