/* transcript.c - the conversation: a bounded list of messages in a form of its own. A backend
 * translates it when it asks; nobody else writes it. Keys never get in here. */
#include "agent/transcript.h"

#include "base/buf.h"
#include "base/name.h"

#include <string.h>

int
cb_transcript_init (cb_transcript *self, cb_err *err)
{
    *self = (cb_transcript){.messages = json_array ()};
    return self->messages != NULL ? 0 : cb_fail_nomem (err);
}

void
cb_transcript_done (cb_transcript *self)
{
    json_decref (self->messages);
    self->messages = NULL;
}

/* Charges bytes to the conversation. */
static int
s_charge (cb_transcript *self, size_t bytes, cb_err *err)
{
    if (bytes > CB_TRANSCRIPT_MAX - self->bytes)
        return cb_fail (err, CB_E_LIMIT, "the conversation is over %zu MiB of text",
                        CB_TRANSCRIPT_MAX >> 20);
    self->bytes += bytes;
    return 0;
}

/* Owned; NULL with err. */
static json_t *
s_text (const char *text, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf mended;

    cb_buf_init (&mended, 4 * CB_TRANSCRIPT_MAX);
    if (cb_utf8_mend (text, strlen (text), &mended) == 0) {
        json_t *value = json_stringn (mended.data, mended.size);
        if (value != NULL)
            return value;
    }
    (void)cb_fail_nomem (err);
    return NULL;
}

/* Appends a message that has its text still to come. Takes message. */
static int
s_append (cb_transcript *self, json_t *message, const char *text, cb_err *err)
{
    cb_owned (cb_json) json_t *taken = message;

    CB_TRY (s_charge (self, strlen (text), err));
    json_t *value = taken != NULL ? s_text (text, err) : NULL;
    if (value == NULL || json_object_set_new (taken, "text", value) < 0 ||
        json_array_append (self->messages, taken) < 0)
        return cb_fail_nomem (err);
    return 0;
}

int
cb_transcript_say (cb_transcript *self, const char *role, const char *text, cb_err *err)
{
    return s_append (self, json_pack ("{s:s}", "role", role), text, err);
}

int
cb_transcript_answer (cb_transcript *self, const char *text, json_t *calls, cb_err *err)
{
    for (size_t i = 0; i < json_array_size (calls); i++)
        CB_TRY (s_charge (
            self, json_string_length (json_object_get (json_array_get (calls, i), "arguments")),
            err));
    return s_append (self, json_pack ("{s:s, s:O}", "role", "assistant", "calls", calls), text,
                     err);
}

int
cb_transcript_result (cb_transcript *self, const char *id, const char *text, cb_err *err)
{
    return s_append (self, json_pack ("{s:s, s:s}", "role", "tool", "id", id), text, err);
}
