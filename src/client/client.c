/* client.c - libcellblock: opening, sending, receiving.
 *
 * Nothing here is global, nothing touches signals or prints. Everything that can fail leaves its
 * code and sentence in the client. One message id is "SESSION_NUMBER", so the request an event
 * belongs to is read from its parent's id and no table of open requests is kept. */
#include "client/client-int.h"

#include "base/fdio.h"
#include "base/runtime.h"
#include "wire/ctl.h"
#include "wire/jscan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One set of numbers for both sides of the header. */
_Static_assert((int)CELLBLOCK_E_NOMEM == CB_E_NOMEM && (int)CELLBLOCK_E_INVALID == CB_E_INVALID &&
                   (int)CELLBLOCK_E_PROTO == CB_E_PROTO && (int)CELLBLOCK_E_DENIED == CB_E_DENIED &&
                   (int)CELLBLOCK_E_LIMIT == CB_E_LIMIT &&
                   (int)CELLBLOCK_E_NOTFOUND == CB_E_NOTFOUND &&
                   (int)CELLBLOCK_E_EXISTS == CB_E_EXISTS && (int)CELLBLOCK_E_BUSY == CB_E_BUSY &&
                   (int)CELLBLOCK_E_IO == CB_E_IO && (int)CELLBLOCK_E_TIMEOUT == CB_E_TIMEOUT &&
                   (int)CELLBLOCK_E_GONE == CB_E_GONE &&
                   (int)CELLBLOCK_E_UNSUPPORTED == CB_E_UNSUPPORTED &&
                   (int)CELLBLOCK_E_POLICY == CB_E_POLICY && CB_E__COUNT == 14,
               "cellblock.h and base/err.h have the same codes");

/* Milliseconds that a living daemon may take for hello, on however busy a machine. */
#define HELLO_MAX 20000
/* Bytes of a verb. */
#define VERB_MAX 32
/* What Jupyter sends for an end of file in input (). */
#define S_END_OF_FILE "\x04"

/* The folder of a daemon of ours: nobody else may have written what lies in it. */
static int
s_open_folder (const char *path, cb_err *err)
{
    struct stat status;
    uid_t own = geteuid ();
    cb_auto_close int fd = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return cb_fail (err, CB_E_NOTFOUND, "no daemon was started in %s", path);
    if (fd < 0 || fstat (fd, &status) < 0)
        return cb_fail_errno (err, errno == EACCES ? CB_E_DENIED : CB_E_IO, "%s", path);
    if (status.st_uid != own && !(own == 0 && status.st_uid == CB_BROKER_UID))
        return cb_fail (err, CB_E_DENIED, "%s belongs to user %u, not to you (%u)", path,
                        (unsigned)status.st_uid, (unsigned)own);
    if ((status.st_mode & 077) != 0)
        return cb_fail (err, CB_E_DENIED, "%s is open to others (mode %o): chmod 700 it", path,
                        (unsigned)status.st_mode & 0777);
    return cb_take_fd (&fd);
}

static int
s_read_file (cellblock_client *self, const char *runtime_dir, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf text;
    int64_t protocol = 0;

    cb_buf_init (&text, CB_CONNFILE_MAX);
    cb_auto_close int folder = s_open_folder (runtime_dir, err);
    CB_TRY (folder);
    int result = cb_read_file (folder, CB_RUNTIME_BROKER, &text, err);
    if (result == -CB_E_NOTFOUND)
        return cb_fail (err, CB_E_NOTFOUND, "no daemon runs in %s", runtime_dir);
    CB_TRY (result);
    CB_TRY (cb_connfile_read (&self->file, text.data, text.size, err));
    CB_TRY (cb_json_get_int (self->file.more, "protocol", 0, INT_MAX, 0, &protocol, err));
    if (protocol != CB_CTL_PROTOCOL)
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "the daemon in %s speaks version %" PRId64 " of the control protocol, this "
                        "library version %d: restart the daemon",
                        runtime_dir, protocol, CB_CTL_PROTOCOL);
    return 0;
}

