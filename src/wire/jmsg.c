/* jmsg.c - Jupyter messages: frames checked on the way in, written on the way out.
 *
 * Everything a peer can get wrong is an error here and nowhere above: the number of frames, the
 * signature, a replay, JSON that is none, a header without an id. Content is checked to be a JSON
 * object but not built into a tree before somebody asks. */
#include "wire/jmsg.h"

#include "base/fdio.h"
#include "base/table.h"
#include "wire/jscan.h"

#include <stdio.h>
#include <time.h>

#define DELIMITER      "<IDS|MSG>"
#define DELIMITER_SIZE (sizeof DELIMITER - 1)
/* Version of the Jupyter protocol in headers of ours: what ipykernel says. */
#define PROTOCOL_VERSION "5.3"
/* A date in a header: ISO 8601 with microseconds. */
#define DATE_MAX 40
/* Frames of a message that we write. */
#define PARTS_MAX (CB_IDENTITIES_MAX + 2 + CB_DICT__COUNT + CB_BUFFERS_MAX)

static const char *const s_dict_names[] = {"header", "parent_header", "metadata", "content"};

static int
s_find_delimiter (const cb_part *parts, size_t n_parts, size_t *ret_at, cb_err *err)
{
    for (size_t i = 0; i < n_parts && i <= CB_IDENTITIES_MAX; i++)
        if (parts[i].size == DELIMITER_SIZE &&
            memcmp (parts[i].data, DELIMITER, DELIMITER_SIZE) == 0) {
            *ret_at = i;
            return 0;
        }
    return cb_fail (err, CB_E_PROTO, "no " DELIMITER " in the first %d frames",
                    CB_IDENTITIES_MAX + 1);
}

/* Identities, dicts and buffers; *ret_signature. */
static int
s_frames (cb_jmsg *self, cb_part *ret_signature, cb_err *err)
{
    size_t n_parts;
    size_t at;
    const cb_part *parts = cb_zmsg_parts (self->raw, &n_parts);

    CB_TRY (s_find_delimiter (parts, n_parts, &at, err));
    size_t rest = n_parts - at - 1;
    if (rest < 1 + CB_DICT__COUNT)
        return cb_fail (err, CB_E_PROTO, "%zu frames behind the delimiter instead of 5", rest);
    if (rest - 1 - CB_DICT__COUNT > CB_BUFFERS_MAX)
        return cb_fail (err, CB_E_LIMIT, "more than %d buffers", CB_BUFFERS_MAX);
    self->identities = parts;
    self->n_identities = at;
    *ret_signature = parts[at + 1];
    for (size_t i = 0; i < CB_DICT__COUNT; i++)
        self->dicts[i] = parts[at + 2 + i];
    self->buffers = parts + at + 2 + CB_DICT__COUNT;
    self->n_buffers = rest - 1 - CB_DICT__COUNT;
    for (size_t i = CB_DICT_HEADER; i <= CB_DICT_PARENT; i++)
        if (self->dicts[i].size > CB_HEADER_MAX)
            return cb_fail (err, CB_E_LIMIT, "%s is over %d bytes", s_dict_names[i], CB_HEADER_MAX);
    return 0;
}

/* Ids and types go to logs, file names and other peers' eyes: no control characters. */
static int
s_plain (const char *what, const char *text, cb_err *err)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f)
            return cb_fail (err, CB_E_INVALID, "header: control character in '%s'", what);
    return 0;
}

static int
s_header (cb_jmsg *self, cb_err *err)
{
    cb_pick picks[] = {
        {"msg_id", self->msg_id, sizeof self->msg_id, 0},
        {"msg_type", self->msg_type, sizeof self->msg_type, 0},
        {"session", self->session, sizeof self->session, 0},
    };

    CB_TRY (cb_json_scan ("header", self->dicts[CB_DICT_HEADER], picks, CB_COUNT (picks), err));
    for (size_t i = 0; i < CB_COUNT (picks); i++) {
        if (picks[i].state != CB_PICK_FOUND)
            return cb_fail (err, CB_E_INVALID, "header: field '%s' is missing", picks[i].name);
        CB_TRY (s_plain (picks[i].name, picks[i].text, err));
    }
    if (self->msg_id[0] == '\0' || self->msg_type[0] == '\0')
        return cb_fail (err, CB_E_INVALID, "header: msg_id or msg_type is empty");
    self->type = cb_msgtype_find (self->msg_type);
    return 0;
}

/* {} or a header: kernels write what they want beside its msg_id. */
static int
s_parent (cb_jmsg *self, cb_err *err)
{
    cb_pick pick = {"msg_id", self->parent_id, sizeof self->parent_id, 0};

    CB_TRY (cb_json_scan ("parent_header", self->dicts[CB_DICT_PARENT], &pick, 1, err));
    return s_plain ("msg_id", self->parent_id, err);
}

int
cb_jmsg_read (cb_signer *signer, cb_zmsg *raw, cb_jmsg **ret_message, cb_err *err)
{
    cb_owned (cb_jmsg) cb_jmsg *self = calloc (1, sizeof *self);
    cb_part signature;

    if (self == NULL)
        return cb_fail_nomem (err);
    self->raw = cb_zmsg_ref (raw);
    CB_TRY (s_frames (self, &signature, err));
    CB_TRY (cb_sign_check (signer, self->dicts, signature, err));
    CB_TRY (s_header (self, err));
    CB_TRY (s_parent (self, err));
    for (size_t i = CB_DICT_METADATA; i <= CB_DICT_CONTENT; i++)
        CB_TRY (cb_json_scan (s_dict_names[i], self->dicts[i], NULL, 0, err));
    *ret_message = cb_take (self);
    return 0;
}

