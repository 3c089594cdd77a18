/* test-nomem.c - the k-th allocation fails, for every k: an error comes back, nothing crashes. */
#include "base/tap.h"
#include "wire/active.h"
#include "wire/connfile.h"
#include "wire/ctl.h"
#include "wire/jmsg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY "a-key"
/* More allocations than one round takes. */
#define ROUNDS_MAX 2000

static long g_left = -1; /* allocations before the one that fails; -1: none fails */
static long g_failed;

#ifndef CB_SANITIZERS
void *__libc_malloc (size_t size);
void *__libc_calloc (size_t count, size_t size);
void *__libc_realloc (void *old, size_t size);

static int
s_fails (void)
{
    if (g_left < 0 || g_left-- > 0)
        return 0;
    g_failed++;
    errno = ENOMEM;
    return 1;
}

__attribute__ ((visibility ("default"))) void *
malloc (size_t size)
{
    return s_fails () ? NULL : __libc_malloc (size);
}

__attribute__ ((visibility ("default"))) void *
calloc (size_t count, size_t size)
{
    return s_fails () ? NULL : __libc_calloc (count, size);
}

__attribute__ ((visibility ("default"))) void *
realloc (void *old, size_t size)
{
    return s_fails () ? NULL : __libc_realloc (old, size);
}
#endif

/* A message out and in again. */
static int
s_messages (cb_err *err)
{
    cb_owned (cb_signer) cb_signer *signer = cb_signer_new (KEY, "hmac-sha256", err);
    cb_owned (cb_json) json_t *content = json_pack ("{ss s[iii]}", "code", "1", "x", 1, 2, 3);
    const cb_part identity = {"me", 2};
    const char escaped[] = "{\"msg_\\u0069d\":\"p\"}";
    const cb_part parent = {escaped, sizeof escaped - 1};
    const cb_jmsg_draft draft = {.leading = &identity,
                                 .n_leading = 1,
                                 .msg_type = "execute_request",
                                 .parent = parent,
                                 .content = content};
    cb_owned (cb_jmsg) cb_jmsg *message = NULL;

    if (signer == NULL || content == NULL)
        return -1;
    cb_owned (cb_zmsg) cb_zmsg *raw = cb_jmsg_write (signer, &draft, err);
    if (raw == NULL)
        return -1;
    CB_TRY (cb_jmsg_read (signer, raw, &message, err));
    cb_owned (cb_zmsg) cb_zmsg *again = cb_jmsg_resign (message, signer, NULL, 0, err);
    json_t *tree = cb_jmsg_content (message, err);
    if (again == NULL || tree == NULL)
        return -1;
    return cb_ctl_check (cb_ctl_find ("run_request"), tree, 0, err) == -CB_E_INVALID ? 0 : -1;
}

static int
s_files (cb_err *err)
{
    cb_scoped (cb_connfile) cb_connfile file;
    cb_scoped (cb_connfile) cb_connfile again;
    size_t size = 0;

    cb_connfile_init (&file);
    cb_connfile_init (&again);
    (void)snprintf (file.ip, sizeof file.ip, "/run/c");
    cb_connfile_new_key (&file);
    file.more = json_pack ("{ss}", "extra", "member");
    if (file.more == NULL)
        return -1;
    cb_auto_free char *text = cb_connfile_write (&file, &size, err);
    if (text == NULL || cb_connfile_read (&again, text, size, err) < 0)
        return -1;
    return json_equal (file.more, again.more) ? 0 : 1;
}

/* What a kernel shows: a frame, defused Markdown, or nothing at all. */
static int
s_shown (cb_err *err)
{
    static const char content[] = "{\"data\":{\"text/html\":\"<script>x</script>\","
                                  "\"text/markdown\":\"<script>\",\"image/png\":\"AA==\"}}";
    static const cb_active about = {CB_ACTIVE_SANDBOX, "", "", "{}"};
    cb_scoped (cb_buf) cb_buf into;

    cb_buf_init (&into, CB_ACTIVE_CONTENT_MAX);
    int result =
        cb_active_check (&about, "display_data", (cb_part){content, sizeof content - 1}, &into);
    if (result < 0)
        return cb_fail_nomem (err);
    return result == CB_ACTIVE_CHANGED && strstr (into.data, "&lt;script&gt;") != NULL &&
                   strstr (into.data, "<script") == NULL
               ? 0
               : 1;
}

/* Fails each allocation of a round once: the round must end well or say why, never half done (1).
 */
static void
s_all (const char *name, int (*round) (cb_err *err))
{
    cb_err err = CB_ERR_INIT;
    long k = 0;
    int half = 0;

    ok (round (&err) == 0, "%s with memory %s", name, err.text);
    for (; k < ROUNDS_MAX; k++) {
        g_failed = 0;
        g_left = k;
        int result = round (&err);
        g_left = -1;
        if (g_failed == 0)
            break;
        half += result > 0;
    }
    ok (k > 3 && k < ROUNDS_MAX, "%s: %ld allocations failed, one after the other", name, k);
    ok (half == 0, "%s: nothing was half done", name);
}

int
main (void)
{
#ifdef CB_SANITIZERS
    (void)s_all;
    (void)s_messages;
    (void)s_files;
    (void)s_shown;
    (void)g_left;
    (void)g_failed;
    return tap_skip_all ("the sanitizers have their own malloc");
#else
    s_all ("messages", s_messages);
    s_all ("connection files", s_files);
    s_all ("what is shown", s_shown);
    return tap_done ();
#endif
}
