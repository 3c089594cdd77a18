/* run.c - one cell: a clock, an account, an ending.
 *
 * Owned by its session's queue. Everything a kernel says of a run passes through here and is
 * believed once: one reply, one idle. What becomes of it in the world (interrupts, kills, messages)
 * is the session's work; this file only says when. So all of it is tested with a clock in hand. */
#include "session/run-int.h"

#include "base/fdio.h"
#include "base/jsonx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* An interrupt by message that has had no effect is followed by a signal. */
#define HARD_AFTER (300 * CB_USEC_PER_MSEC)
/* Between a reply and its idle. Output that comes after the reply (it has a connection of its own,
 * with up to the whole output on it) shows that the idle is on its way, but not for ever. */
#define PATIENCE     (2 * CB_USEC_PER_SEC)
#define PATIENCE_MAX (60 * CB_USEC_PER_SEC)
/* Between an idle and its reply, which may carry a huge traceback: then a kernel that is well and
 * has no processor needs seconds for it. Over that time it is killed; not one that was interrupted,
 * whose reply may have been what was interrupted. */
#define REPLY_PATIENCE (30 * CB_USEC_PER_SEC)
/* Of an error in a reply: what a person can read. The error's output message has the whole. */
#define ENAME_MAX     256
#define EVALUE_MAX    16384
#define TRACEBACK_MAX 200
#define LINE_BYTES    65536
/* Of the cap, what is shown of the end behind it: a quarter at most. */
#define END_SHARE 4
/* Help that the cell asked for (`name?`): texts, each of LINE_BYTES at most. */
#define PAGES_MAX 16
/* A reply's content over this is not parsed: it is two lines in every honest kernel, but it carries
 * the traceback. */
#define REPLY_MAX ((size_t)4 * 1024 * 1024)

static void
s_name (char name[CB_RUN_NAME_MAX])
{
    struct timespec now;
    struct tm utc;
    char stamp[20];
    char token[7];

    (void)clock_gettime (CLOCK_REALTIME, &now);
    (void)gmtime_r (&now.tv_sec, &utc);
    (void)strftime (stamp, sizeof stamp, "%Y%m%d-%H%M%S", &utc);
    cb_random_hex (token, 3);
    (void)snprintf (name, CB_RUN_NAME_MAX, "%s-%s", stamp, token);
}

cb_run *
cb_run_new (const cb_run_options *options, cb_err *err)
{
    cb_run *self = calloc (1, sizeof *self);

    if (self == NULL) {
        json_decref (options->content);
        (void)cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_run){.content = options->content,
                     .wall = options->wall,
                     .grace = options->grace,
                     .output_limit = options->output_limit,
                     .wall_at = CB_USEC_NEVER,
                     .hard_at = CB_USEC_NEVER,
                     .kill_at = CB_USEC_NEVER,
                     .over_at = CB_USEC_NEVER,
                     .paused_at = CB_USEC_NEVER};
    if (options->name != NULL)
        (void)snprintf (self->name, sizeof self->name, "%s", options->name);
    else
        s_name (self->name);
    (void)snprintf (self->session, sizeof self->session, "%s", options->session);
    (void)snprintf (self->msg_id, sizeof self->msg_id, "%s", options->msg_id);
    return self;
}

void
cb_run_destroy (cb_run **self_at)
{
    cb_run *self = *self_at;

    if (self == NULL)
        return;
    json_decref (self->content);
    json_decref (self->error);
    json_decref (self->pages);
    cb_ends_destroy (&self->ends);
    free (self);
    *self_at = NULL;
}

const char *
cb_run_name (const cb_run *self)
{
    return self->name;
}

const char *
cb_run_msg_id (const cb_run *self)
{
    return self->msg_id;
}

const json_t *
cb_run_content (const cb_run *self)
{
    return self->content;
}

void
cb_run_begin (cb_run *self, cb_usec now, const cb_usage *usage, const cb_facts *facts)
{
    self->live = 1;
    self->begun_at = now;
    self->usage_before = *usage;
    self->facts = *facts;
    if (self->wall > 0)
        self->wall_at = now + self->wall;
}

int
cb_run_is_live (const cb_run *self)
{
    return self->live;
}

uint64_t
cb_run_left (const cb_run *self)
{
    return self->capped ? 0 : self->output_limit - self->output;
}

