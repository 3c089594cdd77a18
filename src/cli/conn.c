/* conn.c - a command's connection to the daemon: finds the folders, starts the daemon where the
 * command wants one, opens libcellblock's client. A daemon that is just ending may take the
 * connection and never answer, so one that is gone is looked for a second time. */
#include "cli/conn.h"

#include "base/name.h"
#include "base/runtime.h"
#include "base/tree.h"
#include "cli/signals.h"
#include "cli/start.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* How often a daemon that vanished between two looks is looked for again. */
#define S_TRIES 3
/* Bytes of a sentence from the daemon. */
#define S_SENTENCE_MAX (CB_ERR_TEXT_MAX - 1)

int
cb_conn_find (cb_conn *self, cb_err *err)
{
    memset (self, 0, sizeof *self);
    CB_TRY (cb_runtime_dir (self->runtime_dir, sizeof self->runtime_dir, err));
    return cb_state_dir (self->state_dir, sizeof self->state_dir, err);
}

void
cb_conn_done (cb_conn *self)
{
    cellblock_close (&self->client);
}

/* -C FILE as absolute paths: the daemon works in another folder. */
static int
s_absolute_configs (const cb_words *given, cb_words *ret_absolute, cb_err *err)
{
    ret_absolute->count = 0;
    for (size_t i = 0; i < given->count; i++) {
        char *path = realpath (given->items[i], NULL);
        if (path == NULL)
            return cb_fail_errno (err, CB_E_NOTFOUND, "%s", given->items[i]);
        ret_absolute->items[ret_absolute->count++] = path;
    }
    return 0;
}

int
cb_conn_start_daemon (const cb_conn *self, const cb_cli *cli, cb_err *err)
{
    static cb_words configs; /* large, and made once a process */
    char program[PATH_MAX];

    int result = s_absolute_configs (&cli->configs, &configs, err);
    if (result == 0)
        result = cb_find_program ("cellblockd", program, sizeof program, err);
    if (result == 0) {
        const cb_start start = {self->runtime_dir, self->state_dir, program,
                                &configs,          &cli->settings,  CB_START_TIME};
        result = cb_start_daemon (&start, err);
    }
    for (size_t i = 0; i < configs.count; i++)
        free ((void *)(uintptr_t)configs.items[i]);
    configs.count = 0;
    return result;
}

int
cb_conn_failed (const cb_conn *self, cb_err *err)
{
    int code = cellblock_error_code (self->client);

    if (code <= 0 || code >= CB_E__COUNT)
        code = CB_E_IO;
    if (code == CB_E_GONE)
        return cb_fail (err, code, "%s; its log: %s/%s", cellblock_error_text (self->client),
                        self->state_dir, CB_STATE_LOG);
    return cb_fail (err, code, "%s", cellblock_error_text (self->client));
}

static int
s_connect (cb_conn *self, cb_err *err)
{
    cellblock_close (&self->client);
    if (cellblock_open (self->runtime_dir, &self->client) == 0)
        return 0;
    if (self->client == NULL)
        return cb_fail_nomem (err);
    return cb_conn_failed (self, err);
}

/* Whether the fault means: no daemon there (any more). */
static int
s_is_absent (int result)
{
    return result == -CB_E_NOTFOUND || result == -CB_E_GONE;
}

/* Nobody answers: because no daemon runs, or because the folder is not ours to look into? */
static int
s_check_folder (const cb_conn *self, cb_err *err)
{
    struct stat info;

    if (lstat (self->runtime_dir, &info) < 0 && errno == ENOENT)
        return 0;
    cb_auto_close int fd = cb_private_dir (self->runtime_dir, CB_BROKER_UID, err);
    return fd < 0 ? fd : 0;
}

int
cb_conn_open (cb_conn *self, const cb_cli *cli, cb_conn_need need, cb_err *err)
{
    CB_TRY (cb_conn_find (self, err));
    for (int attempt = 1;; attempt++) {
        int started = CB_START_RUNS;
        if (need == CB_CONN_ONLY_RUNNING && !cb_start_answers (self->runtime_dir)) {
            CB_TRY (s_check_folder (self, err));
            return CB_CONN_NO_DAEMON;
        }
        if (need != CB_CONN_ONLY_RUNNING) {
            started = cb_conn_start_daemon (self, cli, err);
            if (started < 0)
                return started;
        }
        if (started == CB_START_RUNS && need != CB_CONN_START_QUIET &&
            cli->configs.count + cli->settings.count > 0)
            cb_cli_say ("the daemon runs already: --config and --set count only when it starts");
        int result = s_connect (self, err);
        if (result == 0)
            return CB_CONN_OPEN;
        if (!s_is_absent (result) || attempt == S_TRIES)
            return result;
    }
}

