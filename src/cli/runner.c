/* runner.c - follows one run. One poll waits for the daemon and for signals; while the output's
 * reader is slow the same signals are answered by cb_out (on_signal below).
 *
 * Ctrl-C interrupts the cell. Again within two seconds ends its kernel: a cell can ignore the first
 * but not the second. SIGTERM interrupts and waits a moment for the cell's last words. A run in a
 * session of its own ends with our connection, so whatever happens nothing is left running.
 *
 * With a person at a prompt the session is worth more than the cell: he is told before a Ctrl-C
 * ends the kernel, it gets a new one, and when he goes (SIGTERM, a closed terminal) the cell runs
 * on. */
#include "cli/runner.h"

#include "base/table.h"
#include "cli/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* After the first Ctrl-C: how long the cell has before we say what a second one does. */
#define S_HINT_AFTER (400 * CB_USEC_PER_MSEC)
/* The same with a person: most cells have ended by then. */
#define S_WARN_AFTER (CB_USEC_PER_SEC)
/* How long the reply may take after a kill, or after SIGTERM. */
#define S_LAST_WORDS (10 * CB_USEC_PER_SEC)

typedef struct s_status {
    const char *name;
    int code;
} s_status;

static const s_status s_statuses[] = {
    {"denied", CB_EXIT_DENIED},           {"died", CB_EXIT_LIMIT},   {"error", CB_EXIT_CELL},
    {"interrupted", CB_EXIT_INTERRUPTED}, {"limit", CB_EXIT_LIMIT},  {"ok", CB_EXIT_OK},
    {"review", CB_EXIT_REVIEW},           {"timeout", CB_EXIT_WALL},
};

int
cb_runner_exit_code (const char *status)
{
    const s_status *row = status != NULL ? CB_TABLE_FIND (s_statuses, status) : NULL;
    return row != NULL ? row->code : CB_EXIT_FAILED;
}

void
cb_runner_done (cb_runner *self)
{
    json_decref (self->result);
    self->result = NULL;
}

/* ---- signals ----------------------------------------------------------------------------------
 */

/* Sends VERB_request for our session; its reply is of no interest. */
static void
s_tell (cb_runner *self, const char *verb)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:s}", "session", self->session);
    cb_auto_free char *text = content != NULL ? cb_json_text (content, NULL) : NULL;

    if (text != NULL)
        (void)cellblock_request (self->conn->client, verb, text, NULL, 0);
}

static void
s_on_terminate (cb_runner *self)
{
    self->exit_code = CB_EXIT_TERMINATED;
    bool runs = self->session[0] != '\0' && !self->waiting && self->person == NULL;
    if (runs)
        s_tell (self, "interrupt");
    self->deadline = runs ? cb_now () + S_LAST_WORDS : 0;
}

static void
s_kill (cb_runner *self, const char *verb)
{
    self->killed = true;
    self->hint = CB_USEC_NEVER;
    self->deadline = cb_now () + S_LAST_WORDS;
    s_tell (self, verb);
}

static void
s_warn (cb_runner *self)
{
    self->hint = CB_USEC_NEVER;
    self->warned = cb_now ();
    (void)cb_render_say (self->render, NULL,
                         "the cell still runs, it ignores the interrupt; wait, or press Ctrl-C "
                         "once more to end its kernel (the variables are lost)");
}

static void
s_on_interrupt_of_person (cb_runner *self)
{
    cb_usec now = cb_now ();

    if (self->warned != 0 && now - self->warned >= CB_RUNNER_READS) {
        s_kill (self, "restart");
        return;
    }
    cb_person_forget (self->person);
    s_tell (self, "interrupt");
    if (self->warned != 0)
        return;
    if (self->interrupted != 0)
        s_warn (self);
    else
        self->hint = now + S_WARN_AFTER;
    self->interrupted = now;
}