int
cb_run_admit (cb_run *self, uint64_t size)
{
    if (self->capped || size > self->output_limit - self->output) {
        self->capped = 1;
        return 0;
    }
    self->output += size;
    return 1;
}

int
cb_run_account (cb_run *self, uint64_t size)
{
    if (cb_run_admit (self, size))
        return 1;
    cb_run_drop (self, size);
    return 0;
}

void
cb_run_drop_stream (cb_run *self, cb_part content)
{
    cb_run_drop (self, cb_ends_take (&self->ends, content));
}

size_t
cb_run_end_of_stream (cb_run *self, int stream, char text[CB_ENDS_TEXT + 1])
{
    size_t size = cb_ends_text (self->ends, stream, text);
    size_t most = (size_t)(self->output_limit / END_SHARE);
    size_t from = size > most ? size - most : 0;

    while (from < size && ((unsigned char)text[from] & 0xc0) == 0x80)
        from++;
    memmove (text, text + from, size - from + 1);
    return size - from;
}

void
cb_run_recover (cb_run *self, uint64_t bytes)
{
    cb_ends_destroy (&self->ends);
    self->dropped -= bytes < self->dropped ? bytes : self->dropped;
    /* Nothing is missing after all. */
    if (self->dropped == 0)
        self->capped = 0;
}

void
cb_run_drop (cb_run *self, uint64_t size)
{
    self->capped = 1;
    self->dropped += size;
}

/* ---- what the kernel says ---- */

json_t *
cb_run_error_ (const char *ename, const char *evalue)
{
    return json_pack ("{s:s, s:o, s:[]}", "ename", ename, "evalue", cb_json_words (evalue),
                      "traceback");
}

/* A string member, cut to a length (at the border of a character). New reference. */
static json_t *
s_cut (const json_t *value, size_t most)
{
    const char *text = json_is_string (value) ? json_string_value (value) : "";
    size_t size = strnlen (text, most + 1);

    if (size > most) {
        size = most;
        while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
            size--;
    }
    return json_stringn (text, size);
}

static json_t *
s_error_of_reply (const json_t *content)
{
    json_t *error = json_object ();
    json_t *lines = json_array ();
    const json_t *traceback = json_object_get (content, "traceback");
    size_t n = json_is_array (traceback) ? json_array_size (traceback) : 0;

    if (n > TRACEBACK_MAX)
        n = TRACEBACK_MAX;
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new (lines, s_cut (json_array_get (traceback, i), LINE_BYTES));
    (void)json_object_set_new (error, "ename",
                               s_cut (json_object_get (content, "ename"), ENAME_MAX));
    (void)json_object_set_new (error, "evalue",
                               s_cut (json_object_get (content, "evalue"), EVALUE_MAX));
    (void)json_object_set_new (error, "traceback", lines);
    return error;
}

/* What frontends show in a pager; NULL where there is nothing. */
static json_t *
s_pages_of_reply (const json_t *content)
{
    const json_t *payload = json_object_get (content, "payload");
    json_t *pages = NULL;

    for (size_t i = 0; i < json_array_size (payload) && json_array_size (pages) < PAGES_MAX; i++) {
        const json_t *item = json_array_get (payload, i);
        const char *source = json_string_value (json_object_get (item, "source"));
        json_t *text = json_object_get (json_object_get (item, "data"), "text/plain");

        if (source == NULL || strcmp (source, "page") != 0 || !json_is_string (text))
            continue;
        if (pages == NULL)
            pages = json_array ();
        (void)json_array_append_new (pages, s_cut (text, LINE_BYTES));
    }
    return pages;
}

static int
s_take_reply (cb_run *self, cb_jmsg *reply, cb_err *err)
{
    const char *status = NULL;

    if (reply->dicts[CB_DICT_CONTENT].size > REPLY_MAX)
        return cb_fail (err, CB_E_LIMIT, "its reply is over %zu bytes", REPLY_MAX);
    const json_t *content = cb_jmsg_content (reply, err);
    if (content == NULL)
        return -CB_E_INVALID;
    CB_TRY (cb_json_get_string (content, "status", sizeof self->status - 1, CB_JSON_REQUIRED,
                                &status, err));
    CB_TRY (
        cb_json_get_int (content, "execution_count", 0, INT64_MAX, 0, &self->execution_count, err));
    (void)snprintf (self->status, sizeof self->status, "%s", status);
    self->pages = s_pages_of_reply (content);
    if (strcmp (status, "error") == 0)
        self->error = s_error_of_reply (content);
    else if (strcmp (status, "aborted") == 0 || strcmp (status, "abort") == 0)
        self->error = cb_run_error_ ("ExecutionAborted", "the kernel did not run the cell");
    else if (strcmp (status, "ok") != 0)
        return cb_fail (err, CB_E_INVALID, "its reply has a status that does not exist");
    return 0;
}

