/* places.c - attached clients whose cell waits behind others' are told their place.
 *
 * Jupyter has no word for it. What every frontend shows is text on stderr that belongs to the cell;
 * a clear_output takes it away again before the cell begins, so that nothing of it is in what the
 * cell leaves behind. Programs find the number in the message's metadata. Nobody is told who waits
 * for his own cells alone, or not for long: a session with one client, which is what other people's
 * test suites have, never says a word. Only the first cell of each client is told of. */
#include "session/session-int.h"

#include <stdio.h>

/* Others' cells are over before that, most of the time. */
#define TELL_AFTER (2 * CB_USEC_PER_SEC)

/* Whom the requests up to here belong to. */
typedef struct others {
    size_t n;
    uint64_t client; /* of the first */
    int are_several;
} others;

static void
s_count (others *self, const cb_entry *entry)
{
    uint64_t client = cb_entry_client_ (entry);

    if (self->n++ == 0)
        self->client = client;
    else if (client != self->client)
        self->are_several = 1;
}

static void
s_clear (cb_entry *self, int wait)
{
    cb_part header = self->request->dicts[CB_DICT_HEADER];
    cb_owned (cb_json) json_t *content = json_pack ("{s:b}", "wait", wait);
    const cb_word word = {.topic = "clear_output",
                          .msg_type = "clear_output",
                          .parent = header,
                          .content = content,
                          .news = CB_NEWS_STATUS};

    if (self->session->readers != NULL)
        cb_readers_tell (self->session->readers, &word);
}

static void
s_tell (cb_entry *self, size_t ahead)
{
    char text[128];
    char metadata[64];

    if (self->session->readers == NULL || self->noted == ahead)
        return;
    (void)snprintf (text, sizeof text,
                    "cellblock: this cell waits for its turn: %zu %s before it\n", ahead,
                    ahead == 1 ? "is" : "are");
    int size =
        snprintf (metadata, sizeof metadata, "{\"cellblock\":{\"queued\":{\"ahead\":%zu}}}", ahead);
    cb_owned (cb_json) json_t *content = json_pack ("{s:s, s:s}", "name", "stderr", "text", text);
    const cb_word word = {.topic = "stream.stderr",
                          .msg_type = "stream",
                          .parent = self->request->dicts[CB_DICT_HEADER],
                          .metadata = {metadata, (size_t)size},
                          .content = content,
                          .news = CB_NEWS_STATUS};
    if (self->noted > 0)
        s_clear (self, 1);
    self->noted = ahead;
    cb_waiting_told_ (self);
    cb_readers_tell (self->session->readers, &word);
}

static int
s_may_be_told (const cb_entry *entry)
{
    return entry->run != NULL && entry->guest != NULL && !entry->silent;
}

void
cb_places_look_ (cb_session *self)
{
    cb_usec now = cb_now ();
    others before = {.n = 0};

    self->places_at = CB_USEC_NEVER;
    self->looks++;
    if (self->running != NULL)
        s_count (&before, self->running);
    for (cb_entry *entry = self->queue; entry != NULL; entry = entry->next) {
        cb_usec due = entry->queued_at + TELL_AFTER;
        int is_first = s_may_be_told (entry) && entry->guest->looked_at != self->looks;
        if (is_first)
            entry->guest->looked_at = self->looks;
        if (is_first && now < due && due < self->places_at)
            self->places_at = due;
        if (is_first && now >= due && before.n > 0 &&
            (before.are_several || before.client != entry->client))
            s_tell (entry, before.n);
        s_count (&before, entry);
    }
}

void
cb_places_leave_ (cb_entry *self)
{
    if (self->noted > 0)
        s_clear (self, 0);
    self->noted = 0;
}
