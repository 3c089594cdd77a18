/* verbs-daemon.c - verbs about the daemon itself: hello, status, reload, shutdown. */
#include "front/control-int.h"

#include "base/log.h"

int
cb_verb_hello (cb_request *request, cb_err *err)
{
    (void)err;
    cb_request_done (request,
                     json_pack ("{s:i, s:s, s:s}", "protocol", CB_CTL_PROTOCOL, "version",
                                request->control->facts->version, "implementation", "cellblock"));
    return 0;
}

static json_t *
s_limits (const cb_registry *registry, cb_err *err)
{
    const cb_services *services = cb_registry_services (registry);
    cb_auto_free cb_profile *profile = calloc (1, sizeof *profile);

    if (profile == NULL || cb_profiles_resolve (services->profiles, "default", profile, err) < 0)
        return json_object ();
    json_t *limits = cb_session_limits (profile);
    (void)json_object_set_new (limits, "sessions",
                               json_integer ((json_int_t)cb_registry_most (registry)));
    (void)json_object_set_new (
        limits, "idle_expiry_s",
        services->idle_expiry > 0
            ? json_integer ((json_int_t)(services->idle_expiry / CB_USEC_PER_SEC))
            : json_null ());
    return limits;
}

int
cb_verb_status (cb_request *request, cb_err *err)
{
    cb_control *control = request->control;
    const cb_control_facts *facts = control->facts;
    const cb_services *services = cb_registry_services (control->registry);
    double uptime = (double)(cb_now () - facts->started_at) / (double)CB_USEC_PER_SEC;

    cb_request_done (request,
                     json_pack ("{s:s, s:I, s:I, s:f, s:I, s:I, s:s, s:s, s:s, s:o}", "version",
                                facts->version, "pid", (json_int_t)facts->pid, "warden_pid",
                                (json_int_t)facts->warden_pid, "uptime_s", uptime, "sessions",
                                (json_int_t)cb_registry_count (control->registry), "clients",
                                (json_int_t)control->n_clients, "log", facts->log, "runtime_dir",
                                services->runtime_dir, "state_dir", services->state_dir, "limits",
                                s_limits (control->registry, err)));
    return 0;
}

int
cb_verb_reload (cb_request *request, cb_err *err)
{
    CB_TRY (request->control->events->on_reload (request->control->context, err));
    cb_request_done (request, NULL);
    return 0;
}

int
cb_verb_shutdown (cb_request *request, cb_err *err)
{
    (void)err;
    cb_log_info ("a client ends the daemon");
    cb_request_done (request, NULL);
    request->control->events->on_shutdown (request->control->context);
    return 0;
}
