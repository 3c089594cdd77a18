/* test-client.c - libcellblock against a scripted daemon: a ROUTER in a thread. */
#include "base/fdio.h"
#include "base/tap.h"
#include "base/tree.h"
#include "client/cellblock.h"
#include "wire/connfile.h"
#include "wire/jmsg.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <zmq.h>

/* Milliseconds that an answer may take on a busy machine. */
#define PATIENCE      60000
#define PARTS_MAX     20
#define OVER_A_BUFFER 262145

typedef struct s_daemon {
    char folder[64];
    cb_connfile file;
    cb_signer *signer;
    cb_signer *stranger; /* another key */
    void *context;
    void *router;
    pthread_t thread;
    int is_over;
    sem_t *ready; /* of s_replace_file */
    cb_zmsg *run; /* the request that an interrupt ends */
} s_daemon;

static void
s_send_raw (s_daemon *self, const cb_zmsg *message)
{
    size_t n;
    const cb_part *parts = cb_zmsg_parts (message, &n);

    for (size_t i = 0; i < n; i++)
        (void)zmq_send (self->router, parts[i].data, parts[i].size, i + 1 < n ? ZMQ_SNDMORE : 0);
}

static cb_zmsg *
s_answer (cb_signer *signer, const cb_jmsg *to, const char *type, const char *content)
{
    static const cb_part buffer = {"\0buffer", 7};
    const cb_jmsg_draft draft = {.leading = to->identities,
                                 .n_leading = to->n_identities,
                                 .msg_type = type,
                                 .parent = to->dicts[CB_DICT_HEADER],
                                 .content_text = {content, strlen (content)},
                                 .buffers = &buffer,
                                 .n_buffers = strcmp (type, "get_reply") == 0};
    return cb_jmsg_write (signer, &draft, NULL);
}

static void
s_say (s_daemon *self, const cb_jmsg *to, const char *type, const char *content)
{
    cb_zmsg *message = s_answer (self->signer, to, type, content);
    s_send_raw (self, message);
    cb_zmsg_destroy (&message);
}

static void
s_run (s_daemon *self, cb_jmsg *request)
{
    s_say (self, request, "start", "{\"session\":\"fresh-1\",\"run\":\"r1\"}");
    s_say (self, request, "stream", "{\"name\":\"stdout\",\"text\":\"hello\\n\"}");
    const char *code =
        json_string_value (json_object_get (cb_jmsg_content (request, NULL), "code"));
    if (strcmp (code, "forever") == 0)
        self->run = cb_zmsg_ref (request->raw);
    else if (strcmp (code, "raise") == 0)
        s_say (self, request, "run_reply",
               "{\"status\":\"error\",\"error\":{\"ename\":\"E\",\"evalue\":\"\"}}");
    else
        s_say (self, request, "run_reply", "{\"status\":\"ok\",\"session\":\"fresh-1\"}");
}

static void
s_interrupt (s_daemon *self, cb_jmsg *request)
{
    cb_jmsg *run = NULL;
    cb_signer *again = cb_signer_new (self->file.key, "hmac-sha256", NULL);
    const char *session =
        json_string_value (json_object_get (cb_jmsg_content (request, NULL), "session"));

    s_say (self, request, "interrupt_reply", "{\"status\":\"ok\"}");
    if (strcmp (session, "fresh-1") == 0 && cb_jmsg_read (again, self->run, &run, NULL) == 0)
        s_say (self, run, "run_reply", "{\"status\":\"interrupted\"}");
    cb_zmsg_destroy (&self->run);
    cb_jmsg_destroy (&run);
    cb_signer_destroy (&again);
}

/* Misbehaving on purpose. */
static void
s_misbehave (s_daemon *self, const cb_jmsg *request)
{
    cb_zmsg *message;

    if (strcmp (request->msg_type, "forge_request") == 0) {
        message = s_answer (self->stranger, request, "forge_reply", "{\"status\":\"ok\"}");
        s_send_raw (self, message);
    } else {
        message = s_answer (self->signer, request, "replay_reply", "{\"status\":\"ok\"}");
        s_send_raw (self, message);
        s_send_raw (self, message);
    }
    cb_zmsg_destroy (&message);
    s_say (self, request, "after_reply", "{\"status\":\"ok\"}");
}

