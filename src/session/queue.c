/* queue.c - requests that wait in a session, and in which order they have their turn.
 *
 * Clients take turns: in each round everyone who waits has one request with the kernel, in the
 * order in which they came. So one who sends five hundred cells at once delays the others by one of
 * them. What waits is charged to one quota of all sessions; the counts that a guest carries are
 * kept here and nowhere else. */
#include "session/session-int.h"

#include <stdlib.h>
#include <string.h>

void
cb_entry_destroy (cb_entry **self_at)
{
    cb_entry *self = *self_at;

    if (self == NULL)
        return;
    if (self->collecting)
        cb_files_cancel (self->session->services->files, self);
    cb_waiting_forget_ (self->session, self);
    cb_fanout_destroy (&self->fanout);
    cb_run_destroy (&self->run);
    if (self->charged > 0)
        cb_quota_release (self->session->services->cells, self->charged);
    cb_jmsg_destroy (&self->request);
    free (self->content);
    free (self->identity);
    free (self);
    *self_at = NULL;
}

cb_part
cb_entry_identity_ (const cb_entry *self)
{
    const cb_zpeer *peer = self->guest != NULL ? self->guest->peers[self->channel] : NULL;

    if (peer != NULL)
        return cb_zpeer_identity (peer);
    return (cb_part){self->identity != NULL ? self->identity : "", self->identity_size};
}

void
cb_entry_note_identity_ (cb_entry *self, cb_part identity)
{
    self->identity = identity.size > 0 ? malloc (identity.size) : NULL;
    if (self->identity == NULL)
        return;
    memcpy (self->identity, identity.data, identity.size);
    self->identity_size = identity.size;
}

/* What waits costs so much beside its code. */
#define ENTRY_COST 4096
/* Code of more bytes leaves a quarter of the quota to what is smaller. */
#define SMALL ((size_t)16 * 1024)

int
cb_entry_charge_ (cb_entry *self, size_t bytes, cb_err *err)
{
    cb_quota *cells = self->session->services->cells;

    if ((bytes > SMALL && cells->used + bytes + ENTRY_COST > cells->limit - cells->limit / 4) ||
        cb_quota_charge (cells, bytes + ENTRY_COST) < 0)
        return cb_fail (err, CB_E_BUSY,
                        "the code of all cells that wait is too much: try again "
                        "when some are done");
    self->charged = bytes + ENTRY_COST;
    return 0;
}

const char *
cb_entry_msg_id_ (const cb_entry *entry)
{
    return entry->run != NULL ? cb_run_msg_id (entry->run) : entry->request->msg_id;
}

uint64_t
cb_entry_client_ (const cb_entry *entry)
{
    return entry->client == 0 && entry->guest != NULL ? entry->guest->number : entry->client;
}

void
cb_cells_unlink_ (cb_session *self, cb_entry **at)
{
    cb_entry *entry = *at;

    cb_places_leave_ (entry);
    *at = entry->next;
    entry->next = NULL;
    self->n_queued--;
    self->n_cells_queued -= entry->fanout != NULL;
    if (entry->guest == NULL)
        return;
    entry->guest->n_waiting--;
    entry->guest->waiting_bytes -= cb_zmsg_cost (entry->request->raw);
}

/* Those that are doomed, or every one. */
static void
s_fail (cb_session *self, int every)
{
    cb_entry **at = &self->queue;

    while (*at != NULL) {
        cb_entry *entry = *at;
        if (!every && !entry->doomed) {
            at = &entry->next;
            continue;
        }
        cb_cells_unlink_ (self, at);
        entry->kind->fail (entry, &self->death);
        cb_entry_destroy (&entry);
        at = &self->queue; /* who was told may have gone */
    }
}

void
cb_cells_fail_queued_ (cb_session *self)
{
    s_fail (self, 1);
}

void
cb_cells_fail_doomed_ (cb_session *self)
{
    s_fail (self, 0);
}

void
cb_cells_doom_queued_ (cb_session *self)
{
    for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        entry->doomed = 1;
}

