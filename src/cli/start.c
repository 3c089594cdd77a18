/* start.c - starts the daemon by itself, once.
 *
 * Two locks in the runtime folder keep order. "lock" is held by a daemon from its first moment
 * until its janitor has cleared up after it. "start.lock" is held by a command while it looks and
 * starts, so of two commands in the same instant one starts the daemon and the other finds it
 * running. Both are flocks: they vanish with their holders, nothing stale can remain.
 *
 * The daemon gets a small environment of its own: it outlives the shell it was started from, and
 * what that shell holds (keys of services, say) is none of its business. */
#include "cli/start.h"

#include "base/fdio.h"
#include "base/runtime.h"
#include "base/tree.h"
#include "cli/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between two looks while another command or daemon is at work. */
#define S_LOOK_MS 20
/* Looks after a daemon that closed its answer without one and should end. */
#define S_END_LOOKS 50
/* Bytes of the daemon's answer, and of what it printed when it could not even open its log. */
#define S_ANSWER_MAX 2048
/* Bytes at the log's end in which its last line is looked for. */
#define S_LOG_TAIL 4096
/* The daemon's arguments: program, --ready-fd N, two words a file and setting. */
#define S_ARGS_MAX (4 + 4 * CB_WORDS_MAX)

static void
s_pause (void)
{
    (void)poll (NULL, 0, S_LOOK_MS);
}

