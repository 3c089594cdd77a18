/* shim.c - a kernel as a frontend sees it: a process that serves the ports of a connection file.
 *
 * It asks the broker for a session bound to that file, and passes bytes between the ports and the
 * session's sockets (relay.c): what they mean is the broker's business, and whoever floods a port
 * hurts this process. It ends with its parent, with its session, and with a restart: then the
 * frontend starts another one, which finds the session by file and key. When the broker dies it
 * asks the next one for the same session; when the daemon is gone it says so and ends. */
#include "cli/shim.h"

#include "base/fdio.h"
#include "base/name.h"
#include "base/table.h"
#include "cli/conn.h"
#include "cli/parent.h"
#include "cli/ports.h"
#include "cli/relay.h"
#include "cli/signals.h"
#include "cli/start.h"
#include "cli/workdir.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* A broker that died is there again within some 100 ms; with many sessions it takes longer. */
#define COME_BACK_MAX (10 * CB_USEC_PER_SEC)
#define TRY_EVERY     (20 * CB_USEC_PER_MSEC)
/* For the session's end when we were told to end it. */
#define STOP_MAX (10 * CB_USEC_PER_SEC)
/* For the session's last words to reach the frontend: it waits for us to end. */
#define LEAVE_MAX (500 * CB_USEC_PER_MSEC)
/* Bytes of a sentence from the daemon. */
#define SENTENCE_MAX (CB_ERR_TEXT_MAX - 1)

typedef enum { ASKING, BOUND, LOST, LEAVING } state;

typedef struct shim {
    const cb_cli *cli;
    const cb_shim_options *options;
    cb_loop *loop;
    cb_conn conn;
    cb_connfile file;
    char path[PATH_MAX]; /* of the connection file */
    char word[33];
    cb_parent *parent;
    cb_ports *ports;
    cb_relay *relay;
    int signals;
    cb_source *on_signal;
    cb_source *control;
    cb_source *timer;
    state state;
    int ending; /* we were told to end: the exit code; -1: not */
    int known;  /* the session was ours once */
    cb_usec until;
    int64_t request;
    json_t *workdir; /* the field of the request; NULL: no folder */
    char session[CB_NAME_MAX];
    char sockets[CB_CHANNEL__COUNT][CB_ENDPOINT_MAX];
} shim;

/* ---- what is asked for ---- */

/* "jupyter-1234abcd" of kernel-1234abcd-....json, or the notebook's name where that is known. */
static void
s_wish (const shim *self, char name[CB_NAME_MAX])
{
    const char *notebook = getenv ("JPY_SESSION_NAME");
    const char *from = notebook != NULL && notebook[0] != '\0' ? notebook : self->path;
    const char *base = strrchr (from, '/') != NULL ? strrchr (from, '/') + 1 : from;
    size_t most = CB_NAME_MAX - 1;
    size_t size = 0;

    if (from == self->path) {
        size = (size_t)snprintf (name, CB_NAME_MAX, "jupyter-");
        base += strncmp (base, "kernel-", 7) == 0 ? 7 : 0;
        most = size + 8;
    }
    for (; *base != '\0' && *base != '.' && size < most; base++) {
        int plain = isalnum ((unsigned char)*base) && (unsigned char)*base < 0x80;
        if (plain || size > 0)
            name[size++] = plain ? *base : '-';
    }
    while (size > 0 && name[size - 1] == '-')
        size--;
    name[size] = '\0';
}

static json_t *
s_content (const shim *self)
{
    const cb_shim_options *options = self->options;
    char name[CB_NAME_MAX];
    json_t *arguments = json_array ();
    json_t *content =
        json_pack ("{s:s, s:s, s:s, s:b, s:o}", "file", self->path, "key", self->file.key, "shim",
                   self->word, "again", self->known, "arguments", arguments);

    s_wish (self, name);
    if (name[0] != '\0')
        (void)json_object_set_new (content, "name", json_string (name));
    if (options->profile != NULL)
        (void)json_object_set_new (content, "profile", json_string (options->profile));
    if (cb_shim_active[options->active_output] != NULL)
        (void)json_object_set_new (
            content, "limits",
            json_pack ("{s:s}", "active_output", cb_shim_active[options->active_output]));
    if (self->workdir != NULL)
        (void)json_object_set (content, "workdir", self->workdir);
    for (size_t i = 0; i < options->arguments.count; i++)
        (void)json_array_append_new (arguments, json_string (options->arguments.items[i]));
    return content;
}

