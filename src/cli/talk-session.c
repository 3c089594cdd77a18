/* talk-session.c - the session behind the prompt: opening it, looking after it, finding it again,
 * leaving it. */
#include "cli/signals.h"
#include "cli/talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* How long the daemon may take for what a prompt asks. A kernel that is busy with somebody else's
 * cell does not answer before it is done. */
#define S_PATIENCE (CB_USEC_PER_SEC)
/* How long a daemon that died may take to come back, and how often that is looked at. */
#define S_COMES_BACK (8 * CB_USEC_PER_SEC)
#define S_LOOK_MS    200

/* ---- asking -----------------------------------------------------------------------------------
 */

/* Waits for the daemon (or only so long); false: a signal wants something. */
static bool
s_wait (const cb_talk *self, int daemon, cb_usec until)
{
    struct pollfd wait[2] = {{daemon, POLLIN, 0}, {self->signals, POLLIN, 0}};
    cb_usec now = cb_now ();
    int left = until > now ? (int)((until - now) / CB_USEC_PER_MSEC + 1) : 0;

    return poll (wait, 2, left) >= 0 && wait[1].revents == 0;
}

/* The reply to the request, when it is there. Others' events are of no interest here. */
static int
s_take_reply (cb_talk *self, int64_t request, json_t **ret_reply, cb_err *err)
{
    cellblock_event *event;
    int result = CB_TALK_SILENT;

    while (result == CB_TALK_SILENT && (event = cellblock_next (self->conn.client, 0)) != NULL) {
        if (cellblock_event_request (event) == request &&
            cellblock_event_kind (event) == CELLBLOCK_REPLY) {
            result = cb_conn_content (event, ret_reply, err);
            if (result == 0 && cellblock_event_code (event) != CELLBLOCK_OK)
                result = cb_conn_refused (*ret_reply, err);
        }
        cellblock_event_free (&event);
    }
    if (result == CB_TALK_SILENT && cellblock_error_code (self->conn.client) == CELLBLOCK_E_GONE)
        return cb_conn_failed (&self->conn, err);
    return result;
}

