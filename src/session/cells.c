/* cells.c - the cells of a session: queue, run, collect, answer.
 *
 * The running cell stays `running` until its files are collected, so that what a cell wrote is its
 * own and the next one waits for it. Whatever a kernel says is only believed for the running cell;
 * output that an older cell prints late has no reader any more and is not kept. */
#include "session/session-int.h"

#include "base/log.h"
#include "wire/ctl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- an entry ---- */

static void
s_entry_destroy (cb_entry **self_at)
{
    cb_entry *self = *self_at;

    if (self == NULL)
        return;
    if (self->collecting)
        cb_files_cancel (self->session->services->files, self);
    cb_fanout_destroy (&self->fanout);
    cb_run_destroy (&self->run);
    if (self->charged > 0)
        cb_quota_release (self->session->services->cells, self->charged);
    free (self);
    *self_at = NULL;
}

static json_t *
s_execute_content (const cb_cell *cell)
{
    return json_pack ("{s:s, s:b, s:b, s:{}, s:b, s:b}", "code", cell->code, "silent", cell->silent,
                      "store_history", cell->store_history && !cell->silent, "user_expressions",
                      "allow_stdin", 0, "stop_on_error", 0);
}

/* What a waiting cell costs beside its code. */
#define ENTRY_COST 4096

static int
s_charge (cb_entry *self, const cb_cell *cell, cb_err *err)
{
    size_t cost = strlen (cell->code) + cell->asker.header.size + ENTRY_COST;

    if (cb_quota_charge (self->session->services->cells, cost) < 0)
        return cb_fail (err, CB_E_BUSY,
                        "the code of all cells that wait is too much: try again "
                        "when some are done");
    self->charged = cost;
    return 0;
}

static int
s_entry_new (cb_session *session, const cb_cell *cell, cb_entry **ret_entry, cb_err *err)
{
    cb_run_options options = {.session = session->name,
                              .msg_id = cell->msg_id,
                              .content = s_execute_content (cell),
                              .wall = cell->wall > 0 ? cell->wall : session->profile.wall,
                              .grace = session->profile.grace,
                              .output_limit = session->profile.output};
    if (options.content == NULL)
        return cb_fail (err, CB_E_INVALID, "the code is not text that JSON can carry");
    cb_entry *self = calloc (1, sizeof *self);
    if (self == NULL) {
        json_decref (options.content);
        return cb_fail_nomem (err);
    }
    self->session = session;
    self->run = cb_run_new (&options, err);
    self->fanout = self->run != NULL ? cb_fanout_new (err) : NULL;
    int result = self->fanout != NULL ? s_charge (self, cell, err) : -CB_E_NOMEM;
    if (result == 0)
        result = cb_fanout_add (self->fanout, &cell->asker, err);
    if (result < 0) {
        s_entry_destroy (&self);
        return result;
    }
    *ret_entry = self;
    return 0;
}

