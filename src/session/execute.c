/* execute.c - what of an attached client's execute_request is for the session, and what its kernel
 * gets. */
#include "session/session-int.h"

/* IPython's kernel answers nothing to fields that it does not expect, which looks like a broken
 * kernel: what is missing is what the specification says it is then, the rest is refused. */
static int
s_complete_cell (json_t *content, int *ret_silent, cb_err *err)
{
    json_t *expressions = NULL;
    int silent = 0;
    int store = 0;

    if (!json_is_string (json_object_get (content, "code")))
        return cb_fail (err, CB_E_INVALID, "content: 'code' is not a string");
    CB_TRY (cb_json_get_bool (content, "silent", 0, &silent, err));
    CB_TRY (cb_json_get_bool (content, "store_history", !silent, &store, err));
    CB_TRY (cb_json_get_object (content, "user_expressions", &expressions, err));
    (void)json_object_set_new (content, "silent", json_boolean (silent));
    (void)json_object_set_new (content, "store_history", json_boolean (store));
    if (expressions == NULL)
        (void)json_object_set_new (content, "user_expressions", json_object ());
    *ret_silent = silent;
    return 0;
}

int
cb_requests_read_cell_ (cb_request_from *from, int can_ask, cb_entry *flags, cb_err *err)
{
    json_t *content = cb_jmsg_content (from->message, err);
    size_t size = 0;

    if (content == NULL)
        return -CB_E_INVALID;
    CB_TRY (s_complete_cell (content, &flags->silent, err));
    CB_TRY (cb_json_get_bool (content, "stop_on_error", 1, &flags->stop_on_error, err));
    CB_TRY (cb_json_get_bool (content, "allow_stdin", 0, &flags->may_ask, err));
    flags->may_ask &= can_ask;
    (void)json_object_set_new (content, "stop_on_error", json_false ());
    (void)json_object_set_new (content, "allow_stdin", json_boolean (flags->may_ask));
    flags->content = cb_json_text (content, &size);
    return flags->content != NULL ? 0 : cb_fail_nomem (err);
}
