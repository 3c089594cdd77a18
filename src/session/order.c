/* order.c - turns what a client asks for into what a session is made of. */
#include "session/order.h"

#include "base/jsonx.h"
#include "wire/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
s_take_input (cb_jail_spec *spec, const json_t *input, cb_err *err)
{
    cb_jail_input *to = &spec->inputs[spec->n_inputs];
    const char *path = NULL;
    const char *name = NULL;

    CB_TRY (cb_json_get_string (input, "path", sizeof to->path - 1, CB_JSON_REQUIRED, &path, err));
    const char *slash = strrchr (path, '/');
    if (slash == NULL || path[0] != '/')
        return cb_fail (err, CB_E_INVALID, "the input '%.200s' is not an absolute path", path);
    CB_TRY (cb_json_get_string (input, "name", sizeof to->name - 1, slash + 1, &name, err));
    if (cb_file_name_check (name, NULL) < 0)
        return cb_fail (err, CB_E_INVALID, "the input '%.200s' needs a file name of its own", path);
    for (uint32_t i = 0; i < spec->n_inputs; i++)
        if (strcmp (spec->inputs[i].name, name) == 0)
            return cb_fail (err, CB_E_EXISTS, "two inputs would be /input/%.200s", name);
    (void)snprintf (to->path, sizeof to->path, "%s", path);
    (void)snprintf (to->name, sizeof to->name, "%s", name);
    spec->n_inputs++;
    return 0;
}

static int
s_take_inputs (cb_jail_spec *spec, const json_t *inputs, cb_err *err)
{
    size_t i;
    const json_t *input;

    spec->n_inputs = 0;
    if (json_array_size (inputs) > CB_SPEC_INPUTS_MAX)
        return cb_fail (err, CB_E_LIMIT, "a session has at most %d inputs; give a folder",
                        CB_SPEC_INPUTS_MAX);
    json_array_foreach (inputs, i, input) CB_TRY (s_take_input (spec, input, err));
    return 0;
}

static int
s_take_workdir (cb_profile *profile, const json_t *workdir, cb_err *err)
{
    cb_jail_spec *spec = &profile->jail;
    const char *path = NULL;
    const char *mode = NULL;

    if (workdir == NULL || json_is_null (workdir))
        return 0;
    CB_TRY (cb_json_get_string (workdir, "path", sizeof spec->workdir_path - 1, CB_JSON_REQUIRED,
                                &path, err));
    CB_TRY (cb_json_get_string (workdir, "mode", CB_CTL_MODE_MAX, CB_JSON_REQUIRED, &mode, err));
    uint8_t wanted = strcmp (mode, "rw") == 0 ? CB_WORKDIR_RW : CB_WORKDIR_RO;
    if (wanted > profile->workdir)
        return cb_fail (err, CB_E_POLICY,
                        "profile %s has workdir = %s: the working folder %.800s is refused as %s",
                        profile->name, cb_workdir_name (profile->workdir), path, mode);
    spec->workdir = wanted;
    (void)snprintf (spec->workdir_path, sizeof spec->workdir_path, "%s", path);
    return 0;
}

static int
s_take_limits (cb_profile *profile, const json_t *limits, cb_err *err)
{
    const char *key;
    const json_t *value;

    /* jansson's iterator takes what it does not change without const. */
    json_object_foreach ((json_t *)(uintptr_t)limits, key, value)
        CB_TRY (cb_profile_override (profile, key, json_string_value (value), err));
    return cb_profile_check_start (profile, err);
}

static int
s_take_arguments (cb_jail_spec *spec, const json_t *arguments, cb_err *err)
{
    size_t i;
    const json_t *text;

    json_array_foreach (arguments, i, text)
        CB_TRY (cb_spec_add_argument (spec, json_string_value (text), err));
    return 0;
}

int
cb_session_open (cb_registry *registry, const cb_session_order *order, cb_session **ret_session,
                 cb_err *err)
{
    /* Large (it has room for all inputs), so it is not on the stack. */
    cb_auto_free cb_profile *profile = calloc (1, sizeof *profile);

    if (profile == NULL)
        return cb_fail_nomem (err);
    CB_TRY (cb_profiles_resolve (cb_registry_services (registry)->profiles,
                                 order->profile != NULL ? order->profile : "default", profile,
                                 err));
    CB_TRY (s_take_limits (profile, order->limits, err));
    CB_TRY (s_take_inputs (&profile->jail, order->inputs, err));
    CB_TRY (s_take_workdir (profile, order->workdir, err));
    CB_TRY (s_take_arguments (&profile->jail, order->arguments, err));
    cb_session_options options = {.name = order->name,
                                  .profile = profile,
                                  .ephemeral = order->ephemeral,
                                  .key = order->key,
                                  .file = order->file,
                                  .order = order->digest};
    return cb_registry_add (registry, &options, ret_session, err);
}
