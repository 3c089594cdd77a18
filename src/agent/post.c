/* post.c - HTTP to a model's server. A refusal that may pass (408, 409, 429, 5xx, no connection) is
 * tried again, twice at most, after the time the server asks for (up to a minute) or half a second
 * and more; never once the first byte of a good answer was there. What a server says in its refusal
 * is quoted, shortened, and without the key should it echo it. */
#include "agent/post.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/jsonx.h"
#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_TRIES 3
/* Longer is not waited for: the person is told instead. */
#define S_WAIT_MAX (60 * CB_USEC_PER_SEC)
/* Without the server's word: this, then twice as much. */
#define S_WAIT_FIRST (CB_USEC_PER_SEC / 2)
/* Bytes of a refusal's body that are read, and of its words that are shown. */
#define S_REFUSAL_MAX ((size_t)64 << 10)
#define S_WORDS_MAX   400

struct cb_post {
    cb_loop *loop;           /* borrowed */
    const cb_choice *choice; /* borrowed */
    cb_post_events events;
    cb_curlmulti *multi;
    cb_source *again; /* timer */
    cb_http *http;    /* the try under way */
    char *url;
    char *body;
    cb_buf refusal;
    int tries;
    int begun; /* a good answer's first byte was there */
};

static int s_try (cb_post *self, cb_err *err);

/* ---- what went wrong, in words ----------------------------------------------------------------
 */

/* The text of an error's object: {"error": {"message"}}, {"error": ""}, {"message"}, {"detail"}. */
static const char *
s_message (const json_t *object)
{
    const json_t *error = json_object_get (object, "error");
    const json_t *places[] = {json_object_get (error, "message"), error,
                              json_object_get (object, "message"),
                              json_object_get (object, "detail")};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (json_is_string (places[i]))
            return json_string_value (places[i]);
    return "";
}

/* What the server said about it, or "". */
static void
s_quote (const cb_post *self, char words[S_WORDS_MAX])
{
    cb_owned (cb_json) json_t *object = NULL;
    cb_scoped (cb_buf) cb_buf safe;
    const char *text = self->refusal.data != NULL ? self->refusal.data : "";

    words[0] = '\0';
    cb_buf_init (&safe, 4 * S_REFUSAL_MAX);
    if (cb_json_parse ("refusal", text, self->refusal.size, &object, NULL) == 0)
        text = s_message (object);
    else if (strchr (text, '<') != NULL)
        text = ""; /* a web page says nothing here */
    if (cb_utf8_mend (text, strlen (text), &safe) < 0 || safe.size == 0)
        return;
    cb_key_clean (safe.data, self->choice->key);
    size_t size = safe.size < S_WORDS_MAX - 4 ? safe.size : S_WORDS_MAX - 4;
    while (size > 0 && size < safe.size && ((unsigned char)safe.data[size] & 0xc0) == 0x80)
        size--;
    (void)snprintf (words, S_WORDS_MAX, "%.*s%s", (int)size, safe.data,
                    size < safe.size ? "..." : "");
}

typedef struct s_meaning {
    int status;
    const char *words;
} s_meaning;

static const s_meaning s_meanings[] = {
    {400, "it does not take the request"},
    {401, "it refuses the key, or wants one"},
    {403, "it forbids this"},
    {404, "it does not know this model or address (base_url ends with /v1?)"},
    {408, "it waited too long for the request"},
    {413, "the conversation is too long for it"},
    {429, "too many requests, or no credit left"},
    {503, "it is overloaded or not ready"},
    {529, "it is overloaded"},
};

static const char *
s_meaning_of (int status)
{
    for (size_t i = 0; i < sizeof s_meanings / sizeof s_meanings[0]; i++)
        if (s_meanings[i].status == status)
            return s_meanings[i].words;
    if (status >= 300 && status < 400)
        return "it sends us elsewhere, and a key follows no redirect: mend base_url";
    return status >= 500 ? "it failed" : "it refuses";
}

static void
s_explain (const cb_post *self, const cb_http_head *head, const cb_err *err, cb_err *ret_err)
{
    char words[S_WORDS_MAX];

    int cut = self->begun && (err->code == CB_E_IO || err->code == CB_E_TIMEOUT);
    if (head->status == 0 || head->status == 200) {
        (void)cb_fail (ret_err, err->code, "the model's server at %.200s: %.500s%s",
                       self->choice->url, err->text, cut ? " (half an answer)" : "");
        cb_key_clean (ret_err->text, self->choice->key);
        return;
    }
    s_quote (self, words);
    (void)cb_fail (ret_err, CB_E_IO, "the model's server at %.200s: HTTP %d, %s%s%s",
                   self->choice->url, head->status, s_meaning_of (head->status),
                   words[0] != '\0' ? ": " : "", words);
}

/* ---- asking again -----------------------------------------------------------------------------
 */

static int
s_may_pass (const cb_post *self, const cb_http_head *head, const cb_err *err)
{
    if (self->begun || self->tries >= S_TRIES)
        return 0;
    if (strcmp (head->should_retry, "false") == 0)
        return 0;
    if (strcmp (head->should_retry, "true") == 0)
        return 1;
    if (head->status == 0)
        return err->code == CB_E_IO; /* not after a silence: it may still be working on it */
    return head->status == 408 || head->status == 409 || head->status == 429 || head->status >= 500;
}

