/* fuzz-zmtp.c - the ZMTP parser on any bytes, in any pieces: never more than its budget, never
 * another meaning because the pieces were cut elsewhere.
 *
 * The first byte chooses our type and whether a handshake is played before, the second the size of
 * the pieces (odd: what is over the budget is skipped); the rest is the peer. */
#include "base/cleanup.h"
#include "wire/zmtp.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define QUOTA 65536

static const cb_zmtp_budget s_budget = {.max_parts = 32,
                                        .max_frame = 40000,
                                        .max_message = 50000,
                                        .max_commands = 16,
                                        .max_subscriptions = 4};

static const char *const s_types[] = {"DEALER", "ROUTER", "SUB", "XPUB", "REQ", "REP"};
static const char *const s_peers[] = {"ROUTER", "DEALER", "PUB", "SUB", "REP", "REQ"};

static const char s_greeting[64] = "\xFF\0\0\0\0\0\0\0\1\x7F\3\1NULL";

/* What was understood, folded into a number. */
typedef struct s_meaning {
    uint64_t hash;
    int fault;
} s_meaning;

static void
s_fold (s_meaning *meaning, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        meaning->hash = (meaning->hash ^ at[i]) * 0x100000001b3U;
}

static void
s_fold_event (s_meaning *meaning, cb_zmtp_event *event)
{
    s_fold (meaning, &event->kind, sizeof event->kind);
    s_fold (meaning, &event->skipped, sizeof event->skipped);
    s_fold (meaning, event->topic.data, event->topic.size);
    s_fold (meaning, event->identity.data, event->identity.size);
    if (event->message == NULL)
        return;
    size_t n = 0;
    const cb_part *parts = cb_zmsg_parts (event->message, &n);
    if (n > s_budget.max_parts || cb_zmsg_cost (event->message) > 2 * s_budget.max_message)
        abort ();
    for (size_t i = 0; i < n; i++) {
        s_fold (meaning, &parts[i].size, sizeof parts[i].size);
        s_fold (meaning, parts[i].data, parts[i].size);
    }
    cb_zmsg_destroy (&event->message);
}

static int
s_drain (cb_zmtp *zmtp, s_meaning *meaning)
{
    cb_zmtp_event event = {.kind = CB_ZMTP_READY};
    while (event.kind != CB_ZMTP_NEED_MORE) {
        if (cb_zmtp_next (zmtp, &event, NULL) < 0)
            return -1;
        if (event.kind != CB_ZMTP_NEED_MORE)
            s_fold_event (meaning, &event);
    }
    return 0;
}

/* One piece, by way of the room of a large frame where there is one. */
static int
s_give (cb_zmtp *zmtp, const uint8_t *bytes, size_t size, s_meaning *meaning)
{
    size_t room = 0;
    char *at = cb_zmtp_room (zmtp, &room);
    if (at != NULL && room >= size) {
        memcpy (at, bytes, size);
        cb_zmtp_filled (zmtp, size);
    } else if (cb_zmtp_feed (zmtp, (const char *)bytes, size, NULL) < 0) {
        return -1;
    }
    return s_drain (zmtp, meaning);
}

static void
s_handshake (cb_zmtp *zmtp, unsigned type, s_meaning *meaning)
{
    char ready[64] = "\4\0\5READY\13Socket-Type\0\0\0";
    size_t length = strlen (s_peers[type]);
    ready[1] = (char)(22 + length);
    ready[23] = (char)length;
    memcpy (ready + 24, s_peers[type], length);
    (void)s_give (zmtp, (const uint8_t *)s_greeting, sizeof s_greeting, meaning);
    (void)s_give (zmtp, (const uint8_t *)ready, 24 + length, meaning);
}

static s_meaning
s_play (const uint8_t *data, size_t size, size_t step)
{
    s_meaning meaning = {0};
    cb_quota quota;
    cb_quota_init (&quota, NULL, QUOTA);
    unsigned type = data[0] % 6;
    cb_zmtp_config config = {.socket_type = s_types[type], .budget = s_budget, .quota = &quota};
    config.budget.skip = (data[1] & 1) != 0;
    cb_owned (cb_zmtp) cb_zmtp *zmtp = cb_zmtp_new (&config, NULL);
    if (zmtp == NULL)
        return meaning;
    if (data[0] & 0x80)
        s_handshake (zmtp, type, &meaning);
    for (size_t at = 2; at < size && !meaning.fault; at += step) {
        size_t piece = size - at < step ? size - at : step;
        meaning.fault = s_give (zmtp, data + at, piece, &meaning);
        cb_buf_consume (cb_zmtp_output (zmtp), piece);
    }
    cb_zmtp_destroy (&zmtp);
    if (quota.used != 0)
        abort ();
    return meaning;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    s_meaning whole = s_play (data, size, CB_ZMTP_FEED_MAX);
    s_meaning pieces = s_play (data, size, 1 + data[1]);
    if (whole.fault != pieces.fault || whole.hash != pieces.hash)
        abort ();
    return 0;
}
