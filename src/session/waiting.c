/* waiting.c - requests that wait, in memory that outlives the broker: the next one has the same
 * queue, and each of them has its turn once.
 *
 * A request that begins at once is never here. A record is plain data (who, what, its run's name),
 * the bytes that are not as they came, and the request itself. A record is forgotten when it is in
 * force that its request runs, or was withdrawn; that it may be there a moment longer is known by
 * the id of what runs. */
#include "session/session-int.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory that an empty queue leaves as it is. */
#define KEEP_TOUCHED ((size_t)262144)
/* A record, the bytes that are not as they came, a request's own frames. */
#define PARTS_MAX (CB_BUFFERS_MAX + CB_IDENTITIES_MAX + 8)

typedef struct record {
    uint32_t is_run; /* of the control API, else an attached client's */
    uint32_t is_cell;
    uint32_t channel;
    uint32_t identity_size;
    uint64_t client;
    uint64_t round;
    uint8_t stop_on_error;
    uint8_t may_ask;
    uint8_t answered;
    char identity[CB_ZMTP_IDENTITY_MAX + 1];
    cb_run_saved run;
} record;

static int
s_is_gone (const uint8_t *gone, uint64_t number)
{
    size_t bit = number % CB_PAGE_WAITING;

    return gone[bit / 8] >> (bit % 8) & 1;
}

static void
s_set_gone (uint8_t *gone, uint64_t number, unsigned value)
{
    size_t bit = number % CB_PAGE_WAITING;
    unsigned others = gone[bit / 8] & ~(1U << (bit % 8));

    gone[bit / 8] = (uint8_t)(others | value << (bit % 8));
}

/* ---- writing ---- */

static void
s_fill (record *to, const cb_entry *entry)
{
    cb_part id = cb_entry_identity_ (entry);

    to->is_run = entry->fanout != NULL;
    to->is_cell = entry->run != NULL;
    to->channel = entry->channel;
    to->stop_on_error = entry->stop_on_error != 0;
    to->may_ask = entry->may_ask != 0;
    to->client = entry->client;
    to->round = entry->round;
    to->answered = entry->answered != 0;
    to->identity_size = (uint32_t)id.size;
    memcpy (to->identity, id.data, id.size);
    if (entry->run != NULL)
        cb_run_save (entry->run, &to->run);
}

static cb_zmsg *
s_write (const cb_entry *entry)
{
    cb_part parts[PARTS_MAX];
    record head = {.is_run = 0};
    size_t n = 0;
    size_t size = 0;
    cb_auto_free char *content = NULL;

    s_fill (&head, entry);
    parts[n++] = (cb_part){(const char *)&head, sizeof head};
    if (entry->fanout != NULL) {
        content = cb_json_text (cb_run_content (entry->run), &size);
        if (content == NULL)
            return NULL;
        parts[n++] = (cb_part){content, size};
        parts[n++] = cb_fanout_header (entry->fanout);
        return cb_zmsg_new (parts, n);
    }
    const char *own = entry->content != NULL ? entry->content : "";
    parts[n++] = (cb_part){own, strlen (own)};
    size_t n_raw = 0;
    const cb_part *raw = cb_zmsg_parts (entry->request->raw, &n_raw);
    if (n_raw > PARTS_MAX - n)
        return NULL;
    memcpy (parts + n, raw, n_raw * sizeof *raw);
    return cb_zmsg_new (parts, n + n_raw);
}

