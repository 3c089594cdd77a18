/* run-result.c - what is told of a run when it is over: its status, its error, the limit it hit.
 *
 * One cause is told, the weightiest: the clock, a death, a limit that its exception came from, the
 * output's cap, the exception itself. */
#include "session/run-int.h"

#include "base/jsonx.h"

#include <stdio.h>
#include <string.h>

const char *
cb_run_status (const cb_run *self)
{
    if (self->timed_out)
        return "timeout";
    if (self->dead)
        return self->death.limit != NULL ? "limit" : "died";
    if (self->interrupted && self->error != NULL)
        return "interrupted";
    if (self->hit.name != NULL || self->capped)
        return "limit";
    return self->error != NULL ? "error" : "ok";
}

static json_t *
s_wall_error (const cb_run *self)
{
    char text[CB_ERR_TEXT_MAX];
    char value[CB_UNITS_TEXT];

    (void)snprintf (text, sizeof text, "the cell ran over its wall time of %s%s%s%s",
                    cb_duration_text (self->wall, value),
                    self->dead ? "; it did not stop when asked, so the kernel was ended and "
                                 "the session's variables are gone"
                               : "",
                    "; ", cb_limit_advice ("wall"));
    return cb_run_error_ (cb_limit_ename ("wall"), text);
}

static json_t *
s_death_error (const cb_run *self)
{
    char text[CB_ERR_TEXT_MAX + 512];

    cb_limit_death_words (&self->death, 1, self->aftermath, text, sizeof text);
    return cb_run_error_ (cb_limit_death_ename (&self->death, 1), text);
}

/* The exception's own words stand behind ours, its traceback stays. */
static json_t *
s_hit_error (const cb_run *self)
{
    char text[CB_ERR_TEXT_MAX + 512];
    const char *evalue = json_string_value (json_object_get (self->error, "evalue"));

    (void)snprintf (text, sizeof text, "%s (%.64s: %.500s)", self->hit_words, cb_run_ename (self),
                    evalue != NULL ? evalue : "");
    json_t *error = cb_run_error_ (self->hit.ename, text);
    (void)json_object_set (error, "traceback", json_object_get (self->error, "traceback"));
    return error;
}

static json_t *
s_output_error (const cb_run *self)
{
    char text[CB_ERR_TEXT_MAX];
    char value[CB_UNITS_TEXT];

    (void)snprintf (text, sizeof text,
                    "the cell's output went over %s; %llu bytes of it were dropped; %s",
                    cb_size_text (self->output_limit, value), (unsigned long long)self->dropped,
                    cb_limit_advice ("output"));
    return cb_run_error_ (cb_limit_ename ("output"), text);
}

static json_t *
s_result_error (const cb_run *self)
{
    if (self->timed_out)
        return s_wall_error (self);
    if (self->dead)
        return s_death_error (self);
    if (self->hit.name != NULL)
        return s_hit_error (self);
    return self->capped ? s_output_error (self) : json_incref (self->error);
}

/* Name and value of the limit that the status "limit" is about; 0: none. */
static int
s_limit_of (const cb_run *self, const char **ret_name, char value[CB_UNITS_TEXT])
{
    if (self->timed_out || strcmp (cb_run_status (self), "limit") != 0)
        return 0;
    *ret_name = self->dead ? self->death.limit : self->hit.name;
    if (*ret_name != NULL) {
        (void)snprintf (value, CB_UNITS_TEXT, "%s",
                        self->dead ? self->death.limit_value : self->hit.value);
        return 1;
    }
    *ret_name = "output";
    (void)cb_size_text (self->output_limit, value);
    return 1;
}

json_t *
cb_run_limit (const cb_run *self)
{
    const char *name = NULL;
    char value[CB_UNITS_TEXT];

    return s_limit_of (self, &name, value) ? json_pack ("{s:s, s:s}", "name", name, "value", value)
                                           : NULL;
}

json_t *
cb_run_limit_event (const cb_run *self)
{
    char value[CB_UNITS_TEXT];

    if (self->capped)
        return json_pack ("{s:s, s:s, s:I}", "name", "output", "value",
                          cb_size_text (self->output_limit, value), "dropped_bytes",
                          (json_int_t)self->dropped);
    return cb_run_limit (self);
}

static json_t *
s_result_usage (const cb_run *self)
{
    json_t *usage =
        json_pack ("{s:f}", "wall_s", (double)self->wall_used / (double)CB_USEC_PER_SEC);

    if (self->usage_before.known && self->usage_after.known) {
        cb_usec cpu = self->usage_after.cpu > self->usage_before.cpu
                          ? self->usage_after.cpu - self->usage_before.cpu
                          : 0;
        (void)json_object_set_new (usage, "cpu_s",
                                   json_real ((double)cpu / (double)CB_USEC_PER_SEC));
    }
    if (self->usage_after.peak_memory > 0)
        (void)json_object_set_new (usage, "peak_memory_bytes",
                                   json_integer ((json_int_t)self->usage_after.peak_memory));
    return usage;
}

json_t *
cb_run_result (const cb_run *self, json_t *artifacts)
{
    json_t *result = json_object ();
    const char *status = cb_run_status (self);
    json_t *limit = cb_run_limit (self);

    (void)json_object_set_new (result, "session", json_string (self->session));
    (void)json_object_set_new (result, "run", json_string (self->name));
    (void)json_object_set_new (result, "status", json_string (status));
    (void)json_object_set_new (result, "execution_count",
                               self->execution_count > 0 ? json_integer (self->execution_count)
                                                         : json_null ());
    if (strcmp (status, "ok") != 0 && strcmp (status, "interrupted") != 0)
        (void)json_object_set_new (result, "error", s_result_error (self));
    if (self->pages != NULL)
        (void)json_object_set (result, "pages", self->pages);
    (void)json_object_set_new (result, "findings", json_array ());
    if (limit != NULL)
        (void)json_object_set_new (result, "limit", limit);
    (void)json_object_set_new (result, "usage", s_result_usage (self));
    (void)json_object_set (result, "artifacts", artifacts);
    return result;
}
