/* shape.h - what a kernel says, each field of the kind that the protocol gives it. */
#ifndef CB_WIRE_SHAPE_H
#define CB_WIRE_SHAPE_H

#include "base/buf.h"
#include "wire/zmsg.h"

/* Outcomes: the content is as it should be; it stands mended in `into`. */
enum { CB_SHAPE_GOOD, CB_SHAPE_MENDED };

/* The content (JSON text that was checked) of a message of this type. What is missing or of another
 * kind is replaced by something empty; members that the type has not, and types that are not known,
 * pass. `into` is empty and initialised; when the mended content does not fit into it, only empty
 * fields remain. -CB_E_NOMEM. */
int cb_shape_check (const char *msg_type, cb_part content, cb_buf *into)
    __attribute__ ((warn_unused_result));

#endif
