/* verbs-profile.c - verbs about profiles: profiles lists all, profile tells one key by key. */
#include "front/control-int.h"

#include "base/jsonx.h"

#include <stdlib.h>

/* Why no session can be made of a profile, null when one can. New reference. */
static json_t *
s_refused (const cb_services *services, const char *name)
{
    cb_err why = CB_ERR_INIT;
    cb_auto_free cb_profile *profile = malloc (sizeof *profile);

    if (profile == NULL || (cb_profiles_resolve (services->profiles, name, profile, &why) == 0 &&
                            cb_profile_check_start (profile, &why) == 0))
        return json_null ();
    return cb_json_words (why.text);
}

static int
s_add_text (const cb_profile_value *value, void *context, cb_err *err)
{
    if (json_object_set_new (context, value->key, cb_json_words (value->text)) < 0)
        return cb_fail_nomem (err);
    return 0;
}

static int
s_list (const cb_services *services, json_t *list, cb_err *err)
{
    const char *name = NULL;

    for (size_t i = 0; (name = cb_profiles_name (services->profiles, i)) != NULL; i++) {
        cb_owned (cb_json) json_t *values = json_object ();
        CB_TRY (cb_profiles_explain (services->profiles, name, s_add_text, values, err));
        json_t *one = json_pack ("{s:s, s:O, s:o}", "name", name, "values", values, "refused",
                                 s_refused (services, name));
        if (json_array_append_new (list, one) < 0)
            return cb_fail_nomem (err);
    }
    return 0;
}

int
cb_verb_profiles (cb_request *request, cb_err *err)
{
    cb_owned (cb_json) json_t *list = json_array ();

    CB_TRY (s_list (cb_registry_services (request->control->registry), list, err));
    cb_request_done (request, json_pack ("{s:O}", "profiles", list));
    return 0;
}

static int
s_add_value (const cb_profile_value *value, void *context, cb_err *err)
{
    json_t *one = json_pack ("{s:s, s:o, s:s, s:o, s:b}", "key", value->key, "value",
                             cb_json_words (value->text), "profile", value->profile, "origin",
                             cb_json_words (value->origin), "fixed", value->fixed);

    return json_array_append_new (context, one) < 0 ? cb_fail_nomem (err) : 0;
}

int
cb_verb_profile (cb_request *request, cb_err *err)
{
    const cb_services *services = cb_registry_services (request->control->registry);
    const char *name = cb_request_text (request, "profile");
    cb_owned (cb_json) json_t *values = json_array ();

    CB_TRY (cb_profiles_explain (services->profiles, name, s_add_value, values, err));
    cb_request_done (request, json_pack ("{s:s, s:O, s:o}", "name", name, "values", values,
                                         "refused", s_refused (services, name)));
    return 0;
}
