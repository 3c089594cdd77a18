/* test-zmtp.c - the ZMTP parser against byte streams: 3.0 and 3.1 peers, in pieces, within and over
 * every budget. (tests/peers has the real libzmq.) */
#include "base/cleanup.h"
#include "base/tap.h"
#include "wire/zmtp.h"

#include <stdarg.h>
#include <string.h>

#define GREETING_30 "\xFF\0\0\0\0\0\0\0\1\x7F\3\0NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" ZERO32
#define GREETING_31 "\xFF\0\0\0\0\0\0\0\1\x7F\3\1NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" ZERO32
#define ZERO32      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
/* As libzmq sends them. */
#define READY_SUB    "\4\31\5READY\13Socket-Type\0\0\0\3SUB"
#define READY_ROUTER "\4\51\5READY\13Socket-Type\0\0\0\6ROUTER\10Identity\0\0\0\0"
#define READY_NAMED  "\4\54\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0\3abc"

/* Bytes of a literal, zeros in it included. */
#define B(literal)                      \
    (cb_part)                           \
    {                                   \
        (literal), sizeof (literal) - 1 \
    }

static const cb_zmtp_budget s_budget = {.max_parts = 8,
                                        .max_frame = 100000,
                                        .max_message = 150000,
                                        .max_commands = 4,
                                        .max_subscriptions = 3};

static cb_zmtp *
s_new (const char *type, cb_quota *quota)
{
    const cb_zmtp_config config = {.socket_type = type,
                                   .identity = "me",
                                   .identity_size = 2,
                                   .budget = s_budget,
                                   .quota = quota};
    return cb_zmtp_new (&config, NULL);
}

/* What a parser said, as text: R(type,identity) M[part|part] S(topic) U(topic) E(code). */
typedef struct s_trace {
    char text[4096];
} s_trace;

__attribute__ ((format (printf, 2, 3))) static void
s_say (s_trace *trace, const char *format, ...)
{
    size_t used = strlen (trace->text);
    va_list args;
    va_start (args, format);
    (void)vsnprintf (trace->text + used, sizeof trace->text - used, format, args);
    va_end (args);
}

static void
s_say_message (s_trace *trace, const cb_zmsg *message)
{
    size_t n = 0;
    const cb_part *parts = cb_zmsg_parts (message, &n);
    s_say (trace, "M[");
    for (size_t i = 0; i < n; i++) {
        const char *bar = i > 0 ? "|" : "";
        if (parts[i].size > 20)
            s_say (trace, "%s%zu", bar, parts[i].size);
        else
            s_say (trace, "%s%.*s", bar, (int)parts[i].size, parts[i].data);
    }
    s_say (trace, "]");
}

static void
s_say_event (s_trace *trace, cb_zmtp_event *event)
{
    switch (event->kind) {
    case CB_ZMTP_READY:
        s_say (trace, "R(%s,%.*s)", event->peer_type, (int)event->identity.size,
               event->identity.data);
        break;
    case CB_ZMTP_MESSAGE:
        s_say_message (trace, event->message);
        cb_zmsg_destroy (&event->message);
        break;
    case CB_ZMTP_SUBSCRIBE:
    case CB_ZMTP_UNSUBSCRIBE:
        s_say (trace, "%c(%.*s)", event->kind == CB_ZMTP_SUBSCRIBE ? 'S' : 'U',
               (int)event->topic.size, event->topic.data);
        break;
    case CB_ZMTP_SKIPPED:
        s_say (trace, "K(%llu)", (unsigned long long)event->skipped);
        break;
    case CB_ZMTP_NEED_MORE:
        break;
    }
}

/* Everything the bytes mean, fed in pieces of `step`. 0 or the fault. */
static int
s_play (cb_zmtp *zmtp, cb_part bytes, size_t step, s_trace *trace)
{
    cb_err err = CB_ERR_INIT;
    for (size_t at = 0; at < bytes.size; at += step) {
        size_t size = bytes.size - at < step ? bytes.size - at : step;
        int r = cb_zmtp_feed (zmtp, bytes.data + at, size, &err);
        cb_zmtp_event event = {.kind = CB_ZMTP_READY};
        while (r == 0 && event.kind != CB_ZMTP_NEED_MORE) {
            r = cb_zmtp_next (zmtp, &event, &err);
            if (r == 0)
                s_say_event (trace, &event);
        }
        if (r < 0) {
            s_say (trace, "E(%s)", cb_err_name (-r));
            return r;
        }
    }
    return 0;
}

