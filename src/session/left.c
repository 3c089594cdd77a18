/* left.c - runs whose client went away before their end, when the next cell needs the page's place.
 *
 * The last run of a session is in the page's journal; when another begins it is copied here, into
 * memory of this broker's alone. The end is what is worth most: of a long one only that is kept.
 * What all sessions keep so is charged to the quota of what waits, and leaves half of it. */
#include "session/session-int.h"

#include <stdlib.h>
#include <string.h>

/* Runs of one session, the newest; bytes of one. */
#define LEFT_MAX  8
#define BYTES_MAX ((size_t)4 * 1024 * 1024)

struct cb_left {
    cb_saved saved;
    char *header;       /* owned: the request's */
    cb_zmsg **messages; /* NULL: it was too large to be kept */
    size_t n_messages;
    uint64_t first;  /* number of the first of them */
    uint64_t before; /* bytes of what is not kept */
    size_t charged;
    cb_quota *quota;
    cb_left *next; /* older */
};

static void
s_destroy (cb_left **self_at)
{
    cb_left *self = *self_at;

    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n_messages; i++)
        cb_zmsg_destroy (&self->messages[i]);
    if (self->charged > 0)
        cb_quota_release (self->quota, self->charged);
    free (self->messages);
    free (self->header);
    free (self);
    *self_at = NULL;
}

void
cb_left_done_ (cb_session *self)
{
    while (self->left != NULL) {
        cb_left *gone = self->left;
        self->left = gone->next;
        s_destroy (&gone);
    }
}

static void
s_on_message (cb_zmsg *message, uint64_t number, void *context)
{
    cb_left *self = context;

    if (number >= self->first && number - self->first < self->n_messages)
        self->messages[number - self->first] = cb_zmsg_ref (message);
}

typedef struct sizes {
    uint64_t from; /* the first message that is kept */
    size_t bytes;  /* of those before it */
    size_t all;
} sizes;

static void
s_on_size (cb_zmsg *message, uint64_t number, void *context)
{
    sizes *self = context;

    (void)number;
    self->all += cb_zmsg_cost (message);
}

/* Forwards, for the journal tells them so: those at the beginning that are too much go. */
static void
s_on_fit (cb_zmsg *message, uint64_t number, void *context)
{
    sizes *self = context;

    if (self->all - self->bytes <= BYTES_MAX)
        return;
    self->bytes += cb_zmsg_cost (message);
    self->from = number + 1;
}

static int
s_take (cb_left *self, const cb_journal *journal, const cb_tape *tape)
{
    sizes seen = {.from = journal->first};

    (void)cb_journal_tell (journal, tape, journal->first, s_on_size, &seen);
    (void)cb_journal_tell (journal, tape, journal->first, s_on_fit, &seen);
    size_t bytes = seen.all - seen.bytes;
    if (self->quota->used + bytes > self->quota->limit / 2 ||
        cb_quota_charge (self->quota, bytes) < 0)
        return 0;
    self->charged = bytes;
    self->first = seen.from;
    self->before = journal->begin + seen.bytes;
    self->messages = calloc (journal->next - seen.from + 1, sizeof (cb_zmsg *));
    if (self->messages == NULL)
        return 0;
    self->n_messages = (size_t)(journal->next - seen.from);
    (void)cb_journal_tell (journal, tape, seen.from, s_on_message, self);
    return 1;
}

static void
s_forget_oldest (cb_session *self)
{
    cb_left **at = &self->left;

    for (size_t i = 0; *at != NULL && i < LEFT_MAX; i++)
        at = &(*at)->next;
    s_destroy (at);
}

void
cb_left_keep_ (cb_session *self)
{
    if (!self->is_left || self->kernel == NULL)
        return;
    self->is_left = 0;
    const cb_saved *saved = cb_session_saved_ (self);
    cb_page *page = cb_kernel_page (self->kernel);
    const cb_tape tape = {page, CB_AREA_JOURNAL};
    if (saved->what != CB_SAVED_OVER)
        return;
    cb_left *left = calloc (1, sizeof *left);
    if (left == NULL)
        return;
    left->saved = *saved;
    left->quota = self->services->cells;
    left->header = malloc (saved->header_size + 1);
    if (left->header == NULL || !s_take (left, &saved->journal, &tape)) {
        s_destroy (&left);
        return;
    }
    memcpy (left->header, page->shared->header, saved->header_size);
    left->next = self->left;
    self->left = left;
    s_forget_oldest (self);
}

const cb_left *
cb_left_find_ (const cb_session *self, const char *msg_id)
{
    const cb_left *left = self->left;

    while (left != NULL && strcmp (left->saved.run.msg_id, msg_id) != 0)
        left = left->next;
    return left;
}

cb_retold
cb_left_retold_ (const cb_left *self)
{
    return (cb_retold){.run = self->saved.run.name,
                       .header = {self->header, self->saved.header_size},
                       .told = self->saved.told_before,
                       .has_begun = 1,
                       .left = self,
                       .forgotten_bytes = self->before};
}

uint64_t
cb_left_tell_ (const cb_left *self, uint64_t from, cb_on_journal *on_message, void *context)
{
    uint64_t lost = from < self->first ? self->first - from : 0;

    for (size_t i = 0; i < self->n_messages; i++) {
        if (self->first + i < from)
            continue;
        lost += self->messages[i] == NULL;
        if (on_message != NULL && self->messages[i] != NULL)
            on_message (self->messages[i], self->first + i, context);
    }
    return lost;
}
