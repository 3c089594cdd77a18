/* shown.c - what attached clients get to see of what a kernel says: the profile's active_output.
 *
 * Everything of a kernel goes past here on its way to an attached client, once: what is published,
 * answered, asked. The control API is for programs, which get it as it is. */
#include "session/session-int.h"

#include "base/log.h"
#include "wire/active.h"

int
cb_shown_ (cb_session *self, const char *msg_type, cb_part *content, cb_buf *room)
{
    cb_active_output mode = self->profile.active_output;

    cb_buf_init (room, CB_ACTIVE_CONTENT_MAX);
    switch (cb_active_check (mode, msg_type, *content, room)) {
    case CB_ACTIVE_PASS:
        return 1;
    case CB_ACTIVE_CHANGED:
        *content = (cb_part){room->data, room->size};
        return 1;
    case CB_ACTIVE_DROP:
        cb_log_debug ("a message is not passed on to attached clients",
                      CB_STR ("session", self->name), CB_STR ("type", msg_type));
        return 0;
    default:
        cb_log_warn ("a message cannot be made harmless, so it is not passed on",
                     CB_STR ("session", self->name), CB_STR ("type", msg_type));
        return 0;
    }
}