static void
s_on_interrupt (cb_runner *self)
{
    cb_usec now = cb_now ();
    bool again = self->interrupted != 0 && now - self->interrupted < CB_RUNNER_AGAIN;

    self->render->out.safe.inside = true; /* the terminal shows ^C in the line */
    if (self->person != NULL && !self->waiting && !self->killed) {
        s_on_interrupt_of_person (self);
        return;
    }

    self->exit_code = CB_EXIT_INTERRUPTED;
    self->interrupted = now;
    if (self->session[0] == '\0' || self->waiting || self->killed) {
        self->deadline = 0; /* nothing of ours runs yet, or all is said: closing ends the rest */
    } else if (again) {
        s_kill (self, "stop");
    } else {
        self->hint = now + S_HINT_AFTER;
        s_tell (self, "interrupt");
    }
}

/* For cb_out too: 1 gives up writing. */
static int
s_on_signal (int number, void *context)
{
    cb_runner *self = context;

    if (number == SIGTERM)
        s_on_terminate (self);
    else
        s_on_interrupt (self);
    return self->killed || self->deadline == 0;
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void
s_note_session (cb_runner *self, const char *type, const json_t *content)
{
    const char *name = json_string_value (json_object_get (content, "session"));

    if (strcmp (type, "start") == 0 && name != NULL)
        (void)snprintf (self->session, sizeof self->session, "%s", name);
    if (strcmp (type, "queued") == 0)
        self->waiting = true;
}

/* What a failure to write means. Nobody reads our output (head has seen enough): end quietly, and
 * the cell with us. Nobody reads our remarks: go on. A signal made us give up: it decides. */
static int
s_rendered (cb_runner *self, int result)
{
    if (result != -CB_E_GONE)
        return result;
    if (self->render->out.given_up && self->exit_code == 0) {
        self->exit_code = CB_EXIT_FAILED;
        self->deadline = 0;
        if (!self->fresh)
            s_tell (self, "interrupt");
    }
    return 0;
}

/* A kernel's words may be JSON that our reader cannot hold (an integer over 64 bits, a name that is
 * there twice). That costs the cell this one output and not us the cell. */
static int
s_on_unreadable (cb_runner *self, const cellblock_event *event, const cb_err *why, cb_err *err)
{
    if (cellblock_event_kind (event) != CELLBLOCK_KERNEL)
        return cb_fail (err, why->code, "%s", why->text);
    return s_rendered (self,
                       cb_render_say (self->render, NULL,
                                      "an output of the cell cannot be shown: %.160s", why->text));
}

/* One event, which a question takes. 1: it was the reply. */
static int
s_on_event (cb_runner *self, cellblock_event **event_at, cb_err *err)
{
    cb_owned (cb_json) json_t *content = NULL;
    const cellblock_event *event = *event_at;
    const char *type = cellblock_event_type (event);
    cb_err why = CB_ERR_INIT;

    if (cellblock_event_request (event) != self->request)
        return 0; /* the reply to an interrupt */
    if (cb_conn_content (event, &content, &why) < 0)
        return s_on_unreadable (self, event, &why, err);
    if (cellblock_event_kind (event) == CELLBLOCK_REPLY) {
        if (cellblock_event_code (event) != CELLBLOCK_OK)
            return cb_conn_refused (content, err);
        self->result = cb_take (content);
        return 1;
    }
    if (cellblock_event_kind (event) == CELLBLOCK_KERNEL)
        self->waiting = false;
    s_note_session (self, type, content);
    if (self->render->out.given_up)
        return 0;
    if (self->person != NULL && strcmp (type, "input_request") == 0)
        return s_rendered (self,
                           cb_person_ask (self->person, self->render, event_at, content, err));
    return s_rendered (self, cb_render_event (self->render, type, content, err));
}

/* Everything that is there. 1: the reply was. */
static int
s_drain (cb_runner *self, cb_err *err)
{
    for (;;) {
        cellblock_event *event = cellblock_next (self->conn->client, 0);
        if (event == NULL) {
            int code = cellblock_error_code (self->conn->client);
            if (code == CELLBLOCK_E_TIMEOUT || code == CELLBLOCK_E_INTERRUPTED)
                return 0;
            return cb_conn_failed (self->conn, err);
        }
        int outcome = s_on_event (self, &event, err);
        cellblock_event_free (&event);
        if (outcome != 0)
            return outcome;
        int number = cb_signals_next (self->signals);
        if (number != 0)
            (void)s_on_signal (number, self);
    }
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

static void
s_give_hint (cb_runner *self)
{
    if (self->person != NULL) {
        s_warn (self);
        return;
    }
    self->hint = CB_USEC_NEVER;
    (void)cb_render_say (self->render, NULL,
                         "interrupted, but the cell still runs; Ctrl-C once more ends its kernel");
}

static int
s_wait_ms (const cb_runner *self)
{
    cb_usec now = cb_now ();
    cb_usec until = self->hint < self->deadline ? self->hint : self->deadline;

    if (until == CB_USEC_NEVER)
        return -1;
    return until > now ? (int)((until - now) / 1000 + 1) : 0;
}

/* 1: over, by the reply or because waiting has become useless. */
static int
s_step (cb_runner *self, cb_err *err)
{
    bool asked = self->person != NULL && cb_person_is_asked (self->person);
    struct pollfd wait[3] = {{cellblock_fd (self->conn->client), POLLIN, 0},
                             {self->signals, POLLIN, 0},
                             {asked ? self->person->fd : -1, POLLIN, 0}};

    if (poll (wait, 3, s_wait_ms (self)) < 0 && errno != EINTR)
        return cb_fail_errno (err, CB_E_IO, "waiting for the daemon");
    int number = cb_signals_next (self->signals);
    if (number != 0)
        (void)s_on_signal (number, self);
    else if (wait[2].revents != 0)
        CB_TRY (s_rendered (self, cb_person_read (self->person, self->render, err)));
    int outcome = s_drain (self, err);
    if (outcome != 0)
        return outcome;
    if (cb_now () >= self->deadline)
        return 1;
    if (cb_now () >= self->hint)
        s_give_hint (self);
    return 0;
}

/* A session that this run made stays: at a terminal a person is told, once. */
static void
s_tell_kept (cb_runner *self)
{
    json_int_t count = json_integer_value (json_object_get (self->result, "execution_count"));

    if (!self->fresh && !self->killed && self->person == NULL && count == 1 &&
        self->render->notes.term.tty && self->render->ops == &cb_render_text)
        (void)cb_render_say (self->render, NULL, "session '%s' stays; cellblock stop %s ends it",
                             self->session, self->session);
}

static int
s_conclude (cb_runner *self, int *ret_exit, cb_err *err)
{
    const char *status = json_string_value (json_object_get (self->result, "status"));

    if (self->person != NULL)
        cb_person_forget (self->person);
    if (self->waiting)
        (void)cb_render_say (self->render, NULL,
                             "the cell was not begun; session '%s' goes on without it",
                             self->session);
    else if (self->killed && self->fresh)
        (void)cb_render_say (self->render, NULL, "the kernel was ended");
    else if (self->killed && self->person != NULL)
        (void)cb_render_say (self->render, NULL,
                             "the kernel was ended; session '%s' gets a new one, its variables are "
                             "gone",
                             self->session);
    else if (self->killed)
        (void)cb_render_say (self->render, NULL, "session '%s' was ended; its variables are gone",
                             self->session);
    self->render->quiet |= self->killed;
    if (self->result != NULL && !self->render->out.given_up)
        CB_TRY (s_rendered (self, cb_render_end (self->render, self->result, err)));
    s_tell_kept (self);
    *ret_exit = self->exit_code != 0 ? self->exit_code : cb_runner_exit_code (status);
    return 0;
}

/* While an output waits for its reader, signals and the deadline count all the same. */
static void
s_listen (cb_runner *self, cb_out *out)
{
    out->signals = self->signals;
    out->on_signal = s_on_signal;
    out->context = self;
    out->until = &self->deadline;
}

int
cb_runner_follow (cb_runner *self, int *ret_exit, cb_err *err)
{
    int outcome = 0;

    self->hint = CB_USEC_NEVER;
    self->deadline = CB_USEC_NEVER;
    s_listen (self, &self->render->out);
    s_listen (self, &self->render->notes);
    while (outcome == 0)
        outcome = s_step (self, err);
    /* A daemon that dies while we end it, or a cell that is refused by then: the signal counts. */
    if (outcome < 0 && self->exit_code == 0)
        return outcome;
    return s_conclude (self, ret_exit, err);
}
