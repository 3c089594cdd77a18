/* test-fixture.c - starts and stops what the tests of the file process need. */
#include "prov/test-fixture.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/tree.h"
#include "prov/filemsg.h"
#include "prov/test-warden.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 120000 /* ms that an answer may take on a busy machine */

test_house test;
test_answer test_got;

void
test_on_job (const cb_job_result *result, void *context)
{
    (void)context;
    test_got.count++;
    test_got.code = result->code;
    memcpy (test_got.text, result->text, sizeof test_got.text);
    test_got.n_items = result->n_artifacts;
    if (result->n_artifacts > 0)
        memcpy (test_got.items, result->artifacts, result->n_artifacts * sizeof test_got.items[0]);
    test_got.refused = result->refused;
    if (result->size > 0)
        memcpy (test_got.bytes, result->bytes, result->size);
    test_got.size = result->size;
    test_got.file_size = result->file_size;
}

void
test_die (const char *what)
{
    perror (what);
    exit (99);
}

static pid_t
test_fork (void)
{
    pid_t pid = fork ();

    if (pid < 0)
        test_die ("fork");
    if (pid == 0)
        (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* The fake warden, the file process, the broker's side. */
void
test_start (int state)
{
    int line[2];
    int warden[2];
    cb_err err = CB_ERR_INIT;

    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) < 0 ||
        socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, warden) < 0)
        test_die ("socketpair");
    if ((test.warden = test_fork ()) == 0) {
        (void)close (warden[1]);
        (void)close (line[0]);
        (void)close (line[1]);
        test_warden_serve (warden[0], test.jail);
        _exit (0);
    }
    (void)close (warden[0]);
    if ((test.filer = test_fork ()) == 0) {
        (void)close (line[0]);
        _exit (cb_filer_serve (line[1], warden[1], state));
    }
    (void)close (warden[1]);
    (void)close (line[1]);
    test.self = cb_filer_new (line[0], &err);
    if (test.self == NULL)
        test_die (err.text);
}

/* The folder of a jail and a state folder, and everything started. */
void
test_open (void)
{
    (void)snprintf (test.folder, sizeof test.folder, "/tmp/cb-filer-XXXXXX");
    if (mkdtemp (test.folder) == NULL)
        test_die ("mkdtemp");
    cb_auto_close int top = open (test.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat (top, "jail", 0755) < 0 || mkdirat (top, "state", 0700) < 0)
        test_die ("mkdirat");
    test.jail = openat (top, "jail", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test.state = openat (top, "state", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat (test.jail, "work", 0755) < 0 || mkdirat (test.jail, "output", 0755) < 0 ||
        mkdirat (test.jail, "tmp", 0755) < 0)
        test_die ("mkdirat");
    test_start (test.state);
}

int
test_wait (pid_t pid)
{
    int status = -1;

    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

/* Closes the line: both processes must end by themselves. */
int
test_close (void)
{
    cb_filer_destroy (&test.self);
    int good = test_wait (test.filer) == 0;
    good &= test_wait (test.warden) == 0;
    cb_close (&test.jail);
    cb_close (&test.state);
    (void)cb_remove_tree (AT_FDCWD, test.folder, NULL);
    return good;
}

/* Dispatches until `answers` more came; what the last dispatch returned. */
int
test_run (int answers)
{
    cb_err err = CB_ERR_INIT;
    int wanted = test_got.count + answers;
    int result = 0;

    while (result == 0 && test_got.count < wanted) {
        short events = (short)(POLLIN | (cb_filer_wants_write (test.self) ? POLLOUT : 0));
        struct pollfd wait = {.fd = cb_filer_fd (test.self), .events = events};
        if (poll (&wait, 1, PATIENCE) <= 0)
            test_die ("no answer");
        result = cb_filer_dispatch (test.self, &err);
    }
    return result;
}

int
test_do (const cb_job *job)
{
    cb_err err = CB_ERR_INIT;

    if (cb_filer_submit (test.self, job, test_on_job, NULL, &err) < 0) {
        printf ("# %s\n", err.text);
        return -1;
    }
    (void)test_run (1);
    return test_got.code;
}

int
test_collect (const char *run, uint64_t max_bytes)
{
    cb_job job = {.kind = CB_JOB_COLLECT, .jail = 1, .max_bytes = max_bytes};

    (void)snprintf (job.run, sizeof job.run, "%s", run);
    return test_do (&job);
}

int
test_put (const char *path, uint64_t offset, const char *bytes, size_t size)
{
    cb_job job = {.kind = CB_JOB_PUT, .jail = 1, .offset = offset, .bytes = bytes, .size = size};

    (void)snprintf (job.path, sizeof job.path, "%s", path);
    return test_do (&job);
}

int
test_get (const char *path, uint64_t offset, size_t size)
{
    cb_job job = {.kind = CB_JOB_GET, .jail = 1, .offset = offset, .size = size};

    (void)snprintf (job.path, sizeof job.path, "%s", path);
    return test_do (&job);
}

int
test_list (const char *path)
{
    cb_job job = {.kind = CB_JOB_LIST, .jail = 1};

    (void)snprintf (job.path, sizeof job.path, "%s", path);
    return test_do (&job);
}

void
test_write (const char *path, const void *bytes, size_t size)
{
    cb_auto_close int fd = openat (test.jail, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || cb_write_all (fd, bytes, size, NULL) < 0)
        test_die (path);
}

void
test_text (const char *path, const char *text)
{
    test_write (path, text, strlen (text));
}

void
test_symlink (const char *target, const char *path)
{
    if (symlinkat (target, test.jail, path) < 0)
        test_die (path);
}

/* Whether the state folder holds that file with that text and mode. */
int
test_state_has (const char *path, const char *text, mode_t mode)
{
    cb_scoped (cb_buf) cb_buf bytes = {0};
    struct stat status;

    cb_buf_init (&bytes, (1024 * 1024));
    if (fstatat (test.state, path, &status, 0) < 0 || (status.st_mode & 07777) != mode)
        return 0;
    return cb_read_file (test.state, path, &bytes, NULL) == 0 && bytes.size == strlen (text) &&
           memcmp (bytes.data, text, bytes.size) == 0;
}

int
test_state_lacks (const char *path)
{
    struct stat status;

    return fstatat (test.state, path, &status, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}