int
cb_talk_call (cb_talk *self, const char *verb, json_t *content, json_t **ret_reply, cb_err *err)
{
    cb_owned (cb_json) json_t *taken = content;
    cb_owned (cb_json) json_t *reply = NULL;
    cb_auto_free char *text = taken != NULL ? cb_json_text (taken, NULL) : NULL;
    cb_usec until = cb_now () + S_PATIENCE;
    int result = CB_TALK_SILENT;

    if (text == NULL)
        return cb_fail_nomem (err);
    int64_t request = cellblock_request (self->conn.client, verb, text, NULL, 0);
    if (request < 0)
        return cb_conn_failed (&self->conn, err);
    while (result == CB_TALK_SILENT) {
        result = s_take_reply (self, request, &reply, err);
        if (result == CB_TALK_SILENT &&
            (cb_now () >= until || !s_wait (self, cellblock_fd (self->conn.client), until)))
            return CB_TALK_SILENT;
    }
    if (result == CB_TALK_ANSWERED)
        *ret_reply = cb_take (reply);
    return result;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static int64_t
s_restarts (const json_t *info)
{
    return json_integer_value (json_object_get (info, "restarts"));
}

static void
s_greet (const cb_talk *self, const cb_opened *opened)
{
    const char *profile = json_string_value (json_object_get (opened->reply, "profile"));
    const char *state = json_string_value (json_object_get (opened->reply, "state"));
    json_int_t cells = json_integer_value (json_object_get (opened->reply, "executions"));

    if (!opened->found)
        cb_cli_say ("Python in a jail: session '%s', profile %s. Ctrl-D leaves it and keeps it.",
                    self->session, profile != NULL ? profile : "?");
    else if (state != NULL && strcmp (state, "busy") == 0)
        cb_cli_say ("back in session '%s' (%lld cell%s so far); it is busy with one.",
                    self->session, (long long)cells, cells == 1 ? "" : "s");
    else
        cb_cli_say ("back in session '%s' (%lld cell%s so far).", self->session, (long long)cells,
                    cells == 1 ? "" : "s");
}

static int
s_make (cb_talk *self, const cb_opening *opening, cb_opened *opened, cb_err *err)
{
    cb_owned (cb_json) json_t *request = NULL;

    *opened = (cb_opened){.found = false};
    CB_TRY (cb_opening_check (opening, &request, err));
    CB_TRY (cb_opening_make (opening, &self->conn, cb_take (request), opened, err));
    (void)snprintf (self->session, sizeof self->session, "%s", opened->session);
    self->restarts = opened->found ? s_restarts (opened->reply) : 0;
    return 0;
}

int
cb_talk_open (cb_talk *self, cb_err *err)
{
    const cb_task_options *options = self->options;
    const cb_opening opening = {options->session, options->profile, &options->inputs, false};
    cb_owned (cb_json) json_t *request = NULL;
    cb_opened opened;

    CB_TRY (cb_opening_check (&opening, &request, err));
    CB_TRY (cb_conn_open (&self->conn, self->cli, CB_CONN_START, err));
    int result = s_make (self, &opening, &opened, err);
    if (result == 0)
        s_greet (self, &opened);
    cb_opened_done (&opened);
    return result;
}

/* ---- looking after it -------------------------------------------------------------------------
 */

/* Somebody stopped it, or it expired. */
static int
s_open_again (cb_talk *self, cb_err *err)
{
    const cb_opening opening = {self->session, self->options->profile, &self->options->inputs,
                                false};
    char name[CB_NAME_MAX];
    cb_opened opened;

    (void)snprintf (name, sizeof name, "%s", self->session);
    cb_cli_say ("session '%s' was stopped meanwhile; a new one of that name begins, without its "
                "variables",
                name);
    int result = s_make (self, &opening, &opened, err);
    cb_opened_done (&opened);
    self->gone = self->gone && result < 0;
    return result;
}

static void
s_tell_restart (cb_talk *self, const json_t *info)
{
    const char *why = json_string_value (json_object_get (info, "last_death"));
    int64_t restarts = s_restarts (info);

    if (self->restarts >= 0 && restarts > self->restarts)
        cb_cli_say ("meanwhile the kernel of session '%s' was started anew (%s); the variables "
                    "are gone",
                    self->session, why != NULL ? why : "somebody asked for it");
    self->restarts = restarts;
}

int
cb_talk_look (cb_talk *self, cb_err *err)
{
    cb_owned (cb_json) json_t *info = NULL;
    json_t *content = json_pack ("{s:s}", "session", self->session);

    int outcome = cb_talk_call (self, "show", content, &info, err);
    if (outcome == -CB_E_NOTFOUND) {
        err->code = 0;
        return s_open_again (self, err);
    }
    if (outcome == CB_TALK_ANSWERED) {
        const char *state = json_string_value (json_object_get (info, "state"));
        self->busy = state != NULL && strcmp (state, "idle") != 0;
        s_tell_restart (self, info);
    }
    return outcome;
}

/* Whether the daemon runs (again) and we are connected. */
static int
s_try (cb_talk *self, cb_err *err)
{
    cb_conn_done (&self->conn);
    int outcome = cb_conn_open (&self->conn, self->cli, CB_CONN_ONLY_RUNNING, err);
    self->person.client = self->conn.client;
    return outcome == CB_CONN_OPEN ? 0 : -CB_E_GONE;
}

int
cb_talk_reconnect (cb_talk *self, cb_err *err)
{
    cb_usec until = cb_now () + S_COMES_BACK;
    cb_owned (cb_json) json_t *info = NULL;

    while (s_try (self, err) < 0) {
        err->code = 0;
        if (cb_now () >= until || !s_wait (self, -1, cb_now () + S_LOOK_MS * CB_USEC_PER_MSEC)) {
            self->gone = true;
            return cb_fail (err, CB_E_GONE, "no daemon runs any more; session '%s' is gone",
                            self->session);
        }
    }
    json_t *content = json_pack ("{s:s}", "session", self->session);
    int outcome = cb_talk_call (self, "show", content, &info, err);
    if (outcome == -CB_E_NOTFOUND) {
        self->gone = true;
        return cb_fail (err, CB_E_GONE, "session '%s' is gone, and its variables with it",
                        self->session);
    }
    if (outcome == CB_TALK_ANSWERED)
        s_tell_restart (self, info);
    return outcome < 0 ? outcome : 0;
}

void
cb_talk_farewell (const cb_talk *self)
{
    if (self->session[0] == '\0' || self->gone)
        return;
    if (self->runs)
        cb_cli_say ("the cell runs on");
    cb_cli_say ("session '%s' stays: cellblock -s %s comes back to it, cellblock stop %s ends it",
                self->session, self->session, self->session);
}
