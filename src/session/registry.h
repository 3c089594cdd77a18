/* registry.h - all sessions by name: makes them, finds them, clears them away. */
#ifndef CB_SESSION_REGISTRY_H
#define CB_SESSION_REGISTRY_H

#include "session/session.h"

typedef struct cb_registry cb_registry;

/* Told after a session was cleared away. */
typedef void cb_on_sessions_changed (void *context);

/* Borrows services. most: sessions at a time. Owned; NULL with err. */
cb_registry *cb_registry_new (const cb_services *services, size_t most,
                              cb_on_sessions_changed *on_changed, void *context, cb_err *err);
void cb_registry_destroy (cb_registry **self);
/* Ends all sessions at once; whoever waits is told that the daemon was stopped. */
void cb_registry_end (cb_registry *self);

/* The session of that name, or NULL. Borrowed. */
cb_session *cb_registry_find (const cb_registry *self, const char *name);
/* The same with a sentence: -CB_E_NOTFOUND. */
int cb_registry_get (const cb_registry *self, const char *name, cb_session **ret_session,
                     cb_err *err) __attribute__ ((warn_unused_result));

/* The session of a frontend's connection file, or NULL. Borrowed. */
cb_session *cb_registry_of_file (const cb_registry *self, const char *file, const char *key);

/* Makes a session and starts its kernel. options->name NULL: a name is made. -CB_E_EXISTS,
 * -CB_E_LIMIT with the bound. Borrowed in *ret_session. */
int cb_registry_add (cb_registry *self, const cb_session_options *options, cb_session **ret_session,
                     cb_err *err) __attribute__ ((warn_unused_result));

/* Takes over what a broker before us left behind, or has it killed; each is done with. A jail that
 * brokers died of is not taken. */
void cb_registry_adopt (cb_registry *self, cb_launch_left *left, size_t n_left);

/* What its sessions borrow. */
const cb_services *cb_registry_services (const cb_registry *self);

size_t cb_registry_count (const cb_registry *self);
size_t cb_registry_most (const cb_registry *self);
void cb_registry_set_most (cb_registry *self, size_t most);

/* Each session, in the order of their making; the callee may stop it. */
typedef void cb_on_each_session (cb_session *session, void *context);
void cb_registry_each (cb_registry *self, cb_on_each_session *on_each, void *context);

/* An input_reply of a client of the control API, to the session that asks him: an outcome of
 * cb_session_input_from. */
int cb_registry_input (cb_registry *self, const cb_zpeer *peer, const cb_jmsg *reply, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_registry_client_gone (cb_registry *self, const cb_zpeer *peer);

#endif
