/* fuzz-jmsg.c - Jupyter messages (libFuzzer).
 *
 * The input are frames with 0xfe between them (no UTF-8 has that byte). A signature frame that is
 * "S" is replaced by the right one, so the fuzzer gets past it. What is read must be readable again
 * after it was signed with another key, to the same bytes. */
#include "wire/jmsg.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 100

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static size_t
s_split (const char *data, size_t size, cb_part parts[PARTS_MAX])
{
    size_t n = 0;

    for (size_t at = 0; n < PARTS_MAX; at++) {
        const char *end = at < size ? memchr (data + at, 0xfe, size - at) : NULL;
        size_t stop = end != NULL ? (size_t)(end - data) : size;
        parts[n++] = (cb_part){data + at, stop - at};
        at = stop;
        if (end == NULL)
            break;
    }
    return n;
}

static void
s_sign (cb_signer *signer, cb_part *parts, size_t n, char text[CB_SIGNATURE_TEXT])
{
    for (size_t i = 0; i + 5 < n; i++)
        if (parts[i].size == 9 && memcmp (parts[i].data, "<IDS|MSG>", 9) == 0 &&
            parts[i + 1].size == 1 && parts[i + 1].data[0] == 'S') {
            cb_sign_make (signer, &parts[i + 2], text);
            parts[i + 1] = (cb_part){text, CB_SIGNATURE_TEXT - 1};
            return;
        }
}

static void
s_again (const cb_jmsg *message)
{
    cb_signer *key = cb_signer_new ("another", "hmac-sha256", NULL);
    cb_jmsg *copy = NULL;
    cb_zmsg *raw = cb_jmsg_resign (message, key, message->identities, message->n_identities, NULL);

    if (raw == NULL || cb_jmsg_read (key, raw, &copy, NULL) < 0)
        abort ();
    if (strcmp (copy->msg_id, message->msg_id) != 0 || copy->n_buffers != message->n_buffers ||
        copy->type != message->type || copy->n_identities != message->n_identities)
        abort ();
    for (int i = 0; i < CB_DICT__COUNT; i++)
        if (copy->dicts[i].size != message->dicts[i].size ||
            memcmp (copy->dicts[i].data, message->dicts[i].data, copy->dicts[i].size) != 0)
            abort ();
    cb_zmsg_destroy (&raw);
    cb_jmsg_destroy (&copy);
    cb_signer_destroy (&key);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    cb_part parts[PARTS_MAX];
    char signature[CB_SIGNATURE_TEXT];
    cb_signer *signer = cb_signer_new ("key", "hmac-sha256", NULL);
    cb_jmsg *message = NULL;
    size_t n = s_split ((const char *)data, size, parts);

    s_sign (signer, parts, n, signature);
    cb_zmsg *raw = cb_zmsg_new (parts, n);
    if (cb_jmsg_read (signer, raw, &message, NULL) == 0) {
        cb_err err = CB_ERR_INIT;
        (void)cb_jmsg_content (message, &err);
        s_again (message);
    }
    cb_jmsg_destroy (&message);
    cb_zmsg_destroy (&raw);
    cb_signer_destroy (&signer);
    return 0;
}
