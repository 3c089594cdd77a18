/* ctl.c - the verbs of the control API and the check of their fields.
 *
 * The broker answers by these rows and the client library sends by them; a verb is added here, as a
 * handler in front/control and on the page cellblock-protocol(7). */
#include "wire/ctl.h"

#include "base/jsonx.h"
#include "base/name.h"
#include "base/table.h"

#include <string.h>

#define SESSION                      \
    {                                \
        "session", CB_CTL_NAME, 1, 0 \
    }
#define MAYBE(name)             \
    {                           \
        name, CB_CTL_NAME, 0, 0 \
    }
#define PATH                                    \
    {                                           \
        "path", CB_CTL_TEXT, 1, CB_CTL_PATH_MAX \
    }
#define FLAG(name)              \
    {                           \
        name, CB_CTL_BOOL, 0, 0 \
    }
#define LIMITS                                        \
    {                                                 \
        "limits", CB_CTL_LIMITS, 0, CB_CTL_LIMITS_MAX \
    }
#define INPUTS                                        \
    {                                                 \
        "inputs", CB_CTL_INPUTS, 0, CB_CTL_INPUTS_MAX \
    }

#define WORKDIR                         \
    {                                   \
        "workdir", CB_CTL_WORKDIR, 0, 0 \
    }

/* Sorted by name. */
static const cb_ctl_verb s_verbs[] = {
    {"ask_request",
     "ask_reply",
     CB_CTL_NEEDS_SESSION,
     0,
     {SESSION, {"question", CB_CTL_TEXT, 1, 64}, {"content", CB_CTL_OBJECT, 0, 0}}},
    {"files_request",
     "files_reply",
     CB_CTL_NEEDS_SESSION,
     0,
     {SESSION, {"path", CB_CTL_TEXT, 0, CB_CTL_PATH_MAX}}},
    {"get_request",
     "get_reply",
     CB_CTL_NEEDS_SESSION,
     0,
     {SESSION,
      PATH,
      {"offset", CB_CTL_SIZE, 0, CB_CTL_SIZE_MAX},
      {"size", CB_CTL_SIZE, 0, CB_CTL_BUFFER_MAX}}},
    {"hello_request", "hello_reply", CB_CTL_NO_SESSION, 0, {{0}}},
    {"interrupt_request", "interrupt_reply", CB_CTL_NEEDS_SESSION, 0, {SESSION}},
    {"kernel_request",
     "kernel_reply",
     CB_CTL_NO_SESSION,
     0,
     {{"file", CB_CTL_TEXT, 1, CB_CTL_PATH_MAX},
      {"key", CB_CTL_TEXT, 1, CB_CTL_KEY_MAX},
      {"shim", CB_CTL_TEXT, 1, CB_CTL_SHIM_MAX},
      MAYBE ("name"),
      MAYBE ("profile"),
      WORKDIR,
      LIMITS,
      {"arguments", CB_CTL_TEXTS, 0, CB_CTL_ARGUMENTS_MAX},
      FLAG ("again")}},
    {"list_request", "list_reply", CB_CTL_NO_SESSION, 0, {{0}}},
    {"new_request",
     "new_reply",
     CB_CTL_NO_SESSION,
     0,
     {MAYBE ("name"), MAYBE ("profile"), INPUTS, WORKDIR, LIMITS, FLAG ("wait"), FLAG ("bound")}},
    {"profile_request", "profile_reply", CB_CTL_NO_SESSION, 0, {{"profile", CB_CTL_NAME, 1, 0}}},
    {"profiles_request", "profiles_reply", CB_CTL_NO_SESSION, 0, {{0}}},
    {"put_request",
     "put_reply",
     CB_CTL_NEEDS_SESSION,
     1,
     {SESSION, PATH, {"offset", CB_CTL_SIZE, 0, CB_CTL_SIZE_MAX}, FLAG ("eof")}},
    {"reload_request", "reload_reply", CB_CTL_NO_SESSION, 0, {{0}}},
    {"restart_request", "restart_reply", CB_CTL_NEEDS_SESSION, 0, {SESSION}},
    {"resume_request",
     "resume_reply",
     CB_CTL_NO_SESSION,
     0,
     {{"request", CB_CTL_TEXT, 1, CB_CTL_ID_MAX}, {"after", CB_CTL_SIZE, 0, CB_CTL_SIZE_MAX}}},
    {"run_request",
     "run_reply",
     CB_CTL_MAY_SESSION,
     0,
     {MAYBE ("session"),
      MAYBE ("profile"),
      INPUTS,
      LIMITS,
      {"code", CB_CTL_TEXT, 1, CB_CTL_CODE_MAX},
      {"timeout_s", CB_CTL_SECONDS, 0, CB_CTL_SECONDS_MAX},
      FLAG ("silent"),
      FLAG ("store_history"),
      FLAG ("keep"),
      FLAG ("allow_stdin"),
      FLAG ("interactive")}},
    {"show_request", "show_reply", CB_CTL_NEEDS_SESSION, 0, {SESSION}},
    {"shutdown_request", "shutdown_reply", CB_CTL_NO_SESSION, 0, {{0}}},
    {"status_request", "status_reply", CB_CTL_NO_SESSION, 0, {{0}}},
    {"stop_request", "stop_reply", CB_CTL_SESSION_OR_ALL, 0, {MAYBE ("session"), FLAG ("all")}},
};

