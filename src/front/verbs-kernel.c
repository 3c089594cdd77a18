/* verbs-kernel.c - the verb of a frontend's shim: a session for a connection file.
 *
 * The shim is told where the session's sockets are (`bound`), and with the reply why it has nothing
 * more to do. The session is found again by file and key, whoever asks for it: a frontend restarts
 * a kernel by ending one shim and starting another (session/owner). */
#include "front/control-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A second session of a name gets a number, up to this. */
#define NUMBERS_MAX 999

static const char *const s_whys[CB_LEAVE__COUNT] = {
    [CB_LEAVE_LOST] = "lost", [CB_LEAVE_RESTART] = "restart", [CB_LEAVE_DIED] = "died",
    [CB_LEAVE_OVER] = "over", [CB_LEAVE_FAILED] = "failed",
};

/* Members that say who asks, not for what. */
static const char *const s_who[] = {"again", "file", "key", "name", "shim"};

static void
s_on_leave (cb_leave why, const char *words, void *context)
{
    cb_ask *ask = context;

    cb_ask_done (&ask, json_pack ("{s:s, s:o}", "why", s_whys[why], "text", cb_json_words (words)));
}

/* FNV-1a of what is asked for. */
static int
s_digest (const json_t *content, uint64_t *ret_digest, cb_err *err)
{
    cb_owned (cb_json) json_t *asked = json_copy ((json_t *)(uintptr_t)content);
    uint64_t hash = UINT64_C (14695981039346656037);

    for (size_t i = 0; asked != NULL && i < sizeof s_who / sizeof s_who[0]; i++)
        (void)json_object_del (asked, s_who[i]);
    cb_auto_free char *text =
        asked != NULL ? json_dumps (asked, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (text == NULL)
        return cb_fail_nomem (err);
    for (const char *at = text; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C (1099511628211);
    *ret_digest = hash;
    return 0;
}

/* The name that was wished for, with a number when it is taken; NULL: any. */
static const char *
s_free_name (const cb_registry *registry, const char *wish, char name[CB_NAME_MAX])
{
    if (wish == NULL)
        return NULL;
    (void)snprintf (name, CB_NAME_MAX, "%s", wish);
    for (int number = 2; cb_registry_find (registry, name) != NULL; number++) {
        if (number > NUMBERS_MAX)
            return NULL;
        (void)snprintf (name, CB_NAME_MAX, "%.*s-%d", CB_NAME_MAX - 5, wish, number);
    }
    return name;
}

static int
s_make (cb_request *request, uint64_t digest, cb_session **ret_session, cb_err *err)
{
    cb_registry *registry = request->control->registry;
    char name[CB_NAME_MAX];
    cb_session_order order = {.name =
                                  s_free_name (registry, cb_request_text (request, "name"), name),
                              .profile = cb_request_text (request, "profile"),
                              .workdir = json_object_get (request->content, "workdir"),
                              .limits = json_object_get (request->content, "limits"),
                              .arguments = json_object_get (request->content, "arguments"),
                              .key = cb_request_text (request, "key"),
                              .file = cb_request_text (request, "file"),
                              .digest = digest};

    return cb_session_open (registry, &order, ret_session, err);
}

/* The session of the file, or a new one: also when it is asked for something else than before. */
static int
s_find (cb_request *request, cb_session **ret_session, cb_err *err)
{
    cb_session *found =
        cb_registry_of_file (request->control->registry, cb_request_text (request, "file"),
                             cb_request_text (request, "key"));
    uint64_t digest = 0;

    CB_TRY (s_digest (request->content, &digest, err));
    if (found != NULL)
        CB_TRY (cb_session_may_meet (found, cb_request_text (request, "shim"), err));
    if (found != NULL && cb_session_order_of (found) == digest) {
        *ret_session = found;
        return 0;
    }
    /* Its shim would take a new kernel for the one it knows. */
    if (cb_request_flag (request, "again", 0))
        return cb_fail (err, CB_E_NOTFOUND, "the session of this connection file is gone");
    if (found != NULL)
        CB_TRY (cb_session_stop (found, "its frontend wants another one", NULL, NULL, err));
    return s_make (request, digest, ret_session, err);
}

static void
s_tell_bound (cb_ask *ask, const cb_session *session)
{
    cb_owned (cb_json) json_t *info = cb_session_info (session);

    cb_ask_tell (ask, "bound",
                 json_pack ("{s:s, s:s, s:O}", "session", cb_session_name (session), "profile",
                            cb_session_profile (session)->name, "connection_file",
                            json_object_get (info, "connection_file")));
}

static int
s_check (const cb_request *request, cb_err *err)
{
    if (cb_request_text (request, "key")[0] != '\0' &&
        cb_request_text (request, "shim")[0] != '\0' && cb_request_text (request, "file")[0] == '/')
        return 0;
    return cb_fail (err, CB_E_INVALID,
                    "a kernel needs a key, a word of its shim's, and the absolute path of its "
                    "connection file");
}

int
cb_verb_kernel (cb_request *request, cb_err *err)
{
    cb_session *session = NULL;
    cb_ask *ask = NULL;

    CB_TRY (s_check (request, err));
    CB_TRY (cb_ask_new (request, &ask, err));
    const cb_shim shim = {.word = cb_request_text (request, "shim"),
                          .peer = request->client->peer,
                          .on_leave = s_on_leave,
                          .context = ask};
    int result = s_find (request, &session, err);
    if (result == 0)
        result = cb_session_meet (session, &shim, err);
    if (result < 0) {
        cb_ask_destroy (&ask);
        return result;
    }
    s_tell_bound (ask, session);
    return 0;
}