/* The same in one piece, byte by byte, and in sevens: always the same meaning. */
static void
s_expect (const char *type, cb_part bytes, const char *meaning, const char *what)
{
    static const size_t steps[] = {65536, 1, 7};
    for (size_t i = 0; i < 3; i++) {
        cb_quota quota;
        cb_quota_init (&quota, NULL, 1 << 20);
        cb_zmtp *zmtp = s_new (type, &quota);
        s_trace trace = {""};
        (void)s_play (zmtp, bytes, steps[i], &trace);
        ok (strcmp (trace.text, meaning) == 0, "%s (%zu bytes at a time): %s", what, steps[i],
            trace.text);
        cb_zmtp_destroy (&zmtp);
        ok (quota.used == 0, "nothing stays charged");
    }
}

static void
s_test_handshake (void)
{
    s_expect ("DEALER", B (GREETING_31 READY_ROUTER), "R(ROUTER,)", "a 3.1 peer");
    s_expect ("ROUTER", B (GREETING_30 READY_NAMED), "R(DEALER,abc)", "a 3.0 peer with a name");
    s_expect ("XPUB", B (GREETING_31 READY_SUB), "R(SUB,)", "a subscriber");
    s_expect ("REP", B (GREETING_31 "\4\20\5READY\13sOCKET-tYPE\0\0\0\3REQ"), "E(protocol)",
              "a READY that is cut short");
    s_expect ("REP", B (GREETING_31 "\4\31\5READY\13sOCKET-tYPE\0\0\0\3REQ"), "R(REQ,)",
              "names of properties in any case");
    s_expect ("REP", B (GREETING_31 "\4\40\5READY\1X\0\0\0\1y\13Socket-Type\0\0\0\3REQ"), "R(REQ,)",
              "unknown properties pass");
    s_expect ("SUB", B (GREETING_31 READY_ROUTER), "E(protocol)", "types that do not go together");
    s_expect ("SUB", B (GREETING_31 "\4\27\5READY\13Socket-Type\0\0\0\1P"), "E(protocol)",
              "a part of a type is no type");
    s_expect ("SUB", B (GREETING_31 "\4\6\5READY"), "E(protocol)", "a READY without a type");
    s_expect ("SUB", B (GREETING_31 "\4\5\4PING"), "E(protocol)", "PING before READY");
    s_expect ("SUB", B (GREETING_31 "\0\1x"), "E(protocol)", "a message before READY");
    s_expect ("SUB", B (GREETING_31 "\4\12\5ERROR\3bad"), "E(protocol)", "refused by the peer");
    s_expect ("SUB", B (GREETING_31 "\4\0"), "E(protocol)", "a command without a name");
    s_expect ("SUB", B (GREETING_31 "\6\0\0\0\0\0\0\20\1"), "E(limit)",
              "a READY of 4,097 bytes is refused by its header");
    s_expect ("REQ", B ("GET / HTTP/1.1\r\n"), "E(protocol)", "another protocol");
    s_expect ("REQ", B ("\xFF\0\0\0\0\0\0\0\1\x7E"), "E(protocol)", "another signature");
    s_expect ("REQ", B ("\xFF\0\0\0\0\0\0\0\1\x7F\1"), "E(protocol)", "ZMTP 2.0");
    s_expect ("REQ", B ("\xFF\0\0\0\0\0\0\0\1\x7F\3\1PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" ZERO32),
              "E(protocol)", "another mechanism");
}