static const cb_ctl_verb s_input = {"input_reply",
                                    "error_reply",
                                    CB_CTL_NO_SESSION,
                                    0,
                                    {{"value", CB_CTL_TEXT, 1, CB_CTL_VALUE_MAX}}};

/* Sorted by name. */
static const cb_ctl_event s_events[] = {
    {"artifact", "path file size sha256"}, {"bound", "session profile connection_file"},
    {"limit", "name value dropped_bytes"}, {"lost", "bytes messages"},
    {"queued", "session run ahead"},       {"start", "session run profile"},
};

const cb_ctl_verb *
cb_ctl_find (const char *msg_type)
{
    return CB_TABLE_FIND (s_verbs, msg_type);
}

const cb_ctl_verb *
cb_ctl_input (void)
{
    return &s_input;
}

const cb_ctl_event *
cb_ctl_event_find (const char *msg_type)
{
    return CB_TABLE_FIND (s_events, msg_type);
}

int
cb_ctl_forwards (const cb_msgtype *type)
{
    return type != NULL && (type->role == CB_ROLE_OUTPUT || type->role == CB_ROLE_ECHO ||
                            type->role == CB_ROLE_STATUS);
}

const cb_ctl_verb *
cb_ctl_verbs (size_t *ret_count)
{
    *ret_count = CB_COUNT (s_verbs);
    return s_verbs;
}

const cb_ctl_event *
cb_ctl_events (size_t *ret_count)
{
    *ret_count = CB_COUNT (s_events);
    return s_events;
}

static const cb_ctl_field *
s_field (const cb_ctl_verb *verb, const char *name)
{
    for (const cb_ctl_field *field = verb->fields; field->name != NULL; field++)
        if (strcmp (field->name, name) == 0)
            return field;
    return NULL;
}

/* One of "inputs": {"path": "/a/b", "name": "b"}. */
static int
s_check_input (const json_t *input, cb_err *err)
{
    const char *path = NULL;
    const char *name = NULL;

    if (!json_is_object (input))
        return cb_fail (err, CB_E_INVALID, "field 'inputs' holds something that is not an object");
    CB_TRY (cb_json_get_string (input, "path", CB_CTL_PATH_MAX, CB_JSON_REQUIRED, &path, err));
    CB_TRY (cb_json_get_string (input, "name", CB_FILE_NAME_MAX - 1, NULL, &name, err));
    if (path[0] != '/')
        return cb_fail (err, CB_E_INVALID, "input '%s' is not an absolute path", path);
    if (name != NULL)
        CB_TRY (cb_file_name_check (name, err));
    return 0;
}

static int
s_check_inputs (const cb_ctl_field *field, const json_t *content, cb_err *err)
{
    json_t *inputs = NULL;
    size_t i;
    const json_t *input;

    CB_TRY (cb_json_get_array (content, field->name, field->max, &inputs, err));
    json_array_foreach (inputs, i, input) CB_TRY (s_check_input (input, err));
    return 0;
}

static int
s_check_workdir (const cb_ctl_field *field, const json_t *content, cb_err *err)
{
    json_t *workdir = NULL;
    const char *path = NULL;
    const char *mode = NULL;

    CB_TRY (cb_json_get_object (content, field->name, &workdir, err));
    if (workdir == NULL)
        return 0;
    CB_TRY (cb_json_get_string (workdir, "path", CB_CTL_PATH_MAX, CB_JSON_REQUIRED, &path, err));
    CB_TRY (cb_json_get_string (workdir, "mode", CB_CTL_MODE_MAX, CB_JSON_REQUIRED, &mode, err));
    if (json_object_size (workdir) != 2)
        return cb_fail (err, CB_E_INVALID, "field '%s' has members other than path and mode",
                        field->name);
    if (path[0] != '/')
        return cb_fail (err, CB_E_INVALID, "the %s '%s' is not an absolute path", field->name,
                        path);
    if (strcmp (mode, "ro") != 0 && strcmp (mode, "rw") != 0)
        return cb_fail (err, CB_E_INVALID, "the mode '%s' of the %s is not ro or rw", mode,
                        field->name);
    return 0;
}

