/* opening.h - the session that a person or a task works in: made, or found alive. */
#ifndef CB_CLI_OPENING_H
#define CB_CLI_OPENING_H

#include "base/name.h"
#include "cli/conn.h"

typedef struct cb_opening {
    const char *session; /* NULL: a new one, the daemon names it */
    const char *profile; /* NULL: the default one */
    const cb_words *inputs;
    bool bound; /* what is made ends with our connection, however that ends */
} cb_opening;

/* Checks names and inputs. Owned in *ret_request: what new_request wants. */
int cb_opening_check (const cb_opening *self, json_t **ret_request, cb_err *err)
    __attribute__ ((warn_unused_result));

typedef struct cb_opened {
    char session[CB_NAME_MAX];
    bool found;    /* it lived already */
    json_t *reply; /* owned: of new, or of show when it was found */
} cb_opened;

/* Makes the session (takes request) and waits until its kernel is ready, or finds it. One that
 * lives takes neither inputs nor another profile: -CB_E_EXISTS. cb_opened_done in every case. */
int cb_opening_make (const cb_opening *self, cb_conn *conn, json_t *request, cb_opened *opened,
                     cb_err *err) __attribute__ ((warn_unused_result));
void cb_opened_done (cb_opened *self);

#endif