static void
s_break (cb_run *self, const char *words)
{
    char text[CB_ERR_TEXT_MAX + 64];

    (void)snprintf (text, sizeof text, "the kernel's answer makes no sense: %s", words);
    json_decref (self->error);
    self->error = cb_run_error_ ("KernelProtocolError", text);
}

/* The kernel says that the cell is over: its time is not counted against it any more, and nothing
 * is left to interrupt. What is awaited yet has a patience of its own. */
static void
s_stop_clock (cb_run *self)
{
    self->wall_at = CB_USEC_NEVER;
    self->hard_at = CB_USEC_NEVER;
    self->kill_at = CB_USEC_NEVER;
    self->interrupt_due = 0;
}

static void
s_ask_to_stop (cb_run *self, cb_usec now)
{
    self->interrupt_due = 1;
    self->hard_at = now + HARD_AFTER;
}

static int
s_replied (cb_run *self, cb_usec now)
{
    if (self->replied)
        return CB_RUN_TWICE;
    self->replied = 1;
    s_stop_clock (self);
    self->over_at = self->idle ? CB_USEC_NEVER : now + PATIENCE;
    self->over_most = now + PATIENCE_MAX;
    return CB_RUN_TAKEN;
}

void
cb_run_on_output (cb_run *self, cb_usec now)
{
    if (self->replied && self->over_at != CB_USEC_NEVER && now + PATIENCE < self->over_most)
        self->over_at = now + PATIENCE;
}

int
cb_run_on_huge_reply (cb_run *self, cb_usec now)
{
    if (s_replied (self, now) == CB_RUN_TWICE)
        return CB_RUN_TWICE;
    s_break (self, "it is too large to be kept");
    return CB_RUN_BROKEN;
}

int
cb_run_on_reply (cb_run *self, cb_jmsg *reply, cb_usec now)
{
    cb_err err = CB_ERR_INIT;

    if (s_replied (self, now) == CB_RUN_TWICE)
        return CB_RUN_TWICE;
    if (s_take_reply (self, reply, &err) == 0)
        return CB_RUN_TAKEN;
    s_break (self, err.text);
    return CB_RUN_BROKEN;
}

void
cb_run_on_busy (cb_run *self, cb_usec now)
{
    if (self->begun)
        return;
    self->begun = 1;
    if (self->interrupted)
        s_ask_to_stop (self, now);
}

int
cb_run_on_idle (cb_run *self, cb_usec now)
{
    if (self->idle)
        return CB_RUN_TWICE;
    self->idle = 1;
    s_stop_clock (self);
    cb_usec patience = self->interrupted || self->timed_out ? PATIENCE : REPLY_PATIENCE;
    self->over_at = self->replied ? CB_USEC_NEVER : now + patience;
    return CB_RUN_TAKEN;
}

int
cb_run_is_complete (const cb_run *self)
{
    return self->replied && self->idle;
}

/* ---- the clock ---- */

int
cb_run_interrupt (cb_run *self, cb_usec now)
{
    if (self->replied || self->idle || self->hard_at != CB_USEC_NEVER)
        return 1;
    self->interrupted = 1;
    if (self->begun)
        s_ask_to_stop (self, now);
    return 0;
}

void
cb_run_pause (cb_run *self, cb_usec now)
{
    if (self->paused_at == CB_USEC_NEVER)
        self->paused_at = now;
}

void
cb_run_resume (cb_run *self, cb_usec now)
{
    if (self->paused_at == CB_USEC_NEVER)
        return;
    self->paused += now - self->paused_at;
    if (self->wall_at != CB_USEC_NEVER)
        self->wall_at += now - self->paused_at;
    self->paused_at = CB_USEC_NEVER;
}

