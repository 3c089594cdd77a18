/* runs.c - cells of the control API: how they come into the queue and what their client is told. */
#include "session/session-int.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- an entry ---- */

static int s_send (cb_entry *self, cb_err *err);
static void s_finish (cb_entry *self, json_t *artifacts, const char *trouble);
static void s_fail (cb_entry *self, const cb_death *death);

static const cb_entry_kind s_kind = {s_send, s_finish, s_fail};

static json_t *
s_execute_content (const cb_cell *cell)
{
    return json_pack ("{s:s, s:b, s:b, s:{}, s:b, s:b}", "code", cell->code, "silent", cell->silent,
                      "store_history", cell->store_history && !cell->silent, "user_expressions",
                      "allow_stdin", cell->allow_stdin, "stop_on_error", 0);
}

static int
s_entry_new (cb_session *session, const cb_cell *cell, cb_entry **ret_entry, cb_err *err)
{
    cb_door_kind door = cell->interactive ? CB_DOOR_PERSON : CB_DOOR_PROGRAM;
    cb_usec wall = 0;

    CB_TRY (cb_profile_wall (&session->profile, door, cell->wall, &wall, err));
    cb_run_options options = {.session = session->name,
                              .msg_id = cell->msg_id,
                              .content = s_execute_content (cell),
                              .wall = wall,
                              .grace = session->profile.grace,
                              .output_limit = session->profile.output};
    if (options.content == NULL)
        return cb_fail (err, CB_E_INVALID, "the code is not text that JSON can carry");
    cb_entry *self = calloc (1, sizeof *self);
    if (self == NULL) {
        json_decref (options.content);
        return cb_fail_nomem (err);
    }
    self->kind = &s_kind;
    self->session = session;
    self->over_at = CB_USEC_NEVER;
    self->may_ask = cell->allow_stdin;
    self->peer = cell->asker.peer;
    self->run = cb_run_new (&options, err);
    self->fanout = self->run != NULL ? cb_fanout_new (err) : NULL;
    int result = self->fanout != NULL ? 0 : -CB_E_NOMEM;
    if (result == 0)
        result = cb_entry_charge_ (self, strlen (cell->code) + cell->asker.header.size, err);
    if (result == 0)
        result = cb_fanout_add (self->fanout, &cell->asker, err);
    if (result < 0) {
        cb_entry_destroy (&self);
        return result;
    }
    *ret_entry = self;
    return 0;
}

static json_t *
s_start (const cb_session *session, const char *run)
{
    return json_pack ("{s:s, s:s, s:s}", "session", session->name, "run", run, "profile",
                      session->profile.name);
}

static json_t *
s_queued (const cb_session *session, const char *run, size_t ahead)
{
    return json_pack ("{s:s, s:s, s:i}", "session", session->name, "run", run, "ahead", (int)ahead);
}

static void
s_tell_place (cb_entry *self, size_t ahead)
{
    cb_owned (cb_json) json_t *queued = s_queued (self->session, cb_run_name (self->run), ahead);

    self->told = ahead;
    cb_fanout_tell (self->fanout, "queued", queued);
    cb_waiting_told_ (self);
}

static void
s_tell_start (cb_entry *self, size_t ahead)
{
    const char *run = cb_run_name (self->run);
    cb_owned (cb_json) json_t *start = s_start (self->session, run);

    cb_fanout_tell (self->fanout, "start", start);
    if (ahead > 0)
        s_tell_place (self, ahead);
}

void
cb_runs_tell_places_ (cb_session *self, uint64_t client)
{
    for (cb_entry *entry = self->queue; entry != NULL && self->n_cells_queued > 0;
         entry = entry->next) {
        if (entry->client != client || entry->fanout == NULL)
            continue;
        size_t ahead = cb_cells_ahead_ (self, entry);
        if (ahead > entry->told)
            s_tell_place (entry, ahead);
    }
}

/* ---- answers ---- */

/* A cell that never began because the kernel never came is a refusal, not a run. */
static json_t *
s_refusal (const cb_death *death)
{
    return json_pack ("{s:s, s:s, s:o, s:[], s:b}", "status", "error", "ename",
                      cb_err_name (death->code), "evalue", cb_json_words (death->text), "traceback",
                      "refused", 1);
}

/* The last words about a cell. */
static void
s_finish (cb_entry *self, json_t *artifacts, const char *trouble)
{
    cb_owned (cb_json) json_t *limit = cb_run_limit_event (self->run);
    cb_owned (cb_json) json_t *result = cb_run_result (self->run, artifacts);
    size_t i;
    const json_t *artifact;

    cb_fanout_last_words (self->fanout);
    if (limit != NULL)
        cb_fanout_tell (self->fanout, "limit", limit);
    json_array_foreach (artifacts, i, artifact) cb_fanout_tell (self->fanout, "artifact", artifact);
    if (trouble[0] != '\0')
        (void)json_object_set_new (result, "artifacts_error", cb_json_words (trouble));
    (void)json_object_set_new (result, "profile", json_string (self->session->profile.name));
    (void)json_object_set_new (result, "layers", cb_session_layers_ (self->session));
    cb_save_over_ (self->session, 1);
    cb_fanout_finish (self->fanout, "run_reply", result);
    cb_log_debug ("run over", CB_STR ("session", self->session->name),
                  CB_STR ("run", cb_run_name (self->run)),
                  CB_STR ("status", cb_run_status (self->run)));
}

static void
s_fail (cb_entry *self, const cb_death *death)
{
    cb_owned (cb_json) json_t *none = json_array ();

    if (death->before_ready) {
        cb_owned (cb_json) json_t *refusal = s_refusal (death);
        cb_fanout_finish (self->fanout, "run_reply", refusal);
        return;
    }
    cb_run_die (self->run, death, cb_session_aftermath_ (self->session));
    s_finish (self, none, "");
}

