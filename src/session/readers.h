/* readers.h - those who read a session's iopub: one bounded queue each, losses told, nobody waited
 * for. */
#ifndef CB_SESSION_READERS_H
#define CB_SESSION_READERS_H

#include "kernel/page.h"
#include "net/zpeer.h"
#include "wire/jmsg.h"

/* Readers of one session. */
#define CB_SESSION_READERS_MAX CB_PAGE_READERS
/* Bytes that wait for one reader: one cell's whole output fits. */
#define CB_READER_QUEUE_MAX ((size_t)64 * 1024 * 1024)

typedef struct cb_readers cb_readers;

/* Borrows all. Owned; NULL with err. */
cb_readers *cb_readers_new (cb_signer *signer, const char *session, cb_err *err);
void cb_readers_destroy (cb_readers **self);

/* Borrows peer (an XPUB's connection, ready) until it is removed. -CB_E_LIMIT. */
int cb_readers_add (cb_readers *self, cb_zpeer *peer, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_readers_remove (cb_readers *self, const cb_zpeer *peer);
/* Its on_subscribed: the `iopub_welcome` of JEP 65, for those who wait until they hear everything.
 */
void cb_readers_welcome (cb_readers *self, cb_zpeer *peer, cb_part topic);
/* Its on_drained: a reader that was paused is told what it lost and reads on. */
void cb_readers_drained (cb_readers *self, const cb_zpeer *peer);
size_t cb_readers_count (const cb_readers *self);

/* What a message means to somebody who waits: output may be lost (and is told), a status is the end
 * of a wait and has a reserve of its own; before an idle the reader is told what it lost. */
typedef enum { CB_NEWS_OUTPUT, CB_NEWS_STATUS, CB_NEWS_IDLE } cb_news;

/* What each reader was given is written down in a page from now on: CB_PAGE_READERS places, zero or
 * of a broker before us (then whoever comes back from the same process goes on there: what was
 * given is not given again, what may have been lost with the old broker is told). published: the
 * number of the last message that is in force. */
void cb_readers_keep (cb_readers *self, cb_page_reader *places, uint64_t published);
/* No longer. */
void cb_readers_keep_not (cb_readers *self);
uint64_t cb_readers_published (const cb_readers *self);

/* A kernel's message, under the topic it came with. It has the next number. */
void cb_readers_send (cb_readers *self, const cb_jmsg *message, cb_news news);

/* The same when nobody is there: only its number is used up. */
void cb_readers_pass (cb_readers *self);

/* A message of ours. */
typedef struct cb_word {
    const char *topic;
    const char *msg_type;
    cb_part parent; /* header of the request it belongs to; empty: none */
    const json_t *content;
    cb_news news;
    cb_part metadata; /* empty: none */
} cb_word;
void cb_readers_tell (cb_readers *self, const cb_word *word);

#endif
