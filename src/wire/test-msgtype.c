/* test-msgtype.c - the table of message types is sorted, complete and agrees with itself. */
#include "base/table.h"
#include "base/tap.h"
#include "wire/msgtype.h"

/* The headings of the "Messaging in Jupyter" page 5.5, and ipykernel's usage_request. */
static const char *const s_requests[] = {
    "comm_info",       "complete",    "connect",  "create_subshell", "debug",
    "delete_subshell", "execute",     "history",  "inspect",         "interrupt",
    "is_complete",     "kernel_info", "shutdown", "usage",           "list_subshell",
};
static const char *const s_others[] = {
    "clear_output",  "comm_close",    "comm_msg",      "comm_open",      "debug_event",
    "display_data",  "error",         "execute_input", "execute_result", "input_reply",
    "input_request", "iopub_welcome", "status",        "stream",         "update_display_data",
};

static void
s_pair (const char *verb)
{
    char request[CB_COUNT (s_requests) + 32];
    char reply[CB_COUNT (s_requests) + 32];

    (void)snprintf (request, sizeof request, "%s_request", verb);
    (void)snprintf (reply, sizeof reply, "%s_reply", verb);
    const cb_msgtype *asks = cb_msgtype_find (request);
    const cb_msgtype *says = cb_msgtype_find (reply);
    ok (asks != NULL && says != NULL && asks->role == CB_ROLE_REQUEST &&
            says->role == CB_ROLE_REPLY && strcmp (asks->reply, reply) == 0,
        "%s and its reply", verb);
    if (asks != NULL && says != NULL)
        ok ((asks->from_client & ~says->from_kernel) == 0 && asks->from_kernel == 0 &&
                says->from_client == 0,
            "%s: the reply may come where the request went", verb);
}

int
main (void)
{
    size_t rows;
    const cb_msgtype *types = cb_msgtype_rows (&rows);

    ok (cb_table_sorted (types, rows, sizeof types[0]), "sorted");
    for (size_t i = 0; i < CB_COUNT (s_requests); i++)
        s_pair (s_requests[i]);
    for (size_t i = 0; i < CB_COUNT (s_others); i++) {
        const cb_msgtype *type = cb_msgtype_find (s_others[i]);
        ok (type != NULL && (type->from_client | type->from_kernel) != 0, "%s", s_others[i]);
    }
    ok (rows == 2 * CB_COUNT (s_requests) + CB_COUNT (s_others), "nothing else is there: %zu",
        rows);
    ok (cb_msgtype_find ("execute") == NULL && cb_msgtype_find ("") == NULL, "others are unknown");
    return tap_done ();
}