void
cb_waiting_keep_ (cb_session *self, cb_entry *entry)
{
    cb_owned (cb_zmsg) cb_zmsg *message = NULL;

    /* Who asked a query is connected to us alone. */
    if (self->kernel == NULL || entry->query.on_answer != NULL)
        return;
    cb_page *page = cb_kernel_page (self->kernel);
    cb_journal *queue = &cb_session_saved_ (self)->queue;
    const cb_tape tape = {page, CB_AREA_QUEUE};
    /* Bytes that the state in force may point to are not written over. */
    if (queue->begin == queue->end && queue->end > KEEP_TOUCHED) {
        cb_session_commit_ (self);
        cb_journal_reset (queue, &tape, queue->next);
        cb_session_commit_ (self);
    }
    message = s_write (entry);
    if (message == NULL || !cb_journal_fits (queue, &tape, message) ||
        queue->next - queue->first >= CB_PAGE_WAITING) {
        cb_log_warn ("a request that waits would not outlive the broker",
                     CB_STR ("session", self->name));
        return;
    }
    entry->number = queue->next;
    entry->is_kept = 1;
    s_set_gone (page->shared->gone, entry->number, 0);
    cb_waiting_told_ (entry);
    cb_journal_add (queue, &tape, message, cb_page_area_size (tape.area));
    cb_session_commit_ (self);
}

/* One that was just let in is about to be told that it is, and its place. */
/* What an attached client's request that waits was told: another meaning of the same bytes. */
enum { TOLD_NOTHING, TOLD_PLACE, TOLD_ABORTED };

void
cb_waiting_told_ (cb_entry *entry)
{
    cb_session *self = entry->session;

    if (!entry->is_kept || self->kernel == NULL)
        return;
    uint64_t told = entry->aborted ? TOLD_ABORTED : entry->noted > 0 ? TOLD_PLACE : TOLD_NOTHING;
    if (entry->fanout != NULL)
        told = cb_fanout_told (entry->fanout);
    if (told == 0 && entry->fanout != NULL)
        told = entry->told > 0 ? 2 : 1;
    cb_kernel_page (self->kernel)->shared->told[entry->number % CB_PAGE_WAITING] =
        (uint8_t)(told < UINT8_MAX ? told : UINT8_MAX);
}

/* The first ones that went make room. */
static void
s_forget_gone (cb_page *page, cb_journal *queue)
{
    const cb_tape tape = {page, CB_AREA_QUEUE};

    while (queue->first < queue->next && s_is_gone (page->shared->gone, queue->first))
        cb_journal_forget (queue, &tape);
}

void
cb_waiting_forget_ (cb_session *self, cb_entry *entry)
{
    if (!entry->is_kept || self->kernel == NULL)
        return;
    cb_page *page = cb_kernel_page (self->kernel);
    cb_journal *queue = &cb_session_saved_ (self)->queue;
    entry->is_kept = 0;
    s_set_gone (page->shared->gone, entry->number, 1);
    s_forget_gone (page, queue);
}

/* ---- reading ---- */

typedef struct restoring {
    cb_session *session;
    cb_page *page;
    const char *over; /* id of the cell that was done last */
} restoring;

static int
s_read_run (cb_session *session, const record *head, const cb_part *parts, cb_entry **ret_entry,
            cb_err *err)
{
    cb_owned (cb_json) json_t *content = NULL;

    CB_TRY (cb_json_parse ("a cell that waits", parts[1].data, parts[1].size, &content, err));
    cb_queued from = {.run = &head->run, .content = cb_take (content), .header = parts[2]};
    return cb_runs_queued_ (session, &from, ret_entry, err);
}

static int
s_read_request (cb_session *session, const cb_part *parts, size_t n_parts, cb_entry **ret_entry,
                cb_err *err)
{
    cb_owned (cb_jmsg) cb_jmsg *request = NULL;
    cb_owned (cb_zmsg) cb_zmsg *raw = cb_zmsg_new (parts + 2, n_parts - 2);

    if (raw == NULL)
        return cb_fail_nomem (err);
    CB_TRY (cb_session_signer_ (session, err));
    CB_TRY (cb_jmsg_read (session->signer, raw, &request, err));
    return cb_requests_queued_ (session, cb_take (request), parts[1], ret_entry, err);
}