static void
s_serve (s_daemon *self, cb_jmsg *request)
{
    const char *type = request->msg_type;

    if (strcmp (type, "hello_request") == 0)
        s_say (self, request, "hello_reply", "{\"status\":\"ok\",\"protocol\":1}");
    else if (strcmp (type, "run_request") == 0)
        s_run (self, request);
    else if (strcmp (type, "interrupt_request") == 0)
        s_interrupt (self, request);
    else if (strcmp (type, "get_request") == 0)
        s_say (self, request, "get_reply", "{\"status\":\"ok\",\"size\":7}");
    else if (strcmp (type, "forge_request") == 0 || strcmp (type, "replay_request") == 0)
        s_misbehave (self, request);
    else if (strcmp (type, "show_request") == 0)
        s_say (self, request, "show_reply",
               "{\"status\":\"error\",\"ename\":\"not_found\",\"evalue\":\"no session\"}");
    else if (strcmp (type, "silent_request") != 0)
        s_say (self, request, "status_reply", "{\"status\":\"ok\"}");
    self->is_over = strcmp (type, "shutdown_request") == 0;
}

static cb_zmsg *
s_receive (s_daemon *self)
{
    zmq_msg_t frames[PARTS_MAX];
    cb_part parts[PARTS_MAX];
    size_t n = 0;
    int more = 1;

    for (; more && n < PARTS_MAX; n++) {
        (void)zmq_msg_init (&frames[n]);
        (void)zmq_msg_recv (&frames[n], self->router, 0);
        parts[n] = (cb_part){zmq_msg_data (&frames[n]), zmq_msg_size (&frames[n])};
        more = zmq_msg_more (&frames[n]);
    }
    cb_zmsg *message = cb_zmsg_new (parts, n);
    while (n > 0)
        (void)zmq_msg_close (&frames[--n]);
    return message;
}

static void *
s_main (void *context)
{
    s_daemon *self = context;

    while (!self->is_over) {
        cb_jmsg *request = NULL;
        cb_zmsg *raw = s_receive (self);
        if (cb_jmsg_read (self->signer, raw, &request, NULL) == 0)
            s_serve (self, request);
        cb_jmsg_destroy (&request);
        cb_zmsg_destroy (&raw);
    }
    (void)zmq_close (self->router);
    (void)zmq_ctx_term (self->context);
    return NULL;
}

static void
s_write_file (const s_daemon *self, const char *text)
{
    cb_auto_close int folder = open (self->folder, O_DIRECTORY | O_CLOEXEC);

    (void)cb_write_file (folder, "broker.json", text, strlen (text), NULL);
}

static void
s_start (s_daemon *self)
{
    char endpoint[CB_ENDPOINT_MAX];

    memset (self, 0, sizeof *self);
    (void)snprintf (self->folder, sizeof self->folder, "/tmp/cb-test-XXXXXX");
    ok (mkdtemp (self->folder) != NULL, "a folder of its own");
    cb_connfile_init (&self->file);
    cb_connfile_new_key (&self->file);
    (void)snprintf (self->file.ip, sizeof self->file.ip, "%s/c", self->folder);
    self->file.more = json_pack ("{si si ss ss}", "protocol", 1, "warden_pid", 77, "version", "0.1",
                                 "state_dir", "/state");
    self->signer = cb_signer_new (self->file.key, "hmac-sha256", NULL);
    self->stranger = cb_signer_new ("another", "hmac-sha256", NULL);
    cb_auto_free char *text = cb_connfile_write (&self->file, NULL, NULL);
    s_write_file (self, text);
    ok (cb_connfile_endpoint (&self->file, CB_CHANNEL_SHELL, endpoint, NULL) == 0, "%s", endpoint);
    self->context = zmq_ctx_new ();
    self->router = zmq_socket (self->context, ZMQ_ROUTER);
    (void)zmq_bind (self->router, endpoint);
    (void)pthread_create (&self->thread, NULL, s_main, self);
}

