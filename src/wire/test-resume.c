/* test-resume.c - a ZMTP parser that goes on in the middle of another one's stream: cut anywhere,
 * both together understand what one would have understood. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "wire/zmtp.h"

#include <stdlib.h>
#include <string.h>

#define STREAM_MAX 262144

static char s_stream[STREAM_MAX];
static size_t s_size;

static const cb_zmtp_config s_config = {.socket_type = "SUB",
                                        .budget = {.max_parts = 16,
                                                   .max_frame = 4096,
                                                   .max_message = 8192,
                                                   .max_commands = 64,
                                                   .max_subscriptions = 4,
                                                   .skip = 1}};

static void
s_put (const void *bytes, size_t size)
{
    if (size > STREAM_MAX - s_size)
        abort ();
    memcpy (s_stream + s_size, bytes, size);
    s_size += size;
}

static void
s_frame (unsigned flags, const char *body, size_t size)
{
    unsigned char head[9] = {(unsigned char)(flags | (size > 255 ? 2U : 0U))};

    if (size <= 255)
        head[1] = (unsigned char)size;
    for (size_t i = 0; size > 255 && i < 8; i++)
        head[1 + i] = (unsigned char)((uint64_t)size >> (56 - 8 * i));
    s_put (head, size > 255 ? 9 : 2);
    s_put (body, size);
}

/* What a PUB says: its greeting, READY, messages of one and more frames, one over the budget in one
 * frame and one in many, a command in between. */
static void
s_make (void)
{
    static char large[20000];
    static const char greeting[64] = "\xFF\0\0\0\0\0\0\0\1\x7F\3\1NULL";
    static const char ready[] = "\5READY\13Socket-Type\0\0\0\3PUB";
    static const char ping[] = "\4PING\0\0";

    memset (large, 'l', sizeof large);
    s_put (greeting, sizeof greeting);
    s_frame (4, ready, sizeof ready - 1);
    s_frame (0, "one", 3);
    s_frame (1, "topic", 5);
    s_frame (1, large, 300);
    s_frame (0, "", 0);
    s_frame (4, ping, sizeof ping - 1);
    s_frame (0, large, sizeof large);
    s_frame (0, "two", 3);
    for (int i = 0; i < 5; i++)
        s_frame (1, large, 4000);
    s_frame (0, large, 10);
    s_frame (1, "a", 1);
    s_frame (0, "three", 5);
}

typedef struct meaning {
    char text[4096];
    size_t size;
    int fault;
} meaning;

static void
s_note (meaning *self, const cb_zmtp_event *event)
{
    size_t n = 0;
    char text[64];

    if (event->kind == CB_ZMTP_SKIPPED) {
        (void)snprintf (text, sizeof text, "skip %llu;", (unsigned long long)event->skipped);
    } else if (event->kind == CB_ZMTP_MESSAGE) {
        const cb_part *parts = cb_zmsg_parts (event->message, &n);
        (void)snprintf (text, sizeof text, "%zu %.8s %zu;", n, parts[0].size > 0 ? "m" : "",
                        parts[n - 1].size);
    } else {
        return;
    }
    if (strlen (text) < sizeof self->text - self->size)
        self->size +=
            (size_t)snprintf (self->text + self->size, sizeof self->text - self->size, "%s", text);
}

/* Feeds a piece and tells what it means; what was saved last is in *ret_saved. */
static void
s_feed (cb_zmtp *parser, const char *bytes, size_t size, meaning *told, cb_zmtp_saved *ret_saved)
{
    cb_zmtp_event event = {.kind = CB_ZMTP_NEED_MORE};

    if (cb_zmtp_feed (parser, bytes, size, NULL) < 0) {
        told->fault = 1;
        return;
    }
    do {
        if (cb_zmtp_next (parser, &event, NULL) < 0) {
            told->fault = 1;
            return;
        }
        s_note (told, &event);
        cb_zmtp_save (parser, ret_saved);
        cb_zmsg_destroy (&event.message);
    } while (event.kind != CB_ZMTP_NEED_MORE);
}