/* The folder that was named, else the one of this user. */
static int
s_runtime_dir (cellblock_client *self, const char *runtime_dir, cb_err *err)
{
    if (runtime_dir == NULL)
        return cb_runtime_dir (self->runtime_dir, sizeof self->runtime_dir, err);
    if (strlen (runtime_dir) >= sizeof self->runtime_dir)
        return cb_fail (err, CB_E_INVALID, "the runtime folder's path is too long");
    (void)snprintf (self->runtime_dir, sizeof self->runtime_dir, "%s", runtime_dir);
    return 0;
}

static int
s_connect (cellblock_client *self, cb_err *err)
{
    char endpoint[CB_ENDPOINT_MAX];

    CB_TRY (s_read_file (self, self->runtime_dir, err));
    self->signer = cb_signer_new (self->file.key, "hmac-sha256", err);
    if (self->signer == NULL)
        return -err->code;
    CB_TRY (cb_connfile_endpoint (&self->file, CB_CHANNEL_SHELL, endpoint, err));
    self->link = cb_link_new (endpoint, err);
    return self->link != NULL ? cb_client_watch_link (self, err) : -err->code;
}

static int
s_hello (cellblock_client *self)
{
    cellblock_event *reply = cellblock_call (self, "hello", NULL, HELLO_MAX);

    if (reply == NULL && self->err.code == CB_E_GONE)
        return cb_fail (&self->err, CB_E_GONE,
                        "a daemon was started but nobody answers at %s-%d: it died", self->file.ip,
                        self->file.ports[CB_CHANNEL_SHELL]);
    if (reply == NULL && self->err.code == CB_E_TIMEOUT)
        return cb_fail (&self->err, CB_E_TIMEOUT, "the daemon does not answer at %s-%d",
                        self->file.ip, self->file.ports[CB_CHANNEL_SHELL]);
    if (reply == NULL)
        return -self->err.code;
    int code = cellblock_event_code (reply);
    cellblock_event_free (&reply);
    return code == 0 ? 0 : cb_fail (&self->err, code, "the daemon refused a hello");
}

int
cb_client_try (cellblock_client *self)
{
    cb_link_destroy (&self->link);
    cb_signer_destroy (&self->signer);
    CB_TRY (s_connect (self, &self->err));
    return s_hello (self);
}

/* Whether the file is another one than that which was tried: the daemon, or its broker, was just
 * started again. */
static int
s_file_changed (const cellblock_client *self)
{
    cellblock_client now = {.link = NULL};

    if (self->file.key[0] == '\0')
        return 0;
    cb_connfile_init (&now.file);
    int changed = s_read_file (&now, self->runtime_dir, NULL) == 0 &&
                  strcmp (now.file.key, self->file.key) != 0;
    cb_connfile_done (&now.file);
    return changed;
}

int
cellblock_open (const char *runtime_dir, cellblock_client **ret_client)
{
    cellblock_client *self = calloc (1, sizeof *self);

    *ret_client = self;
    if (self == NULL)
        return -CELLBLOCK_E_NOMEM;
    TAILQ_INIT (&self->kept);
    TAILQ_INIT (&self->missed);
    self->fd = -1;
    cb_connfile_init (&self->file);
    cb_random_hex (self->session, 16);
    int result = s_runtime_dir (self, runtime_dir, &self->err);
    self->coming_back = 1;
    if (result == 0)
        result = cb_client_connect (self);
    if (result < 0 && s_file_changed (self))
        result = cb_client_try (self);
    self->coming_back = 0;
    if (result < 0)
        cb_link_destroy (&self->link);
    return result;
}

void
cellblock_close (cellblock_client **client)
{
    cellblock_event *event;

    if (client == NULL || *client == NULL)
        return;
    cb_link_destroy (&(*client)->link);
    cb_signer_destroy (&(*client)->signer);
    cb_connfile_done (&(*client)->file);
    cb_client_close_runs (*client);
    free ((*client)->answer);
    while ((event = TAILQ_FIRST (&(*client)->kept)) != NULL) {
        TAILQ_REMOVE (&(*client)->kept, event, link);
        cellblock_event_free (&event);
    }
    while ((event = TAILQ_FIRST (&(*client)->missed)) != NULL) {
        TAILQ_REMOVE (&(*client)->missed, event, link);
        cellblock_event_free (&event);
    }
    cb_close (&(*client)->fd);
    free (*client);
    *client = NULL;
}