static int
s_ask (shim *self, cb_err *err)
{
    /* Another daemon does not know of the word that was given to the last. */
    CB_TRY (cb_workdir_allow (self->workdir, self->conn.runtime_dir, err));
    cb_owned (cb_json) json_t *content = s_content (self);
    cb_auto_free char *text = content != NULL ? cb_json_text (content, NULL) : NULL;

    if (text == NULL)
        return cb_fail (err, CB_E_INVALID,
                        "the connection file's path or key, or an argument, is not UTF-8 text");
    self->request = cellblock_request (self->conn.client, "kernel", text, NULL, 0);
    if (self->request < 0)
        return cb_conn_failed (&self->conn, err);
    self->state = ASKING;
    return 0;
}

/* ---- the folder ---- */

static void
s_say_without (const char *why)
{
    cb_cli_say ("the kernel starts without the folder you are in: %.*s", SENTENCE_MAX, why);
}

static int
s_find_workdir (shim *self, cb_err *err)
{
    const char *mode = cb_shim_workdir[self->options->workdir];
    int outcome = cb_workdir_json (mode, &self->workdir, err);

    if (outcome == CB_WORKDIR_LEFT_OUT && mode == NULL) {
        s_say_without (err->text);
        *err = (cb_err)CB_ERR_INIT;
    }
    return outcome < 0 ? outcome : 0;
}

/* A folder that nobody asked for is no reason to have no kernel: once more without it. 0: there is
 * nothing to try. */
static int
s_retry_without (shim *self, const char *why)
{
    cb_err err = CB_ERR_INIT;

    if (self->workdir == NULL || self->options->workdir != CB_SHIM_WORKDIR_AUTO ||
        self->ending >= 0)
        return 0;
    s_say_without (why);
    json_decref (cb_take (self->workdir));
    self->known = 0;
    return s_ask (self, &err) == 0;
}

/* ---- its end ---- */

static void
s_exit (shim *self, int code)
{
    cb_loop_exit (self->loop, self->ending >= 0 ? self->ending : code);
}

static void
s_die (shim *self, const cb_err *err)
{
    s_exit (self, cb_cli_failed (err));
}

static void
s_let_in (shim *self)
{
    for (int i = 0; i < CB_CHANNEL__COUNT; i++)
        cb_ports_let_in (self->ports, (cb_channel)i,
                         self->state == BOUND && cb_relay_count (self->relay, (cb_channel)i) <
                                                     CB_RELAY_CONNECTIONS_MAX);
}

/* Why the session has no more use for us, as the broker says it. */
#define FAILED "failed"
static const struct {
    const char *name;
    int code;
    const char *sentence; /* with its words behind; NULL: nothing to say */
} s_whys[] = {
    {"died", CB_EXIT_LIMIT, "the kernel died"},
    {FAILED, CB_EXIT_FAILED, "the kernel did not start"},
    {"lost", CB_EXIT_FAILED, "another process has taken the session over"},
    {"over", CB_EXIT_OK, NULL},
    {"restart", CB_EXIT_OK, NULL},
};

/* What was said to the frontend reaches it; then we end. */
static void
s_leave (shim *self, const json_t *reply)
{
    const char *why = json_string_value (json_object_get (reply, "why"));
    const char *text = json_string_value (json_object_get (reply, "text"));
    __typeof__ (&s_whys[0]) row = why != NULL ? CB_TABLE_FIND (s_whys, why) : NULL;

    if (row != NULL && row->sentence != NULL && self->ending < 0)
        cb_cli_say ("%s%s%.*s", row->sentence, text != NULL && text[0] != '\0' ? ": " : "",
                    SENTENCE_MAX, text != NULL ? text : "");
    if (self->ending < 0)
        self->ending = row != NULL ? row->code : CB_EXIT_OK;
    self->state = LEAVING;
    s_let_in (self);
    cb_source_at (self->timer, cb_now () + LEAVE_MAX);
    cb_relay_finish (self->relay);
    if (cb_relay_total (self->relay) == 0)
        s_exit (self, CB_EXIT_OK);
}

/* We are to end, and the session with us. */
static void
s_end (shim *self, int code)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:s}", "session", self->session);
    cb_auto_free char *text = content != NULL ? cb_json_text (content, NULL) : NULL;

    if (self->ending < 0)
        self->ending = code;
    if (self->state == ASKING) {
        cb_source_at (self->timer, cb_now () + STOP_MAX);
        return; /* once it is ours */
    }
    /* Nobody to tell: the next broker ends it when we do not come. */
    if (self->state != BOUND || text == NULL ||
        cellblock_request (self->conn.client, "stop", text, NULL, 0) < 0)
        s_exit (self, code);
    else
        cb_source_at (self->timer, cb_now () + STOP_MAX);
}

/* ---- what the broker says ---- */