static void
s_whole (meaning *told)
{
    cb_owned (cb_zmtp) cb_zmtp *parser = cb_zmtp_new (&s_config, NULL);
    cb_zmtp_saved saved;

    for (size_t at = 0; at < s_size; at += 1000)
        s_feed (parser, s_stream + at, s_size - at < 1000 ? s_size - at : 1000, told, &saved);
}

/* One reads up to `cut`, another one the rest. */
static int
s_cut (size_t cut, const meaning *whole)
{
    meaning told = {.size = 0};
    cb_zmtp_saved saved = {.traffic = 0};
    cb_owned (cb_zmtp) cb_zmtp *first = cb_zmtp_new (&s_config, NULL);

    for (size_t at = 0; at < cut; at += 777)
        s_feed (first, s_stream + at, cut - at < 777 ? cut - at : 777, &told, &saved);
    cb_owned (cb_zmtp) cb_zmtp *second = cb_zmtp_resume (&s_config, &saved, NULL);
    if (second == NULL)
        return !saved.traffic;
    for (size_t at = (size_t)saved.handled; at < s_size; at += 777)
        s_feed (second, s_stream + at, s_size - at < 777 ? s_size - at : 777, &told, &saved);
    if (!told.fault && strcmp (told.text, whole->text) == 0)
        return 1;
    printf ("# cut at %zu, saved %llu: %s\n", cut, (unsigned long long)saved.handled, told.text);
    return 0;
}

static void
s_test_cuts (void)
{
    meaning whole = {.size = 0};
    int same = 1;
    size_t resumed = 0;

    s_whole (&whole);
    ok (!whole.fault && strstr (whole.text, "skip 20000;") != NULL, "the whole stream: %s",
        whole.text);
    for (size_t cut = 0; cut <= s_size && same; cut++, resumed++)
        same = s_cut (cut, &whole);
    ok (same, "cut anywhere it means the same: %zu cuts", resumed);
}

static void
s_test_refused (void)
{
    static const struct {
        const char *what;
        cb_zmtp_saved saved;
    } rows[] = {
        {"no handshake", {.handled = 5}},
        {"a frame without an end", {.traffic = 1, .skipping = 1, .left = UINT64_MAX}},
        {"more skipped than there can be", {.traffic = 1, .skipping = 1, .skipped = UINT64_MAX}},
    };
    cb_zmtp_config publisher = s_config;
    const cb_zmtp_saved good = {.traffic = 1};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cb_err err = CB_ERR_INIT;
        cb_owned (cb_zmtp) cb_zmtp *parser = cb_zmtp_resume (&s_config, &rows[i].saved, &err);
        ok (parser == NULL && err.code == CB_E_PROTO, "refused: %s", rows[i].what);
    }
    publisher.socket_type = "XPUB";
    cb_owned (cb_zmtp) cb_zmtp *parser = cb_zmtp_resume (&publisher, &good, NULL);
    ok (parser == NULL, "refused: a publisher, whose subscriptions nobody knows");
}

/* Any saved state, any bytes behind it: a fault or a meaning, nothing else. */
static void
s_test_anything (void)
{
    unsigned seed = 1;
    size_t resumed = 0;

    for (int round = 0; round < 20000; round++) {
        cb_zmtp_saved saved;
        unsigned char *bytes = (unsigned char *)&saved;
        meaning told = {.size = 0};
        char junk[64];
        for (size_t i = 0; i < sizeof saved + sizeof junk; i++) {
            seed = seed * 1103515245U + 12345U;
            *(i < sizeof saved ? &bytes[i] : (unsigned char *)&junk[i - sizeof saved]) =
                (unsigned char)(seed >> 16);
        }
        saved.left %= 100000;
        saved.skipped %= 100000;
        cb_owned (cb_zmtp) cb_zmtp *parser = cb_zmtp_resume (&s_config, &saved, NULL);
        if (parser == NULL)
            continue;
        resumed++;
        s_feed (parser, junk, sizeof junk, &told, &saved);
    }
    ok (resumed > 1000, "whatever was saved: %zu went on", resumed);
}

int
main (void)
{
    s_make ();
    s_test_cuts ();
    s_test_refused ();
    s_test_anything ();
    return tap_done ();
}
