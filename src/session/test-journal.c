/* test-journal.c - what a client was told: numbered, bounded, and told again from any number. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "session/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct heard {
    uint64_t n;
    char first[32];
    char last[32];
} heard;

static void
on_message (cb_zmsg *message, uint64_t number, void *context)
{
    heard *self = context;
    size_t n_parts;

    (void)number;
    const cb_part *parts = cb_zmsg_parts (message, &n_parts);
    char *into = self->n++ == 0 ? self->first : self->last;

    (void)snprintf (into, sizeof self->first, "%.*s", (int)parts[0].size, parts[0].data);
    memcpy (self->last, into, sizeof self->last);
}

static void
s_add (cb_journal *journal, const cb_tape *tape, unsigned number, size_t size)
{
    char name[32];
    char *bytes = calloc (1, size + 1);
    (void)snprintf (name, sizeof name, "m%u", number);
    const cb_part parts[] = {{name, strlen (name)}, {bytes, size}};
    cb_zmsg *message = cb_zmsg_new (parts, 2);

    cb_journal_add (journal, tape, message, CB_PAGE_JOURNAL);
    cb_zmsg_destroy (&message);
    free (bytes);
}

int
main (void)
{
    int fd = -1;
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_page) cb_page *page = cb_page_new (4096, &fd, &err);
    cb_auto_close int taken = fd;
    cb_journal journal = {.end = 0};
    heard told = {.n = 0};
    const cb_tape *tape = &(cb_tape){page, CB_AREA_JOURNAL};

    (void)taken;
    if (page == NULL)
        return 1;
    cb_journal_reset (&journal, tape, 2);
    for (unsigned i = 2; i < 7; i++)
        s_add (&journal, tape, i, 10);
    ok (cb_journal_tell (&journal, tape, 4, on_message, &told) == 0 && told.n == 3 &&
            strcmp (told.first, "m4") == 0 && strcmp (told.last, "m6") == 0,
        "from number 4 on");
    told.n = 0;
    ok (cb_journal_tell (&journal, tape, 7, on_message, &told) == 0 && told.n == 0,
        "nothing for who has all");
    told.n = 0;
    ok (cb_journal_tell (&journal, tape, 0, on_message, &told) == 2 && told.n == 5,
        "what was before it is counted as lost");
    /* Over the ring's end, many times. */
    for (unsigned i = 7; i < 400; i++)
        s_add (&journal, tape, i, 1000003);
    told.n = 0;
    uint64_t lost = cb_journal_tell (&journal, tape, 6, on_message, &told);
    ok (lost + told.n == 394 && told.n >= 39 && strcmp (told.last, "m399") == 0,
        "a ring keeps the last: %llu, %llu are lost", (unsigned long long)told.n,
        (unsigned long long)lost);
    ok (journal.end - journal.begin <= CB_PAGE_JOURNAL, "and no more than it has room for");
    s_add (&journal, tape, 400, CB_PAGE_JOURNAL);
    s_add (&journal, tape, 401, 1);
    told.n = 0;
    ok (cb_journal_tell (&journal, tape, 400, on_message, &told) == 1 && told.n == 1 &&
            strcmp (told.first, "m401") == 0,
        "what is too large keeps its number");
    ok (cb_journal_check (&journal, tape, NULL) == 0, "it can be gone on with");
    for (int i = 0; i < 4; i++) {
        cb_journal wrong = journal;
        wrong.begin += i == 0 ? 3 : 0;
        wrong.begin = i == 1 ? wrong.end + 1 : wrong.begin;
        wrong.next += i == 2;
        wrong.end += i == 3 ? CB_PAGE_JOURNAL : 0;
        ok (cb_journal_check (&wrong, tape, NULL) == -CB_E_PROTO, "but not what makes no sense");
    }
    journal.begin += 3;
    told.n = 0;
    (void)cb_journal_tell (&journal, tape, 0, on_message, &told);
    ok (told.n <= 1, "a journal that makes no sense ends");
    cb_journal_reset (&journal, tape, 0);
    ok (cb_journal_tell (&journal, tape, 0, on_message, &told) == 0, "a new one is empty");
    return tap_done ();
}