/* The entry of a record; whatever cannot be is refused. */
static int
s_read (cb_session *session, const cb_zmsg *message, cb_entry **ret_entry, cb_err *err)
{
    size_t n_parts = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);
    record head;

    if (n_parts < 3 || parts[0].size != sizeof head)
        return cb_fail (err, CB_E_PROTO, "the queue in its page makes no sense");
    memcpy (&head, parts[0].data, sizeof head);
    if (head.identity_size > CB_ZMTP_IDENTITY_MAX ||
        (head.is_run && (!head.is_cell || parts[2].size > CB_HEADER_MAX)))
        return cb_fail (err, CB_E_PROTO, "the queue in its page makes no sense");
    CB_TRY (head.is_run ? s_read_run (session, &head, parts, ret_entry, err)
                        : s_read_request (session, parts, n_parts, ret_entry, err));
    cb_entry *entry = *ret_entry;
    entry->channel = head.channel == CB_CHANNEL_CONTROL ? CB_CHANNEL_CONTROL : CB_CHANNEL_SHELL;
    entry->stop_on_error = head.stop_on_error;
    entry->may_ask = head.may_ask;
    entry->client = head.client;
    entry->round = head.round;
    entry->answered = head.answered;
    entry->replied = head.answered;
    cb_entry_note_identity_ (entry, (cb_part){head.identity, head.identity_size});
    if (!head.is_run && head.is_cell)
        return cb_requests_is_cell_ (entry, &head.run, err);
    return 0;
}

/* One that began, and whose record was still there. */
static int
s_has_begun (const restoring *self, const cb_entry *entry)
{
    const cb_entry *running = self->session->running;
    const char *msg_id = cb_entry_msg_id_ (entry);

    return (running != NULL && strcmp (cb_entry_msg_id_ (running), msg_id) == 0) ||
           strcmp (self->over, msg_id) == 0;
}

static void
s_insert (cb_session *self, cb_entry *entry)
{
    cb_entry **at = &self->queue;

    while (*at != NULL && (*at)->round <= entry->round)
        at = &(*at)->next;
    entry->next = *at;
    *at = entry;
    self->n_queued++;
    self->n_cells_queued += entry->fanout != NULL;
    if (entry->client > self->clients)
        self->clients = entry->client;
}

static void
s_on_record (cb_zmsg *message, uint64_t number, void *context)
{
    restoring *self = context;
    cb_page_shared *shared = self->page->shared;
    cb_session *session = self->session;
    cb_entry *entry = NULL;
    cb_err err = CB_ERR_INIT;

    if (s_is_gone (shared->gone, number) || session->n_queued >= CB_PAGE_WAITING)
        return;
    int result = s_read (session, message, &entry, &err);
    if (result < 0)
        cb_log_warn ("a request that waited is lost", CB_STR ("session", session->name),
                     CB_STR ("why", err.text));
    if (result < 0 || s_has_begun (self, entry)) {
        s_set_gone (shared->gone, number, 1);
        cb_entry_destroy (&entry);
        return;
    }
    entry->number = number;
    entry->is_kept = 1;
    entry->queued_at = cb_now ();
    uint8_t told = shared->told[number % CB_PAGE_WAITING];
    if (entry->fanout != NULL)
        cb_fanout_was_told (entry->fanout, told);
    else if (told == TOLD_PLACE)
        entry->noted = SIZE_MAX; /* some place */
    else if (told == TOLD_ABORTED && entry->run != NULL)
        cb_requests_abort_ (entry);
    s_insert (session, entry);
}

void
cb_waiting_restore_ (cb_session *self, cb_page *page)
{
    cb_saved *saved = (cb_saved *)(void *)page->work.above;
    restoring all = {.session = self, .page = page, .over = ""};
    const cb_tape tape = {page, CB_AREA_QUEUE};

    self->round = saved->round;
    self->clients = saved->clients;
    if (saved->what == CB_SAVED_OVER &&
        memchr (saved->run.msg_id, '\0', sizeof saved->run.msg_id) != NULL)
        all.over = saved->run.msg_id;
    (void)cb_journal_tell (&saved->queue, &tape, saved->queue.first, s_on_record, &all);
    /* One that had begun is nobody's to forget any more, and would hold up all behind it. */
    s_forget_gone (page, &saved->queue);
}