/* A number of units (seconds, milliseconds) as time; CB_USEC_NEVER for anything else. */
static cb_usec
s_asked (const char *text, cb_usec unit)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9')
        return CB_USEC_NEVER; /* none, or a date: our own pace */
    double number = strtod (text, &end);
    if (*end != '\0' || number > 1e9)
        return CB_USEC_NEVER;
    return (cb_usec)(number * (double)unit);
}

/* How long to wait; over S_WAIT_MAX: do not. */
static cb_usec
s_pause (const cb_post *self, const cb_http_head *head)
{
    cb_usec asked = s_asked (head->retry_after_ms, CB_USEC_PER_MSEC);

    if (asked == CB_USEC_NEVER)
        asked = s_asked (head->retry_after, CB_USEC_PER_SEC);
    return asked != CB_USEC_NEVER && asked > 0 ? asked : S_WAIT_FIRST << (self->tries - 1);
}

static void
s_over (cb_post *self, const cb_err *err)
{
    cb_http_destroy (&self->http);
    self->events.on_end (err, self->events.context);
}

static void
s_on_again (cb_source *source, void *context)
{
    cb_post *self = context;
    cb_err err = CB_ERR_INIT;

    (void)source;
    if (s_try (self, &err) < 0)
        s_over (self, &err);
}

static void
s_on_end (const cb_http_head *head, const cb_err *err, void *context)
{
    cb_post *self = context;
    char note[CB_ERR_TEXT_MAX + 64];
    cb_err why = CB_ERR_INIT;
    const cb_http_head kept = *head;

    if (err->code == 0 && head->status == 200) {
        s_over (self, &why);
        return;
    }
    s_explain (self, head, err, &why);
    int again = s_may_pass (self, head, err);
    cb_usec pause = s_pause (self, &kept);
    cb_http_destroy (&self->http);
    if (!again || pause > S_WAIT_MAX) {
        if (again)
            (void)snprintf (note, sizeof note, "it asks to wait %llu s, which is too long to wait",
                            (unsigned long long)(pause / CB_USEC_PER_SEC));
        if (again)
            self->events.on_note (note, self->events.context);
        s_over (self, &why);
        return;
    }
    (void)snprintf (note, sizeof note, "%.900s; asking again in %.1f s", why.text,
                    (double)pause / (double)CB_USEC_PER_SEC);
    self->events.on_note (note, self->events.context);
    cb_source_at (self->again, cb_now () + pause);
}

/* ---- one try ----------------------------------------------------------------------------------
 */

static int
s_on_bytes (const cb_http_head *head, const char *bytes, size_t size, void *context, cb_err *err)
{
    cb_post *self = context;
    size_t left = S_REFUSAL_MAX - self->refusal.size;

    if (head->status == 200) {
        self->begun = 1;
        return self->events.on_bytes (head, bytes, size, self->events.context, err);
    }
    (void)cb_buf_put (&self->refusal, bytes, size < left ? size : left);
    return 0;
}

static int
s_try (cb_post *self, cb_err *err)
{
    char bearer[CB_KEY_MAX + 64];
    const char *headers[] = {"Content-Type: application/json", "Accept: text/event-stream",
                             "Expect:", NULL, NULL};

    self->tries++;
    self->refusal.size = 0;
    if (self->choice->key != NULL && self->choice->key[0] != '\0') {
        (void)snprintf (bearer, sizeof bearer, "Authorization: Bearer %s", self->choice->key);
        headers[3] = bearer;
    }
    const cb_http_request request = {.url = self->url,
                                     .headers = headers,
                                     .body = self->body,
                                     .size = strlen (self->body),
                                     .idle_timeout = self->choice->idle_timeout,
                                     .on_bytes = s_on_bytes,
                                     .on_end = s_on_end,
                                     .context = self};
    int result = cb_http_start (self->multi, &request, &self->http, err);
    explicit_bzero (bearer, sizeof bearer);
    return result;
}

int
cb_post_send (cb_post *self, const char *path, char *body, cb_err *err)
{
    size_t room = strlen (self->choice->url) + strlen (path) + 1;

    cb_post_stop (self);
    self->body = body;
    self->url = malloc (room);
    if (self->url == NULL)
        return cb_fail_nomem (err);
    (void)snprintf (self->url, room, "%s%s", self->choice->url, path);
    self->tries = 0;
    self->begun = 0;
    return s_try (self, err);
}

void
cb_post_stop (cb_post *self)
{
    cb_http_destroy (&self->http);
    cb_source_on (self->again, 0);
    cb_free_at (&self->url);
    cb_free_at (&self->body);
}

cb_post *
cb_post_new (cb_loop *loop, const cb_choice *choice, const cb_post_events *events, cb_err *err)
{
    cb_owned (cb_post) cb_post *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->loop = loop;
    self->choice = choice;
    self->events = *events;
    cb_buf_init (&self->refusal, S_REFUSAL_MAX);
    if (cb_loop_at (loop, CB_USEC_NEVER, s_on_again, self, &self->again, err) < 0)
        return NULL;
    self->multi = cb_curlmulti_new (loop, err);
    return self->multi != NULL ? cb_take (self) : NULL;
}

void
cb_post_destroy (cb_post **self_at)
{
    cb_post *self = *self_at;

    *self_at = NULL;
    if (self == NULL)
        return;
    if (self->again != NULL)
        cb_post_stop (self);
    cb_curlmulti_destroy (&self->multi);
    cb_source_destroy (&self->again);
    cb_buf_done (&self->refusal);
    free (self);
}