int
cb_run_raised (const cb_run *self)
{
    return self->replied && self->error != NULL;
}

const cb_facts *
cb_run_facts (const cb_run *self)
{
    return &self->facts;
}

const char *
cb_run_ename (const cb_run *self)
{
    const char *ename = json_string_value (json_object_get (self->error, "ename"));

    return ename != NULL ? ename : "";
}

void
cb_run_hit (cb_run *self, const cb_limit_hit *hit, const char *words)
{
    self->hit = *hit;
    (void)snprintf (self->hit_words, sizeof self->hit_words, "%s", words);
}

const char *
cb_run_hit_words (const cb_run *self)
{
    return self->hit.name != NULL ? self->hit_words : "";
}

void
cb_run_interrupt_taken (cb_run *self)
{
    if (!self->interrupt_due)
        self->hard_at = CB_USEC_NEVER;
}

static void
s_time_out (cb_run *self, cb_usec now)
{
    self->timed_out = 1;
    self->wall_at = CB_USEC_NEVER;
    s_ask_to_stop (self, now);
    self->kill_at = now + self->grace;
}

/* Idle without a reply, after an interrupt: it hit the kernel's own code on its way to the cell's.
 * The kernel went on, so the cell is what was interrupted. */
static int
s_was_stopped (cb_run *self)
{
    if (!self->interrupted && !self->timed_out)
        return 0;
    self->error = cb_run_error_ ("KeyboardInterrupt", "");
    return 1;
}

int
cb_run_tick (cb_run *self, cb_usec now)
{
    if (!self->live)
        return CB_RUN_WAIT;
    if (now >= self->over_at) {
        self->over_at = CB_USEC_NEVER;
        self->mute = !self->replied;
        if (!self->mute || s_was_stopped (self))
            return CB_RUN_OVER;
        return CB_RUN_KILL;
    }
    if (now >= self->wall_at && self->paused_at == CB_USEC_NEVER)
        s_time_out (self, now);
    if (self->interrupt_due) {
        self->interrupt_due = 0;
        return CB_RUN_INTERRUPT;
    }
    if (now >= self->kill_at) {
        self->kill_at = CB_USEC_NEVER;
        self->hard_at = CB_USEC_NEVER;
        return CB_RUN_KILL;
    }
    if (now >= self->hard_at) {
        self->hard_at = CB_USEC_NEVER;
        return CB_RUN_INTERRUPT_HARD;
    }
    return CB_RUN_WAIT;
}

cb_usec
cb_run_deadline (const cb_run *self)
{
    cb_usec wall_at = self->paused_at == CB_USEC_NEVER ? self->wall_at : CB_USEC_NEVER;
    const cb_usec all[] = {wall_at, self->hard_at, self->kill_at, self->over_at};
    cb_usec least = CB_USEC_NEVER;

    if (!self->live)
        return CB_USEC_NEVER;
    if (self->interrupt_due)
        return 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] < least)
            least = all[i];
    return least;
}

int
cb_run_kill_words (const cb_run *self, char *text, size_t room)
{
    char wall[CB_UNITS_TEXT];

    if (self->mute) {
        (void)snprintf (text, room, "the kernel went idle without an answer to the cell");
        return 0;
    }
    (void)snprintf (text, room, "a cell ran over its wall time of %s and did not stop when asked",
                    cb_duration_text (self->wall, wall));
    return 1;
}

/* ---- the end ---- */

void
cb_run_note_usage (cb_run *self, const cb_usage *usage)
{
    self->usage_after = *usage;
}

void
cb_run_end (cb_run *self, cb_usec now)
{
    cb_run_resume (self, now);
    if (self->live)
        self->wall_used = now - self->begun_at - self->paused;
    self->live = 0;
}

void
cb_run_die (cb_run *self, const cb_death *death, const char *aftermath)
{
    self->dead = 1;
    self->death = *death;
    /* Who never began has hit nothing. */
    if (self->begun_at == 0)
        self->death.limit = NULL;
    self->aftermath = aftermath;
    /* The process was not looked at before it ended: what the machine counted for the jail. */
    if (!self->usage_after.known && self->begun_at > 0)
        self->usage_after = death->used;
}

uint64_t
cb_run_dropped (const cb_run *self)
{
    return self->dropped;
}
