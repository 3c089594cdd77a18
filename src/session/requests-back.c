/* requests-back.c - attached clients' requests that a broker before us had: with the kernel, or in
 * the queue. Whose they are is known when he comes back. */
#include "session/session-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its request as far as it is needed: the header. */
static int
s_restore_request (cb_session *session, cb_part header, cb_jmsg **ret_request, cb_err *err)
{
    const cb_part empty = {"{}", 2};
    const cb_jmsg text = {.dicts = {[CB_DICT_HEADER] = header,
                                    [CB_DICT_PARENT] = empty,
                                    [CB_DICT_METADATA] = empty,
                                    [CB_DICT_CONTENT] = empty}};

    CB_TRY (cb_session_signer_ (session, err));
    cb_owned (cb_zmsg) cb_zmsg *raw = cb_jmsg_resign (&text, session->signer, NULL, 0, err);
    if (raw == NULL)
        return -CB_E_NOMEM;
    return cb_jmsg_read (session->signer, raw, ret_request, err);
}

static cb_entry *
s_bare (cb_session *session, const cb_entry_kind *kind)
{
    cb_entry *self = calloc (1, sizeof *self);

    if (self != NULL)
        *self = (cb_entry){.kind = kind,
                           .session = session,
                           .channel = CB_CHANNEL_SHELL,
                           .over_at = CB_USEC_NEVER};
    return self;
}

/* One whose header alone is known. */
static int
s_restore (cb_session *session, const cb_entry_kind *kind, cb_part header, cb_entry **ret_entry,
           cb_err *err)
{
    cb_entry *self = s_bare (session, kind);

    if (self == NULL)
        return cb_fail_nomem (err);
    int result = s_restore_request (session, header, &self->request, err);
    if (result < 0)
        cb_entry_destroy (&self);
    else
        *ret_entry = self;
    return result;
}

int
cb_requests_restore_ (cb_session *session, const cb_saved *saved, cb_part header,
                      cb_entry **ret_entry, cb_err *err)
{
    cb_entry *self = NULL;

    CB_TRY (s_restore (session, &cb_requests_cell_, header, &self, err));
    if (saved->channel == CB_CHANNEL_CONTROL)
        self->channel = CB_CHANNEL_CONTROL;
    self->stop_on_error = saved->stop_on_error;
    self->may_ask = saved->may_ask;
    self->replied = saved->replied;
    self->idle_told = saved->idle_told;
    self->run = cb_run_restore (&saved->run, session->name, err);
    if (self->run == NULL) {
        cb_entry_destroy (&self);
        return -CB_E_NOMEM;
    }
    *ret_entry = self;
    return 0;
}

int
cb_requests_asking_ (cb_session *session, cb_part header, cb_entry **ret_entry, cb_err *err)
{
    return s_restore (session, &cb_requests_other_, header, ret_entry, err);
}

int
cb_requests_queued_ (cb_session *session, cb_jmsg *request, cb_part content, cb_entry **ret_entry,
                     cb_err *err)
{
    cb_owned (cb_jmsg) cb_jmsg *taken = request;
    cb_entry *self = s_bare (session, &cb_requests_other_);

    if (self == NULL)
        return cb_fail_nomem (err);
    self->content = content.size > 0 ? strndup (content.data, content.size) : NULL;
    self->request = cb_take (taken);
    /* Without room it waits all the same: it was let in before. */
    (void)!cb_entry_charge_ (self, cb_zmsg_cost (self->request->raw), NULL);
    *ret_entry = self;
    return 0;
}

int
cb_requests_is_cell_ (cb_entry *self, const cb_run_saved *saved, cb_err *err)
{
    char name[CB_RUN_NAME_MAX];
    cb_run_options options = {.name = name,
                              .session = self->session->name,
                              .msg_id = self->request->msg_id,
                              .wall = saved->wall,
                              .grace = saved->grace,
                              .output_limit = saved->output_limit};

    (void)snprintf (name, sizeof name, "%.*s", (int)sizeof name - 1, saved->name);
    self->kind = &cb_requests_cell_;
    self->run = cb_run_new (&options, err);
    return self->run != NULL ? 0 : -CB_E_NOMEM;
}