int
cb_start_answers (const char *runtime_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    int size = snprintf (address.sun_path, sizeof address.sun_path, "%s/c-1", runtime_dir);
    if (size < 0 || (size_t)size >= sizeof address.sun_path)
        return 0;
    cb_auto_close int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect (fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

/* Whether the open file still has that name: a janitor empties the folder, locks included. */
static bool
s_is_named (const char *path, int fd)
{
    struct stat ours;
    struct stat named;

    return fstat (fd, &ours) == 0 && lstat (path, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

/* One try to hold start.lock. The folder may be removed under us by the janitor of a daemon that
 * ended: it is made again. CB_LOCK_FREE: it is ours. */
static int
s_hold_start (const char *runtime_dir, int *ret_fd, cb_err *err)
{
    char path[PATH_MAX];
    uid_t also = geteuid () == 0 ? CB_BROKER_UID : geteuid ();

    cb_auto_close int dir = cb_private_dir (runtime_dir, also, err);
    if (dir < 0)
        return dir;
    (void)snprintf (path, sizeof path, "%s/%s", runtime_dir, CB_RUNTIME_START);
    cb_auto_close int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == ENOENT ? CB_LOCK_HELD : cb_fail_errno (err, CB_E_IO, "%s", path);
    if (flock (fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? CB_LOCK_HELD
                                    : cb_fail_errno (err, CB_E_IO, "%s cannot be locked", path);
    if (!s_is_named (path, fd))
        return CB_LOCK_HELD;
    *ret_fd = cb_take_fd (&fd);
    return CB_LOCK_FREE;
}

int
cb_start_lock_state (const char *runtime_dir, cb_err *err)
{
    char path[PATH_MAX];

    (void)snprintf (path, sizeof path, "%s/%s", runtime_dir, CB_RUNTIME_LOCK);
    cb_auto_close int fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? CB_LOCK_FREE : cb_fail_errno (err, CB_E_IO, "%s", path);
    if (flock (fd, LOCK_SH | LOCK_NB) == 0)
        return CB_LOCK_FREE;
    if (errno == EWOULDBLOCK)
        return CB_LOCK_HELD;
    return cb_fail_errno (err, CB_E_IO, "%s cannot be locked", path);
}

int
cb_start_wait_gone (const char *runtime_dir, cb_usec patience, cb_err *err)
{
    cb_usec until = cb_now () + patience;

    for (;;) {
        int state = cb_start_lock_state (runtime_dir, err);
        if (state != CB_LOCK_HELD)
            return state;
        if (cb_now () >= until)
            return cb_fail (err, CB_E_TIMEOUT, "the daemon of %s has not ended after %u s",
                            runtime_dir, (unsigned)(patience / CB_USEC_PER_SEC));
        s_pause ();
    }
}

/* ---- the daemon's process ------------------------------------------------------------------- */

/* Variables the daemon may know, or whole families that start with these words. */
static const char *const s_environment[] = {
    "ASAN_",    "CELLBLOCK_", "DBUS_SESSION_BUS_ADDRESS=",
    "HOME=",    "LANG=",      "LC_",
    "LOGNAME=", "LSAN_",      "PATH=",
    "TMPDIR=",  "TZ=",        "UBSAN_",
    "USER=",    "XDG_",
};

/* Keeps of the environment what the daemon may know. In the child, before exec. */
static void
s_keep_environment (void)
{
    size_t kept = 0;

    for (size_t i = 0; environ[i] != NULL; i++)
        for (size_t j = 0; j < sizeof s_environment / sizeof s_environment[0]; j++)
            if (strncmp (environ[i], s_environment[j], strlen (s_environment[j])) == 0) {
                environ[kept++] = environ[i];
                break;
            }
    environ[kept] = NULL;
}

typedef struct s_child {
    pid_t pid;
    int ready;  /* reading end of what it answers */
    int errors; /* memory file of what it printed */
} s_child;

static void
s_child_exec (const cb_start *self, int ready, int errors)
{
    static char *argv[S_ARGS_MAX];
    char number[16];
    size_t n = 0;
    sigset_t none;

    (void)sigemptyset (&none);
    (void)sigprocmask (SIG_SETMASK, &none, NULL);
    (void)signal (SIGPIPE, SIG_DFL);
    (void)setsid (); /* Ctrl-C at this terminal is not for the daemon */
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2 (null, 0) < 0 || dup2 (null, 1) < 0 || dup2 (errors, 2) < 0)
        _exit (126);
    /* What the caller left open (pipes of a shell, of a test) must not live on in the daemon. */
    (void)close_range (3, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)fcntl (ready, F_SETFD, 0);
    (void)snprintf (number, sizeof number, "%d", ready);
    argv[n++] = (char *)(uintptr_t)self->program;
    argv[n++] = (char *)(uintptr_t) "--ready-fd";
    argv[n++] = number;
    for (size_t i = 0; i < self->configs->count; i++) {
        argv[n++] = (char *)(uintptr_t) "--config";
        argv[n++] = (char *)(uintptr_t)self->configs->items[i];
    }
    for (size_t i = 0; i < self->settings->count; i++) {
        argv[n++] = (char *)(uintptr_t) "--set";
        argv[n++] = (char *)(uintptr_t)self->settings->items[i];
    }
    argv[n] = NULL;
    /* Without a group of its own the daemon does without, and says so to who asks. */
    (void)!cb_scope_enter (NULL);
    s_keep_environment ();
    (void)execv (self->program, argv);
    (void)dprintf (2, "%s: %s\n", self->program, strerror (errno));
    _exit (127);
}

static int
s_spawn (const cb_start *self, s_child *ret_child, cb_err *err)
{
    int ends[2];

    cb_auto_close int errors = memfd_create ("cellblockd-errors", MFD_CLOEXEC);
    if (errors < 0 || pipe2 (ends, O_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "the daemon cannot be started");
    pid_t pid = fork ();
    if (pid == 0)
        s_child_exec (self, ends[1], errors);
    (void)close (ends[1]);
    if (pid < 0) {
        (void)close (ends[0]);
        return cb_fail_errno (err, CB_E_IO, "the daemon cannot be started");
    }
    *ret_child = (s_child){pid, ends[0], cb_take_fd (&errors)};
    return 0;
}

/* ---- what it answers ------------------------------------------------------------------------ */

/* The last line of the size bytes, without its end, in text (changed). */
static char *
s_last_line (char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\0'))
        size--;
    text[size] = '\0';
    char *line = strrchr (text, '\n');
    return line != NULL ? line + 1 : text;
}

/* The last line of a file, "" when there is none. */
static void
s_file_last_line (int fd, char *line, size_t room)
{
    char tail[S_LOG_TAIL + 1];
    struct stat info;

    line[0] = '\0';
    if (fd < 0 || fstat (fd, &info) < 0)
        return;
    off_t from = info.st_size > S_LOG_TAIL ? info.st_size - S_LOG_TAIL : 0;
    ssize_t size = pread (fd, tail, S_LOG_TAIL, from);
    if (size > 0)
        (void)snprintf (line, room, "%.*s", (int)room - 1, s_last_line (tail, (size_t)size));
}

/* The daemon did not come: everything known about it in one sentence. */
static int
s_failed (const cb_start *self, const s_child *child, const char *why, cb_err *err)
{
    char log_path[PATH_MAX];
    char line[CB_ERR_TEXT_MAX / 2];
    struct stat info;

    s_file_last_line (child->errors, line, sizeof line);
    if (line[0] != '\0')
        return cb_fail (err, CB_E_GONE, "the daemon did not start: %s: %s", why, line);
    (void)snprintf (log_path, sizeof log_path, "%s/%s", self->state_dir, CB_STATE_LOG);
    cb_auto_close int log = open (log_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (log < 0 || fstat (log, &info) < 0)
        return cb_fail (err, CB_E_GONE, "the daemon did not start: %s (it has no log at %s)", why,
                        log_path);
    s_file_last_line (log, line, sizeof line);
    return cb_fail (err, CB_E_GONE, "the daemon did not start: %s. Log: %s, its last line: %s", why,
                    log_path, line);
}

static int
s_ended_early (const cb_start *self, const s_child *child, cb_err *err)
{
    char why[128] = "it ended without a word";
    int status = 0;

    pid_t ended = 0;
    for (int look = 0; look < S_END_LOOKS && ended == 0; look++) {
        ended = waitpid (child->pid, &status, WNOHANG);
        if (ended == 0)
            s_pause ();
    }
    if (ended == child->pid) {
        if (WIFSIGNALED (status))
            (void)snprintf (why, sizeof why, "it was ended by signal %d (%s)", WTERMSIG (status),
                            strsignal (WTERMSIG (status)));
        else if (WEXITSTATUS (status) != 0)
            (void)snprintf (why, sizeof why, "it ended with status %d", WEXITSTATUS (status));
    }
    return s_failed (self, child, why, err);
}

/* One line from the daemon, or what is there when it closes. */
static int
s_read_answer (const s_child *child, cb_usec until, char *answer, size_t room)
{
    size_t size = 0;

    for (;;) {
        cb_usec now = cb_now ();
        struct pollfd wait = {child->ready, POLLIN, 0};
        if (now >= until || poll (&wait, 1, (int)((until - now) / 1000 + 1)) < 0)
            return -CB_E_TIMEOUT;
        if (wait.revents == 0)
            continue;
        ssize_t got = read (child->ready, answer + size, room - 1 - size);
        size += got > 0 ? (size_t)got : 0;
        answer[size] = '\0';
        if (got <= 0 || strchr (answer, '\n') != NULL || size == room - 1) {
            answer[strcspn (answer, "\n")] = '\0';
            return 0;
        }
    }
}

static int
s_wait_ready (const cb_start *self, const s_child *child, cb_usec until, cb_err *err)
{
    char answer[S_ANSWER_MAX] = "";
    char log[PATH_MAX];
    static const char error[] = "error: ";

    if (s_read_answer (child, until, answer, sizeof answer) < 0) {
        (void)kill (child->pid, SIGTERM);
        return s_failed (self, child, "it took too long", err);
    }
    if (strcmp (answer, "ok") == 0)
        return CB_START_STARTED;
    const char *why = answer + sizeof error - 1;
    if (strncmp (answer, error, sizeof error - 1) != 0)
        return s_ended_early (self, child, err);
    (void)snprintf (log, sizeof log, "%s/%s", self->state_dir, CB_STATE_LOG);
    /* One whose state folder is the trouble has no log. */
    if (strstr (why, CB_STATE_LOG) != NULL || access (log, F_OK) < 0)
        return cb_fail (err, CB_E_GONE, "the daemon did not start: %s", why);
    return cb_fail (err, CB_E_GONE, "the daemon did not start: %s (log: %s)", why, log);
}

static int
s_launch (const cb_start *self, cb_usec until, cb_err *err)
{
    s_child child;

    CB_TRY (s_spawn (self, &child, err));
    int outcome = s_wait_ready (self, &child, until, err);
    cb_close (&child.ready);
    cb_close (&child.errors);
    /* A daemon that put itself into the background left a child behind that is done. */
    (void)waitpid (child.pid, NULL, WNOHANG);
    return outcome;
}

/* ---- exactly once --------------------------------------------------------------------------- */

/* The daemon we started did not come. Was it for another one, started by hand, that has the folder
 * now? Then that one is as good. */
static bool
s_another_has_it (const cb_start *self)
{
    return cb_start_answers (self->runtime_dir) ||
           cb_start_lock_state (self->runtime_dir, NULL) == CB_LOCK_HELD;
}

/* We hold start.lock: no other command starts one. */
static int
s_look_and_launch (const cb_start *self, cb_usec until, cb_err *err)
{
    for (;;) {
        if (cb_start_answers (self->runtime_dir))
            return CB_START_RUNS;
        int state = cb_start_lock_state (self->runtime_dir, err);
        if (state < 0)
            return state;
        int outcome = state == CB_LOCK_FREE ? s_launch (self, until, err) : 0;
        if (state == CB_LOCK_FREE && (outcome >= 0 || !s_another_has_it (self)))
            return outcome;
        if (cb_now () >= until)
            return cb_fail (err, CB_E_TIMEOUT,
                            "a daemon holds %s but does not answer: it is ending or stuck; its "
                            "log is %s/%s",
                            self->runtime_dir, self->state_dir, CB_STATE_LOG);
        s_pause ();
    }
}

int
cb_start_daemon (const cb_start *self, cb_err *err)
{
    cb_usec until = cb_now () + self->patience;
    cb_auto_close int lock = -1;

    if (cb_start_answers (self->runtime_dir))
        return CB_START_RUNS;
    for (;;) {
        int state = s_hold_start (self->runtime_dir, &lock, err);
        if (state < 0)
            return state;
        if (state == CB_LOCK_FREE)
            return s_look_and_launch (self, until, err);
        if (cb_now () >= until)
            return cb_fail (err, CB_E_TIMEOUT,
                            "another command has been starting the daemon of %s for %u s",
                            self->runtime_dir, (unsigned)(self->patience / CB_USEC_PER_SEC));
        s_pause ();
    }
}
