/* test-filer.c - both sides of the file process, with an ordinary folder in the jail's place. */
#include "prov/filer.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/tap.h"
#include "base/tree.h"
#include "prov/filemsg.h"
#include "prov/test-warden.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB       (1024 * 1024)
#define PATIENCE  20000 /* ms that an answer may take on a busy machine */
#define ITEMS_MAX 1100

static struct {
    char folder[64];
    int jail;  /* its root: work, output, tmp */
    int state; /* the state folder, O_PATH */
    pid_t filer;
    pid_t warden;
    cb_filer *self;
} s;

/* The last answer, copied. */
static struct {
    int count;
    int code;
    char text[CB_ERR_TEXT_MAX];
    cb_artifact items[ITEMS_MAX];
    size_t n_items;
    uint32_t refused;
    char *bytes;
    size_t size;
    uint64_t file_size;
} s_got;

static void
s_on_job (const cb_job_result *result, void *context)
{
    (void)context;
    s_got.count++;
    s_got.code = result->code;
    memcpy (s_got.text, result->text, sizeof s_got.text);
    s_got.n_items = result->n_artifacts;
    if (result->n_artifacts > 0)
        memcpy (s_got.items, result->artifacts, result->n_artifacts * sizeof s_got.items[0]);
    s_got.refused = result->refused;
    free (s_got.bytes);
    s_got.bytes = malloc (result->size + 1);
    if (result->size > 0)
        memcpy (s_got.bytes, result->bytes, result->size);
    s_got.size = result->size;
    s_got.file_size = result->file_size;
}

static void
s_die (const char *what)
{
    perror (what);
    exit (99);
}

static pid_t
s_fork (void)
{
    pid_t pid = fork ();

    if (pid < 0)
        s_die ("fork");
    if (pid == 0)
        (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* The fake warden, the file process, the broker's side. */
static void
s_start (int state)
{
    int line[2];
    int warden[2];
    cb_err err = CB_ERR_INIT;

    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0 ||
        socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, warden) < 0)
        s_die ("socketpair");
    if ((s.warden = s_fork ()) == 0) {
        (void)close (warden[1]);
        (void)close (line[0]);
        (void)close (line[1]);
        test_warden_serve (warden[0], s.jail);
        _exit (0);
    }
    (void)close (warden[0]);
    if ((s.filer = s_fork ()) == 0) {
        (void)close (line[0]);
        _exit (cb_filer_serve (line[1], warden[1], state));
    }
    (void)close (warden[1]);
    (void)close (line[1]);
    s.self = cb_filer_new (line[0], &err);
    if (s.self == NULL)
        s_die (err.text);
}