static void
s_test_messages (void)
{
#define SHAKEN GREETING_31 READY_ROUTER
    s_expect ("DEALER", B (SHAKEN "\0\5hello"), "R(ROUTER,)M[hello]", "one part");
    s_expect ("DEALER",
              B (SHAKEN "\1\1a\1\0\0\1b"
                        "\0\0"),
              "R(ROUTER,)M[a||b]M[]", "several parts, empty ones too");
    s_expect ("DEALER", B (SHAKEN "\3\0\0\0\0\0\0\0\2ab\2\0\0\0\0\0\0\0\0"), "R(ROUTER,)M[ab|]",
              "long frames with short sizes");
    s_expect ("DEALER", B (SHAKEN "\1\1a\4\6\4PINGx\0\1b"), "R(ROUTER,)E(protocol)",
              "a PING without a time to live");
    s_expect ("DEALER", B (SHAKEN "\1\1a\4\7\4PING\0\1\0\1b"), "R(ROUTER,)M[a|b]",
              "a PING between two parts");
    s_expect ("DEALER", B (SHAKEN "\4\4\3FOO\4\13\11SUBSCRIBEa\0\1b"), "R(ROUTER,)M[b]",
              "unknown commands are ignored");
    s_expect ("DEALER", B (SHAKEN "\10\1a"), "R(ROUTER,)E(protocol)", "impossible flags");
    s_expect ("DEALER", B (SHAKEN "\5\5\4PONG"), "R(ROUTER,)E(protocol)", "a command with MORE");
    s_expect ("DEALER", B (SHAKEN "\0\1a\4\12\5ERROR\3bad\0\1b"), "R(ROUTER,)M[a]E(protocol)",
              "an ERROR ends it");
}

