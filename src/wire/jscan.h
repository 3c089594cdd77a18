/* jscan.h - checks that bytes are one JSON object and picks a few of its strings, without building
 * a tree: what every relayed message costs. */
#ifndef CB_WIRE_JSCAN_H
#define CB_WIRE_JSCAN_H

#include "base/err.h"
#include "wire/zmsg.h"

#include <stddef.h>

typedef enum { CB_PICK_MISSING, CB_PICK_FOUND, CB_PICK_NULL } cb_pick_state;

/* A member of the object itself (not of its members) whose value is a string. */
typedef struct cb_pick {
    const char *name; /* without characters that JSON escapes */
    char *text;       /* room bytes; a longer string is -CB_E_LIMIT; an end byte is added */
    size_t room;
    cb_pick_state state; /* out */
} cb_pick;

/* Bytes are one object of RFC 8259: UTF-8, at most CB_JSON_DEPTH_MAX levels. A picked member must
 * be a string or null, may not hold a zero byte, and may not be there twice. -CB_E_INVALID or
 * -CB_E_LIMIT names `what` and the place or the member. */
int cb_json_scan (const char *what, cb_part bytes, cb_pick *picks, size_t n_picks, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
