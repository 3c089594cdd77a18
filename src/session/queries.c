/* queries.c - what a client of the control API asks the kernel beside cells: whether code is
 * complete, how it goes on, what a name is.
 *
 * Such a question takes its turn in the session's queue like everybody's; its answer is told by a
 * callback, exactly once, also when the kernel dies or is silent. */
#include "session/session-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of an answer that is parsed: a long history, no more. */
#define ANSWER_MAX ((size_t)4 * 1024 * 1024)

static int s_send (cb_entry *self, cb_err *err);
static void s_finish (cb_entry *self, json_t *artifacts, const char *trouble);
static void s_fail (cb_entry *self, const cb_death *death);

static const cb_entry_kind s_kind = {s_send, s_finish, s_fail};

static void
s_tell (cb_entry *self, json_t *answer, const cb_err *err)
{
    if (!self->replied)
        self->query.on_answer (answer, err, self->query.context);
    self->replied = 1;
}

static void
s_tell_why (cb_entry *self, const char *why)
{
    cb_err err = CB_ERR_INIT;

    (void)cb_fail (&err, CB_E_GONE, "%s", why);
    s_tell (self, NULL, &err);
}

static void
s_tell_death (cb_entry *self, const cb_death *death, int began)
{
    char text[CB_DEATH_WORDS];

    cb_session_death_words_ (self->session, death, began, text);
    s_tell_why (self, text);
}

static int
s_send (cb_entry *self, cb_err *err)
{
    if (cb_kernel_forward (self->session->kernel, CB_CHANNEL_SHELL, self->request, 1, err) == 0)
        return CB_ENTRY_RUNS;
    s_tell (self, NULL, err);
    return CB_ENTRY_PASSED;
}

/* IPython's kernel is silent about what it cannot read. */
static void
s_finish (cb_entry *self, json_t *artifacts, const char *trouble)
{
    const cb_session *session = self->session;

    (void)artifacts;
    (void)trouble;
    if (session->kernel_gone)
        s_tell_death (self, &session->death, 1);
    else
        s_tell_why (self, "the kernel gave no answer");
}

static void
s_fail (cb_entry *self, const cb_death *death)
{
    s_tell_death (self, death, 0);
}

int
cb_queries_on_reply_ (cb_session *self, cb_jmsg *message)
{
    cb_entry *entry = self->running;
    cb_err err = CB_ERR_INIT;

    if (entry->kind != &s_kind || strcmp (message->msg_type, entry->request->type->reply) != 0)
        return 0;
    if (message->dicts[CB_DICT_CONTENT].size > ANSWER_MAX)
        (void)cb_fail (&err, CB_E_LIMIT, "the kernel's answer is over %zu bytes", ANSWER_MAX);
    json_t *answer = err.code == 0 ? cb_jmsg_content (message, &err) : NULL;
    s_tell (entry, answer, &err);
    return 1;
}

/* As the kernel gets it: a message of ours with the client's id, so that nobody takes it for his.
 */
static int
s_request (const cb_session *session, const cb_query *query, cb_jmsg **ret_request, cb_err *err)
{
    cb_jmsg_draft draft = {
        .msg_type = query->msg_type, .msg_id = query->msg_id, .content = query->content};

    if (session->signer == NULL)
        return cb_fail (err, CB_E_UNSUPPORTED, "session '%s' is for one cell alone", session->name);
    cb_owned (cb_zmsg) cb_zmsg *raw = cb_jmsg_write (session->signer, &draft, err);
    return raw != NULL ? cb_jmsg_read (session->signer, raw, ret_request, err) : -CB_E_NOMEM;
}

int
cb_session_query (cb_session *self, const cb_query *query, cb_err *err)
{
    cb_owned (cb_jmsg) cb_jmsg *request = NULL;

    CB_TRY (cb_cells_check_ (self, query->msg_id, err));
    CB_TRY (cb_cells_room_ (self, query->peer, err));
    CB_TRY (s_request (self, query, &request, err));
    cb_entry *entry = calloc (1, sizeof *entry);
    if (entry == NULL)
        return cb_fail_nomem (err);
    *entry = (cb_entry){.kind = &s_kind,
                        .session = self,
                        .query = *query,
                        .peer = query->peer,
                        .over_at = CB_USEC_NEVER};
    int result = cb_entry_charge_ (entry, cb_zmsg_cost (request->raw), err);
    if (result < 0) {
        cb_entry_destroy (&entry);
        return result;
    }
    entry->request = cb_take (request);
    (void)cb_cells_append_ (self, entry);
    return 0;
}
