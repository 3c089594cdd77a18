/* cmd-put.c - cellblock put: files of the host into a session's /work, step by step, so neither
 * side ever holds a whole file. */
#include "base/fdio.h"
#include "base/name.h"
#include "cli/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes of a step: what one request may carry. */
#define S_STEP 262144

/* The next step's bytes, fewer only at the end of the file. */
static ssize_t
s_read_step (int fd, char *bytes)
{
    size_t size = 0;

    while (size < S_STEP) {
        ssize_t got = read (fd, bytes + size, S_STEP - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

static int
s_put_steps (cb_conn *conn, int fd, const char *const names[2], cb_err *err)
{
    json_int_t offset = 0;
    cb_auto_free char *bytes = malloc (S_STEP);

    if (bytes == NULL)
        return cb_fail_nomem (err);
    for (;;) {
        cb_owned (cb_json) json_t *reply = NULL;
        ssize_t size = s_read_step (fd, bytes);
        if (size < 0)
            return cb_fail_errno (err, CB_E_IO, "reading");
        bool end = size < S_STEP;
        const cb_conn_bytes step = {bytes, (size_t)size, NULL};
        CB_TRY (cb_conn_call_bytes (conn, "put",
                                    json_pack ("{s:s, s:s, s:I, s:b}", "session", names[0], "path",
                                               names[1], "offset", offset, "eof", end),
                                    &step, &reply, err));
        offset += size;
        if (end)
            return 0;
    }
}

static int
s_put (cb_conn *conn, const char *session, const char *file, cb_err *err)
{
    char target[CB_FILE_NAME_MAX + 8];
    struct stat info;
    cb_err why = CB_ERR_INIT;
    const char *slash = strrchr (file, '/');
    const char *name = slash != NULL ? slash + 1 : file;

    cb_auto_close int fd = open (file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat (fd, &info) < 0)
        return cb_fail_errno (err, CB_E_NOTFOUND, "%s", file);
    if (S_ISDIR (info.st_mode))
        return cb_fail (err, CB_E_INVALID,
                        "%s is a folder: put takes files; a new session can have it by --input",
                        file);
    if (cb_file_name_check (name, &why) < 0)
        return cb_fail (err, CB_E_INVALID, "%s: %s", file, why.text);
    (void)snprintf (target, sizeof target, "work/%s", name);
    const char *const names[2] = {session, target};
    int result = s_put_steps (conn, fd, names, &why);
    return result < 0 ? cb_fail (err, -result, "%s: %s", file, why.text) : 0;
}

int
cb_cmd_put (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    cb_conn conn = {0};
    int code = CB_EXIT_OK;
    const cb_synopsis synopsis = {
        "put", "NAME FILE...", "Copies files into the folder /work of a session.", NULL,
        2,     CB_WORDS_MAX};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    int result = cb_conn_open_for (&conn, cli, words.items[0], &err);
    for (size_t i = 1; result == 0 && i < words.count; i++)
        result = s_put (&conn, words.items[0], words.items[i], &err);
    cb_conn_done (&conn);
    return result < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