static int
s_read_sockets (shim *self, const char *path, cb_err *err)
{
    static const char scheme[] = "ipc://";
    cb_scoped (cb_connfile) cb_connfile file;
    cb_scoped (cb_buf) cb_buf text;

    cb_connfile_init (&file);
    cb_buf_init (&text, CB_CONNFILE_MAX);
    CB_TRY (cb_read_file (AT_FDCWD, path, &text, err));
    CB_TRY (cb_connfile_read (&file, text.data, text.size, err));
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        char endpoint[CB_ENDPOINT_MAX];
        CB_TRY (cb_connfile_endpoint (&file, (cb_channel)i, endpoint, err));
        if (strncmp (endpoint, scheme, sizeof scheme - 1) != 0)
            return cb_fail (err, CB_E_PROTO, "%s names no Unix sockets", path);
        (void)snprintf (self->sockets[i], sizeof self->sockets[i], "%s",
                        endpoint + sizeof scheme - 1);
    }
    return 0;
}

static int
s_bound (shim *self, const json_t *content, cb_err *err)
{
    const char *session = NULL;
    const char *path = NULL;

    CB_TRY (
        cb_json_get_string (content, "session", CB_NAME_MAX - 1, CB_JSON_REQUIRED, &session, err));
    CB_TRY (cb_name_check ("session", session, err));
    CB_TRY (cb_json_get_string (content, "connection_file", PATH_MAX - 1, CB_JSON_REQUIRED, &path,
                                err));
    CB_TRY (s_read_sockets (self, path, err));
    (void)snprintf (self->session, sizeof self->session, "%s", session);
    self->state = BOUND;
    self->known = 1;
    s_let_in (self);
    if (self->ending >= 0)
        s_end (self, self->ending);
    return 0;
}

/* Some file systems are found unfit only where the jail is made. */
static int
s_has_retried (shim *self, const json_t *reply)
{
    const char *why = json_string_value (json_object_get (reply, "why"));
    const char *text = json_string_value (json_object_get (reply, "text"));

    return why != NULL && strcmp (why, FAILED) == 0 &&
           s_retry_without (self, text != NULL ? text : "");
}

static int
s_on_event (shim *self, const cellblock_event *event, cb_err *err)
{
    int is_reply = cellblock_event_kind (event) == CELLBLOCK_REPLY;
    cb_owned (cb_json) json_t *content = NULL;

    if (cellblock_event_request (event) != self->request || self->state == LEAVING)
        return 0;
    CB_TRY (cb_conn_content (event, &content, err));
    if (is_reply && cellblock_event_code (event) != CELLBLOCK_OK) {
        int refused = cb_conn_refused (content, err);
        int forbidden = refused == -CB_E_DENIED || refused == -CB_E_POLICY;
        int retried = forbidden && !self->known && s_retry_without (self, err->text);
        return retried ? 0 : refused;
    }
    if (is_reply && !s_has_retried (self, content))
        s_leave (self, content);
    else if (is_reply)
        s_let_in (self);
    else if (strcmp (cellblock_event_type (event), "bound") == 0)
        return s_bound (self, content, err);
    return 0;
}

/* The broker died, or the daemon ended. */
static void
s_lost (shim *self)
{
    if (self->state == LEAVING)
        return;
    self->state = LOST;
    s_let_in (self);
    cb_source_on (self->control, 0);
    if (self->ending >= 0) {
        s_exit (self, self->ending);
        return;
    }
    self->until = cb_now () + COME_BACK_MAX;
    cb_source_at (self->timer, cb_now () + TRY_EVERY);
}

static void
s_on_control (cb_source *source, int fd, uint32_t events, void *context)
{
    shim *self = context;
    cellblock_event *event;
    cb_err err = CB_ERR_INIT;
    int result = 0;

    (void)source;
    (void)fd;
    (void)events;
    while (result == 0 && (event = cellblock_next (self->conn.client, 0)) != NULL) {
        result = s_on_event (self, event, &err);
        cellblock_event_free (&event);
    }
    if (result < 0)
        s_die (self, &err);
    else if (cellblock_error_code (self->conn.client) == CELLBLOCK_E_GONE)
        s_lost (self);
}

/* ---- a broker that comes back ---- */

static int
s_try_again (shim *self, cb_err *err)
{
    pid_t warden = (pid_t)cellblock_daemon_pid (self->conn.client);

    if (warden > 0 && kill (warden, 0) < 0 && errno == ESRCH)
        return cb_fail (err, CB_E_GONE, "the daemon has ended, and session '%s' with it",
                        self->session);
    if (cb_start_answers (self->conn.runtime_dir)) {
        CB_TRY (s_ask (self, err));
        cb_source_on (self->control, 1);
        return 0;
    }
    if (cb_now () >= self->until)
        return cb_fail (err, CB_E_GONE,
                        "the daemon's broker died and none came in its place; its "
                        "log: %s",
                        self->conn.state_dir);
    cb_source_at (self->timer, cb_now () + TRY_EVERY);
    return 0;
}

