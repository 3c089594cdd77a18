/* key.c - where a key comes from. A key is in memory only: it is read here, sent by net/curlmulti,
 * wiped at the end; no sentence shows it. */
#include "agent/choice.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* How long key_cmd may think: a person may have to unlock a store. */
#define S_COMMAND_TIME (60 * CB_USEC_PER_SEC)
/* A key of fewer bytes is a word like others. */
#define KEY_SHOWN 8

void
cb_key_wipe (char **key)
{
    if (*key != NULL)
        explicit_bzero (*key, strlen (*key));
    free (*key);
    *key = NULL;
}

void
cb_key_clean (char *text, const char *key)
{
    size_t size = key != NULL ? strlen (key) : 0;

    /* A shorter one would blank half of what is said. */
    for (char *at = size >= KEY_SHOWN ? strstr (text, key) : NULL; at != NULL;
         at = strstr (at, key))
        memset (at, '*', size);
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
}

int
cb_key_check (const char *what, const char *text, cb_err *err)
{
    size_t size = strlen (text);

    if (size == 0)
        return cb_fail (err, CB_E_NOTFOUND, "%s: there is no key in it", what);
    if (size >= CB_KEY_MAX)
        return cb_fail (err, CB_E_LIMIT, "%s: over %d bytes are no key", what, CB_KEY_MAX - 1);
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return cb_fail (err, CB_E_INVALID,
                            "%s: a key is one word of visible ASCII; byte %zu is none", what,
                            i + 1);
    return 0;
}

/* The first line of text, checked. Owned in *ret_key. */
static int
s_take (const char *what, const char *text, size_t size, char **ret_key, cb_err *err)
{
    size_t start = 0;

    while (start < size && (text[start] == ' ' || text[start] == '\t'))
        start++;
    size_t end = start;
    while (end < size && text[end] != '\n' && text[end] != '\r' && text[end] != '\0')
        end++;
    while (end > start && (text[end - 1] == ' ' || text[end - 1] == '\t'))
        end--;
    char *key = strndup (text + start, end - start);
    if (key == NULL)
        return cb_fail_nomem (err);
    int result = cb_key_check (what, key, err);
    if (result < 0)
        cb_key_wipe (&key);
    else
        *ret_key = key;
    return result;
}

static int
s_from_variable (const char *name, char **ret_key, cb_err *err)
{
    char what[128];
    const char *text = getenv (name);

    (void)snprintf (what, sizeof what, "key_env %.64s", name);
    if (text == NULL)
        return cb_fail (err, CB_E_NOTFOUND, "%s: this variable is not set", what);
    return s_take (what, text, strlen (text), ret_key, err);
}

static int
s_from_file (const char *path, char **ret_key, cb_err *err)
{
    char what[256];
    cb_buf text;
    cb_err why = CB_ERR_INIT;

    (void)snprintf (what, sizeof what, "key_file %.200s", path);
    cb_buf_init (&text, CB_KEY_MAX);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return cb_fail_errno (err, CB_E_NOTFOUND, "%s", what);
    int result = cb_read_all (fd, &text, &why);
    if (result < 0)
        result = cb_fail (err, -result, "%s: %.500s", what, why.text);
    else
        result = s_take (what, text.data != NULL ? text.data : "", text.size, ret_key, err);
    if (text.data != NULL)
        explicit_bzero (text.data, text.room);
    cb_buf_done (&text);
    return result;
}

/* Runs sh -c command, its output in *ret_fd. The pid, or -CB_E_*. */
static pid_t
s_start (const char *command, int *ret_fd, cb_err *err)
{
    int ends[2];
    sigset_t none;

    if (pipe2 (ends, O_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "no pipe for key_cmd");
    pid_t child = fork ();
    if (child == 0) {
        (void)sigemptyset (&none);
        (void)sigprocmask (SIG_SETMASK, &none, NULL);
        (void)signal (SIGPIPE, SIG_DFL);
        if (dup2 (ends[1], STDOUT_FILENO) >= 0)
            (void)execl ("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit (127);
    }
    cb_close (&ends[1]);
    if (child < 0) {
        cb_close (&ends[0]);
        return cb_fail_errno (err, CB_E_IO, "no process for key_cmd");
    }
    *ret_fd = ends[0];
    return child;
}

/* All it prints until it ends or time is up. */
static int
s_read_until (int fd, cb_usec deadline, cb_buf *into, cb_err *err)
{
    for (;;) {
        struct pollfd wait = {fd, POLLIN, 0};
        cb_usec now = cb_now ();
        if (now >= deadline || poll (&wait, 1, (int)((deadline - now) / 1000 + 1)) == 0)
            return cb_fail (err, CB_E_TIMEOUT, "key_cmd: no key after %llu s",
                            (unsigned long long)(S_COMMAND_TIME / CB_USEC_PER_SEC));
        if (cb_buf_reserve (into, 1024) < 0)
            return cb_fail (err, CB_E_LIMIT, "key_cmd: it prints more than a key");
        ssize_t got = read (fd, into->data + into->size, 1024);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return cb_fail_errno (err, CB_E_IO, "key_cmd");
        into->size += got > 0 ? (size_t)got : 0;
    }
}

static int
s_from_command (const char *command, char **ret_key, cb_err *err)
{
    cb_auto_close int fd = -1;
    cb_buf text;
    int status = 0;

    pid_t child = s_start (command, &fd, err);
    if (child < 0)
        return (int)child;
    cb_buf_init (&text, CB_KEY_MAX + 1024);
    int result = s_read_until (fd, cb_now () + S_COMMAND_TIME, &text, err);
    if (result < 0)
        (void)kill (child, SIGKILL);
    while (waitpid (child, &status, 0) < 0 && errno == EINTR)
        ;
    if (result == 0 && status != 0)
        result = cb_fail (err, CB_E_IO, "key_cmd: the command failed (%s %d)",
                          WIFEXITED (status) ? "exit status" : "signal",
                          WIFEXITED (status) ? WEXITSTATUS (status) : WTERMSIG (status));
    if (result == 0)
        result = s_take ("key_cmd", text.data != NULL ? text.data : "", text.size, ret_key, err);
    if (text.data != NULL)
        explicit_bzero (text.data, text.room);
    cb_buf_done (&text);
    return result;
}

int
cb_key_find (const cb_model *model, char **ret_key, cb_err *err)
{
    if ((model->key_env != NULL) + (model->key_file != NULL) + (model->key_cmd != NULL) > 1)
        return cb_fail (err, CB_E_INVALID,
                        "[model %s]: key_env, key_file and key_cmd: one of them is enough",
                        model->name);
    if (model->key_env != NULL)
        return s_from_variable (model->key_env, ret_key, err);
    if (model->key_file != NULL)
        return s_from_file (model->key_file, ret_key, err);
    if (model->key_cmd != NULL)
        return s_from_command (model->key_cmd, ret_key, err);
    *ret_key = strdup ("");
    return *ret_key != NULL ? 0 : cb_fail_nomem (err);
}
