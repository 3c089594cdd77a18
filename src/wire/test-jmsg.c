/* test-jmsg.c - messages in and out, and everything a peer can get wrong. */
#include "base/table.h"
#include "base/tap.h"
#include "wire/jmsg.h"

#include <string.h>

#define KEY    "a-key"
#define HEADER "{\"msg_id\":\"m1\",\"msg_type\":\"status\",\"session\":\"s1\"}"

typedef struct s_setup {
    cb_signer *kernel;
    cb_signer *reader;
    cb_err err;
} s_setup;

static void
s_begin (s_setup *self)
{
    *self = (s_setup){cb_signer_new (KEY, "hmac-sha256", NULL),
                      cb_signer_new (KEY, "hmac-sha256", NULL), CB_ERR_INIT};
}

static void
s_end (s_setup *self)
{
    cb_signer_destroy (&self->kernel);
    cb_signer_destroy (&self->reader);
}

static cb_part
s_text (const char *text)
{
    return (cb_part){text, strlen (text)};
}

/* Reads a message of these four dicts, signed well, with extra frames before and behind. */
static int
s_read (s_setup *self, const char *const dicts[4], size_t before, size_t behind,
        cb_jmsg **ret_message)
{
    cb_part parts[CB_IDENTITIES_MAX + CB_BUFFERS_MAX + 16];
    cb_part signed_parts[4];
    char signature[CB_SIGNATURE_TEXT];
    size_t n = 0;

    for (size_t i = 0; i < 4; i++)
        signed_parts[i] = s_text (dicts[i]);
    cb_sign_make (self->kernel, signed_parts, signature);
    for (size_t i = 0; i < before; i++)
        parts[n++] = s_text ("identity");
    parts[n++] = s_text ("<IDS|MSG>");
    parts[n++] = s_text (signature);
    for (size_t i = 0; i < 4; i++)
        parts[n++] = signed_parts[i];
    for (size_t i = 0; i < behind; i++)
        parts[n++] = s_text ("buffer");
    cb_zmsg *raw = cb_zmsg_new (parts, n);
    int result = cb_jmsg_read (self->reader, raw, ret_message, &self->err);
    cb_zmsg_destroy (&raw);
    return result;
}

static void
s_good (void)
{
    s_setup setup;
    cb_jmsg *message = NULL;
    const char *const dicts[4] = {HEADER, "{\"msg_id\":\"p1\",\"x\":{}}", "{\"m\":1}",
                                  "{\"execution_state\":\"busy\"}"};

    s_begin (&setup);
    ok (s_read (&setup, dicts, CB_IDENTITIES_MAX, CB_BUFFERS_MAX, &message) == 0, "read %s",
        setup.err.text);
    ok (strcmp (message->msg_id, "m1") == 0 && strcmp (message->msg_type, "status") == 0 &&
            strcmp (message->session, "s1") == 0 && strcmp (message->parent_id, "p1") == 0,
        "its fields");
    ok (message->type != NULL && message->type->role == CB_ROLE_STATUS, "its row");
    ok (message->n_identities == CB_IDENTITIES_MAX && message->n_buffers == CB_BUFFERS_MAX &&
            message->buffers[1].size == 6,
        "its frames");
    json_t *content = cb_jmsg_content (message, NULL);
    ok (json_is_string (json_object_get (content, "execution_state")) &&
            cb_jmsg_content (message, NULL) == content,
        "its content");
    cb_jmsg_destroy (&message);
    ok (s_read (&setup, dicts, 0, 0, &message) == -CB_E_DENIED, "%s", setup.err.text);
    s_end (&setup);
}

