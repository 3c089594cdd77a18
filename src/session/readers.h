/* readers.h - those who read a session's iopub: one bounded queue each, losses told, nobody waited
 * for. */
#ifndef CB_SESSION_READERS_H
#define CB_SESSION_READERS_H

#include "net/zpeer.h"
#include "wire/jmsg.h"

/* Readers of one session. */
#define CB_SESSION_READERS_MAX 128
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
/* Its on_drained: a reader that was paused is told what it lost and reads on. */
void cb_readers_drained (cb_readers *self, const cb_zpeer *peer);
size_t cb_readers_count (const cb_readers *self);

/* What a message means to somebody who waits: output may be lost (and is told), a status is the end
 * of a wait and has a reserve of its own; before an idle the reader is told what it lost. */
typedef enum { CB_NEWS_OUTPUT, CB_NEWS_STATUS, CB_NEWS_IDLE } cb_news;

/* A kernel's message, under the topic it came with. */
void cb_readers_send (cb_readers *self, const cb_jmsg *message, cb_news news);

/* A message of ours. */
typedef struct cb_word {
    const char *topic;
    const char *msg_type;
    cb_part parent; /* header of the request it belongs to; empty: none */
    const json_t *content;
    cb_news news;
} cb_word;
void cb_readers_tell (cb_readers *self, const cb_word *word);

#endif
