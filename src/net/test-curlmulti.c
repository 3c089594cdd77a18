/* test-curlmulti.c - HTTP on the loop against a small server in a child process. */
#include "net/curlmulti.h"

#include "base/cleanup.h"
#include "base/tap.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* How long a server may be silent where it is not meant to be. */
#define PATIENCE (120 * CB_USEC_PER_SEC)

typedef struct s_result {
    cb_http *http;
    cb_usec patience;
    char body[256];
    cb_http_head head;
    cb_err err;
    int ends;
    int refuse; /* on_bytes fails */
} s_result;

/* Has a port on loopback (*ret_port) and, unless nobody shall be there, listens. */
static int
s_listen (int nobody, int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind (fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        (!nobody && listen (fd, 8) < 0) || getsockname (fd, (struct sockaddr *)&address, &size) < 0)
        abort ();
    *ret_port = ntohs (address.sin_port);
    return fd;
}

/* A child that answers each connection with these bytes and, unless it shall hang, closes. */
static pid_t
s_serve (int listener, const char *answer, int hang)
{
    pid_t child = fork ();

    if (child != 0)
        return child;
    for (;;) {
        char request[4096];
        int fd = accept (listener, NULL, NULL);
        if (fd < 0 || read (fd, request, sizeof request) < 0 ||
            write (fd, answer, strlen (answer)) < 0)
            _exit (1);
        if (hang)
            (void)poll (NULL, 0, -1);
        (void)shutdown (fd, SHUT_WR);
        while (read (fd, request, sizeof request) > 0)
            ;
        (void)close (fd);
    }
}

static int
s_on_bytes (const cb_http_head *head, const char *bytes, size_t size, void *context, cb_err *err)
{
    s_result *self = context;
    size_t at = strlen (self->body);

    if (self->refuse)
        return cb_fail (err, CB_E_PROTO, "not this");
    if (head->status == 0)
        abort ();
    (void)snprintf (self->body + at, sizeof self->body - at, "%.*s", (int)size, bytes);
    return 0;
}

static void
s_on_end (const cb_http_head *head, const cb_err *err, void *context)
{
    s_result *self = context;

    self->head = *head;
    self->err = *err;
    self->ends++;
    cb_http_destroy (&self->http);
}

static const char *const s_headers[] = {"Content-Type: application/json", NULL};

static void
s_ask (cb_loop *loop, cb_curlmulti *multi, const char *url, s_result *self)
{
    cb_err err = CB_ERR_INIT;
    const cb_http_request request = {.url = url,
                                     .headers = s_headers,
                                     .body = "{}",
                                     .size = 2,
                                     .idle_timeout = self->patience,
                                     .on_bytes = s_on_bytes,
                                     .on_end = s_on_end,
                                     .context = self};

    if (cb_http_start (multi, &request, &self->http, &err) < 0)
        abort ();
    while (self->ends == 0)
        if (cb_loop_turn (loop, CB_USEC_NEVER, &err) < 0)
            abort ();
}

typedef struct s_case {
    const char *answer; /* NULL: nobody is there */
    int hang;
    int refuse;
    cb_usec patience; /* 0: PATIENCE */
} s_case;

static s_result
s_try (s_case what)
{
    cb_err err = CB_ERR_INIT;
    s_result result = {.refuse = what.refuse,
                       .patience = what.patience != 0 ? what.patience : PATIENCE};
    char url[64];
    int port = 0;

    cb_auto_close int listener = s_listen (what.answer == NULL, &port);
    (void)snprintf (url, sizeof url, "http://127.0.0.1:%d/v1/x", port);
    pid_t child = what.answer != NULL ? s_serve (listener, what.answer, what.hang) : -1;
    cb_loop *loop = cb_loop_new (&err);
    cb_curlmulti *multi = cb_curlmulti_new (loop, &err);
    s_ask (loop, multi, url, &result);
    cb_curlmulti_destroy (&multi);
    cb_loop_destroy (&loop);
    if (child > 0) {
        (void)kill (child, SIGKILL);
        (void)waitpid (child, NULL, 0);
    }
    return result;
}

/* Silence after some words. On a busy machine it may begin before them: then once more, with more
 * patience. */
static void
s_test_silence (void)
{
    s_result r = {.ends = 0};

    for (cb_usec patience = CB_USEC_PER_SEC / 5; patience < PATIENCE; patience *= 4) {
        r = s_try (
            (s_case){.answer = "HTTP/1.1 200 OK\r\n\r\nsome", .hang = 1, .patience = patience});
        if (r.err.code != CB_E_TIMEOUT || r.body[0] != '\0')
            break;
    }
    ok (r.err.code == CB_E_TIMEOUT && strcmp (r.body, "some") == 0, "silence: %s", r.err.text);
}

int
main (void)
{
    (void)signal (SIGPIPE, SIG_IGN);
    s_result r = s_try ((s_case){
        .answer = "HTTP/1.1 200 OK\r\ncontent-type:  text/event-stream \r\n\r\ndata: a\n\n"});
    ok (r.err.code == 0 && r.head.status == 200 && strcmp (r.body, "data: a\n\n") == 0 &&
            strcmp (r.head.content_type, "text/event-stream") == 0,
        "an answer with its head");

    r = s_try ((s_case){
        .answer = "HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"});
    ok (r.err.code == 0 && r.head.status == 429 && strcmp (r.head.retry_after, "7") == 0,
        "a refusal is an answer too");

    r = s_try ((s_case){
        .answer =
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"});
    ok (r.err.code == 0 && r.head.status == 302, "redirects are not followed");

    r = s_try ((s_case){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"});
    ok (r.err.code == CB_E_IO && strcmp (r.body, "half") == 0, "half an answer: %s", r.err.text);

    s_test_silence ();

    r = s_try ((s_case){.answer = "what?\r\n\r\n"});
    ok (r.err.code == CB_E_IO && r.head.status == 0, "no HTTP: %s", r.err.text);

    r = s_try ((s_case){.answer = "HTTP/1.1 200 OK\r\n\r\nsome", .refuse = 1});
    ok (r.err.code == CB_E_PROTO && strcmp (r.err.text, "not this") == 0 && r.ends == 1,
        "the receiver's fault is the end's");

    r = s_try ((s_case){.answer = NULL});
    ok (r.err.code == CB_E_IO && r.head.status == 0, "nobody there: %s", r.err.text);
    return tap_done ();
}