static void
s_stop (s_daemon *self)
{
    cb_signer_destroy (&self->signer);
    cb_signer_destroy (&self->stranger);
    cb_connfile_done (&self->file);
    cb_zmsg_destroy (&self->run);
    (void)cb_remove_tree (AT_FDCWD, self->folder, NULL);
}

static int
s_opens (const char *folder, int expected)
{
    cellblock_client *client = NULL;
    int result = cellblock_open (folder, &client);

    ok (result == expected && cellblock_error_code (client) == -expected, "%s",
        cellblock_error_text (client));
    ok (cellblock_request (client, "list", NULL, NULL, 0) < 0 &&
            cellblock_next (client, 0) == NULL && cellblock_fd (client) == -1,
        "it can only be closed");
    cellblock_close (&client);
    return result;
}

static void
s_bad_folders (void)
{
    s_daemon bare = {.folder = "/tmp/cb-test-XXXXXX"};

    ok (mkdtemp (bare.folder) != NULL, "a folder of its own");
    (void)s_opens ("/nonexistent/cellblock", -CELLBLOCK_E_NOTFOUND);
    (void)s_opens (bare.folder, -CELLBLOCK_E_NOTFOUND);
    s_write_file (&bare, "{");
    (void)s_opens (bare.folder, -CELLBLOCK_E_INVALID);
    cb_connfile file;
    cb_connfile_init (&file);
    cb_connfile_new_key (&file);
    (void)snprintf (file.ip, sizeof file.ip, "%s/c", bare.folder);
    cb_auto_free char *other = cb_connfile_write (&file, NULL, NULL);
    s_write_file (&bare, other);
    (void)s_opens (bare.folder, -CELLBLOCK_E_UNSUPPORTED);
    file.more = json_pack ("{si}", "protocol", 1);
    cb_auto_free char *dead = cb_connfile_write (&file, NULL, NULL);
    s_write_file (&bare, dead);
    (void)s_opens (bare.folder, -CELLBLOCK_E_GONE);
    (void)chmod (bare.folder, 0750);
    (void)s_opens (bare.folder, -CELLBLOCK_E_DENIED);
    cb_connfile_done (&file);
    (void)cb_remove_tree (AT_FDCWD, bare.folder, NULL);
}

/* The next event; told wrong ones apart by their text "KIND type request". */
static int
s_is (cellblock_client *client, enum cellblock_kind kind, const char *type, int64_t request)
{
    cellblock_event *event = cellblock_next (client, PATIENCE);
    int good = event != NULL && cellblock_event_kind (event) == kind &&
               strcmp (cellblock_event_type (event), type) == 0 &&
               cellblock_event_request (event) == request;

    if (!good)
        printf ("# %s %s\n", event != NULL ? cellblock_event_type (event) : "nothing",
                cellblock_error_text (client));
    cellblock_event_free (&event);
    return good;
}

static void
s_events (cellblock_client *client)
{
    size_t size = 0;
    int64_t run = cellblock_request (client, "run", "{\"code\":\"1\"}", NULL, 0);

    ok (run > 0, "a request has a number");
    ok (s_is (client, CELLBLOCK_NOTICE, "start", run), "a notice");
    ok (s_is (client, CELLBLOCK_KERNEL, "stream", run), "output");
    ok (s_is (client, CELLBLOCK_REPLY, "run_reply", run), "the reply");
    ok (cellblock_next (client, 0) == NULL && cellblock_error_code (client) == CELLBLOCK_E_TIMEOUT,
        "%s", cellblock_error_text (client));
    cellblock_event *event = cellblock_call (client, "get", "{}", PATIENCE);
    const char *buffer = cellblock_event_buffer (event, 0, &size);
    ok (buffer != NULL && size == 7 && memcmp (buffer, "\0buffer", 7) == 0, "a buffer");
    ok (cellblock_event_buffer (event, 1, NULL) == NULL, "and no more");
    ok (strcmp (cellblock_event_content (event, &size), "{\"status\":\"ok\",\"size\":7}") == 0 &&
            size == strlen (cellblock_event_content (event, NULL)) &&
            strcmp (cellblock_event_metadata (event), "{}") == 0,
        "content and metadata");
    cellblock_event_free (&event);
    event = cellblock_call (client, "show", NULL, PATIENCE);
    ok (event != NULL && cellblock_event_code (event) == CELLBLOCK_E_NOTFOUND, "a refusal");
    cellblock_event_free (&event);
    cellblock_event_free (&event);
    cellblock_event_free (NULL);
}

