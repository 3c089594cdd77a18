/* opening.c - the session that a person or a task works in. Everything that can be wrong with the
 * words is found by cb_opening_check, before the daemon starts. */
#include "cli/opening.h"

#include "cli/inputs.h"

#include <stdio.h>
#include <string.h>

static int
s_set (json_t *object, const char *name, json_t *value, cb_err *err)
{
    return json_object_set_new (object, name, value) < 0 ? cb_fail_nomem (err) : 0;
}

int
cb_opening_check (const cb_opening *self, json_t **ret_request, cb_err *err)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:b, s:b}", "wait", 1, "bound", self->bound);

    if (self->session != NULL) {
        CB_TRY (cb_name_check ("session", self->session, err));
        CB_TRY (s_set (content, "name", json_string (self->session), err));
    }
    if (self->profile != NULL) {
        CB_TRY (cb_name_check ("profile", self->profile, err));
        CB_TRY (s_set (content, "profile", json_string (self->profile), err));
    }
    if (self->inputs->count > 0) {
        json_t *inputs = cb_inputs_json (self->inputs, err);
        if (inputs == NULL)
            return -CB_E_INVALID;
        CB_TRY (s_set (content, "inputs", inputs, err));
    }
    *ret_request = cb_take (content);
    return 0;
}

static int
s_find (const cb_opening *self, cb_conn *conn, cb_opened *opened, cb_err *err)
{
    if (self->inputs->count > 0)
        return cb_fail (err, CB_E_EXISTS,
                        "session '%s' runs already: give it files by cellblock put, or take "
                        "another session",
                        self->session);
    CB_TRY (cb_conn_call (conn, "show", json_pack ("{s:s}", "session", self->session),
                          &opened->reply, err));
    const char *profile = json_string_value (json_object_get (opened->reply, "profile"));
    if (self->profile != NULL && (profile == NULL || strcmp (profile, self->profile) != 0))
        return cb_fail (err, CB_E_EXISTS, "session '%s' runs already, in profile '%s'",
                        self->session, profile != NULL ? profile : "?");
    (void)snprintf (opened->session, sizeof opened->session, "%s", self->session);
    opened->found = true;
    return 0;
}

int
cb_opening_make (const cb_opening *self, cb_conn *conn, json_t *request, cb_opened *opened,
                 cb_err *err)
{
    const char *name = NULL;

    *opened = (cb_opened){.found = false};
    int result = cb_conn_call (conn, "new", request, &opened->reply, err);
    if (result == -CB_E_EXISTS && self->session != NULL) {
        err->code = 0;
        return s_find (self, conn, opened, err);
    }
    CB_TRY (result);
    CB_TRY (cb_json_get_string (opened->reply, "session", CB_NAME_MAX - 1, CB_JSON_REQUIRED, &name,
                                err));
    CB_TRY (cb_name_check ("session", name, err));
    (void)snprintf (opened->session, sizeof opened->session, "%s", name);
    return 0;
}

void
cb_opened_done (cb_opened *self)
{
    json_decref (self->reply);
    self->reply = NULL;
}