int
cb_runs_restore_ (cb_session *session, const cb_saved *saved, cb_part header, cb_entry **ret_entry,
                  cb_err *err)
{
    cb_asker asker = {.peer = NULL, .signer = session->services->clients, .header = header};
    cb_entry *self = calloc (1, sizeof *self);

    if (self == NULL)
        return cb_fail_nomem (err);
    *self = (cb_entry){
        .kind = &s_kind, .session = session, .may_ask = saved->may_ask, .over_at = CB_USEC_NEVER};
    self->run = cb_run_restore (&saved->run, session->name, err);
    self->fanout = self->run != NULL ? cb_fanout_new (err) : NULL;
    if (self->fanout == NULL || cb_fanout_add (self->fanout, &asker, err) < 0) {
        cb_entry_destroy (&self);
        return -CB_E_NOMEM;
    }
    *ret_entry = self;
    return 0;
}

int
cb_runs_queued_ (cb_session *session, const cb_queued *from, cb_entry **ret_entry, cb_err *err)
{
    const cb_run_saved *saved = from->run;
    char name[CB_RUN_NAME_MAX];
    char msg_id[CB_MSG_ID_MAX];
    cb_asker asker = {.peer = NULL, .signer = session->services->clients, .header = from->header};
    cb_run_options options = {.name = name,
                              .session = session->name,
                              .msg_id = msg_id,
                              .content = from->content,
                              .wall = saved->wall,
                              .grace = saved->grace,
                              .output_limit = saved->output_limit};
    cb_entry *self = calloc (1, sizeof *self);

    if (self == NULL) {
        json_decref (from->content);
        return cb_fail_nomem (err);
    }
    (void)snprintf (name, sizeof name, "%.*s", (int)sizeof name - 1, saved->name);
    (void)snprintf (msg_id, sizeof msg_id, "%.*s", (int)sizeof msg_id - 1, saved->msg_id);
    *self = (cb_entry){.kind = &s_kind, .session = session, .over_at = CB_USEC_NEVER};
    self->run = cb_run_new (&options, err);
    self->fanout = self->run != NULL ? cb_fanout_new (err) : NULL;
    if (self->fanout == NULL || cb_fanout_add (self->fanout, &asker, err) < 0) {
        cb_entry_destroy (&self);
        return -CB_E_NOMEM;
    }
    /* Without room it waits all the same: it was let in before. */
    (void)!cb_entry_charge_ (self, from->header.size, NULL);
    *ret_entry = self;
    return 0;
}

/* ---- who comes back ---- */

/* content is taken. */
static void
s_tell_past (const cb_session *self, const cb_retold *to, const char *msg_type, json_t *content)
{
    cb_owned (cb_json) json_t *taken = content;
    cb_err err = CB_ERR_INIT;
    cb_jmsg_draft draft = {.msg_type = msg_type, .parent = to->header, .content = taken};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_jmsg_write (self->services->clients, &draft, &err);

    if (message == NULL || cb_zpeer_send_always (to->peer, message, 0, &err) < 0)
        cb_log_debug ("a client cannot be told", CB_STR ("why", err.text));
}

static void
s_on_journal (cb_zmsg *message, uint64_t number, void *context)
{
    cb_err err = CB_ERR_INIT;

    (void)number;
    if (cb_zpeer_send_always (context, message, 0, &err) < 0)
        cb_log_debug ("a client cannot be told", CB_STR ("why", err.text));
}

static uint64_t
s_retell (const cb_session *self, const cb_retold *what, uint64_t from, cb_on_journal *on_message)
{
    if (what->left != NULL)
        return cb_left_tell_ (what->left, from, on_message, what->peer);
    const cb_tape tape = {cb_kernel_page (self->kernel), CB_AREA_JOURNAL};
    return cb_journal_tell (&cb_session_saved_ (self)->journal, &tape, from, on_message,
                            what->peer);
}

void
cb_runs_resend_ (const cb_session *self, const cb_retold *what)
{
    uint64_t from = what->after > what->told ? what->after : what->told;

    if (what->after < 1 && what->told >= 1)
        s_tell_past (self, what, "start", s_start (self, what->run));
    /* His place was told as often as it changed. */
    for (uint64_t i = what->after > 1 ? what->after : 1; i < what->told; i++)
        s_tell_past (self, what, "queued", s_queued (self, what->run, what->ahead));
    if (!what->has_begun)
        return;
    uint64_t lost = s_retell (self, what, from, NULL);
    if (lost > 0)
        s_tell_past (self, what, "lost",
                     json_pack ("{s:I, s:I, s:b}", "bytes", (json_int_t)what->forgotten_bytes,
                                "messages", (json_int_t)lost, "forgotten", 1));
    (void)s_retell (self, what, from, s_on_journal);
}

static int
s_send (cb_entry *self, cb_err *err)
{
    CB_TRY (cb_kernel_execute (self->session->kernel, cb_run_msg_id (self->run),
                               cb_run_content (self->run), err));
    return CB_ENTRY_RUNS;
}

int
cb_session_run (cb_session *self, const cb_cell *cell, cb_err *err)
{
    cb_entry *entry = NULL;

    CB_TRY (cb_cells_check_ (self, cell->msg_id, err));
    CB_TRY (cb_cells_room_ (self, cell->asker.peer, err));
    CB_TRY (s_entry_new (self, cell, &entry, err));
    self->executions++;
    /* The kernel first: it works while the client is told, and nothing it says comes through before
     * the next turn of the loop. */
    size_t ahead = cb_cells_append_ (self, entry);
    s_tell_start (entry, ahead);
    return 0;
}