static void
s_resign (void)
{
    s_setup setup;
    cb_signer *client = cb_signer_new ("another", "hmac-sha256", NULL);
    cb_signer *reader = cb_signer_new ("another", "hmac-sha256", NULL);
    cb_jmsg *message = NULL;
    cb_jmsg *relayed = NULL;
    const char *const dicts[4] = {HEADER, "{}", "{}", "{ \"kept\" :  1.50 }"};
    const cb_part topic = s_text ("topic");

    s_begin (&setup);
    ok (s_read (&setup, dicts, 1, 2, &message) == 0, "read %s", setup.err.text);
    cb_zmsg *out = cb_jmsg_resign (message, client, &topic, 1, NULL);
    ok (cb_jmsg_read (reader, out, &relayed, &setup.err) == 0, "signed again %s", setup.err.text);
    ok (relayed->dicts[3].size == message->dicts[3].size &&
            memcmp (relayed->dicts[3].data, dicts[3], relayed->dicts[3].size) == 0,
        "the bytes stayed as they were");
    ok (relayed->n_identities == 1 && relayed->identities[0].size == 5 && relayed->n_buffers == 2,
        "behind other frames");
    cb_part many[CB_IDENTITIES_MAX + 1] = {{"x", 1}};
    ok (cb_jmsg_resign (message, client, many, CB_COUNT (many), &setup.err) == NULL, "%s",
        setup.err.text);
    cb_zmsg_destroy (&out);
    cb_jmsg_destroy (&message);
    cb_jmsg_destroy (&relayed);
    cb_signer_destroy (&client);
    cb_signer_destroy (&reader);
    s_end (&setup);
}

static void
s_write (void)
{
    s_setup setup;
    cb_jmsg *message = NULL;
    cb_owned (cb_json) json_t *content = json_pack ("{ss%}", "text", "a\0b", (size_t)3);
    const cb_part buffer = s_text ("bytes");
    const cb_jmsg_draft draft = {.msg_type = "stream",
                                 .session = "quote\"d",
                                 .parent = s_text (HEADER),
                                 .content = content,
                                 .buffers = &buffer,
                                 .n_buffers = 1};

    s_begin (&setup);
    cb_zmsg *raw = cb_jmsg_write (setup.kernel, &draft, &setup.err);
    ok (raw != NULL && cb_jmsg_read (setup.reader, raw, &message, &setup.err) == 0, "written %s",
        setup.err.text);
    ok (strcmp (message->parent_id, "m1") == 0 && strlen (message->msg_id) == 36 &&
            strcmp (message->session, "quote\"d") == 0,
        "its header");
    ok (json_equal (cb_jmsg_content (message, NULL), content), "its content, a zero byte inside");
    ok (message->n_buffers == 1 && message->buffers[0].size == 5, "its buffer");
    cb_jmsg_destroy (&message);
    cb_zmsg_destroy (&raw);
    const cb_jmsg_draft least = {.msg_type = "x", .msg_id = "my-id"};
    raw = cb_jmsg_write (setup.kernel, &least, &setup.err);
    ok (cb_jmsg_read (setup.reader, raw, &message, &setup.err) == 0 && message->type == NULL &&
            strcmp (message->msg_id, "my-id") == 0 && message->parent_id[0] == '\0',
        "the least one %s", setup.err.text);
    cb_jmsg_destroy (&message);
    cb_zmsg_destroy (&raw);
    const cb_jmsg_draft broken = {.msg_type = "not \xff UTF-8"};
    ok (cb_jmsg_write (setup.kernel, &broken, &setup.err) == NULL, "%s", setup.err.text);
    s_end (&setup);
}

