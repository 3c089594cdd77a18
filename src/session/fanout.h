/* fanout.h - copies a run's output to its readers: one bounded queue a reader, losses told. */
#ifndef CB_SESSION_FANOUT_H
#define CB_SESSION_FANOUT_H

#include "net/zpeer.h"
#include "session/journal.h"
#include "wire/jmsg.h"

/* Readers of one run: the asker, and in time those who look on. */
#define CB_READERS_MAX 32

typedef struct cb_fanout cb_fanout;

/* Somebody who can be told things: a connection, the key he is told with, the request he made. */
typedef struct cb_asker {
    cb_zpeer *peer;    /* borrowed; NULL once it is gone */
    cb_signer *signer; /* borrowed */
    cb_part header;    /* the request's, borrowed or owned as said where it stands */
} cb_asker;

cb_fanout *cb_fanout_new (cb_err *err);
void cb_fanout_destroy (cb_fanout **self);

/* Adds a reader (copies the header). -CB_E_LIMIT over CB_READERS_MAX. */
int cb_fanout_add (cb_fanout *self, const cb_asker *asker, cb_err *err)
    __attribute__ ((warn_unused_result));
/* From now on what the first reader is told is in the journal, and that in force, before it goes
 * out; who comes back after a crash of ours is told the rest. All is borrowed. */
typedef struct cb_keep {
    cb_journal *journal;
    cb_tape tape;
    void (*commit) (void *context); /* all that is to be in force together with a message */
    void *context;
} cb_keep;
void cb_fanout_keep (cb_fanout *self, const cb_keep *keep);
/* Messages that the first reader was told, or would have been. */
uint64_t cb_fanout_told (const cb_fanout *self);
void cb_fanout_was_told (cb_fanout *self, uint64_t told);
/* The first reader, who was gone, is back. */
void cb_fanout_resume (cb_fanout *self, cb_zpeer *peer);
/* What the first reader lost and is told before the reply; the same for one of a broker before us.
 */
void cb_fanout_lost (const cb_fanout *self, uint64_t *ret_messages, uint64_t *ret_bytes);
void cb_fanout_has_lost (cb_fanout *self, uint64_t messages, uint64_t bytes);
/* The first reader's request's header. */
cb_part cb_fanout_header (const cb_fanout *self);
/* Whether all readers are gone, but for those who may come back. */
int cb_fanout_is_absent (const cb_fanout *self);
/* Whether that is because a broker before us died, so that all of them come back at once. */
int cb_fanout_is_awaited (const cb_fanout *self);
/* What follows is in force together, and goes out with cb_fanout_finish. */
void cb_fanout_last_words (cb_fanout *self);

/* Drops the readers behind that connection; how many are left. The first one of a run that is kept
 * may come back. */
size_t cb_fanout_remove (cb_fanout *self, const cb_zpeer *peer);
/* How many read, those counted who are awaited, but not one who went away. */
size_t cb_fanout_readers (const cb_fanout *self);

/* The first of them, whose run it is; NULL: he is gone. Borrowed. */
const cb_asker *cb_fanout_first (const cb_fanout *self);

/* Signs once a signer and queues for each reader. A reader whose queue is full loses the message;
 * that is counted. Never waits. */
void cb_fanout_send (cb_fanout *self, const cb_jmsg *message);
/* A word of ours, never lost: an event. content is borrowed. */
void cb_fanout_tell (cb_fanout *self, const char *msg_type, const json_t *content);
/* Tells each reader what it lost, then the reply. Nothing may follow. */
void cb_fanout_finish (cb_fanout *self, const char *msg_type, const json_t *content);

#endif
