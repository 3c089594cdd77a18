/* msgtype.c - the table of Jupyter message types.
 *
 * From the "Messaging in Jupyter" page, versions 5.3 to 5.5, and ipykernel's own usage_request. A
 * kernel takes every shell request on control as well (ipykernel does); a type that is not here
 * passes on every channel, because kernels and frontends invent their own. */
#include "wire/msgtype.h"

#include "base/table.h"

#define SHELL   (CB_ON_SHELL | CB_ON_CONTROL)
#define IOPUB   CB_ON_IOPUB
#define STDIN   CB_ON_STDIN
#define CONTROL CB_ON_CONTROL

/* Sorted by name. */
static const cb_msgtype s_types[] = {
    {"clear_output", IOPUB, 0, CB_ROLE_OUTPUT, NULL},
    {"comm_close", IOPUB, CB_ON_SHELL, CB_ROLE_COMM, NULL},
    {"comm_info_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"comm_info_request", 0, SHELL, CB_ROLE_REQUEST, "comm_info_reply"},
    {"comm_msg", IOPUB, CB_ON_SHELL, CB_ROLE_COMM, NULL},
    {"comm_open", IOPUB, CB_ON_SHELL, CB_ROLE_COMM, NULL},
    {"complete_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"complete_request", 0, SHELL, CB_ROLE_REQUEST, "complete_reply"},
    {"connect_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"connect_request", 0, SHELL, CB_ROLE_REQUEST, "connect_reply"},
    {"create_subshell_reply", CONTROL, 0, CB_ROLE_REPLY, NULL},
    {"create_subshell_request", 0, CONTROL, CB_ROLE_REQUEST, "create_subshell_reply"},
    {"debug_event", IOPUB, 0, CB_ROLE_OTHER, NULL},
    {"debug_reply", CONTROL, 0, CB_ROLE_REPLY, NULL},
    {"debug_request", 0, CONTROL, CB_ROLE_REQUEST, "debug_reply"},
    {"delete_subshell_reply", CONTROL, 0, CB_ROLE_REPLY, NULL},
    {"delete_subshell_request", 0, CONTROL, CB_ROLE_REQUEST, "delete_subshell_reply"},
    {"display_data", IOPUB, 0, CB_ROLE_OUTPUT, NULL},
    {"error", IOPUB, 0, CB_ROLE_OUTPUT, NULL},
    {"execute_input", IOPUB, 0, CB_ROLE_ECHO, NULL},
    {"execute_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"execute_request", 0, SHELL, CB_ROLE_REQUEST, "execute_reply"},
    {"execute_result", IOPUB, 0, CB_ROLE_OUTPUT, NULL},
    {"history_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"history_request", 0, SHELL, CB_ROLE_REQUEST, "history_reply"},
    {"input_reply", 0, STDIN, CB_ROLE_INPUT, NULL},
    {"input_request", STDIN, 0, CB_ROLE_INPUT, "input_reply"},
    {"inspect_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"inspect_request", 0, SHELL, CB_ROLE_REQUEST, "inspect_reply"},
    {"interrupt_reply", CONTROL, 0, CB_ROLE_REPLY, NULL},
    {"interrupt_request", 0, CONTROL, CB_ROLE_REQUEST, "interrupt_reply"},
    {"iopub_welcome", IOPUB, 0, CB_ROLE_OTHER, NULL},
    {"is_complete_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"is_complete_request", 0, SHELL, CB_ROLE_REQUEST, "is_complete_reply"},
    {"kernel_info_reply", SHELL, 0, CB_ROLE_REPLY, NULL},
    {"kernel_info_request", 0, SHELL, CB_ROLE_REQUEST, "kernel_info_reply"},
    {"list_subshell_reply", CONTROL, 0, CB_ROLE_REPLY, NULL},
    {"list_subshell_request", 0, CONTROL, CB_ROLE_REQUEST, "list_subshell_reply"},
    /* ipykernel publishes it on iopub as well. */
    {"shutdown_reply", SHELL | IOPUB, 0, CB_ROLE_REPLY, NULL},
    {"shutdown_request", 0, SHELL, CB_ROLE_REQUEST, "shutdown_reply"},
    {"status", IOPUB, 0, CB_ROLE_STATUS, NULL},
    {"stream", IOPUB, 0, CB_ROLE_OUTPUT, NULL},
    {"update_display_data", IOPUB, 0, CB_ROLE_OUTPUT, NULL},
    {"usage_reply", CONTROL, 0, CB_ROLE_REPLY, NULL},
    {"usage_request", 0, CONTROL, CB_ROLE_REQUEST, "usage_reply"},
};

const cb_msgtype *
cb_msgtype_find (const char *name)
{
    return CB_TABLE_FIND (s_types, name);
}

const cb_msgtype *
cb_msgtype_rows (size_t *ret_count)
{
    *ret_count = CB_COUNT (s_types);
    return s_types;
}