static void
s_bad_requests (cellblock_client *client)
{
    cb_auto_free char *large = calloc (1, OVER_A_BUFFER);

    ok (cellblock_request (client, "Run!", NULL, NULL, 0) == -CELLBLOCK_E_INVALID, "%s",
        cellblock_error_text (client));
    ok (cellblock_request (client, "run", "{", NULL, 0) == -CELLBLOCK_E_INVALID, "%s",
        cellblock_error_text (client));
    ok (cellblock_request (client, "run", "[]", NULL, 0) == -CELLBLOCK_E_INVALID, "%s",
        cellblock_error_text (client));
    ok (cellblock_request (client, "put", NULL, large, OVER_A_BUFFER) == -CELLBLOCK_E_LIMIT, "%s",
        cellblock_error_text (client));
    ok (cellblock_run (client, "not \xff UTF-8", NULL) == NULL, "%s",
        cellblock_error_text (client));
    ok (cellblock_interrupt (client, "\xff") == -CELLBLOCK_E_INVALID, "%s",
        cellblock_error_text (client));
}

/* A call waits for its own reply and keeps what belongs to others, in order. */
static void
s_kept (cellblock_client *client)
{
    int64_t one = cellblock_request (client, "run", "{\"code\":\"1\"}", NULL, 0);
    int64_t two = cellblock_request (client, "list", NULL, NULL, 0);
    cellblock_event *event = cellblock_call (client, "list", NULL, PATIENCE);
    struct pollfd ready = {.fd = cellblock_fd (client), .events = POLLIN};

    ok (event != NULL && cellblock_event_request (event) == two + 1, "its own reply");
    cellblock_event_free (&event);
    ok (poll (&ready, 1, 0) == 1, "the descriptor tells of kept events");
    ok (s_is (client, CELLBLOCK_NOTICE, "start", one), "kept 1");
    ok (s_is (client, CELLBLOCK_KERNEL, "stream", one), "kept 2");
    ok (s_is (client, CELLBLOCK_REPLY, "run_reply", one), "kept 3");
    ok (s_is (client, CELLBLOCK_REPLY, "status_reply", two), "kept 4");
    ok (cellblock_next (client, 0) == NULL, "and no more");
    ok (cellblock_call (client, "silent", NULL, 10) == NULL &&
            cellblock_error_code (client) == CELLBLOCK_E_TIMEOUT,
        "%s", cellblock_error_text (client));
}

static int
s_stop_at_stream (const cellblock_event *event, void *context)
{
    int *seen = context;

    *seen += 1;
    return event != NULL && strcmp (cellblock_event_type (event), "stream") == 0;
}

static void
s_runs (cellblock_client *client)
{
    int seen = 0;
    cellblock_run_options options = {
        .size = sizeof options, .timeout_s = 2, .on_event = s_stop_at_stream, .context = &seen};
    cellblock_event *reply = cellblock_run (client, "1", NULL);

    ok (reply != NULL && cellblock_event_code (reply) == 0, "a run %s",
        cellblock_error_text (client));
    cellblock_event_free (&reply);
    reply = cellblock_run (client, "raise", NULL);
    ok (reply != NULL && cellblock_event_code (reply) == 0, "code that raised is no refusal");
    cellblock_event_free (&reply);
    reply = cellblock_run (client, "forever", &options);
    ok (reply != NULL && strstr (cellblock_event_content (reply, NULL), "interrupted") != NULL &&
            seen == 2,
        "interrupted from the callback, in a session it did not name");
    cellblock_event_free (&reply);
    ok (cellblock_next (client, 20) == NULL, "the interrupt's reply is not left behind");
    options.size = 1;
    ok (cellblock_run (client, "1", &options) == NULL, "%s", cellblock_error_text (client));
}

