/* order.h - a session as a client asks for it: names and paths, not yet a jail. */
#ifndef CB_SESSION_ORDER_H
#define CB_SESSION_ORDER_H

#include "session/registry.h"

typedef struct cb_session_order {
    const char *name;      /* NULL: one is made */
    const char *profile;   /* NULL: "default" */
    const json_t *inputs;  /* array of {"path", "name"}, checked by its row; NULL: none */
    const json_t *workdir; /* {"path", "mode"}, checked by its row; NULL: none */
    const json_t *limits;  /* object of texts by key, what the client wants otherwise; NULL: none */
    int ephemeral;
    const json_t *arguments; /* array of texts, for ipykernel; NULL: none */
    const char *key;         /* of a frontend's connection file; NULL: of none */
    const char *file;
    uint64_t digest; /* of what it asked for */
} cb_session_order;

/* Resolves the profile, changes what the client may change, checks the inputs (absolute, names that
 * do not collide, at most CB_SPEC_INPUTS_MAX) and the working folder (no more than the profile lets
 * a client have), makes the session. Borrowed in *ret_session. */
int cb_session_open (cb_registry *registry, const cb_session_order *order, cb_session **ret_session,
                     cb_err *err) __attribute__ ((warn_unused_result));

#endif