int
cb_cells_takes_ (const cb_session *self, cb_err *err)
{
    if (self->state == CB_SESSION_STOPPING)
        return cb_fail (err, CB_E_GONE, "session '%s' is stopping", self->name);
    if (self->state == CB_SESSION_DEAD)
        return cb_fail (err, CB_E_GONE,
                        "session '%s' is dead (%s); restart it with: cellblock "
                        "restart %s",
                        self->name, self->death.text, self->name);
    return 0;
}

int
cb_cells_check_ (const cb_session *self, const char *msg_id, cb_err *err)
{
    CB_TRY (cb_cells_takes_ (self, err));
    for (const cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        if (strcmp (cb_entry_msg_id_ (entry), msg_id) == 0)
            return cb_fail (err, CB_E_INVALID, "the message id is in use");
    if (self->kernel != NULL && cb_kernel_knows (self->kernel, msg_id))
        return cb_fail (err, CB_E_INVALID, "the message id was used before");
    return 0;
}

/* ---- turns ---- */

/* A number for whoever asks. A guest keeps his; one of the control API has it as long as something
 * of his waits. */
static uint64_t
s_client_of (cb_session *self, const cb_entry *entry)
{
    if (entry->guest != NULL) {
        if (entry->guest->number == 0)
            entry->guest->number = ++self->clients;
        return entry->guest->number;
    }
    for (const cb_entry *at = self->queue; at != NULL; at = at->next)
        if (at->peer != NULL && at->peer == entry->peer)
            return at->client;
    return ++self->clients;
}

/* The round after the one that runs, or after the last in which this client has a turn. */
static uint64_t
s_round_of (const cb_session *self, uint64_t client)
{
    uint64_t round = self->round + 1;

    for (const cb_entry *at = self->queue; at != NULL; at = at->next)
        if (at->client == client && at->round >= round)
            round = at->round + 1;
    return round;
}

/* What a client of the control API asks beside cells is over at once: for a cell of his own it is
 * nobody who comes first. */
static int
s_comes_before (const cb_entry *entry, const cb_entry *of)
{
    return entry->run != NULL || entry->peer == NULL || entry->peer != of->peer;
}

size_t
cb_cells_ahead_ (const cb_session *self, const cb_entry *of)
{
    size_t ahead = 0;

    if (self->running != NULL && s_comes_before (self->running, of))
        ahead++;
    for (const cb_entry *at = self->queue; at != NULL && at != of; at = at->next)
        if (s_comes_before (at, of))
            ahead++;
    return ahead;
}

size_t
cb_cells_append_ (cb_session *self, cb_entry *entry)
{
    cb_entry **at = &self->queue;

    entry->client = s_client_of (self, entry);
    entry->round = s_round_of (self, entry->client);
    while (*at != NULL && (*at)->round <= entry->round)
        at = &(*at)->next;
    entry->next = *at;
    *at = entry;
    size_t ahead = entry->told = cb_cells_ahead_ (self, entry);
    entry->queued_at = cb_now ();
    if (self->state != CB_SESSION_IDLE || self->queue != entry || cb_session_waits_ (self))
        cb_waiting_keep_ (self, entry);
    self->n_queued++;
    self->n_cells_queued += entry->fanout != NULL;
    if (entry->guest != NULL) {
        size_t cost = cb_zmsg_cost (entry->request->raw);
        entry->guest->n_waiting++;
        entry->guest->waiting_bytes += cost;
    }
    cb_session_touch (self);
    cb_cells_next_ (self);
    cb_places_look_ (self);
    cb_session_arm_ (self);
    return ahead;
}

int
cb_cells_room_ (const cb_session *self, const cb_zpeer *peer, cb_err *err)
{
    int waits = 0;

    for (const cb_entry *at = self->queue; at != NULL && !waits; at = at->next)
        waits = at->peer == peer;
    if (waits && self->n_cells_queued >= CB_SESSION_QUEUE_MAX)
        return cb_fail (err, CB_E_BUSY, "session '%s' has %d cells waiting already", self->name,
                        CB_SESSION_QUEUE_MAX);
    return 0;
}
