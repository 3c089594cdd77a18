/* active.c - a row per message type: what its content may have.
 *
 * Under `sandbox` a content is written anew from the fields that are known, each of the kind it has
 * to be, because frontends put numbers, prompts and links into their pages as well as HTML. When
 * that changes nothing the message goes on byte for byte. What no frontend shows passes unread. */
#include "wire/active.h"

#include "base/err.h"
#include "base/table.h"
#include "wire/fields.h"

/* ---- contents ---- */

#define END                    \
    {                          \
        NULL, NULL, NULL, NULL \
    }
/* Members that are not known pass. */
#define REST                           \
    {                                  \
        NULL, cb_field_any, NULL, NULL \
    }

#define FAILURE                                                                             \
    {"status", cb_field_word, "\"error\"", NULL}, {"ename", cb_field_text, "\"\"", NULL},   \
        {"evalue", cb_field_text, "\"\"", NULL}, {"traceback", cb_field_texts, "[]", NULL}, \
    {                                                                                       \
        "engine_info", cb_field_any_object, "{}", NULL                                      \
    }

static const cb_field s_transient[] = {{"display_id", cb_field_text, "\"\"", NULL}, END};

static const cb_field s_display[] = {
    {"data", cb_field_bundle, "{}", NULL},
    {"metadata", cb_field_any_object, "{}", NULL},
    {"transient", cb_field_object, "{}", s_transient},
    {"execution_count", cb_field_count, "null", NULL},
    END,
};

static const cb_field s_execute_input[] = {
    {"code", cb_field_text, "\"\"", NULL},
    {"execution_count", cb_field_count, "null", NULL},
    END,
};

static const cb_field s_failure[] = {FAILURE, END};

static const cb_field s_status[] = {{"execution_state", cb_field_word, "\"unknown\"", NULL}, END};

static const cb_field s_payload[] = {
    {"source", cb_field_word, "\"\"", NULL},
    {"data", cb_field_bundle, "{}", NULL},
    {"start", cb_field_count, "0", NULL},
    {"text", cb_field_text, "\"\"", NULL},
    {"replace", cb_field_flag, "false", NULL},
    {"keepkernel", cb_field_flag, "false", NULL},
    END,
};

static const cb_field s_expression[] = {
    FAILURE,
    {"data", cb_field_bundle, "{}", NULL},
    {"metadata", cb_field_any_object, "{}", NULL},
    END,
};

/* Whatever they are called. */
static const cb_field s_expressions[] = {{NULL, cb_field_object, "{}", s_expression}};

static const cb_field s_execute_reply[] = {
    FAILURE,
    {"execution_count", cb_field_count, "null", NULL},
    {"payload", cb_field_payloads, "[]", s_payload},
    {"user_expressions", cb_field_object, "{}", s_expressions},
    END,
};

static const cb_field s_inspect_reply[] = {
    FAILURE,
    {"found", cb_field_flag, "false", NULL},
    {"data", cb_field_bundle, "{}", NULL},
    {"metadata", cb_field_any_object, "{}", NULL},
    END,
};

static const cb_field s_completion[] = {
    {"text", cb_field_type_name, "\"\"", NULL},
    {"type", cb_field_type_name, "\"\"", NULL},
    {"signature", cb_field_type_name, "\"\"", NULL},
    {"start", cb_field_count, "0", NULL},
    {"end", cb_field_count, "0", NULL},
    END,
};

static const cb_field s_completions[] = {
    {"_jupyter_types_experimental", cb_field_objects, "[]", s_completion},
    END,
};

static const cb_field s_complete_reply[] = {
    FAILURE,
    {"matches", cb_field_names, "[]", NULL},
    {"cursor_start", cb_field_count, "0", NULL},
    {"cursor_end", cb_field_count, "0", NULL},
    {"metadata", cb_field_object, "{}", s_completions},
    END,
};

static const cb_field s_comm_info_reply[] = {FAILURE, {"comms", cb_field_nothing, "{}", NULL}, END};

static const cb_field s_is_complete_reply[] = {
    FAILURE, {"indent", cb_field_text, "\"\"", NULL}, END};

static const cb_field s_editor[] = {
    {"name", cb_field_mode, "\"python\"", NULL},
    {"version", cb_field_count, "3", NULL},
    END,
};

static const cb_field s_language[] = {
    {"name", cb_field_word, "\"python\"", NULL},
    {"version", cb_field_word, "\"3\"", NULL},
    {"mimetype", cb_field_mime_type, "\"text/x-python\"", NULL},
    {"file_extension", cb_field_word, "\".py\"", NULL},
    {"pygments_lexer", cb_field_mode, "\"ipython3\"", NULL},
    {"codemirror_mode", cb_field_editor_mode, "\"python\"", s_editor},
    {"nbconvert_exporter", cb_field_mode, "\"python\"", NULL},
    END,
};

static const cb_field s_language_as_it_is[] = {REST};

static const cb_field s_help_link[] = {
    {"text", cb_field_text, "\"\"", NULL},
    {"url", cb_field_link, "\"https://ipython.org/\"", NULL},
    END,
};

static const cb_field s_link_as_it_is[] = {REST};

