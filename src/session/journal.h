/* journal.h - messages in memory that outlives the broker, numbered, the oldest first: what the
 * client of the running cell was told lately, or requests that wait. */
#ifndef CB_SESSION_JOURNAL_H
#define CB_SESSION_JOURNAL_H

#include "kernel/page.h"
#include "wire/zmsg.h"

/* In the page's state. */
typedef struct cb_journal {
    uint64_t begin; /* bytes ever written: the first that is kept */
    uint64_t end;   /* and where the next go */
    uint64_t first; /* number of the message at begin */
    uint64_t next;  /* number of the next message */
} cb_journal;

/* Where its bytes lie. Borrowed. */
typedef struct cb_tape {
    cb_page *page;
    cb_area area;
} cb_tape;

/* A new one whose first message has this number. In force with the next commit, and nothing may be
 * added before. */
void cb_journal_reset (cb_journal *self, const cb_tape *tape, uint64_t number);
/* A message more; of those before it `keep` bytes stay at least, as far as the area goes. In force
 * with the next commit. */
void cb_journal_add (cb_journal *self, const cb_tape *tape, const cb_zmsg *message, size_t keep);
/* Whether there is room for it without forgetting another. */
int cb_journal_fits (const cb_journal *self, const cb_tape *tape, const cb_zmsg *message);
/* Forgets the first. In force with the next commit. */
void cb_journal_forget (cb_journal *self, const cb_tape *tape);

/* What was left behind, before it is gone on with: -CB_E_PROTO when it makes no sense. */
int cb_journal_check (const cb_journal *self, const cb_tape *tape, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The messages from number `from` on; how many of these were forgotten, or too large. Without
 * on_message they are only counted. */
typedef void cb_on_journal (cb_zmsg *message, uint64_t number, void *context);
uint64_t cb_journal_tell (const cb_journal *self, const cb_tape *tape, uint64_t from,
                          cb_on_journal *on_message, void *context);

#endif