int
cellblock_error_code (const cellblock_client *client)
{
    return client != NULL ? client->err.code : CELLBLOCK_E_NOMEM;
}

const char *
cellblock_error_text (const cellblock_client *client)
{
    return client != NULL ? client->err.text : "out of memory";
}

const char *
cellblock_code_name (int code)
{
    return code == CELLBLOCK_E_INTERRUPTED ? "interrupted" : cb_err_name (code);
}

int
cellblock_code_of (const char *name)
{
    return strcmp (name, "interrupted") == 0 ? CELLBLOCK_E_INTERRUPTED : cb_err_code (name);
}

static const char *
s_more_text (const cellblock_client *client, const char *name)
{
    const json_t *member = client != NULL ? json_object_get (client->file.more, name) : NULL;

    return json_is_string (member) ? json_string_value (member) : "";
}

const char *
cellblock_state_dir (const cellblock_client *client)
{
    return s_more_text (client, "state_dir");
}

const char *
cellblock_daemon_version (const cellblock_client *client)
{
    return s_more_text (client, "version");
}

int64_t
cellblock_daemon_pid (const cellblock_client *client)
{
    return client != NULL ? json_integer_value (json_object_get (client->file.more, "warden_pid"))
                          : 0;
}

int
cellblock_fd (const cellblock_client *client)
{
    return client != NULL && client->link != NULL ? client->fd : -1;
}

static int
s_fail_closed (cellblock_client *self)
{
    return cb_fail (&self->err, CB_E_INVALID, "the client did not open");
}

static int
s_check_request (const char *verb, cb_part content, size_t size, cb_err *err)
{
    size_t length = verb != NULL ? strlen (verb) : 0;

    if (length == 0 || length > VERB_MAX || strspn (verb, "abcdefghijklmnopqrstuvwxyz_") != length)
        return cb_fail (err, CB_E_INVALID, "not a verb: 'run', 'new', 'list' ...");
    if (content.size > CB_CTL_REQUEST_MAX)
        return cb_fail (err, CB_E_LIMIT, "a request is over %d bytes", CB_CTL_REQUEST_MAX);
    if (size > CB_CTL_BUFFER_MAX)
        return cb_fail (err, CB_E_LIMIT, "a buffer is over %d bytes", CB_CTL_BUFFER_MAX);
    return cb_json_scan ("content", content, NULL, 0, err);
}

int
cb_client_send (cellblock_client *self, const cb_jmsg_draft *draft)
{
    cb_zmsg *message = cb_jmsg_write (self->signer, draft, &self->err);

    if (message == NULL)
        return -self->err.code;
    int result = cb_link_send (self->link, message, &self->err);
    cb_zmsg_destroy (&message);
    cb_link_settle (self->link, self->n_kept > 0 || !TAILQ_EMPTY (&self->missed));
    return result;
}

int64_t
cellblock_request (cellblock_client *client, const char *verb, const char *content,
                   const void *buffer, size_t size)
{
    char type[VERB_MAX + 16];
    char id[CB_MSG_ID_MAX];
    const char *text = content != NULL ? content : "{}";
    const cb_part buffers = {buffer != NULL ? buffer : "", size};
    const cb_jmsg_draft draft = {.msg_type = type,
                                 .msg_id = id,
                                 .session = client->session,
                                 .content_text = {text, strlen (text)},
                                 .buffers = &buffers,
                                 .n_buffers = buffer != NULL ? 1 : 0};

    if (client->link == NULL)
        return s_fail_closed (client);
    CB_TRY (s_check_request (verb, draft.content_text, size, &client->err));
    if (!client->coming_back && cb_link_is_gone (client->link) && client->n_runs == 0)
        CB_TRY (cb_client_come_back (client));
    (void)snprintf (type, sizeof type, "%s_request", verb);
    (void)snprintf (id, sizeof id, "%s_%" PRId64, client->session, client->last_request + 1);
    CB_TRY (cb_client_send (client, &draft));
    client->last_request++;
    if (strcmp (verb, "run") == 0)
        cb_client_open_run (client, client->last_request, text);
    return client->last_request;
}

