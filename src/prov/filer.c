/* filer.c - the broker's side of the file process: a bounded queue, one job in flight.
 *
 * Nothing here blocks. A job is a request packet kept until its turn; what comes back is items and
 * one end, matched by serial. Every accepted job is answered exactly once from cb_filer_dispatch;
 * when the process is gone, with CB_E_GONE. */
#include "prov/filer.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/name.h"
#include "prov/filemsg.h"

#include <stdio.h>
#include <string.h>

/* Packets taken in one dispatch: a flood of them must not hold up the loop. */
#define PACKETS_A_TURN 32
/* Bytes of blocks (PUT) that may wait: 64 clients with one block each. */
#define BLOCKS_MAX ((size_t)64 * CB_FILER_BLOCK_MAX)

typedef struct job {
    struct job *next;
    cb_on_job *on_job; /* NULL: nobody waits */
    void *context;     /* borrowed */
    size_t size;       /* bytes of ask and bytes together: the packet */
    cb_filer_ask ask;
    char bytes[]; /* of a PUT */
} job;

struct cb_filer {
    int socket; /* owned */
    uint64_t serial;
    job *first; /* owned list; the first is in flight when `sent` */
    job **last;
    size_t n_jobs;
    size_t block_bytes;
    int sent;
    int blocked; /* the socket took no more */
    int gone;
    cb_artifact *artifacts; /* owned: of the job in flight */
    size_t n_artifacts;
    size_t room;
    char packet[sizeof (cb_filer_end) + CB_FILER_BLOCK_MAX] __attribute__ ((aligned (8)));
};

_Static_assert(offsetof (job, bytes) == offsetof (job, ask) + sizeof (cb_filer_ask),
               "ask and bytes are one packet");
_Static_assert(sizeof (cb_filer_item) <= sizeof (cb_filer_end) + CB_FILER_BLOCK_MAX,
               "an item fits the buffer");

