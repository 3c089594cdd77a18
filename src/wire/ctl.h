/* ctl.h - the control API as data: a row per verb with its fields, a row per event.
 *
 * A client sends VERB_request on the shell socket of broker.json; what comes back carries that
 * request's header as its parent_header: kernel messages (run only), events, then exactly one
 * VERB_reply. cellblock-protocol(7) is the page for this table. */
#ifndef CB_WIRE_CTL_H
#define CB_WIRE_CTL_H

#include "base/err.h"
#include "wire/msgtype.h"

#include <jansson.h>
#include <stddef.h>

/* Version of the control API; a client of another one is refused by its own check of broker.json
 * and hello_reply. */
#define CB_CTL_PROTOCOL 1

/* Bytes of a buffer of put_request and get_reply: a file travels in steps of this size, so no
 * client holds the loop or much memory. */
#define CB_CTL_BUFFER_MAX 262144
/* Bytes of code in a run_request: far over any cell a person or model writes. */
#define CB_CTL_CODE_MAX 8388608
/* Bytes of a whole request: the code with every byte escaped as \u00xx still fits in most cases. */
#define CB_CTL_REQUEST_MAX 33554432
/* Bytes of a message id in a field. */
#define CB_CTL_ID_MAX 128
/* Inputs of a session. */
#define CB_CTL_INPUTS_MAX 16
/* Limits that a request changes, bytes of one: more than a profile has. */
#define CB_CTL_LIMITS_MAX 32
#define CB_CTL_LIMIT_MAX  63
/* Further arguments of a kernel, and bytes of one. */
#define CB_CTL_ARGUMENTS_MAX 32
#define CB_CTL_ARGUMENT_MAX  4000
/* Bytes of a connection's key, of the random word of a shim. */
#define CB_CTL_KEY_MAX  255
#define CB_CTL_SHIM_MAX 32
/* Bytes of a path in a field (PATH_MAX without its end). */
#define CB_CTL_PATH_MAX 4095
/* Bytes of the mode of a working folder: enough that a wrong word comes back in the sentence. */
#define CB_CTL_MODE_MAX 15
/* Bytes of an answer to input (): a pasted page, not a file. */
#define CB_CTL_VALUE_MAX 1048576
/* Seconds of timeout_s: a week. */
#define CB_CTL_SECONDS_MAX 604800
/* Bytes of a file's offset or size in a field. */
#define CB_CTL_SIZE_MAX 1099511627776

typedef enum {
    CB_CTL_NO_SESSION,     /* the verb has nothing to do with one */
    CB_CTL_MAY_SESSION,    /* field "session" may be there (run) */
    CB_CTL_NEEDS_SESSION,  /* field "session" must be there */
    CB_CTL_SESSION_OR_ALL, /* either "session" or "all": true (stop) */
} cb_ctl_session;

typedef enum {
    CB_CTL_TEXT,    /* string of at most max bytes, no NUL inside */
    CB_CTL_NAME,    /* name of a session or profile (base/name.h) */
    CB_CTL_BOOL,    /* true or false */
    CB_CTL_SECONDS, /* number over 0, at most max */
    CB_CTL_SIZE,    /* whole number from 0 to max */
    CB_CTL_OBJECT,  /* object; what is in it is the kernel's business */
    CB_CTL_LIMITS,  /* object of at most max texts by the keys of a profile */
    CB_CTL_WORKDIR, /* {"path": absolute path, "mode": "ro" or "rw"} */
    CB_CTL_TEXTS,   /* array of at most max texts, none with a NUL inside */
    CB_CTL_INPUTS,  /* array of {"path": absolute path, "name": file name (may be missing)} */
} cb_ctl_type;

typedef struct cb_ctl_field {
    const char *name;
    cb_ctl_type type;
    int required;
    size_t max; /* by type; 0 where it has none */
} cb_ctl_field;

/* The most fields a verb has, and room for the row that ends the list. */
#define CB_CTL_FIELDS_MAX 12

typedef struct cb_ctl_verb {
    const char *name;  /* "run_request": the message type; the table is sorted by it */
    const char *reply; /* "run_reply" */
    cb_ctl_session session;
    size_t buffers;                         /* binary buffers of the request, exactly */
    cb_ctl_field fields[CB_CTL_FIELDS_MAX]; /* ends with a NULL name */
} cb_ctl_verb;

/* What the broker says of its own accord while a request runs. */
typedef struct cb_ctl_event {
    const char *name;   /* message type */
    const char *fields; /* for the page and the tests: its fields, separated by spaces */
} cb_ctl_event;

/* The row of a message type ("run_request"), NULL for others. */
const cb_ctl_verb *cb_ctl_find (const char *msg_type);
/* The one message of a client that is no request and gets no reply: "input_reply", with the header
 * of the input_request as its parent_header. Its reply is "error_reply", when it makes no sense. */
const cb_ctl_verb *cb_ctl_input (void);
/* The row of an event's message type ("start", "queued", "lost" ...), NULL for others. */
const cb_ctl_event *cb_ctl_event_find (const char *msg_type);

/* Whether a kernel's message of this type goes to the client of a run: output, execute_input and
 * status. Everything else stays in the broker (but for an input_request, which comes on stdin to a
 * client that allowed it), above all types it only made up: a kernel that says "run_reply" or
 * "artifact" must not speak in the broker's name. */
int cb_ctl_forwards (const cb_msgtype *type);

/* All rows, for tables and tests. */
const cb_ctl_verb *cb_ctl_verbs (size_t *ret_count);
const cb_ctl_event *cb_ctl_events (size_t *ret_count);

/* Checks a request's content and its number of buffers against the row: unknown fields, types,
 * bounds, required ones. 0, -CB_E_INVALID or -CB_E_LIMIT with a sentence that names the field. What
 * passed may be read with cb_json_get_* without further checks of type. */
int cb_ctl_check (const cb_ctl_verb *verb, const json_t *content, size_t n_buffers, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
