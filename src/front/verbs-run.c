/* verbs-run.c - the verbs run, a cell in a fresh, a new or a living session, and ask, what a kernel
 * knows beside. */
#include "base/table.h"
#include "front/control-int.h"

#include <string.h>

/* What a run says about its session must fit the one there is. */
static int
s_check_living (const cb_request *request, const cb_session *session, cb_err *err)
{
    const char *profile = cb_request_text (request, "profile");
    const char *has = cb_session_profile (session)->name;

    if (json_array_size (json_object_get (request->content, "inputs")) > 0)
        return cb_fail (err, CB_E_EXISTS,
                        "session '%s' is there already and its inputs are fixed: copy the file in "
                        "with cellblock put, or take another session",
                        cb_session_name (session));
    if (json_object_size (json_object_get (request->content, "limits")) > 0)
        return cb_fail (err, CB_E_EXISTS,
                        "session '%s' is there already with its limits: take another session",
                        cb_session_name (session));
    if (profile != NULL && strcmp (profile, has) != 0)
        return cb_fail (err, CB_E_EXISTS,
                        "session '%s' is there already with profile '%s', not '%s'",
                        cb_session_name (session), has, profile);
    return 0;
}

/* The session it names, made when it does not exist, or one for this cell alone. */
static int
s_session (cb_request *request, cb_session **ret_session, int *ret_made, cb_err *err)
{
    const char *name = cb_request_text (request, "session");
    cb_registry *registry = request->control->registry;

    *ret_session = name != NULL ? cb_registry_find (registry, name) : NULL;
    *ret_made = *ret_session == NULL;
    if (!*ret_made)
        return s_check_living (request, *ret_session, err);
    cb_session_order order = {.name = name,
                              .profile = cb_request_text (request, "profile"),
                              .inputs = json_object_get (request->content, "inputs"),
                              .limits = json_object_get (request->content, "limits"),
                              .ephemeral = name == NULL && !cb_request_flag (request, "keep", 0)};
    return cb_session_open (registry, &order, ret_session, err);
}

static cb_usec
s_wall (const cb_request *request)
{
    double seconds = json_number_value (json_object_get (request->content, "timeout_s"));
    cb_usec wall = (cb_usec)(seconds * (double)CB_USEC_PER_SEC);

    return seconds > 0 && wall == 0 ? 1 : wall;
}

int
cb_verb_run (cb_request *request, cb_err *err)
{
    cb_session *session = NULL;
    int made = 0;

    CB_TRY (s_session (request, &session, &made, err));
    cb_cell cell = {.msg_id = request->message->msg_id,
                    .code = cb_request_text (request, "code"),
                    .wall = s_wall (request),
                    .silent = cb_request_flag (request, "silent", 0),
                    .store_history = cb_request_flag (request, "store_history", 1),
                    .allow_stdin = cb_request_flag (request, "allow_stdin", 0),
                    .interactive = cb_request_flag (request, "interactive", 0),
                    .asker = {.peer = request->client->peer,
                              .signer = request->control->signer,
                              .header = request->message->dicts[CB_DICT_HEADER]}};
    int result = cb_session_run (session, &cell, err);
    if (result < 0 && made)
        (void)!cb_session_stop (session, "its cell was refused", NULL, NULL, NULL);
    return result;
}

/* ---- resume ---- */

typedef struct search {
    const char *msg_id;
    cb_session *found;
} search;

static void
s_look (cb_session *session, void *context)
{
    search *self = context;

    if (self->found == NULL && cb_session_has_cell (session, self->msg_id))
        self->found = session;
}

/* A client whose broker died: the answer first, then what of his cell he has not had. */
int
cb_verb_resume (cb_request *request, cb_err *err)
{
    search look = {.msg_id = cb_request_text (request, "request")};
    cb_resume resume = {.peer = request->client->peer,
                        .after = cb_request_size (request, "after", 0)};

    cb_registry_each (request->control->registry, s_look, &look);
    if (look.found == NULL)
        return cb_fail (err, CB_E_NOTFOUND,
                        "the cell is not known here: it had not begun when the broker was started "
                        "again, or its session is gone");
    CB_TRY (cb_session_may_resume (look.found, look.msg_id, err));
    cb_request_done (request, json_pack ("{s:s}", "session", cb_session_name (look.found)));
    cb_session_resume (look.found, look.msg_id, &resume);
    return 0;
}

/* ---- ask ---- */

/* Questions of Jupyter's, sorted; those that say something of code, not of the kernel's life. */
static const struct {
    const char *name;
    const char *msg_type;
} s_questions[] = {
    {"complete", "complete_request"},
    {"history", "history_request"},
    {"inspect", "inspect_request"},
    {"is_complete", "is_complete_request"},
};

static void
s_on_answer (json_t *answer, const cb_err *err, void *context)
{
    cb_ask *ask = context;

    if (answer == NULL)
        cb_ask_fail (&ask, err);
    else
        cb_ask_done (&ask, json_pack ("{s:O}", "answer", answer));
}

int
cb_verb_ask (cb_request *request, cb_err *err)
{
    const char *name = cb_request_text (request, "question");
    cb_owned (cb_json) json_t *none = json_object ();
    json_t *content = json_object_get (request->content, "content");
    cb_session *session = NULL;
    cb_ask *ask = NULL;
    __typeof__ (&s_questions[0]) row = CB_TABLE_FIND (s_questions, name);

    if (row == NULL)
        return cb_fail (err, CB_E_INVALID,
                        "a kernel is not asked '%.64s', but complete, history, inspect, "
                        "is_complete",
                        name);
    CB_TRY (cb_request_session (request, &session, err));
    CB_TRY (cb_ask_new (request, &ask, err));
    cb_query query = {.msg_id = request->message->msg_id,
                      .msg_type = row->msg_type,
                      .content = content != NULL ? content : none,
                      .peer = request->client->peer,
                      .on_answer = s_on_answer,
                      .context = ask};
    int result = cb_session_query (session, &query, err);
    if (result < 0)
        cb_ask_destroy (&ask);
    return result;
}
