/* fair.h - sending to one of many who share a quota of bytes.
 *
 * Those who do not read use it up; whoever does read is not made to pay for them: with a short
 * queue of his own his message goes past the limit. */
#ifndef CB_SESSION_FAIR_H
#define CB_SESSION_FAIR_H

#include "net/zpeer.h"

/* Sends where fewer than `queue` bytes wait for the receiver, whatever others have. Outcomes of
 * cb_zpeer_send. */
static inline int
cb_send_fair (cb_zpeer *peer, cb_zmsg *message, size_t queue, cb_err *err)
{
    int result = cb_zpeer_send (peer, message, 0, err);

    if (result == CB_ZPEER_FULL && cb_zpeer_queued (peer) < queue)
        result = cb_zpeer_send_always (peer, message, 0, err);
    return result;
}

#endif
