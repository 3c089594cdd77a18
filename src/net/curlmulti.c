/* curlmulti.c - libcurl's multi interface on the loop: its sockets and its timer are sources of
 * ours, curl_multi_socket_action is called when one of them has something.
 *
 * Nothing here follows a redirect (an answer must not choose where the key goes), speaks another
 * protocol than HTTP, or reads .netrc. A timer of our own watches for silence: libcurl's low-speed
 * check averages and counts whole seconds. Ends are told from a deferred source, never from inside
 * libcurl, so on_end may destroy the request. */
#include "net/curlmulti.h"

#include "base/cleanup.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

/* How long a connection may take to come about. */
#define S_CONNECT_MS 10000L
/* Bytes of the answer's head. */
#define S_HEAD_MAX (256 * 1024)

struct cb_curlmulti {
    cb_loop *loop; /* borrowed */
    CURLM *multi;
    cb_source *timer;
};

struct cb_http {
    cb_curlmulti *multi; /* borrowed */
    CURL *easy;
    struct curl_slist *headers;
    cb_http_request request; /* url and headers are not kept */
    cb_http_head head;
    size_t head_bytes;
    cb_source *idle;
    cb_source *end; /* deferred */
    char words[CURL_ERROR_SIZE];
    cb_err err; /* what on_end is told */
};

/* ---- libcurl's sockets and timer --------------------------------------------------------------
 */

/* Whoever is done gets its end in a turn of its own. */
static void
s_collect (cb_curlmulti *self)
{
    int left = 0;

    for (CURLMsg *msg = curl_multi_info_read (self->multi, &left); msg != NULL;
         msg = curl_multi_info_read (self->multi, &left)) {
        cb_http *http = NULL;
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode code = msg->data.result;
        (void)curl_easy_getinfo (msg->easy_handle, CURLINFO_PRIVATE, (char **)&http);
        if (code != CURLE_OK && http->err.code == 0)
            (void)cb_fail (&http->err, CB_E_IO, "%s",
                           http->words[0] != '\0' ? http->words : curl_easy_strerror (code));
        cb_source_on (http->end, 1);
    }
}

static void
s_act (cb_curlmulti *self, curl_socket_t fd, int what)
{
    int running = 0;

    (void)curl_multi_socket_action (self->multi, fd, what, &running);
    s_collect (self);
}

static void
s_on_io (cb_source *source, int fd, uint32_t events, void *context)
{
    cb_curlmulti *self = context;
    int what = 0;

    (void)source;
    if (events & (EPOLLIN | EPOLLHUP))
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    s_act (self, fd, what);
}

static void
s_on_timer (cb_source *source, void *context)
{
    (void)source;
    s_act (context, CURL_SOCKET_TIMEOUT, 0);
}

static int
s_unwatch (cb_curlmulti *self, curl_socket_t fd, cb_source *source)
{
    (void)curl_multi_assign (self->multi, fd, NULL);
    cb_source_destroy (&source);
    return 0;
}

/* CURLMOPT_SOCKETFUNCTION. The source is libcurl's pointer of the socket. */
static int
s_on_socket (CURL *easy, curl_socket_t fd, int what, void *context, void *of_socket)
{
    cb_curlmulti *self = context;
    cb_source *source = of_socket;
    uint32_t events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE)
        return s_unwatch (self, fd, source);
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    if (source != NULL) {
        cb_source_set_events (source, events);
        return 0;
    }
    if (cb_loop_io (self->loop, fd, events, s_on_io, self, &source, NULL) < 0)
        return -1;
    (void)curl_multi_assign (self->multi, fd, source);
    return 0;
}

/* CURLMOPT_TIMERFUNCTION. */
static int
s_on_set_timer (CURLM *multi, long ms, void *context)
{
    cb_curlmulti *self = context;

    (void)multi;
    if (ms < 0)
        cb_source_on (self->timer, 0);
    else
        cb_source_at (self->timer, cb_now () + (cb_usec)ms * CB_USEC_PER_MSEC);
    return 0;
}

