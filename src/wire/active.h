/* active.h - a kernel's messages as attached clients may see them: what a cell shows is part of its
 * jail. */
#ifndef CB_WIRE_ACTIVE_H
#define CB_WIRE_ACTIVE_H

#include "base/buf.h"
#include "wire/zmsg.h"

typedef enum {
    CB_ACTIVE_SANDBOX, /* nothing acts: see mime.h; fields that are not known are left out */
    CB_ACTIVE_FULL,    /* everything as the code made it; the banner says so */
} cb_active_output;

/* What attached clients may see, and what kernel_info_reply tells them of the jail beside the
 * kernel's own words. All borrowed. */
typedef struct cb_active {
    cb_active_output output;
    const char *banner; /* what follows the kernel's own; without what JSON escapes */
    const char *link;   /* a text among the help_links, likewise */
    const char *jail;   /* JSON text: language_info's member "jail" */
} cb_active;

/* Outcomes: the message goes on as it came; with the content in `into`; not at all. */
enum { CB_ACTIVE_PASS, CB_ACTIVE_CHANGED, CB_ACTIVE_DROP };

/* Bytes that a changed content has at most; of one that would have more a sentence remains. */
#define CB_ACTIVE_CONTENT_MAX ((size_t)48 * 1024 * 1024)

/* The content (JSON text that was checked) of a message of this type from a kernel. `into` is empty
 * and initialised. -CB_E_NOMEM. */
int cb_active_check (const cb_active *self, const char *msg_type, cb_part content, cb_buf *into)
    __attribute__ ((warn_unused_result));

/* For tests: the types there are rows for, sorted; NULL behind the last. */
const char *cb_active_type (size_t index);

#endif