void
cb_jmsg_destroy (cb_jmsg **self)
{
    if (*self == NULL)
        return;
    cb_zmsg_destroy (&(*self)->raw);
    json_decref ((*self)->content_);
    free (*self);
    *self = NULL;
}

json_t *
cb_jmsg_content (cb_jmsg *self, cb_err *err)
{
    const cb_part *text = &self->dicts[CB_DICT_CONTENT];

    if (self->content_ == NULL &&
        cb_json_parse ("content", text->data, text->size, &self->content_, err) < 0)
        return NULL;
    return self->content_;
}

void
cb_jmsg_set_content (cb_jmsg *self, cb_part content)
{
    json_decref (self->content_);
    self->content_ = NULL;
    self->dicts[CB_DICT_CONTENT] = content;
}

typedef struct cb_frames {
    const cb_part *leading;
    size_t n_leading;
    const cb_part *dicts; /* 4 of them */
    const cb_part *buffers;
    size_t n_buffers;
    cb_zmsg *of; /* where they lie, to be shared; NULL: they are copied */
} cb_frames;

static cb_zmsg *
s_signed (cb_signer *signer, const cb_frames *frames, cb_err *err)
{
    cb_part parts[PARTS_MAX];
    char signature[CB_SIGNATURE_TEXT];
    size_t n = 0;

    if (frames->n_leading > CB_IDENTITIES_MAX || frames->n_buffers > CB_BUFFERS_MAX) {
        (void)cb_fail (err, CB_E_LIMIT, "too many frames to write: %zu and %zu", frames->n_leading,
                       frames->n_buffers);
        return NULL;
    }
    cb_sign_make (signer, frames->dicts, signature);
    for (size_t i = 0; i < frames->n_leading; i++)
        parts[n++] = frames->leading[i];
    parts[n++] = (cb_part){DELIMITER, DELIMITER_SIZE};
    parts[n++] = (cb_part){signature, CB_SIGNATURE_TEXT - 1};
    for (size_t i = 0; i < CB_DICT__COUNT; i++)
        parts[n++] = frames->dicts[i];
    for (size_t i = 0; i < frames->n_buffers; i++)
        parts[n++] = frames->buffers[i];
    cb_zmsg *message =
        frames->of != NULL ? cb_zmsg_share (parts, n, frames->of) : cb_zmsg_new (parts, n);
    if (message == NULL)
        (void)cb_fail_nomem (err);
    return message;
}

cb_zmsg *
cb_jmsg_resign (const cb_jmsg *self, cb_signer *signer, const cb_part *leading, size_t n_leading,
                cb_err *err)
{
    const cb_frames frames = {leading,       n_leading,       self->dicts,
                              self->buffers, self->n_buffers, self->raw};

    return s_signed (signer, &frames, err);
}

static void
s_date (char text[DATE_MAX])
{
    struct timespec now;
    struct tm date;

    (void)clock_gettime (CLOCK_REALTIME, &now);
    (void)gmtime_r (&now.tv_sec, &date);
    size_t size = strftime (text, DATE_MAX, "%Y-%m-%dT%H:%M:%S", &date);
    (void)snprintf (text + size, DATE_MAX - size, ".%06ldZ", now.tv_nsec / 1000);
}

/* Owned by the caller; NULL when out of memory or when an id is not UTF-8. */
static char *
s_new_header (const cb_jmsg_draft *draft, size_t *ret_size)
{
    char id[CB_MSG_ID_MAX];
    char date[DATE_MAX];

    cb_msg_id_new (id);
    s_date (date);
    cb_owned (cb_json) json_t *header =
        json_pack ("{ss ss ss ss ss ss}", "msg_id", draft->msg_id != NULL ? draft->msg_id : id,
                   "msg_type", draft->msg_type, "username", "cellblock", "session",
                   draft->session != NULL ? draft->session : "cellblock", "date", date, "version",
                   PROTOCOL_VERSION);
    return header != NULL ? cb_json_text (header, ret_size) : NULL;
}

static cb_part
s_or_empty (cb_part text)
{
    return text.size > 0 ? text : (cb_part){"{}", 2};
}

cb_zmsg *
cb_jmsg_write (cb_signer *signer, const cb_jmsg_draft *draft, cb_err *err)
{
    size_t header_size = 0;
    size_t content_size = 0;
    cb_auto_free char *header = s_new_header (draft, &header_size);
    cb_auto_free char *content =
        draft->content != NULL ? cb_json_text (draft->content, &content_size) : NULL;

    if (header == NULL || (draft->content != NULL && content == NULL)) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    const cb_part dicts[CB_DICT__COUNT] = {
        {header, header_size},
        s_or_empty (draft->parent),
        s_or_empty (draft->metadata),
        content != NULL ? (cb_part){content, content_size} : s_or_empty (draft->content_text),
    };
    const cb_frames frames = {draft->leading, draft->n_leading, dicts,
                              draft->buffers, draft->n_buffers, NULL};
    return s_signed (signer, &frames, err);
}

void
cb_msg_id_new (char text[CB_MSG_ID_MAX])
{
    unsigned char bytes[16];

    cb_random (bytes, sizeof bytes);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    (void)snprintf (
        text, CB_MSG_ID_MAX, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], bytes[8],
        bytes[9], bytes[10], bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]);
}