/* libzmq's descriptor goes deaf when a send takes the wake-up; ours must not. */
static void
s_descriptor (cellblock_client *client)
{
    struct pollfd ready = {.fd = cellblock_fd (client), .events = POLLIN};
    int sent = 0;
    int got = 0;

    for (int round = 0; round < 300; round++) {
        cellblock_event *event;
        for (int i = 0; i < 3; i++)
            sent += cellblock_request (client, "list", NULL, NULL, 0) > 0;
        if (poll (&ready, 1, PATIENCE) != 1)
            break;
        while ((event = cellblock_next (client, 0)) != NULL) {
            cellblock_event_free (&event);
            got++;
        }
    }
    while (got < sent && poll (&ready, 1, PATIENCE) == 1) {
        cellblock_event *event = cellblock_next (client, 0);
        got += event != NULL;
        cellblock_event_free (&event);
    }
    ok (sent == 900 && got == sent, "%d replies by the descriptor alone", got);
    while (cellblock_next (client, 0) != NULL)
        continue;
    ok (poll (&ready, 1, 0) == 0, "quiet when nothing is left");
}

static void
s_hostile (cellblock_client *client)
{
    int64_t request = cellblock_request (client, "forge", NULL, NULL, 0);

    ok (cellblock_next (client, PATIENCE) == NULL &&
            cellblock_error_code (client) == CELLBLOCK_E_DENIED,
        "%s", cellblock_error_text (client));
    ok (s_is (client, CELLBLOCK_REPLY, "after_reply", request), "and goes on");
    request = cellblock_request (client, "replay", NULL, NULL, 0);
    ok (s_is (client, CELLBLOCK_REPLY, "replay_reply", request), "once");
    ok (cellblock_next (client, PATIENCE) == NULL &&
            cellblock_error_code (client) == CELLBLOCK_E_DENIED,
        "%s", cellblock_error_text (client));
    ok (s_is (client, CELLBLOCK_REPLY, "after_reply", request), "and goes on");
}

static void
s_on_alarm (int signal)
{
    (void)signal;
}

static void
s_signals (cellblock_client *client)
{
    const struct sigaction action = {.sa_handler = s_on_alarm};
    /* Again and again: one alone may come before the wait. */
    const struct itimerval soon = {.it_value = {0, 20000}, .it_interval = {0, 20000}};
    const struct itimerval never = {.it_value = {0, 0}};
    struct sigaction before;

    (void)sigaction (SIGALRM, &action, &before);
    (void)setitimer (ITIMER_REAL, &soon, NULL);
    ok (cellblock_next (client, 60000) == NULL &&
            cellblock_error_code (client) == CELLBLOCK_E_INTERRUPTED,
        "%s", cellblock_error_text (client));
    (void)setitimer (ITIMER_REAL, &never, NULL);
    (void)sigaction (SIGALRM, &before, NULL);
}

/* What the daemon said before it ended is delivered, then nothing hangs. */
static void
s_gone (s_daemon *daemon, cellblock_client *client)
{
    struct pollfd ready = {.fd = cellblock_fd (client), .events = POLLIN};
    int64_t list = cellblock_request (client, "list", NULL, NULL, 0);
    int64_t last = cellblock_request (client, "shutdown", NULL, NULL, 0);

    (void)pthread_join (daemon->thread, NULL);
    ok (s_is (client, CELLBLOCK_REPLY, "status_reply", list), "the reply before");
    ok (s_is (client, CELLBLOCK_REPLY, "status_reply", last), "the last reply");
    for (int i = 0; i < 2; i++)
        ok (cellblock_next (client, -1) == NULL &&
                cellblock_error_code (client) == CELLBLOCK_E_GONE,
            "%s", cellblock_error_text (client));
    ok (poll (&ready, 1, 0) == 1, "the descriptor tells of the end");
    ok (cellblock_request (client, "list", NULL, NULL, 0) == -CELLBLOCK_E_GONE, "%s",
        cellblock_error_text (client));
    ok (cellblock_call (client, "list", NULL, -1) == NULL, "a call does not hang");
}

