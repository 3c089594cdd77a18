/* seen.c - per jail a sorted array of marks; a walk builds the next one beside it.
 *
 * Bounded: CB_COLLECT_ENTRIES marks a jail (32 bytes each); a jail has an entry from its first
 * collection to its FORGET, and the broker bounds jails. */
#include "prov/seen.h"

#include "base/cleanup.h"

#include <string.h>

typedef struct memory {
    struct memory *next;
    uint64_t jail;
    cb_seen_mark *marks; /* owned, sorted */
    size_t n_marks;
} memory;

struct cb_seen {
    memory *first;
    memory *walked; /* between begin and end */
    size_t n_now;
    cb_seen_mark now[CB_COLLECT_ENTRIES];
};

cb_seen *
cb_seen_new (cb_err *err)
{
    cb_seen *self = calloc (1, sizeof *self);

    if (self == NULL)
        (void)cb_fail_nomem (err);
    return self;
}

void
cb_seen_destroy (cb_seen **self)
{
    while (*self != NULL && (*self)->first != NULL)
        cb_seen_forget (*self, (*self)->first->jail);
    free (*self);
    *self = NULL;
}

uint64_t
cb_seen_path (const char *path)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (; *path != '\0'; path++)
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3U;
    return hash;
}

static int
s_compare (const void *a, const void *b)
{
    return memcmp (a, b, sizeof (cb_seen_mark));
}

int
cb_seen_begin (cb_seen *self, uint64_t jail, cb_err *err)
{
    memory *at = self->first;

    while (at != NULL && at->jail != jail)
        at = at->next;
    if (at == NULL) {
        at = calloc (1, sizeof *at);
        if (at == NULL)
            return cb_fail_nomem (err);
        at->jail = jail;
        at->next = self->first;
        self->first = at;
    }
    self->walked = at;
    self->n_now = 0;
    return 0;
}

int
cb_seen_known (cb_seen *self, const cb_seen_mark *mark)
{
    const memory *at = self->walked;

    if (at->n_marks == 0 || bsearch (mark, at->marks, at->n_marks, sizeof *mark, s_compare) == NULL)
        return 0;
    cb_seen_add (self, mark);
    return 1;
}

void
cb_seen_add (cb_seen *self, const cb_seen_mark *mark)
{
    if (self->n_now < CB_COLLECT_ENTRIES)
        self->now[self->n_now++] = *mark;
}

void
cb_seen_end (cb_seen *self, int whole)
{
    memory *at = self->walked;

    for (size_t i = 0; !whole && i < at->n_marks; i++)
        cb_seen_add (self, &at->marks[i]);
    self->walked = NULL;
    free (at->marks);
    at->n_marks = 0;
    at->marks = NULL;
    if (self->n_now == 0)
        return;
    cb_seen_mark *marks = malloc (self->n_now * sizeof marks[0]);
    if (marks == NULL) /* all is new again next time */
        return;
    memcpy (marks, self->now, self->n_now * sizeof marks[0]);
    qsort (marks, self->n_now, sizeof marks[0], s_compare);
    at->n_marks = self->n_now;
    at->marks = marks;
}

void
cb_seen_forget (cb_seen *self, uint64_t jail)
{
    for (memory **at = &self->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->jail != jail)
            continue;
        memory *gone = *at;
        *at = gone->next;
        free (gone->marks);
        free (gone);
        return;
    }
}