static void
s_on_time (cb_source *source, void *context)
{
    shim *self = context;
    cb_err err = CB_ERR_INIT;

    (void)source;
    if (self->state == LEAVING || self->ending >= 0)
        s_exit (self, CB_EXIT_OK);
    else if (self->state == LOST && s_try_again (self, &err) < 0)
        s_die (self, &err);
}

/* ---- signals, the parent, connections ---- */

static void
s_on_signal (cb_source *source, int fd, uint32_t events, void *context)
{
    shim *self = context;
    int signal = cb_signals_next (fd);

    (void)source;
    (void)events;
    if (signal == SIGINT && self->state == BOUND)
        (void)cellblock_interrupt (self->conn.client, self->session);
    else if (signal != 0 && signal != SIGINT)
        s_end (self, CB_EXIT_TERMINATED);
}

static void
s_on_orphaned (void *context)
{
    s_end (context, CB_EXIT_TERMINATED);
}

static void
s_on_connection (cb_channel channel, int fd, void *context)
{
    shim *self = context;
    cb_err err = CB_ERR_INIT;

    /* One that cannot be served is closed: a frontend tries again by itself. */
    (void)!cb_relay_add (self->relay, channel, fd, self->sockets[channel], &err);
    if (cb_relay_count (self->relay, channel) >= CB_RELAY_CONNECTIONS_MAX)
        cb_ports_let_in (self->ports, channel, 0);
}

static void
s_on_less (cb_relay *relay, void *context)
{
    shim *self = context;

    if (self->state != LEAVING)
        s_let_in (self);
    else if (cb_relay_total (relay) == 0)
        s_exit (self, CB_EXIT_OK);
}

/* ---- its beginning ---- */

static int
s_read_file (shim *self, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf text;

    cb_buf_init (&text, CB_CONNFILE_MAX);
    if (realpath (self->options->file, self->path) == NULL)
        return cb_fail_errno (err, CB_E_NOTFOUND, "connection file %s", self->options->file);
    CB_TRY (cb_read_file (AT_FDCWD, self->path, &text, err));
    return cb_connfile_read (&self->file, text.data, text.size, err);
}

/* Everything that can be wrong with the frontend's wishes is told before a daemon is started. */
static int
s_open (shim *self, cb_err *err)
{
    CB_TRY (s_read_file (self, err));
    self->parent = cb_parent_new (self->loop, s_on_orphaned, self, err);
    if (self->parent == NULL)
        return -CB_E_GONE;
    self->relay = cb_relay_new (self->loop, s_on_less, self, err);
    if (self->relay == NULL)
        return -CB_E_NOMEM;
    self->ports = cb_ports_new (self->loop, &self->file, s_on_connection, self, err);
    if (self->ports == NULL)
        return -CB_E_EXISTS;
    CB_TRY (s_find_workdir (self, err));
    CB_TRY (cb_loop_at (self->loop, CB_USEC_NEVER, s_on_time, self, &self->timer, err));
    CB_TRY (cb_conn_open (&self->conn, self->cli, CB_CONN_START_QUIET, err));
    CB_TRY (s_ask (self, err));
    CB_TRY (cb_loop_io (self->loop, cellblock_fd (self->conn.client), EPOLLIN, s_on_control, self,
                        &self->control, err));
    return cb_loop_io (self->loop, self->signals, EPOLLIN, s_on_signal, self, &self->on_signal,
                       err);
}

static void
s_close (shim *self)
{
    cb_ports_destroy (&self->ports);
    cb_relay_destroy (&self->relay);
    cb_parent_destroy (&self->parent);
    cb_source_destroy (&self->control);
    cb_source_destroy (&self->on_signal);
    cb_source_destroy (&self->timer);
    cb_conn_done (&self->conn);
    cb_connfile_done (&self->file);
    json_decref (self->workdir);
    cb_loop_destroy (&self->loop);
    cb_close (&self->signals);
}

int
cb_shim_run (const cb_cli *cli, const cb_shim_options *options)
{
    static shim self; /* large */
    cb_err err = CB_ERR_INIT;

    self = (shim){.cli = cli, .options = options, .ending = -1, .signals = -1};
    cb_connfile_init (&self.file);
    cb_random_hex (self.word, 16);
    (void)cb_raise_nofile ();
    self.signals = cb_signals_open (&err);
    self.loop = self.signals >= 0 ? cb_loop_new (&err) : NULL;
    int result = self.loop != NULL ? s_open (&self, &err) : -CB_E_IO;
    if (result == 0)
        result = cb_loop_run (self.loop, &err);
    s_close (&self);
    return result < 0 ? cb_cli_failed (&err) : result;
}
