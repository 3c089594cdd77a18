/* control-int.h - what the verbs share with the control door; for front/control.c and verbs-*.c. */
#ifndef CB_FRONT_CONTROL_INT_H
#define CB_FRONT_CONTROL_INT_H

#include "base/calm.h"
#include "front/control.h"
#include "session/order.h"
#include "wire/ctl.h"

/* Requests of one client that wait for something. */
#define CB_ASKS_MAX 256

typedef struct cb_client cb_client;
typedef struct cb_ask cb_ask;

struct cb_control {
    cb_loop *loop;
    cb_registry *registry;
    const cb_control_facts *facts;
    const cb_control_events *events;
    void *context;
    cb_signer *signer;
    cb_zlisten *shell;
    cb_zlisten *hb;
    cb_quota out; /* bytes that wait for clients */
    cb_quota in;  /* bytes of their unfinished requests: its own, so that those who do not read
                     cannot keep others from asking */
    cb_client *clients;
    size_t n_clients;
    cb_calm calm; /* of the lines that strangers cause in the log */
};

struct cb_client {
    cb_control *control;
    cb_zpeer *peer;
    int echo;        /* it is on hb */
    unsigned faults; /* unreadable messages */
    cb_ask *asks;    /* owned by what they wait for */
    size_t n_asks;
    cb_client *next;
    cb_client *before;
};

/* One request while its handler looks at it. */
typedef struct cb_request {
    cb_control *control;
    cb_client *client;
    cb_jmsg *message;
    const cb_ctl_verb *verb;
    const json_t *content;
} cb_request;

/* Answers, or leaves that to an ask and returns 0; a fault is answered by the caller. */
typedef int cb_on_verb (cb_request *request, cb_err *err);

/* A request that is answered later. Outlives its client (client is NULL then). */
struct cb_ask {
    cb_client *client;
    const cb_ctl_verb *verb;
    char *header; /* owned: the request's */
    size_t header_size;
    char session[CB_NAME_MAX];
    size_t pending;  /* ends that are awaited (stop all) */
    uint64_t number; /* the verb's own */
    int flag;        /* the verb's own */
    cb_ask *next;
    cb_ask *before;
};

/* -CB_E_BUSY over CB_ASKS_MAX. Freed by cb_ask_done. */
int cb_ask_new (cb_request *request, cb_ask **ret_ask, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Answers (content is taken, NULL: {}; its "status" becomes "ok") and frees the ask. */
void cb_ask_done (cb_ask **ask, json_t *content);
/* The same with buffers. */
void cb_ask_done_buffer (cb_ask **ask, json_t *content, cb_part buffer);
/* Says something before the answer; content is taken. */
void cb_ask_tell (cb_ask *ask, const char *msg_type, json_t *content);
/* Answers with an error and frees the ask. */
void cb_ask_fail (cb_ask **ask, const cb_err *err);
/* Frees without an answer. */
void cb_ask_destroy (cb_ask **ask);

/* Answers at once; content is taken, NULL: {}. */
void cb_request_done (cb_request *request, json_t *content);

/* The session the request names. */
int cb_request_session (cb_request *request, cb_session **ret_session, cb_err *err)
    __attribute__ ((warn_unused_result));
/* A string member that the verb's row has checked; NULL when it is missing. Borrowed. */
const char *cb_request_text (const cb_request *request, const char *name);
int cb_request_flag (const cb_request *request, const char *name, int otherwise);
uint64_t cb_request_size (const cb_request *request, const char *name, uint64_t otherwise);

/* The handlers, sorted by verb in control.c. */
cb_on_verb cb_verb_ask, cb_verb_files, cb_verb_get, cb_verb_hello, cb_verb_interrupt,
    cb_verb_kernel, cb_verb_list, cb_verb_new, cb_verb_profile, cb_verb_profiles, cb_verb_put,
    cb_verb_reload, cb_verb_restart, cb_verb_resume, cb_verb_run, cb_verb_show, cb_verb_shutdown,
    cb_verb_status, cb_verb_stop;

/* The handler of a verb, NULL without one: for the test that none is missing. */
cb_on_verb *cb_verb_find (const char *msg_type);

#endif
