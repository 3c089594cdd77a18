/* journal.c - a ring of messages. An entry: a head, the sizes of its parts, their bytes. A message
 * that is too large is an entry without parts: it keeps its number. */
#include "session/journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Memory goes back in pieces of this size; an area is a multiple of it. */
#define BLOCK ((size_t)1024 * 1024)
/* Memory that a new journal leaves as it is. */
#define KEEP_TOUCHED ((size_t)262144)
#define PARTS_MAX    128

typedef struct entry_head {
    uint32_t size;    /* of the entry, this head included */
    uint32_t n_parts; /* 0: too large to be kept */
} entry_head;

static size_t
s_room (const cb_tape *tape)
{
    return cb_page_area_size (tape->area);
}

static void
s_write (const cb_tape *tape, uint64_t at, const void *bytes, size_t size)
{
    char *area = tape->page->areas[tape->area];
    size_t where = (size_t)(at % s_room (tape));
    size_t first = size < s_room (tape) - where ? size : s_room (tape) - where;

    memcpy (area + where, bytes, first);
    if (size > first)
        memcpy (area, (const char *)bytes + first, size - first);
}

static void
s_read (const cb_tape *tape, uint64_t at, void *bytes, size_t size)
{
    const char *area = tape->page->areas[tape->area];
    size_t where = (size_t)(at % s_room (tape));
    size_t first = size < s_room (tape) - where ? size : s_room (tape) - where;

    memcpy (bytes, area + where, first);
    if (size > first)
        memcpy ((char *)bytes + first, area, size - first);
}

void
cb_journal_reset (cb_journal *self, const cb_tape *tape, uint64_t number)
{
    if (self->end > KEEP_TOUCHED)
        (void)madvise (tape->page->areas[tape->area], s_room (tape), MADV_REMOVE);
    *self = (cb_journal){.first = number, .next = number};
}

/* What is over half of the area is not kept: with some of them nothing else would be. */
static entry_head
s_measure (const cb_part *parts, size_t n_parts, size_t most)
{
    size_t size = sizeof (entry_head) + n_parts * sizeof (uint32_t);

    for (size_t i = 0; i < n_parts && size <= most; i++)
        size += parts[i].size < most ? parts[i].size : most;
    if (n_parts > PARTS_MAX || size > most)
        return (entry_head){.size = sizeof (entry_head)};
    return (entry_head){.size = (uint32_t)size, .n_parts = (uint32_t)n_parts};
}

/* The memory of whole blocks between two positions goes back, unless the end has come round to it.
 */
static void
s_give_back (const cb_journal *self, const cb_tape *tape, uint64_t from)
{
    size_t room = s_room (tape);

    for (uint64_t at = from - from % BLOCK; at + BLOCK <= self->begin; at += BLOCK)
        if (at + room >= self->end)
            (void)madvise (tape->page->areas[tape->area] + at % room, BLOCK, MADV_REMOVE);
}

void
cb_journal_forget (cb_journal *self, const cb_tape *tape)
{
    entry_head head;

    s_read (tape, self->begin, &head, sizeof head);
    self->begin += head.size;
    self->first++;
}

/* Forgets the oldest until there is room, or a block more than has to stay. That is in force before
 * their bytes are written over. */
static void
s_make_room (cb_journal *self, const cb_tape *tape, size_t size, size_t keep)
{
    uint64_t before = self->begin;
    size_t room = s_room (tape);
    size_t most = keep < room - size ? keep : room - size;

    if (self->end - self->begin <= most + BLOCK && self->end + size - self->begin <= room)
        return;
    while (self->begin < self->end && self->end - self->begin > most)
        cb_journal_forget (self, tape);
    cb_page_commit (tape->page);
    s_give_back (self, tape, before);
}

int
cb_journal_fits (const cb_journal *self, const cb_tape *tape, const cb_zmsg *message)
{
    size_t n_parts = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);
    entry_head head = s_measure (parts, n_parts, s_room (tape) / 2);

    return head.n_parts > 0 && self->end - self->begin <= s_room (tape) - head.size;
}

void
cb_journal_add (cb_journal *self, const cb_tape *tape, const cb_zmsg *message, size_t keep)
{
    size_t n_parts = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);
    entry_head head = s_measure (parts, n_parts, s_room (tape) / 2);

    s_make_room (self, tape, head.size, keep);
    uint64_t at = self->end;
    s_write (tape, at, &head, sizeof head);
    at += sizeof head;
    for (size_t i = 0; i < head.n_parts; i++, at += sizeof (uint32_t)) {
        uint32_t size = (uint32_t)parts[i].size;
        s_write (tape, at, &size, sizeof size);
    }
    for (size_t i = 0; i < head.n_parts; at += parts[i].size, i++)
        s_write (tape, at, parts[i].data, parts[i].size);
    self->end += head.size;
    self->next++;
}

/* The message of an entry; NULL: too large, or it makes no sense, or no memory. */
static cb_zmsg *
s_message (const cb_tape *tape, uint64_t at, const entry_head *head)
{
    uint32_t sizes[PARTS_MAX];
    cb_part parts[PARTS_MAX];
    size_t beside = sizeof *head + head->n_parts * sizeof (uint32_t);
    size_t sum = 0;

    if (head->n_parts == 0 || head->n_parts > PARTS_MAX || head->size < beside)
        return NULL;
    s_read (tape, at + sizeof *head, sizes, head->n_parts * sizeof (uint32_t));
    char *bytes = malloc (head->size);
    if (bytes == NULL)
        return NULL;
    s_read (tape, at + beside, bytes, head->size - beside);
    for (size_t i = 0; i < head->n_parts; i++) {
        parts[i] = (cb_part){bytes + sum, sizes[i]};
        sum += sizes[i];
    }
    cb_zmsg *message = sum <= head->size - beside ? cb_zmsg_new (parts, head->n_parts) : NULL;
    free (bytes);
    return message;
}

int
cb_journal_check (const cb_journal *self, const cb_tape *tape, cb_err *err)
{
    uint64_t number = self->first;
    uint64_t at = self->begin;

    if (at > self->end || self->end - at > s_room (tape))
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    while (at < self->end) {
        entry_head head;
        s_read (tape, at, &head, sizeof head);
        if (head.size < sizeof head || head.size > self->end - at)
            return cb_fail (err, CB_E_PROTO, "its page makes no sense");
        at += head.size;
        number++;
    }
    if (number != self->next)
        return cb_fail (err, CB_E_PROTO, "its page makes no sense");
    return 0;
}

uint64_t
cb_journal_tell (const cb_journal *self, const cb_tape *tape, uint64_t from,
                 cb_on_journal *on_message, void *context)
{
    uint64_t number = self->first;
    uint64_t lost = from < self->first ? self->first - from : 0;

    if (self->end - self->begin > s_room (tape))
        return lost;
    for (uint64_t at = self->begin; at < self->end; number++) {
        entry_head head;
        s_read (tape, at, &head, sizeof head);
        if (head.size < sizeof head || head.size > self->end - at)
            break;
        at += head.size;
        if (number < from)
            continue;
        cb_zmsg *message = on_message != NULL ? s_message (tape, at - head.size, &head) : NULL;
        lost += on_message != NULL ? message == NULL : head.n_parts == 0;
        if (message != NULL)
            on_message (message, number, context);
        cb_zmsg_destroy (&message);
    }
    return lost;
}
