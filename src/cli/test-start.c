/* test-start.c - exactly one daemon, and a clear word when none comes (fake-cellblockd.py). */
#include "base/fdio.h"
#include "base/tap.h"
#include "base/tree.h"
#include "cli/start.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* How long a start may take on a busy machine. */
#define PATIENCE (120 * CB_USEC_PER_SEC)

/* Commands that start in the same instant. */
#define S_AT_ONCE 8

static char s_top[] = "/tmp/cb-start-XXXXXX";
static char s_runtime[64];
static char s_state[64];
static cb_words s_configs;
static cb_words s_settings;

/* The whole text of a file in the state folder, "" when it is not there. */
static const char *
s_text (const char *name)
{
    static char text[4096];
    char path[PATH_MAX];

    (void)snprintf (path, sizeof path, "%s/%s", s_state, name);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static int
s_lines (const char *text)
{
    int lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static int
s_words (const char *text)
{
    int words = 0;

    for (; *text != '\0'; text++)
        words += *text == ' ' || *text == '\n';
    return words;
}

/* Ends the fake daemons that wrote their pid, and waits for those that are our children. */
static void
s_end_daemons (void)
{
    char pids[4096];

    (void)snprintf (pids, sizeof pids, "%s", s_text ("started"));
    for (char *line = pids; *line != '\0'; line += strcspn (line, "\n") + 1) {
        long pid = strtol (line, NULL, 10);
        if (pid > 1)
            (void)kill ((pid_t)pid, SIGKILL);
    }
    while (waitpid (-1, NULL, 0) > 0)
        continue;
}

static void
s_begin (const char *mode)
{
    int top = open (s_top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    s_end_daemons ();
    (void)cb_remove_tree (top, "r", NULL);
    (void)cb_remove_tree (top, "s", NULL);
    (void)mkdirat (top, "r", 0700);
    (void)mkdirat (top, "s", 0700);
    (void)close (top);
    (void)setenv ("CELLBLOCK_FAKE", mode, 1);
}

static int
s_start (cb_usec patience, cb_err *err)
{
    const cb_start start = {s_runtime,  s_state,     CB_SRCDIR "/src/cli/fake-cellblockd.py",
                            &s_configs, &s_settings, patience};
    return cb_start_daemon (&start, err);
}

static void
s_one_start (void)
{
    cb_err err = CB_ERR_INIT;

    s_begin ("ok");
    (void)setenv ("OPENAI_API_KEY", "secret", 1);
    s_configs.items[s_configs.count++] = "/etc/a.conf";
    s_settings.items[s_settings.count++] = "broker.x=1";
    int leaked = open ("/dev/null", O_RDONLY); /* not close-on-exec, as a shell's pipe */
    ok (!cb_start_answers (s_runtime), "nothing answers");
    ok (s_start (PATIENCE, &err) == CB_START_STARTED, "started %s", err.text);
    ok (cb_start_answers (s_runtime), "it answers");
    ok (s_start (PATIENCE, &err) == CB_START_RUNS, "it runs");
    ok (s_lines (s_text ("started")) == 1, "one was started");
    ok (strstr (s_text ("environment"), "OPENAI") == NULL, "keys of the shell stay away");
    ok (strstr (s_text ("environment"), "CELLBLOCK_RUNTIME_DIR") != NULL, "its own came");
    ok (strstr (s_text ("arguments"), "--config /etc/a.conf --set broker.x=1") != NULL, "%s",
        s_text ("arguments"));
    ok (s_words (s_text ("descriptors")) == 5, /* three, the answer's, and the listing itself */
        "no descriptor of ours lives on in it: %s", s_text ("descriptors"));
    ok (cb_start_lock_state (s_runtime, &err) == CB_LOCK_HELD, "its lock is held");
    ok (cb_start_wait_gone (s_runtime, 50 * CB_USEC_PER_MSEC, &err) == -CB_E_TIMEOUT, "%s",
        err.text);
    s_end_daemons ();
    ok (cb_start_wait_gone (s_runtime, PATIENCE, &err) == CB_LOCK_FREE, "now it is gone");
    ok (!cb_start_answers (s_runtime), "its socket file is still there, nobody answers");
    (void)close (leaked);
    s_configs.count = 0;
    s_settings.count = 0;
}

static void
s_many_at_once (const char *mode)
{
    int ends[2];
    int failed = 0;

    s_begin (mode);
    if (pipe (ends) < 0)
        return;
    for (int i = 0; i < S_AT_ONCE; i++)
        if (fork () == 0) {
            char byte;
            (void)close (ends[1]);
            (void)!read (ends[0], &byte, 1); /* all wait for the same moment */
            _exit (s_start (PATIENCE, NULL) < 0);
        }
    (void)close (ends[0]);
    (void)close (ends[1]);
    for (int i = 0; i < S_AT_ONCE; i++) {
        int status = 1;
        (void)wait (&status);
        failed += status != 0;
    }
    ok (failed == 0, "%s: all of %d have a daemon", mode, S_AT_ONCE);
    int started = strcmp (mode, "background") == 0 ? 2 : 1; /* both processes write */
    ok (s_lines (s_text ("started")) == started, "%s: one was started", mode);
    ok (s_text ("twice")[0] == '\0', "%s: never two", mode);
    s_end_daemons ();
}

static void
s_failure (const char *mode, const char *want)
{
    cb_err err = CB_ERR_INIT;

    s_begin (mode);
    ok (s_start (PATIENCE, &err) == -CB_E_GONE && strstr (err.text, want) != NULL, "%s: %s", mode,
        err.text);
    ok (strstr (err.text, "did not start") != NULL, "%s: says what failed", mode);
}

static void
s_too_slow (void)
{
    cb_err err = CB_ERR_INIT;

    s_begin ("slow");
    ok (s_start (300 * CB_USEC_PER_MSEC, &err) == -CB_E_GONE &&
            strstr (err.text, "too long") != NULL,
        "slow: %s", err.text);
}

/* The janitor of an ending daemon holds the lock a while: the next one waits for it. */
static void
s_waits_for_janitor (void)
{
    char path[PATH_MAX];
    cb_err err = CB_ERR_INIT;

    int held[2];
    char byte = 0;

    s_begin ("ok");
    (void)snprintf (path, sizeof path, "%s/lock", s_runtime);
    ok (pipe2 (held, O_CLOEXEC) == 0, "a pipe");
    if (fork () == 0) {
        int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        (void)flock (fd, LOCK_EX);
        (void)!write (held[1], &byte, 1);
        (void)usleep (400000);
        _exit (0);
    }
    ok (read (held[0], &byte, 1) == 1, "a janitor holds the lock");
    ok (s_start (PATIENCE, &err) == CB_START_STARTED, "started behind it %s", err.text);
    ok (s_lines (s_text ("started")) == 1 && s_text ("twice")[0] == '\0',
        "after it was done: the daemon had the lock at its first try");
    (void)close (held[0]);
    (void)close (held[1]);
    s_end_daemons ();
}

/* The janitor removes the folder while a command is about to start. */
static void
s_folder_vanishes (void)
{
    cb_err err = CB_ERR_INIT;

    s_begin ("ok");
    ok (rmdir (s_runtime) == 0 && cb_start_lock_state (s_runtime, &err) == CB_LOCK_FREE,
        "no folder, no lock");
    ok (s_start (PATIENCE, &err) == CB_START_STARTED, "it is made again %s", err.text);
    s_end_daemons ();
    ok (cb_start_wait_gone (s_runtime, PATIENCE, &err) == CB_LOCK_FREE, "gone");
}

static void
s_held_for_ever (void)
{
    char path[PATH_MAX];
    cb_err err = CB_ERR_INIT;

    s_begin ("ok");
    (void)snprintf (path, sizeof path, "%s/lock", s_runtime);
    cb_auto_close int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)flock (fd, LOCK_EX);
    ok (s_start (200 * CB_USEC_PER_MSEC, &err) == -CB_E_TIMEOUT &&
            strstr (err.text, "does not answer") != NULL,
        "%s", err.text);
    (void)flock (fd, LOCK_UN);
    (void)snprintf (path, sizeof path, "%s/start.lock", s_runtime);
    cb_auto_close int other = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)flock (other, LOCK_EX);
    ok (s_start (200 * CB_USEC_PER_MSEC, &err) == -CB_E_TIMEOUT &&
            strstr (err.text, "another command") != NULL,
        "%s", err.text);
}

int
main (void)
{
    if (access (CB_SRCDIR "/src/cli/fake-cellblockd.py", X_OK) < 0 || mkdtemp (s_top) == NULL)
        return tap_skip_all ("fake-cellblockd.py cannot be run");
    (void)snprintf (s_runtime, sizeof s_runtime, "%s/r", s_top);
    (void)snprintf (s_state, sizeof s_state, "%s/s", s_top);
    (void)setenv ("CELLBLOCK_RUNTIME_DIR", s_runtime, 1);
    (void)setenv ("CELLBLOCK_STATE_DIR", s_state, 1);
    s_one_start ();
    s_many_at_once ("ok");
    s_many_at_once ("background");
    s_failure ("error", "the runtime folder belongs to uid 7");
    s_failure ("words", "cannot open the shared library");
    s_failure ("words", "status 3");
    s_failure ("log", "the last line");
    s_failure ("killed", "signal 9");
    s_too_slow ();
    s_waits_for_janitor ();
    s_folder_vanishes ();
    s_held_for_ever ();
    s_end_daemons ();
    (void)cb_remove_tree (AT_FDCWD, s_top, NULL);
    return tap_done ();
}
