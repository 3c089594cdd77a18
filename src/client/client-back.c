/* client-back.c - the broker died and was started again: the client connects anew and has the rest
 * of its runs sent.
 *
 * What comes for a run is a stream: the daemon numbers its messages by counting, and so do we. The
 * new broker has the socket, the key and the counts of the old one, so "I had n" is enough. A
 * daemon that has ended takes broker.json with it; then nobody comes back. */
#include "client/client-int.h"

#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

/* A broker that died is there again within some 100 ms; with many sessions it takes longer. */
#define COME_BACK_MAX (10 * CB_USEC_PER_SEC)
#define TRY_EVERY_MS  10
/* Milliseconds for the answer of one resume_request. */
#define RESUME_MAX 10000

int
cb_client_watch_link (cellblock_client *self, cb_err *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (self->fd < 0)
        self->fd = epoll_create1 (EPOLL_CLOEXEC);
    /* A link that is gone has closed its own and left by that. */
    if (self->fd < 0 || epoll_ctl (self->fd, EPOLL_CTL_ADD, cb_link_fd (self->link), &event) < 0)
        return cb_fail_errno (err, CB_E_IO, "no descriptors left for a connection");
    return 0;
}

void
cb_client_open_run (cellblock_client *self, int64_t request, const char *content)
{
    if (self->n_runs < CB_OPEN_RUNS)
        self->runs[self->n_runs++] = (cb_open_run){.request = request, .content = strdup (content)};
}

static void
s_close_run (cellblock_client *self, size_t i)
{
    free (self->runs[i].content);
    self->runs[i] = self->runs[--self->n_runs];
}

void
cb_client_close_runs (cellblock_client *self)
{
    while (self->n_runs > 0)
        s_close_run (self, 0);
}

/* A message more; one that stands for forgotten ones counts as all of them. */
static uint64_t
s_count_of (const cellblock_event *event)
{
    int64_t messages = 1;

    if (strcmp (event->message->msg_type, "lost") != 0)
        return 1;
    const json_t *content = cb_jmsg_content (event->message, NULL);
    if (!json_is_true (json_object_get (content, "forgotten")) ||
        cb_json_get_int (content, "messages", 1, INT64_MAX, 1, &messages, NULL) < 0)
        return 1;
    return (uint64_t)messages;
}

void
cb_client_count (cellblock_client *self, const cellblock_event *event)
{
    /* What is asked is told again by itself. */
    if (strcmp (event->message->msg_type, "input_request") == 0)
        return;
    for (size_t i = 0; i < self->n_runs; i++) {
        if (self->runs[i].request != event->request)
            continue;
        self->runs[i].had += s_count_of (event);
        if (event->kind == CELLBLOCK_REPLY)
            s_close_run (self, i);
        return;
    }
}

/* ---- input () ---- */

int
cb_client_was_asked (cellblock_client *self, const cellblock_event *question)
{
    const cb_jmsg *message = question->message;

    if (strcmp (message->msg_type, "input_request") != 0)
        return 0;
    if (strcmp (message->msg_id, self->asked) != 0) {
        (void)snprintf (self->asked, sizeof self->asked, "%s", message->msg_id);
        free (cb_take (self->answer));
        return 0;
    }
    cb_jmsg_draft draft = {.msg_type = "input_reply",
                           .session = self->session,
                           .parent = message->dicts[CB_DICT_HEADER]};
    if (self->answer == NULL)
        return 1;
    draft.content_text = (cb_part){self->answer, strlen (self->answer)};
    (void)cb_client_send (self, &draft);
    return 1;
}

int
cb_client_answer (cellblock_client *self, const cellblock_event *question, json_t *content)
{
    const cb_jmsg_draft draft = {.msg_type = "input_reply",
                                 .session = self->session,
                                 .parent = question->message->dicts[CB_DICT_HEADER],
                                 .content = content};

    if (strcmp (question->message->msg_id, self->asked) == 0) {
        free (self->answer);
        self->answer = cb_json_text (content, NULL);
    }
    /* The question comes again with the next broker, and then this answer goes out. */
    if (self->answer != NULL && cb_link_is_gone (self->link))
        return 0;
    return cb_client_send (self, &draft);
}

static int64_t
s_warden (const cellblock_client *self)
{
    return json_integer_value (json_object_get (self->file.more, "warden_pid"));
}

