/* test-golden.c - messages made by jupyter_client are read, and written again to the last byte.
 *
 * With "--write" it prints messages of ours, frames as in the golden files, one empty length
 * between messages, for tests/golden/check-accepts to show to jupyter_client. */
#include "base/fdio.h"
#include "base/tap.h"
#include "wire/jmsg.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define KEY       "golden-key-0123456789abcdef"
#define FILE_MAX  65536
#define PARTS_MAX 100

static cb_zmsg *
s_load (int dir_fd, const char *name)
{
    cb_part parts[PARTS_MAX];
    size_t n = 0;
    cb_scoped (cb_buf) cb_buf file;

    cb_buf_init (&file, FILE_MAX);
    if (cb_read_file (dir_fd, name, &file, NULL) < 0)
        return NULL;
    for (size_t at = 0; at + 4 <= file.size && n < PARTS_MAX; n++) {
        uint32_t size;
        memcpy (&size, file.data + at, 4);
        size = ntohl (size);
        if (size > file.size - at - 4)
            return NULL;
        parts[n] = (cb_part){file.data + at + 4, size};
        at += 4 + size;
    }
    return cb_zmsg_new (parts, n);
}

static int
s_same (const cb_zmsg *one, const cb_zmsg *two)
{
    size_t n_one;
    size_t n_two;
    const cb_part *ones = cb_zmsg_parts (one, &n_one);
    const cb_part *twos = cb_zmsg_parts (two, &n_two);

    if (n_one != n_two)
        return 0;
    for (size_t i = 0; i < n_one; i++)
        if (ones[i].size != twos[i].size || memcmp (ones[i].data, twos[i].data, ones[i].size) != 0)
            return 0;
    return 1;
}

/* "stream.frames" and "execute_request-two.frames" begin with their types. */
static void
s_golden (int dir_fd, const char *name)
{
    cb_err err = CB_ERR_INIT;
    cb_jmsg *message = NULL;
    cb_signer *signer = cb_signer_new (KEY, "hmac-sha256", NULL);
    cb_zmsg *raw = s_load (dir_fd, name);

    ok (raw != NULL && cb_jmsg_read (signer, raw, &message, &err) == 0, "%s %s", name, err.text);
    if (message != NULL) {
        size_t stem = strcspn (name, "-.");
        int known = strncmp (message->msg_type, name, stem) == 0;
        ok (known ? message->type != NULL : strcmp (message->msg_type, "experimental.thing") == 0,
            "%s: type %s", name, message->msg_type);
        ok (cb_jmsg_content (message, &err) != NULL, "%s: content %s", name, err.text);
        cb_zmsg *again =
            cb_jmsg_resign (message, signer, message->identities, message->n_identities, NULL);
        ok (s_same (raw, again), "%s: signed again to the same bytes", name);
        cb_zmsg_destroy (&again);
    }
    cb_jmsg_destroy (&message);
    cb_zmsg_destroy (&raw);
    cb_signer_destroy (&signer);
}

static void
s_print (const cb_zmsg *message)
{
    size_t n;
    const cb_part *parts = cb_zmsg_parts (message, &n);

    for (size_t i = 0; i < n; i++) {
        uint32_t size = htonl ((uint32_t)parts[i].size);
        (void)fwrite (&size, 4, 1, stdout);
        (void)fwrite (parts[i].data, parts[i].size, 1, stdout);
    }
    const uint32_t end = UINT32_MAX;
    (void)fwrite (&end, 4, 1, stdout);
}

static void
s_write (void)
{
    cb_signer *signer = cb_signer_new (KEY, "hmac-sha256", NULL);
    json_t *content = json_pack ("{ss ss% s[n,b,f]}", "name", "Gr\xc3\xbc\xc3\x9f\x65", "text",
                                 "zero \0 \xe2\x80\xa8 \" end", (size_t)16, "list", 1, 0.5);
    const cb_part identity = {"client-1", 8};
    const cb_part buffers[] = {{"\0\1\2", 3}, {"", 0}};
    const char parent[] = "{\"msg_id\":\"p\",\"msg_type\":\"execute_request\",\"session\":\"s\","
                          "\"username\":\"u\",\"date\":\"2024-02-29T12:34:56.789012Z\","
                          "\"version\":\"5.3\"}";
    const cb_jmsg_draft drafts[] = {
        {.msg_type = "kernel_info_request"},
        {.msg_type = "stream", .content = content, .parent = {parent, sizeof parent - 1}},
        {.leading = &identity,
         .n_leading = 1,
         .msg_type = "get_reply",
         .msg_id = "own-id",
         .session = "own-session",
         .content = content,
         .metadata = {"{\"a\":1}", 7},
         .buffers = buffers,
         .n_buffers = 2},
    };
    for (size_t i = 0; i < sizeof drafts / sizeof drafts[0]; i++) {
        cb_zmsg *message = cb_jmsg_write (signer, &drafts[i], NULL);
        if (message != NULL)
            s_print (message);
        cb_zmsg_destroy (&message);
    }
    json_decref (content);
    cb_signer_destroy (&signer);
}

int
main (int argc, char **argv)
{
    const struct dirent *entry;
    int seen = 0;

    if (argc > 1 && strcmp (argv[1], "--write") == 0) {
        s_write ();
        return 0;
    }
    DIR *folder = opendir (CB_SRCDIR "/tests/golden");
    while (folder != NULL && (entry = readdir (folder)) != NULL)
        if (strstr (entry->d_name, ".frames") != NULL) {
            s_golden (dirfd (folder), entry->d_name);
            seen++;
        }
    if (folder != NULL)
        (void)closedir (folder);
    ok (seen >= 13, "%d golden messages", seen);
    return tap_done ();
}