static void
s_tell_start (cb_entry *self, size_t ahead)
{
    const cb_session *session = self->session;
    cb_owned (cb_json) json_t *start =
        json_pack ("{s:s, s:s, s:s}", "session", session->name, "run", cb_run_name (self->run),
                   "profile", session->profile.name);
    cb_fanout_tell (self->fanout, "start", start);
    if (ahead == 0)
        return;
    cb_owned (cb_json) json_t *queued =
        json_pack ("{s:s, s:s, s:i}", "session", session->name, "run", cb_run_name (self->run),
                   "ahead", (int)ahead);
    cb_fanout_tell (self->fanout, "queued", queued);
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

/* The last words about a cell; frees it. */
static void
s_finish (cb_entry *self, json_t *artifacts, const char *trouble)
{
    cb_owned (cb_json) json_t *limit = cb_run_limit (self->run);
    cb_owned (cb_json) json_t *result = cb_run_result (self->run, artifacts);
    size_t i;
    const json_t *artifact;

    if (limit != NULL)
        cb_fanout_tell (self->fanout, "limit", limit);
    json_array_foreach (artifacts, i, artifact) cb_fanout_tell (self->fanout, "artifact", artifact);
    if (trouble[0] != '\0')
        (void)json_object_set_new (result, "artifacts_error", cb_json_words (trouble));
    cb_fanout_finish (self->fanout, "run_reply", result);
    cb_log_debug ("run over", CB_STR ("session", self->session->name),
                  CB_STR ("run", cb_run_name (self->run)),
                  CB_STR ("status", cb_run_status (self->run)));
    s_entry_destroy (&self);
}

/* The running cell has its answer: what comes next. */
static void
s_after_run (cb_session *self)
{
    cb_err err = CB_ERR_INIT;

    if (self->kernel_gone) {
        cb_session_after_death_ (self);
        return;
    }
    cb_kernel_done (self->kernel);
    if (self->state == CB_SESSION_BUSY)
        cb_session_become_ (self, CB_SESSION_IDLE);
    if (self->ephemeral && self->queue == NULL)
        (void)!cb_session_stop (self, "its cell is done", NULL, NULL, &err);
    else
        cb_cells_next_ (self);
    cb_session_arm_ (self);
}

static void
s_finish_running (cb_session *self, json_t *artifacts, const char *trouble)
{
    s_finish (cb_take (self->running), artifacts, trouble);
    s_after_run (self);
}

/* ---- files ---- */

static json_t *
s_artifact (const cb_session *self, const cb_run *run, const cb_artifact *artifact)
{
    char path[sizeof artifact->path + 16];
    char file[PATH_MAX + sizeof artifact->path];

    (void)snprintf (path, sizeof path, "/output/%s", artifact->path);
    (void)snprintf (file, sizeof file, "%s/runs/%s/output/%s", self->services->state_dir,
                    cb_run_name (run), artifact->path);
    return json_pack ("{s:s, s:s, s:I, s:s}", "path", path, "file", file, "size",
                      (json_int_t)artifact->size, "sha256", artifact->sha256);
}

static void
s_on_collected (const cb_job_result *result, void *context)
{
    cb_entry *entry = context;
    cb_session *self = entry->session;
    cb_owned (cb_json) json_t *artifacts = json_array ();

    entry->collecting = 0;
    for (size_t i = 0; i < result->n_artifacts; i++)
        (void)json_array_append_new (artifacts,
                                     s_artifact (self, entry->run, &result->artifacts[i]));
    int trouble = result->code != 0 || result->refused > 0;
    if (trouble)
        cb_log_warn ("not all of /output was collected", CB_STR ("session", self->name),
                     CB_INT ("refused", result->refused), CB_STR ("why", result->text));
    s_finish_running (self, artifacts, trouble ? result->text : "");
}

/* Whether there may be something in /output: nothing was ever there while the folder's time is that
 * of its making. One system call a cell; a folder that cannot be seen may hold anything. */
static int
s_may_have_output (cb_session *self)
{
    struct stat stat;
    int tree = cb_kernel_tree (self->kernel);

    if (self->output_used)
        return 1;
    if (tree < 0)
        return 0;
    if (fstatat (tree, "output", &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
        stat.st_mtim.tv_sec == self->output_mtime.tv_sec &&
        stat.st_mtim.tv_nsec == self->output_mtime.tv_nsec)
        return 0;
    self->output_used = 1;
    return 1;
}

/* The kernel's part is over. */
static void
s_collect (cb_session *self)
{
    cb_entry *entry = self->running;
    cb_err err = CB_ERR_INIT;
    cb_job job = {.kind = CB_JOB_COLLECT,
                  .jail = cb_kernel_jail (self->kernel),
                  .max_bytes = self->profile.artifacts};

    (void)snprintf (job.run, sizeof job.run, "%s", cb_run_name (entry->run));
    if (s_may_have_output (self)) {
        if (cb_files_submit (self->services->files, &job, s_on_collected, entry, &err) == 0) {
            entry->collecting = 1;
            return;
        }
        cb_log_warn ("/output cannot be collected", CB_STR ("session", self->name),
                     CB_STR ("why", err.text));
    }
    cb_owned (cb_json) json_t *none = json_array ();
    s_finish_running (self, none, err.text);
}

static void
s_end_running (cb_session *self)
{
    cb_run_end (self->running->run, cb_now ());
    s_collect (self);
}

void
cb_cells_on_ready_ (cb_session *self)
{
    struct stat stat;
    int tree = cb_kernel_tree (self->kernel);

    self->output_used = 0;
    if (tree >= 0 && fstatat (tree, "output", &stat, AT_SYMLINK_NOFOLLOW) == 0)
        self->output_mtime = stat.st_mtim;
    else
        self->output_used = 1;
}

/* ---- the kernel's words ---- */

/* Reply or idle came. The first of them says that the work is done: what it cost is read then,
 * while the other is on its way. */
static void
s_progress (cb_session *self)
{
    cb_usage usage;

    if (cb_run_is_complete (self->running->run)) {
        s_end_running (self);
        return;
    }
    cb_kernel_usage (self->kernel, &usage);
    cb_run_note_usage (self->running->run, &usage);
    cb_session_arm_ (self);
}

static void
s_on_shell (cb_session *self, cb_jmsg *message)
{
    cb_run *run = self->running->run;

    if (strcmp (message->msg_type, "execute_reply") != 0) {
        cb_kernel_refuse (self->kernel, CB_CHANNEL_SHELL, message, "not the reply of a cell");
        return;
    }
    switch (cb_run_on_reply (run, message, cb_now ())) {
    case CB_RUN_TWICE:
        cb_kernel_refuse (self->kernel, CB_CHANNEL_SHELL, message, "a second reply");
        return;
    case CB_RUN_BROKEN:
        cb_kernel_refuse (self->kernel, CB_CHANNEL_SHELL, message, "a reply that makes no sense");
        break;
    default:
        break;
    }
    s_progress (self);
}

static uint64_t
s_size (const cb_jmsg *message)
{
    uint64_t size = message->dicts[CB_DICT_METADATA].size + message->dicts[CB_DICT_CONTENT].size;

    for (size_t i = 0; i < message->n_buffers; i++)
        size += message->buffers[i].size;
    return size;
}

/* Borrowed from the message; "" when it says nothing. */
static const char *
s_state (cb_jmsg *message)
{
    const char *state =
        json_string_value (json_object_get (cb_jmsg_content (message, NULL), "execution_state"));

    return state != NULL ? state : "";
}

static void
s_on_status (cb_session *self, cb_jmsg *message)
{
    cb_entry *entry = self->running;
    const char *state = s_state (message);

    /* Charged like output: a flood of "busy" is a flood. */
    if (strcmp (state, "idle") != 0) {
        if (cb_run_account (entry->run, s_size (message)))
            cb_fanout_send (entry->fanout, message);
        if (strcmp (state, "busy") == 0)
            cb_run_on_busy (entry->run, cb_now ());
        cb_session_arm_ (self);
        return;
    }
    if (cb_run_on_idle (entry->run, cb_now ()) == CB_RUN_TWICE) {
        cb_kernel_refuse (self->kernel, CB_CHANNEL_IOPUB, message, "a second idle");
        return;
    }
    cb_fanout_send (entry->fanout, message);
    s_progress (self);
}

static void
s_on_iopub (cb_session *self, cb_jmsg *message)
{
    cb_entry *entry = self->running;

    /* Comms and debug events: nobody is here who could take them. */
    if (!cb_ctl_forwards (message->type))
        return;
    if (message->type->role == CB_ROLE_STATUS)
        s_on_status (self, message);
    else if (cb_run_account (entry->run, s_size (message)))
        cb_fanout_send (entry->fanout, message);
}

void
cb_cells_on_message_ (cb_session *self, cb_channel channel, cb_jmsg *message)
{
    int mine = self->running != NULL && cb_run_is_live (self->running->run) &&
               strcmp (message->parent_id, cb_run_msg_id (self->running->run)) == 0;

    if (channel == CB_CHANNEL_CONTROL && self->running != NULL &&
        strcmp (message->type->name, "interrupt_reply") == 0)
        cb_run_interrupt_taken (self->running->run);
    if (!mine) {
        if (channel == CB_CHANNEL_SHELL || channel == CB_CHANNEL_STDIN)
            cb_kernel_refuse (self->kernel, channel, message, "not of the running cell");
        return;
    }
    if (channel == CB_CHANNEL_IOPUB)
        s_on_iopub (self, message);
    else if (channel == CB_CHANNEL_SHELL)
        s_on_shell (self, message);
    else if (channel == CB_CHANNEL_STDIN)
        cb_kernel_no_input (self->kernel, message);
}

/* Whose it was is not known: only the running cell can have made it and be told. Output of that
 * size is over the limit alone (or in too many parts): the cell is at its cap now. A reply is large
 * when it carries a huge exception. */
void
cb_cells_on_skipped_ (cb_session *self, cb_channel channel, uint64_t bytes)
{
    if (self->running == NULL || !cb_run_is_live (self->running->run))
        return;
    if (channel == CB_CHANNEL_IOPUB)
        cb_run_drop (self->running->run, bytes);
    if (channel == CB_CHANNEL_SHELL &&
        cb_run_on_huge_reply (self->running->run, cb_now ()) != CB_RUN_TWICE)
        s_progress (self);
}

/* ---- the queue ---- */

static void
s_die (cb_session *self, cb_entry *entry)
{
    cb_owned (cb_json) json_t *none = json_array ();

    if (self->death.before_ready) {
        cb_owned (cb_json) json_t *refusal = s_refusal (&self->death);
        cb_fanout_finish (entry->fanout, "run_reply", refusal);
        s_entry_destroy (&entry);
        return;
    }
    cb_run_die (entry->run, &self->death, cb_session_aftermath_ (self));
    s_finish (entry, none, "");
}

void
cb_cells_fail_queued_ (cb_session *self)
{
    while (self->queue != NULL) {
        cb_entry *entry = self->queue;
        self->queue = entry->next;
        self->n_queued--;
        s_die (self, entry);
    }
}

void
cb_cells_on_death_ (cb_session *self)
{
    cb_cells_fail_queued_ (self);
    if (self->running == NULL) {
        cb_session_after_death_ (self);
        return;
    }
    if (self->running->collecting)
        return;
    cb_run_die (self->running->run, &self->death, cb_session_aftermath_ (self));
    s_end_running (self);
}

void
cb_cells_next_ (cb_session *self)
{
    cb_err err = CB_ERR_INIT;
    cb_usage usage;

    if (self->state != CB_SESSION_IDLE || self->queue == NULL)
        return;
    cb_entry *entry = self->queue;
    self->queue = entry->next;
    self->n_queued--;
    cb_session_become_ (self, CB_SESSION_BUSY);
    self->running = entry;
    if (cb_kernel_execute (self->kernel, cb_run_msg_id (entry->run), cb_run_content (entry->run),
                           &err) < 0) {
        /* Its end is on the way, or it does not read: either way this kernel is done for. */
        cb_kernel_kill (self->kernel, err.text);
        return;
    }
    cb_kernel_usage_cpu (self->kernel, &usage);
    cb_run_begin (entry->run, cb_now (), &usage);
    cb_session_arm_ (self);
}

static int
s_check_run (const cb_session *self, const char *msg_id, cb_err *err)
{
    if (self->state == CB_SESSION_STOPPING)
        return cb_fail (err, CB_E_GONE, "session '%s' is stopping", self->name);
    if (self->state == CB_SESSION_DEAD)
        return cb_fail (err, CB_E_GONE,
                        "session '%s' is dead (%s); restart it with: cellblock "
                        "restart %s",
                        self->name, self->death.text, self->name);
    if (self->n_queued >= CB_SESSION_QUEUE_MAX)
        return cb_fail (err, CB_E_BUSY, "session '%s' has %d cells waiting already", self->name,
                        CB_SESSION_QUEUE_MAX);
    for (const cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        if (strcmp (cb_run_msg_id (entry->run), msg_id) == 0)
            return cb_fail (err, CB_E_INVALID, "the message id is in use");
    if (self->kernel != NULL && cb_kernel_knows (self->kernel, msg_id))
        return cb_fail (err, CB_E_INVALID, "the message id was used before");
    return 0;
}

int
cb_session_run (cb_session *self, const cb_cell *cell, cb_err *err)
{
    cb_entry *entry = NULL;
    cb_entry **at = &self->queue;

    CB_TRY (s_check_run (self, cell->msg_id, err));
    CB_TRY (s_entry_new (self, cell, &entry, err));
    while (*at != NULL)
        at = &(*at)->next;
    *at = entry;
    size_t ahead = self->n_queued++ + (self->running != NULL);
    self->executions++;
    cb_session_touch (self);
    /* The kernel first: it works while the client is told, and nothing it says comes through before
     * the next turn of the loop. */
    cb_cells_next_ (self);
    s_tell_start (entry, ahead);
    return 0;
}

int
cb_session_interrupt (cb_session *self)
{
    /* One that waits for the kernel alone is the next to run: it has the interrupt with it. */
    cb_entry *entry = self->running != NULL ? self->running : self->queue;

    if (entry == NULL || (self->running != NULL && !cb_run_is_live (entry->run)))
        return 0;
    (void)cb_run_interrupt (entry->run, cb_now ());
    cb_cells_tick_ (self, cb_now ());
    cb_session_arm_ (self);
    return 1;
}

/* ---- time ---- */

cb_usec
cb_cells_deadline_ (const cb_session *self)
{
    return self->running != NULL ? cb_run_deadline (self->running->run) : CB_USEC_NEVER;
}

void
cb_cells_tick_ (cb_session *self, cb_usec now)
{
    char why[200];
    cb_usage usage;

    while (self->running != NULL) {
        switch (cb_run_tick (self->running->run, now)) {
        case CB_RUN_INTERRUPT:
            cb_kernel_interrupt (self->kernel);
            break;
        case CB_RUN_INTERRUPT_HARD:
            cb_kernel_interrupt_hard (self->kernel);
            break;
        case CB_RUN_KILL:
            cb_kernel_usage (self->kernel, &usage);
            cb_run_note_usage (self->running->run, &usage);
            self->by_clock = cb_run_kill_words (self->running->run, why, sizeof why);
            cb_kernel_kill (self->kernel, why);
            break;
        case CB_RUN_OVER:
            s_end_running (self);
            return;
        default:
            return;
        }
    }
}

/* ---- clients ---- */

/* What waits and has no reader any more is not begun: nobody asks for it now. How many readers the
 * others have. */
static size_t
s_forget_reader (cb_session *self, const cb_zpeer *peer)
{
    size_t readers = 0;

    for (cb_entry **at = &self->queue; *at != NULL;) {
        cb_entry *entry = *at;
        size_t left = cb_fanout_remove (entry->fanout, peer);
        readers += left;
        if (left > 0) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        self->n_queued--;
        cb_log_info ("a cell that waits is dropped, its client is gone",
                     CB_STR ("session", self->name), CB_STR ("run", cb_run_name (entry->run)));
        s_entry_destroy (&entry);
    }
    return readers;
}

void
cb_session_client_gone (cb_session *self, const cb_zpeer *peer)
{
    size_t readers = s_forget_reader (self, peer);
    cb_err err = CB_ERR_INIT;

    if (self->running != NULL)
        readers += cb_fanout_remove (self->running->fanout, peer);
    if (readers == 0 && self->ephemeral)
        (void)!cb_session_stop (self, "its client is gone", NULL, NULL, &err);
}

void
cb_cells_drop_ (cb_session *self)
{
    cb_entry *running = cb_take (self->running);

    if (running != NULL)
        s_die (self, running);
    cb_cells_fail_queued_ (self);
}