/* Tries until the broker answers, or there is no daemon any more, or another one. */
static int
s_connect_again (cellblock_client *self)
{
    const struct timespec pause = {.tv_nsec = TRY_EVERY_MS * 1000000L};
    cb_usec until = cb_now () + COME_BACK_MAX;
    int64_t warden = s_warden (self);

    for (;;) {
        if (kill ((pid_t)warden, 0) < 0 && errno == ESRCH)
            return cb_fail (&self->err, CB_E_GONE,
                            "the daemon closed the connection: it ended, or died");
        int result = cb_client_try (self);
        if (s_warden (self) != warden)
            return cb_fail (&self->err, CB_E_GONE,
                            "the daemon closed the connection: it ended, another one runs");
        if (result == 0)
            return 0;
        if (result == -CB_E_NOTFOUND || result == -CB_E_DENIED)
            return cb_fail (&self->err, CB_E_GONE, "the daemon closed the connection: it ended");
        if (cb_now () >= until)
            return cb_fail (&self->err, CB_E_GONE,
                            "the daemon's broker died and none came in its place");
        (void)nanosleep (&pause, NULL);
    }
}

int
cb_client_connect (cellblock_client *self)
{
    const struct timespec pause = {.tv_nsec = TRY_EVERY_MS * 1000000L};
    cb_usec until = cb_now () + COME_BACK_MAX;
    int result = cb_client_try (self);

    /* Nobody answers, yet the daemon lives: its broker is being started again. */
    while (result == -CB_E_GONE && cb_now () < until && s_warden (self) > 0 &&
           kill ((pid_t)s_warden (self), 0) == 0) {
        (void)nanosleep (&pause, NULL);
        result = cb_client_try (self);
    }
    return result;
}

/* The new broker does not know the run. One of which nothing was heard never reached the old one:
 * it is sent again, with the same id, so that it could not be carried out twice. */
static int
s_send_again (cellblock_client *self, const cb_open_run *run, const char *id)
{
    const cb_jmsg_draft draft = {.msg_type = "run_request",
                                 .msg_id = id,
                                 .session = self->session,
                                 .content_text = {run->content, strlen (run->content)}};

    return cb_client_send (self, &draft);
}

static int
s_resume (cellblock_client *self, const cb_open_run *run)
{
    char id[CB_MSG_ID_MAX];

    (void)snprintf (id, sizeof id, "%s_%" PRId64, self->session, run->request);
    cb_owned (cb_json) json_t *content =
        json_pack ("{ss sI}", "request", id, "after", (json_int_t)run->had);
    cb_auto_free char *text = content != NULL ? cb_json_text (content, NULL) : NULL;
    if (text == NULL)
        return cb_fail_nomem (&self->err);
    cellblock_event *reply = cellblock_call (self, "resume", text, RESUME_MAX);
    if (reply == NULL)
        return -self->err.code;
    int code = cellblock_event_code (reply);
    cellblock_event_free (&reply);
    if (code == CELLBLOCK_E_NOTFOUND && run->had == 0 && run->content != NULL)
        return s_send_again (self, run, id);
    if (code != 0)
        return cb_fail (&self->err, CB_E_GONE,
                        "the daemon's broker died, and the cell's session went with it");
    return 0;
}

/* A run that is unknown is not asked for again; the others go on. */
static int
s_resume_all (cellblock_client *self)
{
    cb_open_run runs[CB_OPEN_RUNS];
    cb_err lost = CB_ERR_INIT;
    size_t n_runs = self->n_runs;

    memcpy (runs, self->runs, n_runs * sizeof runs[0]);
    for (size_t i = 0; i < n_runs; i++) {
        if (s_resume (self, &runs[i]) == 0)
            continue;
        if (cb_link_is_gone (self->link))
            return -CB_E_IO;
        lost = self->err;
        for (size_t k = 0; k < self->n_runs; k++)
            if (self->runs[k].request == runs[i].request)
                s_close_run (self, k);
    }
    if (lost.code == 0)
        return 0;
    self->err = lost;
    return -CB_E_GONE;
}

int
cb_client_come_back (cellblock_client *self)
{
    int result = 0;

    self->coming_back = 1;
    self->came_back++;
    /* The broker may die again while we are at it. */
    do {
        result = s_connect_again (self);
        if (result == 0)
            result = s_resume_all (self);
    } while (result == -CB_E_IO);
    self->coming_back = 0;
    return result;
}