static int
s_check_texts (const cb_ctl_field *field, const json_t *content, cb_err *err)
{
    json_t *texts = NULL;
    size_t i;
    const json_t *text;

    CB_TRY (cb_json_get_array (content, field->name, field->max, &texts, err));
    json_array_foreach (
        texts, i,
        text) if (!json_is_string (text) || json_string_length (text) > CB_CTL_ARGUMENT_MAX ||
                  strlen (json_string_value (text)) !=
                      json_string_length (text)) return cb_fail (err, CB_E_INVALID,
                                                                 "field '%s' is not "
                                                                 "an array of texts "
                                                                 "of at most %d bytes",
                                                                 field->name, CB_CTL_ARGUMENT_MAX);
    return 0;
}

static int
s_check_limits (const cb_ctl_field *field, const json_t *content, cb_err *err)
{
    const json_t *limits = json_object_get (content, field->name);
    const char *key;
    const json_t *value;

    if (limits == NULL || json_is_null (limits))
        return 0;
    if (!json_is_object (limits) || json_object_size (limits) > field->max)
        return cb_fail (err, CB_E_INVALID, "field '%s' is not an object of at most %zu texts",
                        field->name, field->max);
    json_object_foreach (
        (json_t *)(uintptr_t)limits, key,
        value) if (!json_is_string (value) || json_string_length (value) > CB_CTL_LIMIT_MAX ||
                   strlen (json_string_value (value)) !=
                       json_string_length (value)) return cb_fail (err, CB_E_INVALID,
                                                                   "field '%s': '%.64s' is not a "
                                                                   "text such as \"1 GiB\"",
                                                                   field->name, key);
    return 0;
}

static int
s_check_name (const cb_ctl_field *field, const json_t *content, cb_err *err)
{
    const char *name = NULL;
    const char *what = strcmp (field->name, "profile") == 0 ? "profile" : "session";

    CB_TRY (cb_json_get_string (content, field->name, CB_CTL_PATH_MAX, NULL, &name, err));
    return name == NULL ? 0 : cb_name_check (what, name, err);
}

/* Over 0, as the page says. */
static int
s_check_seconds (const cb_ctl_field *field, const json_t *content, cb_err *err)
{
    double seconds = 0;

    CB_TRY (cb_json_get_double (content, field->name, 0, (double)field->max, 1, &seconds, err));
    if (seconds <= 0)
        return cb_fail (err, CB_E_INVALID, "field '%s' is not over 0", field->name);
    return 0;
}

static int
s_check_field (const cb_ctl_field *field, const json_t *content, cb_err *err)
{
    const char *text = NULL;
    json_t *object = NULL;
    int flag = 0;
    int64_t number = 0;

    switch (field->type) {
    case CB_CTL_TEXT:
        return cb_json_get_string (content, field->name, field->max, NULL, &text, err);
    case CB_CTL_NAME:
        return s_check_name (field, content, err);
    case CB_CTL_BOOL:
        return cb_json_get_bool (content, field->name, 0, &flag, err);
    case CB_CTL_SECONDS:
        return s_check_seconds (field, content, err);
    case CB_CTL_SIZE:
        return cb_json_get_int (content, field->name, 0, (int64_t)field->max, 0, &number, err);
    case CB_CTL_OBJECT:
        return cb_json_get_object (content, field->name, &object, err);
    case CB_CTL_LIMITS:
        return s_check_limits (field, content, err);
    case CB_CTL_WORKDIR:
        return s_check_workdir (field, content, err);
    case CB_CTL_TEXTS:
        return s_check_texts (field, content, err);
    case CB_CTL_INPUTS:
        return s_check_inputs (field, content, err);
    }
    return cb_fail (err, CB_E_INVALID, "field '%s' has no type", field->name);
}

static int
s_check_session_or_all (const json_t *content, cb_err *err)
{
    int has_session = json_is_string (json_object_get (content, "session"));
    int has_all = json_is_true (json_object_get (content, "all"));

    if (has_session + has_all == 1)
        return 0;
    return cb_fail (err, CB_E_INVALID, "give either 'session' or 'all': true");
}

int
cb_ctl_check (const cb_ctl_verb *verb, const json_t *content, size_t n_buffers, cb_err *err)
{
    const char *name;
    const json_t *member;

    json_object_foreach ((json_t *)(uintptr_t)content, name,
                         member) if (s_field (verb, name) ==
                                     NULL) return cb_fail (err, CB_E_INVALID,
                                                           "%s has no field '%.64s'", verb->name,
                                                           name);
    for (const cb_ctl_field *field = verb->fields; field->name != NULL; field++) {
        member = json_object_get (content, field->name);
        if (field->required && (member == NULL || json_is_null (member)))
            return cb_fail (err, CB_E_INVALID, "field '%s' is missing", field->name);
        CB_TRY (s_check_field (field, content, err));
    }
    if (verb->session == CB_CTL_SESSION_OR_ALL)
        CB_TRY (s_check_session_or_all (content, err));
    if (n_buffers != verb->buffers)
        return cb_fail (err, CB_E_INVALID, "%s has %zu buffers instead of %zu", verb->name,
                        n_buffers, verb->buffers);
    return 0;
}