int
cellblock_input (cellblock_client *client, const cellblock_event *question, const char *value)
{
    if (client->link == NULL)
        return s_fail_closed (client);
    if (strcmp (question->message->msg_type, "input_request") != 0)
        return cb_fail (&client->err, CB_E_INVALID, "the event is not an input_request");
    cb_owned (cb_json) json_t *content =
        json_pack ("{ss}", "value", value != NULL ? value : S_END_OF_FILE);
    if (content == NULL)
        return cb_fail (&client->err, CB_E_INVALID, "the answer is not UTF-8 text");
    if (value != NULL && strlen (value) > CB_CTL_VALUE_MAX)
        return cb_fail (&client->err, CB_E_LIMIT, "an answer is over %d bytes", CB_CTL_VALUE_MAX);
    return cb_client_answer (client, question, content);
}

cb_usec
cb_client_deadline (int timeout_ms)
{
    if (timeout_ms < 0)
        return CB_USEC_NEVER;
    return timeout_ms == 0 ? 0 : cb_now () + (cb_usec)timeout_ms * CB_USEC_PER_MSEC;
}

/* What came while we were coming back is first. */
static cellblock_event *
s_next_missed (cellblock_client *client)
{
    cellblock_event *event = client->coming_back ? NULL : TAILQ_FIRST (&client->missed);

    if (event != NULL)
        TAILQ_REMOVE (&client->missed, event, link);
    return event;
}

cellblock_event *
cb_client_receive (cellblock_client *client, cb_usec deadline)
{
    cellblock_event *event = s_next_missed (client);
    cb_zmsg *raw = NULL;
    int outcome = 0;

    if (event != NULL)
        return event;
    if (client->link == NULL) {
        (void)cb_fail (&client->err, CB_E_GONE, "the daemon is gone");
        return NULL;
    }
    for (;;) {
        outcome = cb_link_receive (client->link, deadline, &raw, &client->err);
        if (outcome != -CB_E_GONE || client->coming_back || client->n_runs == 0)
            break;
        /* All that had come was given: the runs are gone on with. */
        if (cb_client_come_back (client) < 0)
            return NULL;
        event = s_next_missed (client);
        if (event != NULL)
            return event;
    }
    switch (outcome) {
    case CB_LINK_MESSAGE:
        event = cb_event_new (client, raw, &client->err);
        cb_zmsg_destroy (&raw);
        if (event != NULL)
            cb_client_count (client, event);
        if (event == NULL || !cb_client_was_asked (client, event))
            return event;
        cellblock_event_free (&event);
        return cb_client_receive (client, deadline);
    case CB_LINK_NOTHING:
        (void)cb_fail (&client->err, CB_E_TIMEOUT, "nothing came in the time given");
        return NULL;
    case CB_LINK_INTERRUPTED:
        (void)cb_fail (&client->err, CELLBLOCK_E_INTERRUPTED, "a signal came while waiting");
        return NULL;
    default:
        return NULL;
    }
}

int
cb_client_keep (cellblock_client *client, cellblock_event *event)
{
    size_t cost = cb_zmsg_cost (event->message->raw);

    if (client->coming_back) {
        TAILQ_INSERT_TAIL (&client->missed, event, link);
        return 0;
    }
    if (client->n_kept >= CB_KEPT_EVENTS || client->kept_bytes > CB_KEPT_BYTES) {
        cellblock_event_free (&event);
        return cb_fail (&client->err, CB_E_LIMIT,
                        "too many events of other requests came while waiting for one");
    }
    TAILQ_INSERT_TAIL (&client->kept, event, link);
    client->n_kept++;
    client->kept_bytes += cost;
    return 0;
}

cellblock_event *
cellblock_next (cellblock_client *client, int timeout_ms)
{
    cellblock_event *event = TAILQ_FIRST (&client->kept);

    if (client->link == NULL) {
        (void)s_fail_closed (client);
        return NULL;
    }
    if (event != NULL) {
        TAILQ_REMOVE (&client->kept, event, link);
        client->n_kept--;
        client->kept_bytes -= cb_zmsg_cost (event->message->raw);
    } else {
        event = cb_client_receive (client, cb_client_deadline (timeout_ms));
    }
    if (client->link != NULL)
        cb_link_settle (client->link, client->n_kept > 0 || !TAILQ_EMPTY (&client->missed));
    return event;
}