static const cb_field s_kernel_info_reply[] = {
    FAILURE,
    {"protocol_version", cb_field_word, "\"5.3\"", NULL},
    {"implementation", cb_field_word, "\"ipython\"", NULL},
    {"implementation_version", cb_field_word, "\"\"", NULL},
    {"language_info", cb_field_language, "{}", s_language},
    {"banner", cb_field_banner, "\"\"", NULL},
    {"help_links", cb_field_links, "[]", s_help_link},
    {"debugger", cb_field_flag, "false", NULL},
    {"supported_features", cb_field_texts, "[]", NULL},
    END,
};

/* The debugger's values of variables are bundles too. */
static const cb_field s_debug_body[] = {{"data", cb_field_bundle, "{}", NULL}, REST};
static const cb_field s_debug_reply[] = {{"body", cb_field_object, "{}", s_debug_body}, REST};

static const cb_field s_input_request[] = {
    {"prompt", cb_field_text, "\"\"", NULL},
    {"password", cb_field_flag, "false", NULL},
    END,
};

/* Of a session with `full`. */
static const cb_field s_full_info_reply[] = {
    {"language_info", cb_field_language, "{}", s_language_as_it_is},
    {"banner", cb_field_banner, "\"\"", NULL},
    {"help_links", cb_field_links, "[]", s_link_as_it_is},
    REST,
};

static const cb_field s_shutdown_reply[] = {
    FAILURE, {"restart", cb_field_flag, "false", NULL}, END};

/* Types that pass unread, and those that do not pass. */
static const cb_field s_unread[] = {END};
static const cb_field s_refused[] = {END};

/* Sorted by name. */
static const struct {
    const char *name;
    const cb_field *fields;
} s_rows[] = {
    {"clear_output", s_unread},
    {"comm_close", s_refused},
    {"comm_info_reply", s_comm_info_reply},
    {"comm_msg", s_refused},
    {"comm_open", s_refused},
    {"complete_reply", s_complete_reply},
    {"connect_reply", s_unread},
    {"create_subshell_reply", s_unread},
    {"debug_event", s_unread},
    {"debug_reply", s_debug_reply},
    {"delete_subshell_reply", s_unread},
    {"display_data", s_display},
    {"error", s_failure},
    {"execute_input", s_execute_input},
    {"execute_reply", s_execute_reply},
    {"execute_result", s_display},
    {"history_reply", s_unread},
    {"input_request", s_input_request},
    {"inspect_reply", s_inspect_reply},
    {"interrupt_reply", s_unread},
    {"iopub_welcome", s_unread},
    {"is_complete_reply", s_is_complete_reply},
    {"kernel_info_reply", s_kernel_info_reply},
    {"list_subshell_reply", s_unread},
    {"shutdown_reply", s_shutdown_reply},
    {"status", s_status},
    {"stream", s_unread},
    {"update_display_data", s_display},
    {"usage_reply", s_unread},
};

/* What remains of a content that would be too large. */
static int
s_put_remains (int is_display, cb_buf *into)
{
    cb_buf_done (into);
    return cb_buf_puts (
        into, is_display ? "{\"data\":{\"text/plain\":\"cellblock: this output is too large "
                           "to be made harmless, so it is not shown\"},\"metadata\":{}}"
                         : "{\"status\":\"error\",\"ename\":\"limit\",\"evalue\":"
                           "\"cellblock: this reply is too large to be made harmless\","
                           "\"traceback\":[]}");
}

static int
s_check (const cb_active *about, const cb_field *fields, cb_part content, cb_buf *into)
{
    cb_fields self = {.into = into, .about = about};
    cb_jwalk walk;
    int result = -CB_E_INVALID;

    /* Room at once: most contents come out as they are. */
    if (cb_jwalk_object (&walk, content) && (result = cb_buf_reserve (into, content.size)) == 0)
        result = cb_fields_put (&self, fields, &walk);
    if (result == -CB_E_LIMIT || result == -CB_E_INVALID) {
        self.changed = 1;
        result = s_put_remains (fields == s_display, into);
    }
    CB_TRY (result);
    return self.changed ? CB_ACTIVE_CHANGED : CB_ACTIVE_PASS;
}

/* Replies are awaited by who asked; anything else that we do not know is for a part of a frontend
 * that we do not know. */
static int
s_is_reply (const char *msg_type)
{
    size_t size = strlen (msg_type);

    return size > 6 && strcmp (msg_type + size - 6, "_reply") == 0;
}

int
cb_active_check (const cb_active *self, const char *msg_type, cb_part content, cb_buf *into)
{
    __typeof__ (&s_rows[0]) row = CB_TABLE_FIND (s_rows, msg_type);
    const cb_field *fields = row != NULL             ? row->fields
                             : s_is_reply (msg_type) ? s_unread
                                                     : s_refused;

    if (self->output == CB_ACTIVE_FULL)
        fields = fields == s_kernel_info_reply ? s_full_info_reply : s_unread;
    if (fields == s_refused)
        return CB_ACTIVE_DROP;
    if (fields == s_unread)
        return CB_ACTIVE_PASS;
    return s_check (self, fields, content, into);
}

const char *
cb_active_type (size_t index)
{
    return index < CB_COUNT (s_rows) ? s_rows[index].name : NULL;
}