static void
s_test_budgets (void)
{
    s_expect ("DEALER", B (SHAKEN "\2\0\0\0\0\0\1\x86\xA1"), "R(ROUTER,)E(limit)",
              "a frame over max_frame");
    s_expect ("DEALER", B (SHAKEN "\2\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "R(ROUTER,)E(limit)",
              "a frame of 2^64 - 1 bytes");
    s_expect ("DEALER", B (SHAKEN "\1\0\1\0\1\0\1\0\1\0\1\0\1\0\0\0\1\1a\0\0"),
              "R(ROUTER,)M[|||||||]M[a|]", "exactly max_parts");
    s_expect ("DEALER", B (SHAKEN "\1\0\1\0\1\0\1\0\1\0\1\0\1\0\1\0\1\0"), "R(ROUTER,)E(limit)",
              "more than max_parts");
    s_expect ("DEALER", B (SHAKEN "\4\5\4PONG\4\5\4PONG\4\5\4PONG\4\5\4PONG\0\0\4\5\4PONG"),
              "R(ROUTER,)M[]", "max_commands between two messages");
    s_expect ("DEALER", B (SHAKEN "\4\5\4PONG\4\5\4PONG\4\5\4PONG\4\5\4PONG\4\5\4PONG"),
              "R(ROUTER,)E(limit)", "more than max_commands");
    s_expect ("DEALER", B (SHAKEN "\6\0\0\0\0\0\0\2\1"), "R(ROUTER,)E(limit)",
              "a command of 513 bytes is refused by its header");

    /* 100,000 and 49,936 bytes with twice 32 for the parts are 150,000; one byte more is refused.
     */
    for (int over = 0; over < 2; over++) {
        cb_zmtp *zmtp = s_new ("DEALER", NULL);
        s_trace trace = {""};
        (void)s_play (zmtp, B (SHAKEN "\3\0\0\0\0\0\1\x86\xA0"), 65536, &trace);
        cb_auto_free char *zeros = calloc (1, 100000);
        (void)s_play (zmtp, (cb_part){zeros, 100000}, 65536, &trace);
        (void)s_play (zmtp, over ? B ("\2\0\0\0\0\0\0\xC3\x11") : B ("\2\0\0\0\0\0\0\xC3\x10"),
                      65536, &trace);
        if (!over)
            (void)s_play (zmtp, (cb_part){zeros, 49936}, 65536, &trace);
        const char *meaning = over ? "R(ROUTER,)E(limit)" : "R(ROUTER,)M[100000|49936]";
        ok (strcmp (trace.text, meaning) == 0, "max_message: %s", trace.text);
        cb_zmtp_destroy (&zmtp);
    }
}

/* With budget.skip what is over a budget is counted and the connection goes on. */
static void
s_test_skip (void)
{
    static const size_t steps[] = {65536, 1, 997};
    cb_auto_free char *zeros = calloc (1, 200000);

    for (size_t i = 0; i < 3; i++) {
        cb_quota quota;
        cb_quota_init (&quota, NULL, 1 << 20);
        cb_zmtp_config config = {.socket_type = "DEALER", .budget = s_budget, .quota = &quota};
        config.budget.skip = 1;
        cb_zmtp *zmtp = cb_zmtp_new (&config, NULL);
        s_trace trace = {""};
        (void)s_play (zmtp, B (SHAKEN "\0\1a\1\1b\2\0\0\0\0\0\3\x0D\x40"), steps[i], &trace);
        ok (quota.used == 0, "nothing is held of a message that is skipped");
        (void)s_play (zmtp, (cb_part){zeros, 200000}, steps[i], &trace);
        (void)s_play (zmtp, B ("\0\1c\1\0\1\0\1\0\1\0\1\0\1\0\1\0\1\0\1\1d\0\1e\0\1f"), steps[i],
                      &trace);
        (void)s_play (zmtp, B ("\2\0\0\0\0\x40\0\0\1"), steps[i], &trace);
        ok (strcmp (trace.text, "R(ROUTER,)M[a]K(200001)M[c]K(2)M[f]E(limit)") == 0,
            "skipped (%zu bytes at a time): %s", steps[i], trace.text);
        cb_zmtp_destroy (&zmtp);
        ok (quota.used == 0, "nothing stays charged");
    }
}

/* In a message that is skipped empty parts cost too: they cannot go on for ever. */
static void
s_test_skip_empty_parts (void)
{
    enum { LEFT = 1000 }; /* parts that may follow the large one */
    cb_zmtp_config config = {.socket_type = "DEALER", .budget = s_budget};
    config.budget.skip = 1;
    cb_zmtp *zmtp = cb_zmtp_new (&config, NULL);
    cb_auto_free char *zeros = calloc (1, CB_ZMTP_FEED_MAX);
    char header[CB_ZMTP_HEADER_MAX];
    size_t size = (size_t)CB_ZMTP_SKIP_MAX - (LEFT + 1) * CB_ZMTP_PART_COST;
    s_trace trace = {""};
    int r = 0;

    (void)s_play (zmtp, B (SHAKEN), 65536, &trace);
    (void)s_play (zmtp, (cb_part){header, cb_zmtp_header (header, size, 1)}, 65536, &trace);
    for (size_t left = size; left > 0 && r == 0;) {
        size_t step = left < CB_ZMTP_FEED_MAX ? left : CB_ZMTP_FEED_MAX;
        r = s_play (zmtp, (cb_part){zeros, step}, step, &trace);
        left -= step;
    }
    for (int i = 0; i < LEFT && r == 0; i++)
        r = s_play (zmtp, B ("\1\0"), 2, &trace);
    ok (r == 0, "as many empty parts as there is room for: %s", trace.text);
    ok (s_play (zmtp, B ("\1\0"), 2, &trace) == -CB_E_LIMIT, "not one more: %s", trace.text);
    cb_zmtp_destroy (&zmtp);
}

static void
s_test_calm (void)
{
    cb_zmtp *zmtp = s_new ("DEALER", NULL);
    s_trace trace = {""};
    (void)s_play (zmtp, B (SHAKEN), 65536, &trace);
    int r = 0;
    for (int i = 0; i < 20 && r == 0; i++) {
        r = s_play (zmtp, B ("\4\5\4PONG"), 65536, &trace);
        cb_zmtp_calm (zmtp);
    }
    ok (r == 0, "a peer that pings slowly may do so for ever");
    cb_zmtp_destroy (&zmtp);
}

/* A parser that has spoken with a peer of type `peer`. */
static cb_zmtp *
s_shaken (const char *type, cb_part ready, cb_quota *quota)
{
    s_trace trace = {""};
    cb_zmtp *zmtp = s_new (type, quota);
    (void)s_play (zmtp, B (GREETING_31), 65536, &trace);
    (void)s_play (zmtp, ready, 65536, &trace);
    return zmtp;
}

static void
s_test_subscriptions (void)
{
#define SUBSCRIBED GREETING_31 READY_SUB
    s_expect ("XPUB", B (SUBSCRIBED "\4\13\11SUBSCRIBEa\0\2\1b\0\2\0b\4\10\6CANCELa"),
              "R(SUB,)S(a)S(b)U(b)U(a)", "commands of 3.1 and messages of 3.0");
    s_expect ("XPUB", B (SUBSCRIBED "\0\1\1\0\1\1\0\1\0\0\1\0"), "R(SUB,)S()U()",
              "asking twice changes nothing");
    s_expect ("XPUB", B (SUBSCRIBED "\0\2\1a\0\2\1b\0\2\1c\0\2\1d"), "R(SUB,)S(a)S(b)S(c)E(limit)",
              "more than max_subscriptions");
    s_expect ("XPUB", B (SUBSCRIBED "\1\1\1"), "R(SUB,)E(protocol)", "a subscription with MORE");
    s_expect ("XPUB", B (SUBSCRIBED "\2\0\0\0\0\0\0\2\1"), "R(SUB,)E(limit)",
              "a subscription that is too long");
    s_expect ("XPUB", B (SUBSCRIBED "\0\3abc\0\0"), "R(SUB,)",
              "messages to a publisher mean nothing");
    s_expect ("XPUB", B (SUBSCRIBED "\0\0\0\0\0\0\0\0\0\0"), "R(SUB,)E(limit)",
              "but too many of them do");

    /* The longest topic, in both dialects: long frames of 256 and 262 bytes. */
    char bytes[9 + 256 + 9 + 262];
    memset (bytes, 't', sizeof bytes);
    memcpy (bytes, "\2\0\0\0\0\0\0\1\0\1", 10);
    memcpy (bytes + 265, "\6\0\0\0\0\0\0\1\6\6CANCEL", 16);
    cb_zmtp *zmtp = s_shaken ("XPUB", B (READY_SUB), NULL);
    s_trace trace = {""};
    (void)s_play (zmtp, (cb_part){bytes, 265}, 65536, &trace);
    ok (cb_zmtp_wants (zmtp, bytes + 10, 255) && !cb_zmtp_wants (zmtp, bytes + 10, 254),
        "a topic of 255 bytes");
    (void)s_play (zmtp, (cb_part){bytes + 265, 9 + 262}, 3, &trace);
    ok (!cb_zmtp_wants (zmtp, bytes + 10, 255), "cancelled: %zu bytes said", strlen (trace.text));
    cb_zmtp_destroy (&zmtp);

    zmtp = s_new ("XPUB", NULL);
    trace = (s_trace){""};
    (void)s_play (zmtp, B (SUBSCRIBED "\0\3\1ab\0\4\1xyz"), 65536, &trace);
    ok (cb_zmtp_wants (zmtp, "abc", 3) && cb_zmtp_wants (zmtp, "ab", 2), "a topic is a prefix");
    ok (!cb_zmtp_wants (zmtp, "a", 1) && !cb_zmtp_wants (zmtp, "", 0), "shorter does not match");
    (void)s_play (zmtp, B ("\0\3\0ab"), 65536, &trace);
    ok (!cb_zmtp_wants (zmtp, "abc", 3) && cb_zmtp_wants (zmtp, "xyz", 3), "until it is cancelled");
    cb_zmtp_destroy (&zmtp);

    zmtp = s_new ("XPUB", NULL);
    trace = (s_trace){""};
    ok (cb_zmtp_presume (zmtp, "", 0, NULL) == 0 && cb_zmtp_wants (zmtp, "abc", 3), "presumed");
    (void)s_play (zmtp, B (SUBSCRIBED "\0\1\1\0\1\0"), 65536, &trace);
    ok (strcmp (trace.text, "R(SUB,)U()") == 0 && !cb_zmtp_wants (zmtp, "abc", 3),
        "said again it is the same one: %s", trace.text);
    cb_zmtp_destroy (&zmtp);
    zmtp = s_new ("SUB", NULL);
    ok (cb_zmtp_presume (zmtp, "", 0, NULL) < 0, "who is no publisher has no subscribers");
    cb_zmtp_destroy (&zmtp);
}

/* What our side says behind its greeting. */
static void
s_expect_output (cb_zmtp *zmtp, cb_part bytes, const char *what)
{
    cb_buf *out = cb_zmtp_output (zmtp);
    ok (out->size == bytes.size && memcmp (out->data, bytes.data, bytes.size) == 0,
        "%s (%zu bytes)", what, out->size);
    cb_buf_consume (out, out->size);
}

static void
s_test_output (void)
{
    s_trace trace = {""};
    cb_zmtp *zmtp = s_new ("DEALER", NULL);
    s_expect_output (zmtp, B (GREETING_31), "our greeting");
    (void)s_play (zmtp, B (GREETING_31), 65536, &trace);
    s_expect_output (zmtp, B ("\4\53\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0\2me"),
                     "our READY comes after the peer's greeting");
    (void)s_play (zmtp, B (READY_ROUTER), 65536, &trace);
    (void)s_play (zmtp, B ("\4\12\4PING\0\7abc\4\7\4PING\0\7"), 65536, &trace);
    s_expect_output (zmtp, B ("\4\10\4PONGabc\4\5\4PONG"), "PONG carries the PING's context");
    for (int i = 0; i < 1000; i++) {
        cb_zmtp_calm (zmtp);
        (void)s_play (zmtp, B ("\4\12\4PING\0\7abc"), 65536, &trace);
    }
    ok (cb_zmtp_output (zmtp)->size < 2048, "who does not read gets no more answers");
    cb_zmtp_destroy (&zmtp);

    zmtp = s_new ("SUB", NULL);
    ok (cb_zmtp_subscribe (zmtp, "ab", 2, NULL) == 0, "subscribe before the handshake");
    (void)s_play (zmtp, B (GREETING_31 "\4\32\5READY\13Socket-Type\0\0\0\4XPUB"), 65536, &trace);
    cb_buf_consume (cb_zmtp_output (zmtp), 64 + 27);
    s_expect_output (zmtp, B ("\4\14\11SUBSCRIBEab"), "a command for a 3.1 peer");
    ok (cb_zmtp_subscribe (zmtp, "", 0, NULL) == 0, "subscribe after it");
    s_expect_output (zmtp, B ("\4\12\11SUBSCRIBE"), "another command");
    cb_zmtp_destroy (&zmtp);

    zmtp = s_new ("SUB", NULL);
    ok (cb_zmtp_subscribe (zmtp, "ab", 2, NULL) == 0, "subscribe");
    (void)s_play (zmtp, B (GREETING_30 "\4\31\5READY\13Socket-Type\0\0\0\3PUB"), 65536, &trace);
    cb_buf_consume (cb_zmtp_output (zmtp), 64 + 27);
    s_expect_output (zmtp, B ("\0\3\1ab"), "a message for a 3.0 peer");
    cb_zmtp_destroy (&zmtp);
}

static void
s_test_encode (void)
{
    cb_auto_free char *large = malloc (70000);
    memset (large, 'L', 70000);
    const cb_part parts[] = {{"id", 2}, {"", 0}, {large, 255}, {large, 256}, {large, 70000}};
    cb_owned (cb_zmsg) cb_zmsg *message = cb_zmsg_new (parts, 5);
    cb_scoped (cb_buf) cb_buf bytes;
    cb_buf_init (&bytes, 1 << 20);
    ok (cb_zmtp_encode (message, 1, &bytes, NULL) == 0, "encode");
    ok (bytes.size == 2 + 2 + 255 + 9 + 256 + 9 + 70000, "short and long headers");
    cb_zmtp *zmtp = s_shaken ("DEALER", B (READY_ROUTER), NULL);
    s_trace trace = {""};
    (void)s_play (zmtp, (cb_part){bytes.data, bytes.size}, 1000, &trace);
    ok (strcmp (trace.text, "M[|255|256|70000]") == 0, "and back: %s", trace.text);
    cb_zmtp_destroy (&zmtp);

    cb_scoped (cb_buf) cb_buf little;
    cb_buf_init (&little, 1000);
    cb_err err = CB_ERR_INIT;
    ok (cb_zmtp_encode (message, 0, &little, &err) == -CB_E_LIMIT && little.size == 0,
        "no room: nothing is left behind");
}

/* Memory of an unfinished message is charged as it comes, not as it is announced. */
static void
s_test_quota (void)
{
    cb_quota quota;
    cb_quota_init (&quota, NULL, 100000);
    cb_zmtp *zmtp = s_shaken ("DEALER", B (READY_ROUTER), &quota);
    cb_auto_free char *zeros = calloc (1, 65536);
    s_trace trace = {""};
    (void)s_play (zmtp, B ("\3\0\0\0\0\0\1\x86\xA0"), 65536, &trace);
    ok (quota.used < 1000, "an announced frame costs nothing");
    (void)s_play (zmtp, (cb_part){zeros, 10}, 65536, &trace);
    ok (quota.used < 4000, "ten bytes cost little: %u", (unsigned)quota.used);
    (void)s_play (zmtp, (cb_part){zeros, 20000}, 1000, &trace);
    ok (quota.used >= 20010 && quota.used < 45000, "it grows with what came: %u",
        (unsigned)quota.used);
    size_t room = 0;
    ok (cb_zmtp_room (zmtp, &room) != NULL && room <= 80000 && quota.used < 90000,
        "room for a read: %zu, %u", room, (unsigned)quota.used);
    int r = 0;
    for (int i = 0; i < 4 && r == 0; i++)
        r = s_play (zmtp, (cb_part){zeros, 20000}, 65536, &trace);
    ok (r == -CB_E_LIMIT || quota.used <= 100000, "never over the quota");
    cb_zmtp_destroy (&zmtp);
    ok (quota.used == 0, "and given back");
}

/* Many small parts: the room grows in leaps, not with each of them (it once did). */
static void
s_test_small_parts (void)
{
    cb_quota quota;
    cb_quota_init (&quota, NULL, 1 << 20);
    cb_zmtp_config config = {.socket_type = "DEALER", .budget = s_budget, .quota = &quota};
    config.budget.max_parts = 4000;
    cb_zmtp *zmtp = cb_zmtp_new (&config, NULL);
    s_trace trace = {""};
    (void)s_play (zmtp, B (SHAKEN), 65536, &trace);
    int leaps = 0;
    uint64_t before = quota.used;
    for (int i = 0; i < 4000; i++) {
        (void)s_play (zmtp, B ("\1\2ab"), 65536, &trace);
        leaps += quota.used != before;
        before = quota.used;
    }
    ok (quota.used > 8000 && leaps > 2 && leaps < 30, "8,000 bytes in 4,000 parts: %d leaps",
        leaps);
    cb_zmtp_destroy (&zmtp);
    ok (quota.used == 0, "nothing stays charged");
}

static void
s_test_room (void)
{
    cb_zmtp *zmtp = s_shaken ("DEALER", B (READY_ROUTER), NULL);
    size_t room = 0;
    ok (cb_zmtp_room (zmtp, &room) == NULL, "no room between messages");
    s_trace trace = {""};
    (void)s_play (zmtp, B ("\1\1a\2\0\0\0\0\0\1\x86\xA0xy"), 65536, &trace);
    size_t came = 2;
    while (came < 100000) {
        char *at = cb_zmtp_room (zmtp, &room);
        if (at == NULL)
            break;
        size_t size = room < 30000 ? room : 30000;
        memset (at, 'z', size);
        cb_zmtp_filled (zmtp, size);
        came += size;
    }
    cb_auto_free char *rest = malloc (100000);
    memset (rest, 'z', 100000);
    (void)s_play (zmtp, (cb_part){rest, 100000 - came}, 65536, &trace);
    cb_zmtp_event event;
    if (came == 100000) {
        ok (cb_zmtp_next (zmtp, &event, NULL) == 0, "next");
        s_say_event (&trace, &event);
    }
    ok (strcmp (trace.text, "M[a|100000]") == 0, "a frame that was read into its place: %s",
        trace.text);
    cb_zmtp_destroy (&zmtp);
}

static void
s_test_config (void)
{
    cb_err err = CB_ERR_INIT;
    cb_zmtp_config config = {.socket_type = "PAIR", .budget = s_budget};
    ok (cb_zmtp_new (&config, &err) == NULL && err.code == CB_E_INVALID, "%s", err.text);
    char name[256];
    memset (name, 'n', sizeof name);
    config = (cb_zmtp_config){
        .socket_type = "DEALER", .identity = name, .identity_size = 256, .budget = s_budget};
    ok (cb_zmtp_new (&config, &err) == NULL && err.code == CB_E_INVALID, "%s", err.text);
    config.identity_size = 255;
    cb_zmtp *zmtp = cb_zmtp_new (&config, &err);
    ok (zmtp != NULL, "a routing id of 255 bytes");
    cb_zmtp_destroy (&zmtp);
}

int
main (void)
{
    s_test_handshake ();
    s_test_messages ();
    s_test_budgets ();
    s_test_skip ();
    s_test_skip_empty_parts ();
    s_test_calm ();
    s_test_subscriptions ();
    s_test_output ();
    s_test_encode ();
    s_test_quota ();
    s_test_small_parts ();
    s_test_room ();
    s_test_config ();
    return tap_done ();
}