int
cb_conn_open_for (cb_conn *self, const cb_cli *cli, const char *session, cb_err *err)
{
    CB_TRY (cb_name_check ("session", session, err));
    int outcome = cb_conn_open (self, cli, CB_CONN_ONLY_RUNNING, err);
    if (outcome == CB_CONN_NO_DAEMON)
        return cb_fail (err, CB_E_NOTFOUND, "there is no session '%s': no daemon runs", session);
    return outcome;
}

int
cb_conn_content (const cellblock_event *event, json_t **ret_content, cb_err *err)
{
    size_t size = 0;
    const char *text = cellblock_event_content (event, &size);
    return cb_json_parse (cellblock_event_type (event), text, size, ret_content, err);
}

int
cb_conn_refused (const json_t *reply, cb_err *err)
{
    const char *name = json_string_value (json_object_get (reply, "ename"));
    const char *text = json_string_value (json_object_get (reply, "evalue"));
    int code = name != NULL ? cb_err_code (name) : CB_E_INVALID;

    return cb_fail (err, code, "%.*s", S_SENTENCE_MAX,
                    text != NULL ? text : "the daemon refused without saying why");
}

/* Waits until there may be something to read, or a signal comes. */
static int
s_wait (cb_conn *self, cb_err *err)
{
    struct pollfd wait[] = {{cellblock_fd (self->client), POLLIN, 0}, {self->signals, POLLIN, 0}};

    if (poll (wait, 2, -1) < 0 && errno != EINTR)
        return cb_fail_errno (err, CB_E_IO, "waiting for the daemon");
    self->signal = cb_signals_next (self->signals);
    return self->signal == 0 ? 0 : cb_fail (err, CB_E_BUSY, "a signal came before the answer");
}

static int
s_wait_reply (cb_conn *self, int64_t request, cellblock_event **ret_event, cb_err *err)
{
    for (;;) {
        cellblock_event *event = cellblock_next (self->client, self->signals > 0 ? 0 : -1);
        int code = event == NULL ? cellblock_error_code (self->client) : CELLBLOCK_OK;
        if (code == CELLBLOCK_E_INTERRUPTED)
            continue;
        if (code == CELLBLOCK_E_TIMEOUT && self->signals > 0) {
            CB_TRY (s_wait (self, err));
            continue;
        }
        if (event == NULL)
            return cb_conn_failed (self, err);
        if (cellblock_event_kind (event) == CELLBLOCK_REPLY &&
            cellblock_event_request (event) == request) {
            *ret_event = event;
            return 0;
        }
        cellblock_event_free (&event);
    }
}

int
cb_conn_call_bytes (cb_conn *self, const char *verb, json_t *content, const cb_conn_bytes *bytes,
                    json_t **ret_reply, cb_err *err)
{
    cb_owned (cb_json) json_t *taken = content;
    cb_owned (cb_json) json_t *reply = NULL;
    cellblock_event *event = NULL;

    cb_auto_free char *text = taken != NULL ? cb_json_text (taken, NULL) : NULL;
    if (text == NULL)
        return cb_fail_nomem (err);
    int64_t request = cellblock_request (self->client, verb, text, bytes->bytes, bytes->size);
    if (request < 0)
        return cb_conn_failed (self, err);
    CB_TRY (s_wait_reply (self, request, &event, err));
    int result = cb_conn_content (event, &reply, err);
    if (result == 0 && cellblock_event_code (event) != CELLBLOCK_OK)
        result = cb_conn_refused (reply, err);
    if (bytes->ret_event != NULL && result == 0)
        *bytes->ret_event = cb_take (event);
    cellblock_event_free (&event);
    if (result == 0)
        *ret_reply = cb_take (reply);
    return result;
}

int
cb_conn_call (cb_conn *self, const char *verb, json_t *content, json_t **ret_reply, cb_err *err)
{
    return cb_conn_call_bytes (self, verb, content, &(const cb_conn_bytes){0}, ret_reply, err);
}

int
cb_conn_ask (const cb_cli *cli, const char *verb, const char *session, json_t **ret_reply,
             cb_err *err)
{
    cb_conn conn = {0};

    int result = cb_conn_open_for (&conn, cli, session, err);
    if (result == 0)
        result =
            cb_conn_call (&conn, verb, json_pack ("{s:s}", "session", session), ret_reply, err);
    cb_conn_done (&conn);
    return result;
}
