/* test-client.c - libcellblock against a scripted daemon. */
#include "base/fdio.h"
#include "base/tap.h"
#include "base/tree.h"
#include "client/cellblock.h"
#include "client/test-daemon.h"
#include "wire/ctl.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

/* Milliseconds that an answer may take on a busy machine. */
#define PATIENCE      60000
#define OVER_A_BUFFER 262145

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
    cb_scripted bare = {.folder = "/tmp/cb-test-XXXXXX"};

    ok (mkdtemp (bare.folder) != NULL, "a folder of its own");
    (void)s_opens ("/nonexistent/cellblock", -CELLBLOCK_E_NOTFOUND);
    (void)s_opens (bare.folder, -CELLBLOCK_E_NOTFOUND);
    cb_scripted_write (&bare, "{");
    (void)s_opens (bare.folder, -CELLBLOCK_E_INVALID);
    cb_connfile file;
    cb_connfile_init (&file);
    cb_connfile_new_key (&file);
    (void)snprintf (file.ip, sizeof file.ip, "%s/c", bare.folder);
    cb_auto_free char *other = cb_connfile_write (&file, NULL, NULL);
    cb_scripted_write (&bare, other);
    (void)s_opens (bare.folder, -CELLBLOCK_E_UNSUPPORTED);
    file.more = json_pack ("{si}", "protocol", 1);
    cb_auto_free char *dead = cb_connfile_write (&file, NULL, NULL);
    cb_scripted_write (&bare, dead);
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

typedef struct s_person {
    cellblock_client *client;
    const char *says;
    int wrong;    /* what it was told about answers to nothing */
    int answered; /* and about the last answer */
} s_person;

static int
s_answer_input (const cellblock_event *event, void *context)
{
    s_person *self = context;

    if (strcmp (cellblock_event_type (event), "input_request") == 0)
        return self->answered = cellblock_input (self->client, event, self->says);
    self->wrong = cellblock_input (self->client, event, self->says);
    return 0;
}

static void
s_inputs (cellblock_client *client)
{
    static const int refused[] = {-CELLBLOCK_E_INVALID, -CELLBLOCK_E_LIMIT};
    s_person person = {client, "Ada", 0, 0};
    cellblock_run_options options = {
        .size = sizeof options, .allow_stdin = 1, .on_event = s_answer_input, .context = &person};
    cellblock_event *reply = cellblock_run (client, "ask", &options);

    ok (reply != NULL &&
            strstr (cellblock_event_content (reply, NULL), "Ada of input_request") != NULL,
        "an answer with its question as parent");
    ok (person.wrong == -CELLBLOCK_E_INVALID, "%s", cellblock_error_text (client));
    cellblock_event_free (&reply);
    person.says = NULL;
    reply = cellblock_run (client, "ask", &options);
    ok (reply != NULL && strstr (cellblock_event_content (reply, NULL), "an end of") != NULL,
        "an end of file");
    cellblock_event_free (&reply);
    cb_auto_free char *large = calloc (1, CB_CTL_VALUE_MAX + 2);
    memset (large, 'x', CB_CTL_VALUE_MAX + 1);
    for (int i = 0; i < 2; i++) {
        person.says = i == 0 ? "not \xff UTF-8" : large;
        reply = cellblock_run (client, "ask", &options);
        ok (person.answered == refused[i], "no answer of %.16s: %d", person.says, person.answered);
        ok (reply != NULL && strstr (cellblock_event_content (reply, NULL), "interrupted") != NULL,
            "the cell was interrupted then");
        cellblock_event_free (&reply);
    }
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
s_gone (cb_scripted *daemon, cellblock_client *client)
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
    const cb_scripted *daemon = context;
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
    cb_scripted_write (daemon, text);
    (void)zmq_close (router);
    (void)zmq_ctx_term (zmq);
    return NULL;
}

static void
s_restarted (cb_scripted *daemon)
{
    pthread_t thread;
    sem_t ready;
    cellblock_client *client = NULL;
    cb_connfile old = daemon->file;

    cb_random_hex (old.key, 32);
    (void)snprintf (old.ip, sizeof old.ip, "%s/old", daemon->folder);
    cb_auto_free char *text = cb_connfile_write (&old, NULL, NULL);
    cb_scripted_write (daemon, text);
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
    cb_scripted daemon;
    cellblock_client *client = NULL;

    s_bad_folders ();
    ok (cb_scripted_start (&daemon), "a scripted daemon in %s", daemon.folder);
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
    s_inputs (client);
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
    cb_scripted_stop (&daemon);
    return tap_done ();
}