/* A second daemon writes its file while somebody is on the way to the first, which is dead. */
static void *
s_replace_file (void *context)
{
    const s_daemon *daemon = context;
    char endpoint[CB_ENDPOINT_MAX];
    cb_auto_free char *text = cb_connfile_write (&daemon->file, NULL, NULL);
    cb_connfile old = daemon->file;
    void *zmq = zmq_ctx_new ();
    void *router = zmq_socket (zmq, ZMQ_ROUTER);
    zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};

    /* Hello came here: it is too late for the file, and nobody answers. */
    (void)snprintf (old.ip, sizeof old.ip, "%s/old", daemon->folder);
    if (cb_connfile_endpoint (&old, CB_CHANNEL_SHELL, endpoint, NULL) == 0)
        (void)zmq_bind (router, endpoint);
    sem_post (daemon->ready);
    (void)zmq_poll (&item, 1, PATIENCE);
    s_write_file (daemon, text);
    (void)zmq_close (router);
    (void)zmq_ctx_term (zmq);
    return NULL;
}

static void
s_restarted (s_daemon *daemon)
{
    pthread_t thread;
    sem_t ready;
    cellblock_client *client = NULL;
    cb_connfile old = daemon->file;

    cb_random_hex (old.key, 32);
    (void)snprintf (old.ip, sizeof old.ip, "%s/old", daemon->folder);
    cb_auto_free char *text = cb_connfile_write (&old, NULL, NULL);
    s_write_file (daemon, text);
    (void)sem_init (&ready, 0, 0);
    daemon->ready = &ready;
    (void)pthread_create (&thread, NULL, s_replace_file, daemon);
    (void)sem_wait (&ready);
    ok (cellblock_open (daemon->folder, &client) == 0, "a daemon that was just replaced %s",
        cellblock_error_text (client));
    cellblock_close (&client);
    (void)pthread_join (thread, NULL);
    (void)sem_destroy (&ready);
}

static void
s_no_descriptors (const char *folder)
{
    struct rlimit before;
    struct rlimit few;

    (void)getrlimit (RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 30;
    (void)setrlimit (RLIMIT_NOFILE, &few);
    (void)s_opens (folder, -CELLBLOCK_E_IO);
    (void)setrlimit (RLIMIT_NOFILE, &before);
}

int
main (void)
{
    s_daemon daemon;
    cellblock_client *client = NULL;

    s_bad_folders ();
    s_start (&daemon);
    s_no_descriptors (daemon.folder);
    s_restarted (&daemon);
    ok (cellblock_open (daemon.folder, &client) == 0, "open %s", cellblock_error_text (client));
    ok (strcmp (cellblock_state_dir (client), "/state") == 0 &&
            cellblock_daemon_pid (client) == 77 &&
            strcmp (cellblock_daemon_version (client), "0.1") == 0,
        "what broker.json says");
    s_events (client);
    s_bad_requests (client);
    s_kept (client);
    s_runs (client);
    s_descriptor (client);
    s_hostile (client);
    s_signals (client);
    s_gone (&daemon, client);
    cellblock_close (&client);
    ok (client == NULL, "closed");
    cellblock_close (&client);
    ok (cellblock_error_code (NULL) == CELLBLOCK_E_NOMEM &&
            strcmp (cellblock_code_name (CELLBLOCK_E_GONE), "gone") == 0 &&
            cellblock_code_of ("not_found") == CELLBLOCK_E_NOTFOUND,
        "names of codes");
    s_stop (&daemon);
    return tap_done ();
}