/* The folder of a jail and a state folder, and everything started. */
static void
s_open (void)
{
    (void)snprintf (s.folder, sizeof s.folder, "/tmp/cb-filer-XXXXXX");
    if (mkdtemp (s.folder) == NULL)
        s_die ("mkdtemp");
    cb_auto_close int top = open (s.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat (top, "jail", 0755) < 0 || mkdirat (top, "state", 0700) < 0)
        s_die ("mkdirat");
    s.jail = openat (top, "jail", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s.state = openat (top, "state", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat (s.jail, "work", 0755) < 0 || mkdirat (s.jail, "output", 0755) < 0 ||
        mkdirat (s.jail, "tmp", 0755) < 0)
        s_die ("mkdirat");
    s_start (s.state);
}

static int
s_wait (pid_t pid)
{
    int status = -1;

    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* Closes the line: both processes must end by themselves. */
static void
s_close (void)
{
    cb_filer_destroy (&s.self);
    ok (s_wait (s.filer) == 0, "the file process ends with its line");
    ok (s_wait (s.warden) == 0, "and with it the one to the warden");
    cb_close (&s.jail);
    cb_close (&s.state);
    (void)cb_remove_tree (AT_FDCWD, s.folder, NULL);
}

/* Dispatches until `answers` more came; what the last dispatch returned. */
static int
s_run (int answers)
{
    cb_err err = CB_ERR_INIT;
    int wanted = s_got.count + answers;
    int result = 0;

    while (result == 0 && s_got.count < wanted) {
        short events = (short)(POLLIN | (cb_filer_wants_write (s.self) ? POLLOUT : 0));
        struct pollfd wait = {.fd = cb_filer_fd (s.self), .events = events};
        if (poll (&wait, 1, PATIENCE) <= 0)
            s_die ("no answer");
        result = cb_filer_dispatch (s.self, &err);
    }
    return result;
}

static int
s_do (const cb_job *job)
{
    cb_err err = CB_ERR_INIT;

    if (cb_filer_submit (s.self, job, s_on_job, NULL, &err) < 0) {
        printf ("# %s\n", err.text);
        return -1;
    }
    (void)s_run (1);
    return s_got.code;
}

static int
s_collect (const char *run, uint64_t max_bytes)
{
    cb_job job = {.kind = CB_JOB_COLLECT, .jail = 1, .max_bytes = max_bytes};

    (void)snprintf (job.run, sizeof job.run, "%s", run);
    return s_do (&job);
}

static int
s_put (const char *path, uint64_t offset, const char *bytes, size_t size)
{
    cb_job job = {.kind = CB_JOB_PUT, .jail = 1, .offset = offset, .bytes = bytes, .size = size};

    (void)snprintf (job.path, sizeof job.path, "%s", path);
    return s_do (&job);
}

static int
s_get (const char *path, uint64_t offset, size_t size)
{
    cb_job job = {.kind = CB_JOB_GET, .jail = 1, .offset = offset, .size = size};

    (void)snprintf (job.path, sizeof job.path, "%s", path);
    return s_do (&job);
}

static int
s_list (const char *path)
{
    cb_job job = {.kind = CB_JOB_LIST, .jail = 1};

    (void)snprintf (job.path, sizeof job.path, "%s", path);
    return s_do (&job);
}

static void
s_write (const char *path, const void *bytes, size_t size)
{
    cb_auto_close int fd = openat (s.jail, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || cb_write_all (fd, bytes, size, NULL) < 0)
        s_die (path);
}

static void
s_text (const char *path, const char *text)
{
    s_write (path, text, strlen (text));
}

static void
s_symlink (const char *target, const char *path)
{
    if (symlinkat (target, s.jail, path) < 0)
        s_die (path);
}

/* Whether the state folder holds that file with that text and mode. */
static int
s_state_has (const char *path, const char *text, mode_t mode)
{
    cb_scoped (cb_buf) cb_buf bytes = {0};
    struct stat status;

    cb_buf_init (&bytes, MIB);
    if (fstatat (s.state, path, &status, 0) < 0 || (status.st_mode & 07777) != mode)
        return 0;
    return cb_read_file (s.state, path, &bytes, NULL) == 0 && bytes.size == strlen (text) &&
           memcmp (bytes.data, text, bytes.size) == 0;
}

static int
s_state_lacks (const char *path)
{
    struct stat status;

    return fstatat (s.state, path, &status, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

#define SHA_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
s_test_collect (void)
{
    s_open ();
    ok (s_collect ("r0", MIB) == 0 && s_got.n_items == 0 && s_got.refused == 0, "nothing");
    ok (s_state_lacks ("runs/r0"), "no folder for nothing");
    s_text ("output/b.txt", "abc");
    s_text ("output/a.txt", "");
    s_text ("output/stale", "abcd");
    (void)mkdirat (s.jail, "output/sub", 0700);
    (void)mkdirat (s.jail, "output/sub/deep", 0700);
    s_text ("output/sub/deep/c", "abc");
    (void)!fchmodat (s.jail, "output/b.txt", 06755, 0);
    ok (s_collect ("r1", MIB) == 0, "collects: %s", s_got.text);
    ok (s_got.n_items == 4 && strcmp (s_got.items[0].path, "a.txt") == 0 &&
            strcmp (s_got.items[1].path, "b.txt") == 0 &&
            strcmp (s_got.items[3].path, "sub/deep/c") == 0,
        "by name, files before folders");
    ok (s_got.items[1].size == 3 && strcmp (s_got.items[1].sha256, SHA_ABC) == 0, "its SHA-256");
    ok (s_state_has ("runs/r1/output/b.txt", "abc", 0600), "0600, no setuid bits");
    ok (s_state_has ("runs/r1/output/sub/deep/c", "abc", 0600), "below folders");
    ok (s_state_has ("runs/r1/output/a.txt", "", 0600), "an empty file is one");
    ok (s_collect ("r2", MIB) == 0 && s_got.n_items == 0, "nothing new");
    s_text ("output/b.txt", "ABC");
    (void)renameat (s.jail, "output/a.txt", s.jail, "output/z.txt");
    ok (s_collect ("r3", MIB) == 0 && s_got.n_items == 2 &&
            strcmp (s_got.items[0].path, "b.txt") == 0 &&
            strcmp (s_got.items[1].path, "z.txt") == 0,
        "changed and renamed");
    cb_job forget = {.kind = CB_JOB_FORGET, .jail = 1};
    ok (s_do (&forget) == 0 && s_collect ("r4", MIB) == 0 && s_got.n_items == 4, "forgotten");
    ok (s_state_has ("runs/r1/output/b.txt", "abc", 0600), "the first run's copy stays");
    cb_job gone = {.kind = CB_JOB_COLLECT, .jail = 2, .run = "r5", .max_bytes = MIB};
    ok (s_do (&gone) == CB_E_NOTFOUND, "a jail that is gone: %s", s_got.text);
    cb_job bad = {.kind = CB_JOB_COLLECT, .jail = 1, .run = "../x", .max_bytes = MIB};
    ok (s_do (&bad) == -1, "a run's name is one name");
    s_close ();
}

static void
s_test_hostile (void)
{
    static const char *const names[] = {"output/new\nline", "output/bad\xff", "output/esc\x1b[2J"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[600] = "output/";

    s_open ();
    s_symlink ("/etc/passwd", "output/link");
    s_symlink ("/etc", "output/linkdir");
    (void)mkfifoat (s.jail, "output/fifo", 0600);
    for (size_t i = 0; i < 3; i++)
        s_text (names[i], "x");
    s_text ("output/one", "abc");
    (void)!linkat (s.jail, "output/one", s.jail, "output/two", 0);
    cb_auto_close int sock = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf (address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/output/sock",
                    s.jail);
    (void)bind (sock, (const struct sockaddr *)&address, sizeof address);
    cb_auto_close int sparse = openat (s.jail, "output/sparse", O_WRONLY | O_CREAT, 0644);
    (void)!ftruncate (sparse, (off_t)10 * 1024 * MIB);
    s_text ("output/vanish", "gone soon");
    s_text ("output/good", "abc");
    for (int i = 0; i < 20; i++) {
        (void)mkdirat (s.jail, path, 0755);
        (void)strncat (path, "d/", sizeof path - strlen (path) - 1);
    }
    (void)mkdirat (s.jail, path, 0755);

    ok (s_collect ("h1", MIB) == 0, "hostile contents are no fault");
    ok (s_got.n_items == 1 && strcmp (s_got.items[0].path, "good") == 0, "only the good one");
    /* link linkdir fifo 3 names one two sock sparse, and one folder too deep */
    ok (s_got.refused == 11, "%u refused", s_got.refused);
    ok (strcmp (s_got.text, "/output/bad\\xff has a name with control characters or bytes that are "
                            "not UTF-8") == 0,
        "%s", s_got.text);
    ok (s_collect ("h2", MIB) == 0 && s_got.refused == 0 && s_got.text[0] == '\0', "told once (%u)",
        s_got.refused);
    (void)unlinkat (s.jail, "output/two", 0);
    ok (s_collect ("h3", MIB) == 0 && s_got.n_items == 1 &&
            strcmp (s_got.items[0].path, "one") == 0,
        "one link left: collected");
    s_close ();
}

static void
s_test_bounds (void)
{
    static char block[MIB / 2];
    char name[64];

    s_open ();
    s_write ("output/a", block, sizeof block);
    s_write ("output/b", block, sizeof block);
    s_write ("output/c", block, sizeof block);
    s_write ("output/d", block, 1);
    ok (s_collect ("b1", MIB) == 0 && s_got.n_items == 2 && s_got.refused == 2, "%s", s_got.text);
    ok (s_collect ("b2", MIB) == 0 && s_got.n_items == 2 && s_got.refused == 0,
        "the next run takes the rest");
    s_write ("output/grow", block, sizeof block);
    ok (s_collect ("b3", MIB) == 0 && s_got.n_items == 0 && s_got.refused == 1, "%s", s_got.text);
    ok (s_state_lacks ("runs/b3"), "nothing is left of it");
    s_close ();

    s_open ();
    for (int i = 0; i < CB_ARTIFACTS_MAX + 5; i++) {
        (void)snprintf (name, sizeof name, "output/f%03d", i);
        s_text (name, "x");
    }
    ok (s_collect ("c1", MIB) == 0 && s_got.n_items == CB_ARTIFACTS_MAX && s_got.refused == 5, "%s",
        s_got.text);
    ok (s_collect ("c2", MIB) == 0 && s_got.n_items == 5 && s_got.refused == 0, "then the rest");
    (void)mkdirat (s.jail, "output/many", 0755);
    for (int i = 0; i < CB_COLLECT_ENTRIES; i++) {
        (void)snprintf (name, sizeof name, "output/many/f%04d", i);
        s_symlink ("x", name);
    }
    ok (s_collect ("c3", MIB) == 0 && s_got.n_items == 0, "too many entries: %u refused",
        s_got.refused);
    ok (s_got.refused > 3000 && s_got.refused <= CB_COLLECT_ENTRIES, "and bounded");
    s_close ();
}

static void
s_test_full_disk (void)
{
    static char block[MIB];

    if (unshare (CLONE_NEWNS) < 0 || mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        ok (1, "a full disk # SKIP no mount namespace here: %s", strerror (errno));
        return;
    }
    s_open ();
    char path[128];
    (void)snprintf (path, sizeof path, "%s/jail/small", s.folder);
    (void)mkdir (path, 0700);
    if (mount ("tmpfs", path, "tmpfs", 0, "size=1536k") < 0) {
        ok (1, "a full disk # SKIP no tmpfs here: %s", strerror (errno));
        s_close ();
        return;
    }
    /* Started again with the small one as its state folder. */
    cb_filer_destroy (&s.self);
    (void)s_wait (s.filer);
    (void)s_wait (s.warden);
    cb_auto_close int small = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    s_start (small);

    s_write ("output/a", block, sizeof block);
    s_write ("output/b", block, sizeof block);
    s_write ("output/c", block, 1);
    ok (s_collect ("f1", 16 * MIB) == CB_E_IO && strstr (s_got.text, "No space left") != NULL, "%s",
        s_got.text);
    ok (s_got.n_items == 1 && strcmp (s_got.items[0].path, "a") == 0, "what fitted is there");
    struct stat status;
    ok (fstatat (small, "runs/f1/output/a", &status, 0) == 0 && status.st_size == MIB, "whole");
    ok (fstatat (small, "runs/f1/.part-1", &status, 0) < 0 &&
            fstatat (small, "runs/f1/output/b", &status, 0) < 0,
        "nothing half");
    (void)unlinkat (small, "runs/f1/output/a", 0);
    ok (s_collect ("f2", 16 * MIB) == 0 && s_got.n_items == 2, "with room again: the others");
    (void)umount2 (path, MNT_DETACH);
    s_close ();
}

static void
s_test_put_get (void)
{
    static char block[CB_FILER_BLOCK_MAX];

    memset (block, 'b', sizeof block);
    s_open ();
    ok (s_put ("work/a.csv", 0, "1,2\n", 4) == 0 && s_got.file_size == 4, "put");
    ok (s_put ("work/a.csv", 4, "3,4\n", 4) == 0 && s_got.file_size == 8, "the next block");
    ok (s_put ("work/a.csv", 4, "x", 1) == CB_E_INVALID, "%s", s_got.text);
    ok (s_put ("work/a.csv", 9, "x", 1) == CB_E_INVALID, "%s", s_got.text);
    ok (s_put ("work/none", 5, "x", 1) == CB_E_NOTFOUND, "%s", s_got.text);
    ok (s_put ("work/no/a", 0, "x", 1) == CB_E_NOTFOUND, "%s", s_got.text);
    ok (s_get ("work/a.csv", 0, 100) == 0 && s_got.size == 8 && s_got.file_size == 8 &&
            memcmp (s_got.bytes, "1,2\n3,4\n", 8) == 0,
        "get");
    ok (s_get ("work/a.csv", 6, 1) == 0 && s_got.size == 1 && s_got.bytes[0] == '4', "a part");
    ok (s_get ("work/a.csv", 100, 1) == 0 && s_got.size == 0 && s_got.file_size == 8, "behind");
    ok (s_put ("work/a.csv", 0, "", 0) == 0 && s_got.file_size == 0, "emptied");
    ok (s_put ("output/big", 0, block, sizeof block) == 0 &&
            s_put ("output/big", sizeof block, block, sizeof block) == 0 &&
            s_got.file_size == 2 * sizeof block,
        "whole blocks");
    ok (s_get ("output/big", 1, sizeof block) == 0 && s_got.size == sizeof block &&
            memcmp (s_got.bytes, block, sizeof block) == 0,
        "and back");

    s_symlink ("/etc/passwd", "work/link");
    s_symlink ("/etc", "work/linkdir");
    (void)mkfifoat (s.jail, "work/fifo", 0600);
    ok (s_get ("work/link", 0, 10) == CB_E_INVALID, "%s", s_got.text);
    ok (s_get ("work/linkdir/passwd", 0, 10) == CB_E_INVALID, "%s", s_got.text);
    ok (s_get ("work/fifo", 0, 10) == CB_E_INVALID, "%s", s_got.text);
    ok (s_put ("work/link", 0, "x", 1) == CB_E_INVALID, "%s", s_got.text);
    ok (s_put ("work/fifo", 0, "x", 1) == CB_E_INVALID, "%s", s_got.text);
    ok (s_get ("work", 0, 10) == CB_E_INVALID, "a folder: %s", s_got.text);
    ok (s_get ("work/gone", 0, 10) == CB_E_NOTFOUND, "%s", s_got.text);
    ok (s_get ("/etc/passwd", 0, 10) == -1 && s_get ("work/../../etc/passwd", 0, 10) == -1 &&
            s_get ("shm/x", 0, 10) == -1 && s_put ("work", 0, block, sizeof block + 1) == -1,
        "refused at the queue");
    s_close ();
}

static void
s_test_list (void)
{
    char name[64];

    s_open ();
    s_text ("work/b", "abc");
    (void)mkdirat (s.jail, "work/a", 0755);
    s_text ("work/a/c", "abcd");
    s_text ("output/o", "");
    s_text ("tmp/t", "");
    s_symlink ("x", "work/link");
    ok (s_list ("") == 0 && s_got.n_items == 4, "work and output");
    ok (strcmp (s_got.items[0].path, "work/b") == 0 && s_got.items[0].size == 3 &&
            strcmp (s_got.items[1].path, "work/a/") == 0 &&
            strcmp (s_got.items[2].path, "work/a/c") == 0 && s_got.items[2].size == 4 &&
            strcmp (s_got.items[3].path, "output/o") == 0,
        "files with sizes, folders with a slash");
    ok (s_got.refused == 1, "%s", s_got.text);
    ok (s_list ("tmp") == 0 && s_got.n_items == 1, "tmp when asked for");
    ok (s_list ("work/a") == 0 && s_got.n_items == 1, "a folder below");
    ok (s_list ("work/none") == CB_E_NOTFOUND, "%s", s_got.text);
    ok (s_list ("work/link") == CB_E_INVALID, "%s", s_got.text);
    for (int i = 0; i < CB_LIST_MAX + 10; i++) {
        (void)snprintf (name, sizeof name, "work/f%04d", i);
        s_text (name, "");
    }
    ok (s_list ("") == 0 && s_got.n_items == CB_LIST_MAX && s_got.refused > 0, "%s", s_got.text);
    s_close ();
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

    s_open ();
    get.jail = 1;
    while (taken < 1000 && cb_filer_submit (s.self, &get, s_on_job, &mine, &err) == 0)
        taken++;
    ok (taken == CB_FILER_JAIL_MAX, "%d of one jail: %s", taken, err.text);
    for (get.jail = 2; taken < 1000 && cb_filer_submit (s.self, &get, s_on_job, NULL, &err) == 0;
         get.jail++)
        taken++;
    ok (taken == CB_FILER_QUEUE_MAX / 2, "%d of all: %s", taken, err.text);
    while (taken < 1000 && cb_filer_submit (s.self, &collect, s_on_job, NULL, &err) == 0)
        taken++;
    ok (taken == CB_FILER_QUEUE_MAX, "%d with collections: %s", taken, err.text);
    ok (cb_filer_submit (s.self, &forget, s_on_job, NULL, &err) == 0, "forgetting always goes");
    cb_filer_cancel (s.self, &mine);
    int answered = CB_FILER_QUEUE_MAX + 1 - CB_FILER_JAIL_MAX;
    s_got.count = 0;
    ok (s_run (answered) == 0 && s_got.count == answered, "%d answers without the cancelled",
        s_got.count);
    ok (cb_filer_submit (s.self, &forget, NULL, NULL, &err) == 0 && s_list ("work") == 0,
        "an answer nobody waits for");
    s_close ();
}

static int s_resubmitted;

static void
s_on_gone (const cb_job_result *result, void *context)
{
    cb_err err = CB_ERR_INIT;
    cb_job job = {.kind = CB_JOB_FORGET};

    s_on_job (result, context);
    s_resubmitted += cb_filer_submit (s.self, &job, NULL, NULL, &err) == 0;
}

static void
s_test_death (void)
{
    cb_err err = CB_ERR_INIT;
    cb_job get = {.kind = CB_JOB_GET, .jail = 1, .path = "work/a", .size = 1};

    s_open ();
    (void)kill (s.filer, SIGKILL);
    s_got.count = 0;
    for (int i = 0; i < 3; i++)
        ok (cb_filer_submit (s.self, &get, s_on_gone, NULL, &err) == 0, "submitted");
    ok (s_run (100) == -CB_E_GONE && s_got.count == 3 && s_got.code == CB_E_GONE, "%s", s_got.text);
    ok (s_resubmitted == 0 && cb_filer_submit (s.self, &get, s_on_job, NULL, &err) == -CB_E_GONE &&
            cb_filer_dispatch (s.self, &err) == -CB_E_GONE,
        "and no more");
    cb_filer_destroy (&s.self);
    (void)s_wait (s.filer);
    (void)s_wait (s.warden);
    cb_close (&s.jail);
    cb_close (&s.state);
    (void)cb_remove_tree (AT_FDCWD, s.folder, NULL);

    /* The warden's line ends in the middle: the job fails, the process stays. */
    s_open ();
    s_text ("output/die", "x");
    ok (s_collect ("d", MIB) == CB_E_GONE, "%s", s_got.text);
    ok (s_get ("work/a", 0, 1) == CB_E_GONE, "%s", s_got.text);
    s_close ();
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
            s_die ("socketpair");
        s.self = cb_filer_new (line[0], &err);
        s_got.count = 0;
        memset (bytes, i % 2 ? 0xff : 0, sizeof bytes);
        cb_filer_end *end = (cb_filer_end *)(void *)bytes;
        end->serial = i / 2 % 2; /* right or wrong */
        end->type = i / 4 % 2 ? CB_FILER_END : CB_FILER_ITEM;
        int submitted = i < 40 && cb_filer_submit (s.self, &get, s_on_job, NULL, &err) == 0;
        if (submitted) { /* or closing would reset the line before we have spoken */
            char ask[sizeof (cb_filer_ask)];
            (void)!read (line[1], ask, sizeof ask);
        }
        (void)!write (line[1], bytes, sizes[i % 6]);
        (void)!write (line[1], bytes, sizes[i % 6]);
        (void)close (line[1]);
        int result = cb_filer_dispatch (s.self, &err);
        ok (result == -CB_E_GONE && s_got.count == submitted, "%s", err.text);
        cb_filer_destroy (&s.self);
    }
}

int
main (void)
{
    s_test_collect ();
    s_test_hostile ();
    s_test_bounds ();
    s_test_put_get ();
    s_test_list ();
    s_test_queue ();
    s_test_death ();
    s_test_bad_process ();
    s_test_full_disk ();
    free (s_got.bytes);
    return tap_done ();
}
