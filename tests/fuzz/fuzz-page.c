/* fuzz-page.c - what a broker finds in a session page: whatever is written there, reading it ends,
 * stays within its memory, and gives no more than the area can hold.
 *
 * The beginning of the data is the plain data of a journal, of a received stream and of a parser;
 * the rest lies in the areas. */
#include "base/cleanup.h"
#include "net/recvring.h"
#include "session/journal.h"
#include "wire/zmtp.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct head {
    cb_journal journal;
    cb_zmtp_saved saved;
    cb_recvlog log;
    uint64_t handled;
} head;

static cb_page *s_page;
static size_t s_bytes;

static void
on_message (cb_zmsg *message, uint64_t number, void *context)
{
    (void)number;
    (void)context;
    s_bytes += cb_zmsg_cost (message);
}

static void
s_journal (const head *from, const char *bytes, size_t size)
{
    const cb_tape tape = {s_page, CB_AREA_JOURNAL};
    size_t room = cb_page_area_size (tape.area);
    size_t at = (size_t)(from->journal.begin % room);
    size_t first = size < room - at ? size : room - at;

    memcpy (s_page->areas[tape.area] + at, bytes, first);
    memcpy (s_page->areas[tape.area], bytes + first, size - first);
    s_bytes = 0;
    (void)cb_journal_tell (&from->journal, &tape, from->journal.first, on_message, NULL);
    if (s_bytes > 16 * room)
        abort ();
    memset (s_page->areas[tape.area] + at, 0, first);
    memset (s_page->areas[tape.area], 0, size - first);
}

/* A stream that was left behind: what the ring gives goes to the parser. */
static void
s_stream (head *from, const char *rest, size_t size)
{
    static char ring_bytes[65536];
    static const cb_zmtp_config config = {.socket_type = "SUB",
                                          .budget = {.max_parts = 16,
                                                     .max_frame = 40000,
                                                     .max_message = 50000,
                                                     .max_commands = 16,
                                                     .max_subscriptions = 4,
                                                     .skip = 1}};
    cb_recvring ring;
    const char *bytes = NULL;
    size_t got = 0;

    memcpy (ring_bytes, rest, size < sizeof ring_bytes ? size : sizeof ring_bytes);
    cb_owned (cb_zmtp) cb_zmtp *parser = cb_zmtp_resume (&config, &from->saved, NULL);
    if (cb_recvring_resume (&ring, &from->log, ring_bytes, sizeof ring_bytes, from->handled, NULL) <
        0)
        return;
    for (int turn = 0; turn < 64; turn++) {
        cb_zmtp_event event = {.kind = CB_ZMTP_NEED_MORE};
        /* Behind what was left there is no socket. */
        if (cb_recvring_read (&ring, -1, &bytes, &got, NULL) != 0)
            return;
        if (bytes < ring_bytes || got > sizeof ring_bytes ||
            bytes + got > ring_bytes + sizeof ring_bytes)
            abort ();
        if (parser == NULL || cb_zmtp_feed (parser, bytes, got, NULL) < 0)
            continue;
        do {
            if (cb_zmtp_next (parser, &event, NULL) < 0)
                return;
            cb_zmsg_destroy (&event.message);
        } while (event.kind != CB_ZMTP_NEED_MORE);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    head from;
    int fd = -1;

    if (s_page == NULL) {
        s_page = cb_page_new ((size_t)1 << 20, &fd, NULL);
        if (s_page == NULL)
            abort ();
        (void)close (fd);
    }
    if (size < sizeof from)
        return 0;
    memcpy (&from, data, sizeof from);
    s_journal (&from, (const char *)data + sizeof from, size - sizeof from);
    s_stream (&from, (const char *)data + sizeof from, size - sizeof from);
    return 0;
}