cb_curlmulti *
cb_curlmulti_new (cb_loop *loop, cb_err *err)
{
    cb_owned (cb_curlmulti) cb_curlmulti *self = calloc (1, sizeof *self);

    if (self == NULL || curl_global_init (CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->loop = loop;
    self->multi = curl_multi_init ();
    if (self->multi == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    if (cb_loop_at (loop, CB_USEC_NEVER, s_on_timer, self, &self->timer, err) < 0)
        return NULL;
    (void)curl_multi_setopt (self->multi, CURLMOPT_SOCKETFUNCTION, s_on_socket);
    (void)curl_multi_setopt (self->multi, CURLMOPT_SOCKETDATA, self);
    (void)curl_multi_setopt (self->multi, CURLMOPT_TIMERFUNCTION, s_on_set_timer);
    (void)curl_multi_setopt (self->multi, CURLMOPT_TIMERDATA, self);
    return cb_take (self);
}

void
cb_curlmulti_destroy (cb_curlmulti **self_at)
{
    cb_curlmulti *self = *self_at;

    *self_at = NULL;
    if (self == NULL)
        return;
    if (self->multi != NULL)
        (void)curl_multi_cleanup (self->multi); /* closes connections: their sources go too */
    cb_source_destroy (&self->timer);
    free (self);
}

/* ---- one request ------------------------------------------------------------------------------
 */

static void
s_alive (cb_http *self)
{
    if (self->request.idle_timeout > 0)
        cb_source_at (self->idle, cb_now () + self->request.idle_timeout);
}

static void
s_on_idle (cb_source *source, void *context)
{
    cb_http *self = context;

    (void)source;
    if (self->err.code == 0)
        (void)cb_fail (&self->err, CB_E_TIMEOUT, "it has been silent for %llu s",
                       (unsigned long long)(self->request.idle_timeout / CB_USEC_PER_SEC));
    (void)curl_multi_remove_handle (self->multi->multi, self->easy);
    cb_source_on (self->end, 1);
}

static void
s_on_end (cb_source *source, void *context)
{
    cb_http *self = context;

    (void)source;
    cb_source_on (self->idle, 0);
    self->request.on_end (&self->head, &self->err, self->request.context);
}

static size_t
s_on_body (char *bytes, size_t one, size_t size, void *context)
{
    cb_http *self = context;
    long status = 0;

    s_alive (self);
    if (self->head.status == 0) {
        (void)curl_easy_getinfo (self->easy, CURLINFO_RESPONSE_CODE, &status);
        self->head.status = (int)status;
    }
    int result =
        self->request.on_bytes (&self->head, bytes, one * size, self->request.context, &self->err);
    s_alive (self); /* the receiver's own slowness is no silence */
    return result < 0 ? CURL_WRITEFUNC_ERROR : one * size;
}

/* "Name: value\r\n" with this name: the value's beginning in into. */
static void
s_take_field (const char *line, size_t size, const char *name, char *into, size_t room)
{
    size_t length = strlen (name);

    if (size <= length || line[length] != ':' || strncasecmp (line, name, length) != 0)
        return;
    const char *value = line + length + 1;
    size_t left = size - length - 1;
    while (left > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        left--;
    }
    while (left > 0 && (unsigned char)value[left - 1] <= ' ')
        left--;
    if (left >= room)
        left = room - 1;
    memcpy (into, value, left);
    into[left] = '\0';
}

/* Each line of the head; a status line begins a new one (100 Continue comes before). */
static size_t
s_on_header (char *line, size_t one, size_t count, void *context)
{
    cb_http *self = context;
    cb_http_head *head = &self->head;
    size_t size = one * count;
    long status = 0;

    s_alive (self);
    self->head_bytes += size;
    if (self->head_bytes > S_HEAD_MAX) {
        (void)cb_fail (&self->err, CB_E_LIMIT, "the head of its answer is over %d KiB",
                       S_HEAD_MAX / 1024);
        return 0;
    }
    if (size > 5 && strncasecmp (line, "HTTP/", 5) == 0)
        memset (head, 0, sizeof *head);
    (void)curl_easy_getinfo (self->easy, CURLINFO_RESPONSE_CODE, &status);
    head->status = (int)status;
    s_take_field (line, size, "Content-Type", head->content_type, sizeof head->content_type);
    s_take_field (line, size, "Retry-After", head->retry_after, sizeof head->retry_after);
    s_take_field (line, size, "Retry-After-Ms", head->retry_after_ms, sizeof head->retry_after_ms);
    s_take_field (line, size, "X-Should-Retry", head->should_retry, sizeof head->should_retry);
    return size;
}

static int
s_add_headers (cb_http *self, const char *const *headers, cb_err *err)
{
    for (; *headers != NULL; headers++) {
        struct curl_slist *longer = curl_slist_append (self->headers, *headers);
        if (longer == NULL)
            return cb_fail_nomem (err);
        self->headers = longer;
    }
    return 0;
}

static int
s_set_up (cb_http *self, const cb_http_request *request, cb_err *err)
{
    CURL *easy = self->easy;
    int bad = 0;

    CB_TRY (s_add_headers (self, request->headers, err));
    bad |= curl_easy_setopt (easy, CURLOPT_URL, request->url) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT_MS, S_CONNECT_MS) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_ERRORBUFFER, self->words) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_PRIVATE, self) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_HTTPHEADER, self->headers) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_POST, 1L) != CURLE_OK;
    bad |=
        curl_easy_setopt (easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_POSTFIELDS, request->body) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, s_on_body) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_WRITEDATA, self) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_HEADERFUNCTION, s_on_header) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_HEADERDATA, self) != CURLE_OK;
    bad |= curl_easy_setopt (easy, CURLOPT_USERAGENT, "cellblock/" PACKAGE_VERSION) != CURLE_OK;
    return bad ? cb_fail (err, CB_E_INVALID, "libcurl does not take the request") : 0;
}

int
cb_http_start (cb_curlmulti *multi, const cb_http_request *request, cb_http **ret_http, cb_err *err)
{
    cb_owned (cb_http) cb_http *self = calloc (1, sizeof *self);

    if (self == NULL)
        return cb_fail_nomem (err);
    self->multi = multi;
    self->request = *request;
    self->easy = curl_easy_init ();
    if (self->easy == NULL)
        return cb_fail_nomem (err);
    CB_TRY (cb_loop_at (multi->loop, CB_USEC_NEVER, s_on_idle, self, &self->idle, err));
    CB_TRY (cb_loop_defer (multi->loop, s_on_end, self, &self->end, err));
    cb_source_on (self->end, 0);
    CB_TRY (s_set_up (self, request, err));
    if (curl_multi_add_handle (multi->multi, self->easy) != CURLM_OK)
        return cb_fail_nomem (err);
    s_alive (self);
    *ret_http = cb_take (self);
    return 0;
}

void
cb_http_destroy (cb_http **self_at)
{
    cb_http *self = *self_at;

    *self_at = NULL;
    if (self == NULL)
        return;
    cb_source_destroy (&self->idle);
    cb_source_destroy (&self->end);
    if (self->easy != NULL) {
        (void)curl_multi_remove_handle (self->multi->multi, self->easy);
        curl_easy_cleanup (self->easy);
    }
    curl_slist_free_all (self->headers);
    free (self);
}
