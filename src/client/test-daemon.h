/* test-daemon.h - a daemon for libcellblock's test: a ROUTER in a thread that answers by a script.
 */
#ifndef CB_CLIENT_TEST_DAEMON_H
#define CB_CLIENT_TEST_DAEMON_H

#include "wire/connfile.h"
#include "wire/jmsg.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

typedef struct cb_scripted {
    char folder[64];
    cb_connfile file;
    cb_signer *signer;
    cb_signer *stranger; /* another key */
    void *context;
    void *router;
    pthread_t thread;
    int is_over;
    sem_t *ready; /* of s_replace_file */
    cb_zmsg *run; /* the request that an interrupt ends */
} cb_scripted;

/* With a folder and a broker.json of its own; false: it cannot. Never two TAP counters in one
 * program: only the test itself says ok. */
bool cb_scripted_start (cb_scripted *self);
/* Its thread is joined already. */
void cb_scripted_stop (cb_scripted *self);
/* Writes broker.json. */
void cb_scripted_write (const cb_scripted *self, const char *text);

#endif
