/* journal.h - what the client of the running cell was told lately, in memory that outlives the
 * broker: the last messages, numbered from 0, as they went out. */
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

/* A new one whose first message has this number. In force with the next commit, and nothing may be
 * added before. */
void cb_journal_reset (cb_journal *self, cb_page *page, uint64_t number);
/* A message more; of those before it `keep` bytes stay at least, as far as CB_PAGE_JOURNAL goes. In
 * force with the next commit. */
void cb_journal_add (cb_journal *self, cb_page *page, const cb_zmsg *message, size_t keep);

/* The messages from number `from` on; how many were forgotten, or too large. */
typedef void cb_on_journal (cb_zmsg *message, void *context);
uint64_t cb_journal_tell (const cb_journal *self, const cb_page *page, uint64_t from,
                          cb_on_journal *on_message, void *context);

#endif
