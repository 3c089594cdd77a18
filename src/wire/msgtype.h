/* msgtype.h - a row per Jupyter message type: where it may travel and what it is (protocol 5.3
 * to 5.5). */
#ifndef CB_WIRE_MSGTYPE_H
#define CB_WIRE_MSGTYPE_H

#include <stddef.h>

/* Bits: the channels on which a type may come from the kernel or from a client. */
enum {
    CB_ON_SHELL = 1 << 0,
    CB_ON_IOPUB = 1 << 1,
    CB_ON_STDIN = 1 << 2,
    CB_ON_CONTROL = 1 << 3,
};

/* What it does to a run. */
typedef enum {
    CB_ROLE_OTHER,
    CB_ROLE_REQUEST, /* client to kernel, has a reply */
    CB_ROLE_REPLY,
    CB_ROLE_STATUS,
    CB_ROLE_OUTPUT, /* stream, display_data, update_display_data, execute_result, error,
                       clear_output */
    CB_ROLE_ECHO,   /* execute_input */
    CB_ROLE_INPUT,  /* input_request, input_reply */
    CB_ROLE_COMM,
} cb_msg_role;

typedef struct cb_msgtype {
    const char *name; /* "execute_request" */
    int from_kernel;  /* CB_ON_* */
    int from_client;  /* CB_ON_* */
    cb_msg_role role;
    const char *reply; /* the type of its reply, or NULL */
} cb_msgtype;

/* The row, or NULL for a type that is not in the table. */
const cb_msgtype *cb_msgtype_find (const char *name);

/* All rows, sorted by name. */
const cb_msgtype *cb_msgtype_rows (size_t *ret_count);

#endif