cb_filer *
cb_filer_new (int socket, cb_err *err)
{
    cb_owned (cb_filer) cb_filer *self = calloc (1, sizeof *self);

    if (self == NULL) {
        cb_close (&socket);
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->socket = socket;
    self->last = &self->first;
    if (cb_filer_socket_prepare (socket, err) < 0 || cb_set_nonblock (socket, 1, err) < 0)
        return NULL;
    return cb_take (self);
}

/* Takes the first job off the list. Owned. */
static job *
s_pop (cb_filer *self)
{
    job *first = self->first;

    self->first = first->next;
    if (self->first == NULL)
        self->last = &self->first;
    self->n_jobs--;
    if (first->ask.kind == CB_JOB_PUT)
        self->block_bytes -= first->ask.size;
    return first;
}

int
cb_filer_fd (const cb_filer *self)
{
    return self->socket;
}

int
cb_filer_wants_write (const cb_filer *self)
{
    return self->blocked;
}

static int
s_send_first (cb_filer *self, cb_err *err)
{
    self->blocked = 0;
    if (self->first == NULL || self->sent)
        return 0;
    /* ask and bytes lie behind each other: one packet. */
    int result = cb_packet_send (self->socket, &self->first->ask, self->first->size, NULL, 0, err);
    if (result == -CB_E_BUSY) {
        self->blocked = 1;
        return 0;
    }
    if (result < 0)
        return result;
    self->sent = 1;
    return 0;
}

static int
s_is_file_job (uint32_t kind)
{
    return kind == CB_JOB_PUT || kind == CB_JOB_GET || kind == CB_JOB_LIST;
}

/* The bounds of the queue. Collecting and forgetting belong to runs and jails, which others bound:
 * they only meet the whole queue's end, forgetting not even that. */
static int
s_check_room (const cb_filer *self, const cb_job *what, cb_err *err)
{
    size_t of_jail = 0;

    if (what->kind == CB_JOB_FORGET)
        return 0;
    if (self->n_jobs >= CB_FILER_QUEUE_MAX)
        return cb_fail (err, CB_E_BUSY, "%d file jobs wait already", CB_FILER_QUEUE_MAX);
    if (!s_is_file_job (what->kind))
        return 0;
    for (const job *at = self->first; at != NULL; at = at->next)
        of_jail += at->ask.jail == what->jail && s_is_file_job (at->ask.kind);
    if (of_jail >= CB_FILER_JAIL_MAX)
        return cb_fail (err, CB_E_BUSY, "%d file jobs of this session wait already",
                        CB_FILER_JAIL_MAX);
    if (self->n_jobs >= CB_FILER_QUEUE_MAX / 2 ||
        (what->kind == CB_JOB_PUT && self->block_bytes + what->size > BLOCKS_MAX))
        return cb_fail (err, CB_E_BUSY, "too many file jobs wait already");
    return 0;
}

static int
s_check (const cb_job *what, cb_err *err)
{
    if (what->size > CB_FILER_BLOCK_MAX)
        return cb_fail (err, CB_E_LIMIT,
                        "a step of a file has %zu bytes, at most %d are taken: send the file in "
                        "several steps",
                        what->size, CB_FILER_BLOCK_MAX);
    if (what->offset > (uint64_t)INT64_MAX - what->size)
        return cb_fail (err, CB_E_INVALID, "the offset is too large");
    if (s_is_file_job (what->kind))
        return cb_filer_path_check (what->path, what->kind == CB_JOB_LIST, err);
    if (what->kind == CB_JOB_COLLECT &&
        (cb_file_name_check (what->run, NULL) < 0 || what->run[0] == '.'))
        return cb_fail (err, CB_E_INVALID, "not a usable name for a run");
    return 0;
}

int
cb_filer_submit (cb_filer *self, const cb_job *what, cb_on_job *on_job, void *context, cb_err *err)
{
    size_t block = what->kind == CB_JOB_PUT ? what->size : 0;

    if (self->gone)
        return cb_fail (err, CB_E_GONE, "the file process is gone");
    CB_TRY (s_check (what, err));
    CB_TRY (s_check_room (self, what, err));
    job *fresh = calloc (1, sizeof *fresh + block);
    if (fresh == NULL)
        return cb_fail_nomem (err);
    fresh->on_job = on_job;
    fresh->context = context;
    fresh->size = sizeof fresh->ask + block;
    fresh->ask = (cb_filer_ask){
        .serial = ++self->serial,
        .jail = what->jail,
        .max_bytes = what->max_bytes,
        .offset = what->offset,
        .kind = (uint32_t)what->kind,
        .size = (uint32_t)what->size,
    };
    (void)snprintf (fresh->ask.run, sizeof fresh->ask.run, "%s", what->run);
    (void)snprintf (fresh->ask.path, sizeof fresh->ask.path, "%s", what->path);
    if (block > 0)
        memcpy (fresh->bytes, what->bytes, block);
    *self->last = fresh;
    self->last = &fresh->next;
    self->n_jobs++;
    self->block_bytes += block;
    /* Answers only come from a dispatch; a line that is broken is for the dispatch to find. */
    if (s_send_first (self, NULL) < 0)
        self->blocked = 1;
    return 0;
}

void
cb_filer_cancel (cb_filer *self, const void *context)
{
    for (job **at = &self->first; *at != NULL;) {
        job *found = *at;
        int in_flight = self->sent && found == self->first;
        if (found->context != context) {
            at = &found->next;
            continue;
        }
        found->on_job = NULL;
        found->context = NULL;
        if (in_flight || !s_is_file_job (found->ask.kind)) {
            at = &found->next;
            continue;
        }
        *at = found->next;
        if (self->last == &found->next)
            self->last = at;
        self->n_jobs--;
        if (found->ask.kind == CB_JOB_PUT)
            self->block_bytes -= found->ask.size;
        free (found);
    }
}

/* Answers the first job and takes it off the list. */
static void
s_finish (cb_filer *self, const cb_job_result *result)
{
    job *done = s_pop (self);

    self->sent = 0;
    if (done->on_job != NULL)
        done->on_job (result, done->context);
    free (done);
    self->n_artifacts = 0;
}

static int
s_lost (cb_filer *self, const char *why, cb_err *err)
{
    cb_job_result result = {.code = CB_E_GONE};

    self->gone = 1;
    self->blocked = 0;
    (void)snprintf (result.text, sizeof result.text, "the file process is gone: %s", why);
    result.artifacts = self->artifacts;
    result.n_artifacts = self->sent ? self->n_artifacts : 0;
    while (self->first != NULL) {
        s_finish (self, &result);
        result.n_artifacts = 0;
    }
    return cb_fail (err, CB_E_GONE, "%.900s", result.text);
}

static int
s_on_item (cb_filer *self, size_t size, cb_err *err)
{
    cb_filer_item *item = (cb_filer_item *)(void *)self->packet;
    size_t most = self->first->ask.kind == CB_JOB_LIST ? CB_LIST_MAX : CB_ARTIFACTS_MAX;

    if (size != sizeof *item || self->n_artifacts >= most ||
        memchr (item->artifact.path, '\0', sizeof item->artifact.path) == NULL ||
        memchr (item->artifact.sha256, '\0', sizeof item->artifact.sha256) == NULL)
        return cb_fail (err, CB_E_PROTO, "a malformed item");
    if (self->n_artifacts == self->room) {
        size_t room = self->room == 0 ? 16 : self->room * 2;
        cb_artifact *more = realloc (self->artifacts, room * sizeof *more);
        if (more == NULL)
            return cb_fail_nomem (err);
        self->artifacts = more;
        self->room = room;
    }
    self->artifacts[self->n_artifacts++] = item->artifact;
    return 0;
}

static int
s_on_end (cb_filer *self, size_t size, cb_err *err)
{
    const cb_filer_end *end = (const cb_filer_end *)(const void *)self->packet;

    if (size < sizeof *end || size - sizeof *end != end->size || end->code < 0 ||
        end->code >= CB_E__COUNT || memchr (end->text, '\0', sizeof end->text) == NULL)
        return cb_fail (err, CB_E_PROTO, "a malformed end");
    cb_job_result result = {
        .code = end->code,
        .artifacts = self->artifacts,
        .n_artifacts = self->n_artifacts,
        .refused = end->refused,
        .bytes = self->packet + sizeof *end,
        .size = end->size,
        .file_size = end->file_size,
    };
    memcpy (result.text, end->text, sizeof result.text);
    s_finish (self, &result);
    return 0;
}

static int
s_on_packet (cb_filer *self, size_t size, cb_err *err)
{
    /* Both structs start alike. */
    const cb_filer_item *head = (const cb_filer_item *)(const void *)self->packet;

    if (size < offsetof (cb_filer_item, artifact) || !self->sent ||
        head->serial != self->first->ask.serial)
        return cb_fail (err, CB_E_PROTO, "an answer to no question");
    if (head->type == CB_FILER_ITEM)
        return s_on_item (self, size, err);
    return s_on_end (self, size, err);
}

int
cb_filer_dispatch (cb_filer *self, cb_err *err)
{
    cb_err why = CB_ERR_INIT;

    if (self->gone)
        return cb_fail (err, CB_E_GONE, "the file process is gone");
    for (int i = 0; i < PACKETS_A_TURN; i++) {
        cb_packet packet;
        if (s_send_first (self, &why) < 0)
            return s_lost (self, why.text, err);
        int outcome =
            cb_packet_recv (self->socket, self->packet, sizeof self->packet, &packet, &why);
        if (outcome == CB_PACKET_AGAIN)
            return 0;
        if (outcome == CB_PACKET_CLOSED)
            return s_lost (self, "it ended", err);
        if (outcome < 0)
            return s_lost (self, why.text, err);
        cb_packet_done (&packet);
        if (s_on_packet (self, packet.size, &why) < 0)
            return s_lost (self, why.text, err);
    }
    return s_send_first (self, &why) < 0 ? s_lost (self, why.text, err) : 0;
}

void
cb_filer_destroy (cb_filer **self_at)
{
    cb_filer *self = *self_at;
    cb_err err = CB_ERR_INIT;

    if (self == NULL)
        return;
    /* Whoever waits hears of it, and can let go of what he keeps for the answer. */
    (void)!s_lost (self, "it was stopped", &err);
    cb_close (&self->socket);
    free (self->artifacts);
    free (self);
    *self_at = NULL;
}
