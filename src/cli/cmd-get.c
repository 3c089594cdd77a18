/* cmd-get.c - cellblock get: a file out of a session. It appears whole or not at all: what is there
 * under its name is only replaced when everything has come, and a signal before that leaves
 * nothing. */
#include "base/fdio.h"
#include "base/name.h"
#include "cli/conn.h"
#include "cli/out.h"
#include "cli/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes of a step: what one reply may carry. */
#define S_STEP 262144

typedef struct s_target {
    const char *path;
    char temporary[PATH_MAX]; /* "" when we write straight into path */
    int fd;
    bool raw;
    cb_out out; /* for a terminal, which must not obey what is in the file */
} s_target;

/* Zeros of a new file are a hole, as they were one in the session perhaps; s_settle sets its end.
 */
static int
s_write (s_target *target, const void *bytes, size_t size, cb_err *err)
{
    if (target->temporary[0] != '\0' && cb_is_zero (bytes, size))
        return lseek (target->fd, (off_t)size, SEEK_CUR) < 0
                   ? cb_fail_errno (err, CB_E_IO, "%s", target->path)
                   : 0;
    if (target->out.term.tty && !target->raw)
        return cb_out_foreign (&target->out, bytes, size, err);
    if (cb_write_all (target->fd, bytes, size, NULL) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s",
                              strcmp (target->path, "-") == 0 ? "standard output" : target->path);
    return 0;
}

static int
s_get_steps (cb_conn *conn, const char *session, const char *path, s_target *target, cb_err *err)
{
    json_int_t offset = 0;

    for (;;) {
        cb_owned (cb_json) json_t *reply = NULL;
        cellblock_event *event = NULL;
        size_t size = 0;
        int end = 0;
        const cb_conn_bytes step = {NULL, 0, &event};
        CB_TRY (cb_conn_call_bytes (conn, "get",
                                    json_pack ("{s:s, s:s, s:I, s:i}", "session", session, "path",
                                               path, "offset", offset, "size", S_STEP),
                                    &step, &reply, err));
        const void *bytes = cellblock_event_buffer (event, 0, &size);
        int result = bytes != NULL ? s_write (target, bytes, size, err) : 0;
        cellblock_event_free (&event);
        CB_TRY (result);
        CB_TRY (cb_json_get_bool (reply, "eof", 0, &end, err));
        if (end)
            return 0;
        if (size == 0)
            return cb_fail (err, CB_E_PROTO, "the daemon sent nothing of %s", path);
        offset += (json_int_t)size;
    }
}

/* Standard output, a device or pipe that is there, or a new file that is renamed in the end. Only
 * the last hears signals by us: it must be removed, and writing it waits for nobody. */
static int
s_open_target (s_target *target, cb_conn *conn, cb_err *err)
{
    struct stat info;

    if (strcmp (target->path, "-") == 0) {
        target->fd = dup (STDOUT_FILENO);
    } else if (stat (target->path, &info) == 0 && !S_ISREG (info.st_mode)) {
        target->fd = open (target->path, O_WRONLY | O_CLOEXEC);
    } else {
        int size =
            snprintf (target->temporary, sizeof target->temporary, "%s.XXXXXX", target->path);
        if (size < 0 || (size_t)size >= sizeof target->temporary)
            return cb_fail (err, CB_E_LIMIT, "%s: the path is too long", target->path);
        conn->signals = cb_signals_open (err);
        if (conn->signals < 0)
            return conn->signals;
        target->fd = mkostemp (target->temporary, O_CLOEXEC);
        if (target->fd < 0)
            target->temporary[0] = '\0';
    }
    if (target->fd < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", target->path);
    cb_out_init (&target->out, target->fd);
    return 0;
}

/* The mode that a new file has, its size where it ends with a hole, and its name. */
static int
s_settle (s_target *target, cb_err *err)
{
    mode_t mask = umask (022);
    off_t size = lseek (target->fd, 0, SEEK_CUR);

    (void)umask (mask);
    if (size < 0 || ftruncate (target->fd, size) < 0 || fchmod (target->fd, 0666 & ~mask) < 0 ||
        rename (target->temporary, target->path) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", target->path);
    return 0;
}

static int
s_close_target (s_target *target, int result, cb_err *err)
{
    if (result == 0 && target->out.term.tty && !target->raw)
        result = cb_out_settle (&target->out, err);
    if (result == 0 && target->temporary[0] != '\0')
        result = s_settle (target, err);
    if (result < 0 && target->temporary[0] != '\0')
        (void)unlink (target->temporary);
    cb_close (&target->fd);
    return result;
}

typedef struct s_wish {
    const char *file; /* NULL: its own name, here */
    bool raw;
} s_wish;

static int
s_get (const cb_cli *cli, const cb_words *words, const s_wish *wish, int *ret_exit, cb_err *err)
{
    cb_conn conn = {0};
    const char *slash = strrchr (words->items[1], '/');
    const char *name = slash != NULL ? slash + 1 : words->items[1];
    s_target target = {.path = wish->file != NULL ? wish->file : name, .fd = -1, .raw = wish->raw};
    cb_err why = CB_ERR_INIT;

    if (!cb_utf8_valid (words->items[1], strlen (words->items[1])))
        return cb_fail (err, CB_E_INVALID, "%s: not UTF-8 text", words->items[1]);
    if (wish->file == NULL && cb_file_name_check (name, &why) < 0)
        return cb_fail (err, CB_E_INVALID, "%s: %s", words->items[1], why.text);
    int result = cb_conn_open_for (&conn, cli, words->items[0], err);
    if (result == 0)
        result = s_open_target (&target, &conn, err);
    if (result == 0) {
        result = s_get_steps (&conn, words->items[0], words->items[1], &target, err);
        result = s_close_target (&target, result, err);
    }
    if (conn.signals > 0)
        cb_close (&conn.signals);
    cb_conn_done (&conn);
    if (conn.signal == 0)
        return result;
    *ret_exit = conn.signal == SIGTERM ? CB_EXIT_TERMINATED : CB_EXIT_INTERRUPTED;
    return 0;
}

int
cb_cmd_get (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    s_wish wish = {NULL, false};
    int code = CB_EXIT_OK;
    const cb_option options[] = {
        {"output", 'o', CB_OPTION_TEXT, &wish.file, "FILE",
         "where to write it: - is standard output; without it, here, under its own name"},
        {"raw", 0, CB_OPTION_FLAG, &wish.raw, NULL, "write it to a terminal as it is"},
        {0},
    };
    const cb_synopsis synopsis = {
        "get",
        "NAME PATH [-o FILE] [--raw]",
        "Copies a file out of a session. PATH is as the session sees it (/output/plot.png);\n"
        "a relative one is below /work.",
        options,
        2,
        2};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    return s_get (cli, &words, &wish, &code, &err) < 0 ? cb_cli_failed (&err) : code;
}