static void
s_bad_dicts (void)
{
    static const struct {
        const char *dicts[4];
        int code;
    } bad[] = {
        {{"", "{}", "{}", "{}"}, CB_E_INVALID},
        {{"[]", "{}", "{}", "{}"}, CB_E_INVALID},
        {{"{", "{}", "{}", "{}"}, CB_E_INVALID},
        {{"{\"msg_type\":\"status\",\"session\":\"s\"}", "{}", "{}", "{}"}, CB_E_INVALID},
        {{"{\"msg_id\":\"\",\"msg_type\":\"status\",\"session\":\"s\"}", "{}", "{}", "{}"},
         CB_E_INVALID},
        {{"{\"msg_id\":5,\"msg_type\":\"status\",\"session\":\"s\"}", "{}", "{}", "{}"},
         CB_E_INVALID},
        {{"{\"msg_id\":\"a\",\"msg_type\":\"\",\"session\":\"s\"}", "{}", "{}", "{}"},
         CB_E_INVALID},
        {{"{\"msg_id\":\"a\",\"msg_type\":null,\"session\":\"s\"}", "{}", "{}", "{}"},
         CB_E_INVALID},
        {{"{\"msg_id\":\"a\\n\",\"msg_type\":\"x\",\"session\":\"s\"}", "{}", "{}", "{}"},
         CB_E_INVALID},
        {{"{\"msg_id\":\"a\",\"msg_type\":\"x\",\"session\":\"\\u007f\"}", "{}", "{}", "{}"},
         CB_E_INVALID},
        {{"{\"msg_id\":\"a\",\"msg_type\":\"x\"}", "{}", "{}", "{}"}, CB_E_INVALID},
        {{"{\"msg_id\":\"a\",\"msg_id\":\"b\",\"msg_type\":\"x\",\"session\":\"s\"}", "{}", "{}",
          "{}"},
         CB_E_INVALID},
        {{HEADER, "[]", "{}", "{}"}, CB_E_INVALID},
        {{HEADER, "{\"msg_id\":1}", "{}", "{}"}, CB_E_INVALID},
        {{HEADER, "{}", "null", "{}"}, CB_E_INVALID},
        {{HEADER, "{}", "{}", "{\"a\":NaN}"}, CB_E_INVALID},
        {{HEADER, "{}", "{}", "{\"a\":\"\xff\"}"}, CB_E_INVALID},
        {{HEADER, "{}", "{}", "{} "}, 0},
    };
    s_setup setup;

    s_begin (&setup);
    for (size_t i = 0; i < CB_COUNT (bad); i++) {
        cb_jmsg *message = NULL;
        ok (s_read (&setup, bad[i].dicts, 0, 0, &message) == -bad[i].code, "%zu %s", i,
            setup.err.text);
        cb_jmsg_destroy (&message);
    }
    s_end (&setup);
}

static void
s_bounds (void)
{
    s_setup setup;
    cb_jmsg *message = NULL;
    char id[CB_MSG_ID_MAX + 1];
    char header[CB_HEADER_MAX + 300];
    const char *dicts[4] = {header, "{}", "{}", "{}"};

    s_begin (&setup);
    for (size_t size = CB_MSG_ID_MAX - 1; size <= CB_MSG_ID_MAX; size++) {
        memset (id, 'i', size);
        id[size] = '\0';
        (void)snprintf (header, sizeof header,
                        "{\"msg_id\":\"%s\",\"msg_type\":\"x\",\"session\":\"\"}", id);
        ok (s_read (&setup, dicts, 0, 0, &message) == (size < CB_MSG_ID_MAX ? 0 : -CB_E_LIMIT),
            "a msg_id of %zu bytes %s", size, setup.err.text);
        cb_jmsg_destroy (&message);
    }
    (void)snprintf (header, sizeof header, "%s%*s", HEADER, CB_HEADER_MAX, "");
    ok (s_read (&setup, dicts, 0, 0, &message) == -CB_E_LIMIT, "%s", setup.err.text);
    dicts[0] = HEADER;
    ok (s_read (&setup, dicts, CB_IDENTITIES_MAX + 1, 0, &message) == -CB_E_PROTO, "%s",
        setup.err.text);
    ok (s_read (&setup, dicts, 0, CB_BUFFERS_MAX + 1, &message) == -CB_E_LIMIT, "%s",
        setup.err.text);
    s_end (&setup);
}

static void
s_bad_frames (void)
{
    s_setup setup;
    const cb_part parts[] = {s_text ("<IDS|MSG>"), s_text ("x"),  s_text ("{}"),
                             s_text ("{}"),        s_text ("{}"), s_text ("{}")};
    static const int codes[] = {CB_E_PROTO, CB_E_PROTO, CB_E_PROTO, CB_E_PROTO,
                                CB_E_PROTO, CB_E_PROTO, CB_E_DENIED};

    s_begin (&setup);
    for (size_t n = 0; n <= CB_COUNT (parts); n++) {
        cb_jmsg *message = NULL;
        cb_zmsg *raw = cb_zmsg_new (parts, n);
        ok (cb_jmsg_read (setup.reader, raw, &message, &setup.err) == -codes[n], "%zu frames: %s",
            n, setup.err.text);
        cb_zmsg_destroy (&raw);
    }
    s_end (&setup);
}

int
main (void)
{
    s_good ();
    s_resign ();
    s_write ();
    s_bad_dicts ();
    s_bounds ();
    s_bad_frames ();
    return tap_done ();
}
