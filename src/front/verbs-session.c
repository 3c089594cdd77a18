/* verbs-session.c - verbs about sessions: new, list, show, interrupt, restart, stop. */
#include "front/control-int.h"

#include <stdio.h>
#include <string.h>

/* ---- new ---- */

static json_t *
s_new_reply (const cb_session *session)
{
    const cb_profile *profile = cb_session_profile (session);

    return json_pack ("{s:s, s:s, s:o, s:o}", "session", cb_session_name (session), "profile",
                      profile->name, "wall_s",
                      profile->wall > 0
                          ? json_real ((double)profile->wall / (double)CB_USEC_PER_SEC)
                          : json_null (),
                      "workdir", cb_session_workdir (&profile->jail));
}

static void
s_on_new_ready (const cb_err *err, void *context)
{
    cb_ask *ask = context;

    if (err->code != 0) {
        cb_ask_fail (&ask, err);
        return;
    }
    cb_session *session = ask->client != NULL
                              ? cb_registry_find (ask->client->control->registry, ask->session)
                              : NULL;
    cb_ask_done (&ask, session != NULL ? s_new_reply (session) : NULL);
}

static int
s_open (cb_request *request, cb_session **ret_session, cb_err *err)
{
    cb_session_order order = {.name = cb_request_text (request, "name"),
                              .profile = cb_request_text (request, "profile"),
                              .inputs = json_object_get (request->content, "inputs"),
                              .workdir = json_object_get (request->content, "workdir"),
                              .limits = json_object_get (request->content, "limits")};

    CB_TRY (cb_session_open (request->control->registry, &order, ret_session, err));
    if (cb_request_flag (request, "bound", 0))
        cb_session_bind (*ret_session, request->client->peer);
    return 0;
}

int
cb_verb_new (cb_request *request, cb_err *err)
{
    cb_session *session = NULL;
    cb_ask *ask = NULL;

    if (!cb_request_flag (request, "wait", 0)) {
        CB_TRY (s_open (request, &session, err));
        cb_request_done (request, s_new_reply (session));
        return 0;
    }
    /* First what can be refused without anything being made. */
    CB_TRY (cb_ask_new (request, &ask, err));
    int result = s_open (request, &session, err);
    if (result == 0) {
        (void)snprintf (ask->session, sizeof ask->session, "%s", cb_session_name (session));
        result = cb_session_when_ready (session, s_on_new_ready, ask, err);
    }
    if (result < 0)
        cb_ask_destroy (&ask);
    return result;
}

/* ---- list, show ---- */

static void
s_list_one (cb_session *session, void *context)
{
    (void)json_array_append_new (context, cb_session_info (session));
}

int
cb_verb_list (cb_request *request, cb_err *err)
{
    json_t *sessions = json_array ();

    (void)err;
    cb_registry_each (request->control->registry, s_list_one, sessions);
    cb_request_done (request, json_pack ("{s:o}", "sessions", sessions));
    return 0;
}

int
cb_verb_show (cb_request *request, cb_err *err)
{
    cb_session *session = NULL;

    CB_TRY (cb_request_session (request, &session, err));
    cb_request_done (request, cb_session_info (session));
    return 0;
}

/* ---- interrupt, restart, stop ---- */

int
cb_verb_interrupt (cb_request *request, cb_err *err)
{
    cb_session *session = NULL;

    CB_TRY (cb_request_session (request, &session, err));
    cb_request_done (request, json_pack ("{s:b}", "interrupted", cb_session_interrupt (session)));
    return 0;
}

static void
s_on_settled (const cb_err *err, void *context)
{
    cb_ask *ask = context;

    if (err->code != 0)
        cb_ask_fail (&ask, err);
    else
        cb_ask_done (&ask, NULL);
}

int
cb_verb_restart (cb_request *request, cb_err *err)
{
    cb_session *session = NULL;
    cb_ask *ask = NULL;

    CB_TRY (cb_request_session (request, &session, err));
    CB_TRY (cb_ask_new (request, &ask, err));
    int result = cb_session_restart (session, s_on_settled, ask, err);
    if (result < 0)
        cb_ask_destroy (&ask);
    return result;
}

/* One of those that stop all waits for, or the last. */
static void
s_on_one_stopped (const cb_err *err, void *context)
{
    cb_ask *ask = context;

    (void)err;
    if (--ask->pending == 0)
        cb_ask_done (&ask, json_pack ("{s:I}", "stopped", (json_int_t)ask->number));
}

static void
s_stop_one (cb_session *session, void *context)
{
    cb_ask *ask = context;
    cb_err err = CB_ERR_INIT;

    ask->pending++;
    if (cb_session_stop (session, "the session was stopped", s_on_one_stopped, ask, &err) == 0)
        ask->number++;
    else
        ask->pending--;
}

int
cb_verb_stop (cb_request *request, cb_err *err)
{
    cb_session *session = NULL;
    cb_ask *ask = NULL;
    cb_err none = CB_ERR_INIT;

    if (!cb_request_flag (request, "all", 0)) {
        CB_TRY (cb_request_session (request, &session, err));
        CB_TRY (cb_ask_new (request, &ask, err));
        int result = cb_session_stop (session, "the session was stopped", s_on_settled, ask, err);
        if (result < 0)
            cb_ask_destroy (&ask);
        return result;
    }
    CB_TRY (cb_ask_new (request, &ask, err));
    ask->pending = 1; /* ours, so that it is not answered before all were asked */
    cb_registry_each (request->control->registry, s_stop_one, ask);
    s_on_one_stopped (&none, ask);
    return 0;
}
