/* test-readers.c - readers of iopub over real connections: topics, a slow one, its reserve, shares
 * of the quota; and who asked what. */
#include "base/tap.h"
#include "session/asked.h"
#include "session/readers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT ((size_t)4 * 1024 * 1024)
#define LINES 6400

typedef struct pair pair;
typedef void step (pair *self);

struct pair {
    cb_loop *loop;
    cb_zpeer *out; /* ours: XPUB */
    cb_zpeer *in;  /* a reader's SUB */
    cb_signer *signer;
    cb_readers *readers;
    size_t outputs;
    size_t idles;
    size_t notes;
    size_t after_note; /* outputs that came behind the note */
    char note[256];
    cb_quota *quota;
    step *const *steps;
    size_t seen; /* of everything above and the queue, a moment ago */
    int quiet;   /* looks in a row that saw nothing new */
};

static void
on_message (cb_zpeer *peer, cb_zmsg *raw, void *context)
{
    pair *self = context;
    cb_owned (cb_jmsg) cb_jmsg *message = NULL;
    cb_err err = CB_ERR_INIT;

    (void)peer;
    if (cb_jmsg_read (self->signer, raw, &message, &err) < 0) {
        printf ("# %s\n", err.text);
        return;
    }
    const json_t *content = cb_jmsg_content (message, NULL);
    const char *name = json_string_value (json_object_get (content, "name"));
    self->idles += strcmp (message->msg_type, "status") == 0;
    if (name != NULL && strcmp (name, "stderr") == 0) {
        self->notes++;
        (void)snprintf (self->note, sizeof self->note, "%s",
                        json_string_value (json_object_get (content, "text")));
    } else if (name != NULL) {
        self->outputs++;
        self->after_note += self->notes > 0;
    }
}

static void
on_drained (cb_zpeer *peer, void *context)
{
    pair *self = context;

    if (peer == self->out && self->readers != NULL)
        cb_readers_drained (self->readers, peer);
}

static void
on_closed (cb_zpeer *peer, const cb_err *reason, void *context)
{
    (void)peer;
    (void)context;
    printf ("# closed: %s\n", reason->text);
}

static const cb_zpeer_events s_events = {
    .on_message = on_message, .on_drained = on_drained, .on_closed = on_closed};

/* Steps, one after the other, each when what the last one sent has arrived: when several looks saw
 * nothing new. The looks come after everything else that is ready (idle), and further apart than a
 * stream's own retry. */
#define LOOK  (30 * CB_USEC_PER_MSEC)
#define LOOKS 3

static int
s_is_quiet (pair *self)
{
    size_t seen = self->outputs + self->idles + self->notes + cb_zpeer_queued (self->out);

    self->quiet = seen == self->seen ? self->quiet + 1 : 0;
    self->seen = seen;
    return self->quiet >= LOOKS;
}

static void
on_time (cb_source *source, void *context)
{
    pair *self = context;

    if (self->readers != NULL && !s_is_quiet (self)) {
        cb_source_at (source, cb_now () + LOOK);
        return;
    }
    self->quiet = 0;
    if (self->readers == NULL) {
        if (cb_zpeer_wants (self->out, "stream.stdout", 13)) {
            self->readers = cb_readers_new (self->signer, "amber", NULL);
            if (self->readers == NULL || cb_readers_add (self->readers, self->out, NULL) < 0)
                abort ();
        }
    } else if (*self->steps != NULL) {
        (*self->steps++) (self);
    } else {
        cb_loop_exit (self->loop, 0);
        return;
    }
    cb_source_at (source, cb_now () + LOOK);
}

static cb_zpeer *
s_peer (pair *self, int fd, const char *type, cb_quota *quota)
{
    cb_zpeer_options options = {.zmtp = {.socket_type = type,
                                         .budget = {.max_parts = 64,
                                                    .max_frame = 1 << 20,
                                                    .max_message = 1 << 20,
                                                    .max_commands = 64,
                                                    .max_subscriptions = 4}},
                                .out_limit = LIMIT,
                                .quota = quota};
    cb_zpeer *peer = cb_zpeer_new (self->loop, fd, &options, &s_events, self, NULL);

    if (peer == NULL)
        abort ();
    return peer;
}

static void
s_run (uint64_t limit, const char *topic, step *const *steps)
{
    cb_quota quota;
    pair self = {.loop = cb_loop_new (NULL),
                 .signer = cb_signer_new ("key", "hmac-sha256", NULL),
                 .quota = &quota,
                 .steps = steps};
    cb_source *timer = NULL;
    int fds[2];

    cb_quota_init (&quota, NULL, limit);
    if (self.loop == NULL || self.signer == NULL ||
        socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0 ||
        cb_loop_at (self.loop, cb_now (), on_time, &self, &timer, NULL) < 0)
        abort ();
    cb_source_priority (timer, CB_PRIORITY_IDLE);
    self.out = s_peer (&self, fds[0], "XPUB", &quota);
    self.in = s_peer (&self, fds[1], "SUB", NULL);
    if (cb_zpeer_subscribe (self.in, topic, strlen (topic), NULL) < 0 ||
        cb_loop_run (self.loop, NULL) < 0)
        abort ();
    cb_readers_remove (self.readers, self.out);
    cb_readers_destroy (&self.readers);
    cb_zpeer_destroy (&self.out);
    cb_zpeer_destroy (&self.in);
    cb_source_destroy (&timer);
    cb_signer_destroy (&self.signer);
    cb_loop_destroy (&self.loop);
    ok (quota.used == 0, "the quota is given back");
}

static const cb_part s_parent = {"{\"msg_id\":\"p\"}", 14};

static void
s_print (pair *self, size_t bytes)
{
    char *text = calloc (1, bytes + 1);

    if (text == NULL)
        abort ();
    memset (text, 'x', bytes);
    cb_owned (cb_json) json_t *content = json_pack ("{s:s, s:s}", "name", "stdout", "text", text);
    cb_word word = {.topic = "stream.stdout",
                    .msg_type = "stream",
                    .parent = s_parent,
                    .content = content,
                    .news = CB_NEWS_OUTPUT};
    cb_readers_tell (self->readers, &word);
    free (text);
}

static void
s_idle (pair *self)
{
    cb_owned (cb_json) json_t *content = json_pack ("{s:s}", "execution_state", "idle");
    cb_word word = {.topic = "status",
                    .msg_type = "status",
                    .parent = s_parent,
                    .content = content,
                    .news = CB_NEWS_IDLE};

    cb_readers_tell (self->readers, &word);
}

/* ---- a topic ---- */

static void
s_print_and_idle (pair *self)
{
    s_print (self, 10);
    s_idle (self);
}

static void
s_topic_seen (pair *self)
{
    ok (self->outputs == 1 && self->idles == 0, "a topic is a prefix");
    ok (cb_readers_count (self->readers) == 1, "one reader");
}

/* ---- a slow one ---- */

static void
s_flood (pair *self)
{
    cb_zpeer_pause (self->in, 1);
    for (int i = 0; i < LINES; i++)
        s_print (self, 4096);
    s_idle (self);
    ok (cb_zpeer_queued (self->out) < LIMIT + 16384, "its queue has an end");
    cb_zpeer_pause (self->in, 0);
}

static void
s_flood_seen (pair *self)
{
    char words[64];

    ok (self->outputs > 32 && self->outputs < LINES, "some reached it: %zu", self->outputs);
    (void)snprintf (words, sizeof words, "; %zu messages of", LINES - self->outputs);
    ok (self->notes == 1 && strstr (self->note, words) != NULL, "what is lost is counted: %s",
        self->note);
    ok (self->idles == 1 && self->after_note == 0, "before the idle");
    s_print (self, 10);
}

static void
s_goes_on (pair *self)
{
    ok (self->after_note == 1, "then it goes on");
    cb_zpeer_pause (self->in, 1);
    for (int i = 0; i < LINES; i++)
        s_print (self, 4096);
    cb_zpeer_pause (self->in, 0);
}

static void
s_told_later (pair *self)
{
    ok (self->notes == 2, "without an idle it is told when it reads again");
}

/* ---- bounds ---- */

static void
s_many_idles (pair *self)
{
    cb_zpeer_pause (self->in, 1);
    for (int i = 0; i < 100000; i++)
        s_idle (self);
    ok (cb_zpeer_queued (self->out) < LIMIT + (2 << 20), "statuses have an end as well: %zu",
        cb_zpeer_queued (self->out));
}

static void
s_small_share (pair *self)
{
    cb_zpeer_pause (self->in, 1);
    for (int i = 0; i < LINES; i++)
        s_print (self, 4096);
    ok (self->quota->used <= self->quota->limit / 2 + 8192, "nobody takes more than is left: %llu",
        (unsigned long long)self->quota->used);
}

/* ---- a broker before us ---- */

static cb_page_reader s_places[CB_PAGE_READERS];

/* A message of the kernel. */
static void
s_publish (pair *self)
{
    const cb_part topic = {"stream.stdout", 13};
    cb_jmsg_draft draft = {.leading = &topic,
                           .n_leading = 1,
                           .msg_type = "stream",
                           .parent = s_parent,
                           .content_text = {"{\"name\":\"stdout\",\"text\":\"y\"}", 28}};
    cb_owned (cb_signer) cb_signer *kernel = cb_signer_new ("kernel", "hmac-sha256", NULL);
    cb_owned (cb_zmsg) cb_zmsg *raw = cb_jmsg_write (kernel, &draft, NULL);
    cb_owned (cb_jmsg) cb_jmsg *message = NULL;

    if (raw == NULL || cb_jmsg_read (kernel, raw, &message, NULL) < 0)
        abort ();
    cb_readers_send (self->readers, message, CB_NEWS_OUTPUT);
}

static void
s_is_written_down (pair *self)
{
    cb_readers_keep (self->readers, s_places, 0);
    for (int i = 0; i < 3; i++)
        s_publish (self);
    ok (s_places[0].pid == getpid () && s_places[0].had == 3 && s_places[0].waiting == 0 &&
            cb_readers_published (self->readers) == 3,
        "what a reader was given is written down");
    ok ((s_places[0].all != 0) == cb_zpeer_wants (self->out, "", 0),
        "and whether that is everything");
}

/* The broker dies when the third message is with this reader and not in force. */
static void
s_is_succeeded (pair *self)
{
    cb_readers_remove (self->readers, self->out);
    ok (s_places[0].pid == 0, "who leaves is forgotten");
    cb_readers_destroy (&self->readers);
    s_places[0] = (cb_page_reader){.pid = getpid (), .waiting = 5, .had = 3};
    self->readers = cb_readers_new (self->signer, "amber", NULL);
    if (self->readers == NULL)
        abort ();
    cb_readers_keep (self->readers, s_places, 2);
    if (cb_readers_add (self->readers, self->out, NULL) < 0)
        abort ();
    self->outputs = 0;
    s_publish (self);
    s_publish (self);
    s_idle (self);
}

static void
s_has_it_once (pair *self)
{
    ok (self->outputs == 1 && s_places[0].had == 4, "what it had is not given again: %zu",
        self->outputs);
    ok (self->notes == 1 && strstr (self->note, "up to 5 messages") != NULL,
        "what may be lost is told: %s", self->note);
    cb_readers_keep_not (self->readers);
    s_publish (self);
    ok (s_places[0].had == 4, "a page that is gone is not written");
}

/* One that comes back, and that subscribed to something else alone: it has no more to say first. */
static void
s_comes_back_with (pair *self, uint64_t all)
{
    cb_readers_remove (self->readers, self->out);
    cb_readers_destroy (&self->readers);
    s_places[0] = (cb_page_reader){.pid = getpid (), .all = all};
    self->readers = cb_readers_new (self->signer, "amber", NULL);
    if (self->readers == NULL)
        abort ();
    cb_readers_keep (self->readers, s_places, 0);
    if (cb_readers_add (self->readers, self->out, NULL) < 0)
        abort ();
}

static void
s_is_presumed (pair *self)
{
    s_comes_back_with (self, 0);
    ok (!cb_zpeer_wants (self->out, "status", 6), "who had not all topics says which");
    s_comes_back_with (self, 1);
    ok (cb_zpeer_wants (self->out, "status", 6) && s_places[0].all == 1,
        "who had everything has it before he says so again");
}

static step *const s_presumed[] = {s_is_written_down, s_is_presumed, NULL};
static step *const s_succession[] = {s_is_written_down, s_is_succeeded, s_has_it_once, NULL};
static step *const s_topic[] = {s_print_and_idle, s_topic_seen, NULL};
static step *const s_slow[] = {s_flood, s_flood_seen, s_goes_on, s_told_later, NULL};
static step *const s_idles[] = {s_many_idles, NULL};
static step *const s_share[] = {s_small_share, NULL};

/* ---- who asked ---- */

static int
s_ask (cb_asked *asked, cb_guest *guest, const char *msg_id, const char *type)
{
    cb_jmsg request = {.dicts[CB_DICT_HEADER] = {"{}", 2}, .type = cb_msgtype_find (type)};

    (void)snprintf (request.msg_id, sizeof request.msg_id, "%s", msg_id);
    return cb_asked_add (asked, guest, CB_CHANNEL_SHELL, &request, NULL);
}

static void
s_test_asked (void)
{
    cb_asked asked = {.first = NULL};
    cb_guest one = {.n_waiting = 0};
    cb_guest two = {.n_waiting = 0};
    char id[32];
    int all = 1;

    ok (s_ask (&asked, &one, "a", "complete_request") == 0 &&
            s_ask (&asked, &two, "b", "shutdown_request") == 0,
        "two ask");
    ok (s_ask (&asked, &two, "a", "complete_request") == -CB_E_INVALID, "an id is used once");
    cb_asked_row *row = cb_asked_find (&asked, "a");
    ok (row != NULL && row->guest == &one && cb_asked_find (&asked, "c") == NULL, "found by id");
    cb_asked_drop (&asked, &row);
    ok (cb_asked_find (&asked, "a") == NULL && asked.count == 1, "answered once");
    row = cb_asked_take (&asked, "complete_request");
    ok (row == NULL, "none of another type");
    for (int i = 0; i < CB_ASKED_A_GUEST_MAX + 1; i++) {
        (void)snprintf (id, sizeof id, "r%d", i);
        all &= s_ask (&asked, &one, id, "frobnicate") == 0;
    }
    ok (all && cb_asked_find (&asked, "r0") == NULL && cb_asked_find (&asked, "r1") != NULL &&
            cb_asked_find (&asked, "b") != NULL,
        "a guest forgets his own oldest");
    cb_asked_forget (&asked, &one);
    ok (asked.count == 1, "a guest that is gone waits for nothing");
    row = cb_asked_take (&asked, "shutdown_request");
    ok (row != NULL && asked.count == 0, "taken by its type");
    cb_asked_row_destroy (&row);
    cb_asked_done (&asked);
}

/* Sixteen guests with all they may have; a seventeenth has a place all the same. */
static void
s_test_asked_fairness (void)
{
    enum { GUESTS = CB_ASKED_MAX / CB_ASKED_A_GUEST_MAX };
    cb_asked asked = {.first = NULL};
    cb_guest guests[GUESTS] = {{.n_waiting = 0}};
    cb_guest late = {.n_waiting = 0};
    char id[32];

    for (int i = 0; i < CB_ASKED_MAX; i++) {
        (void)snprintf (id, sizeof id, "r%d", i);
        (void)!s_ask (&asked, &guests[i % GUESTS], id, "frobnicate");
    }
    ok (asked.count == CB_ASKED_MAX && s_ask (&asked, &late, "l0", "frobnicate") == 0 &&
            s_ask (&asked, &late, "l1", "frobnicate") == 0,
        "nobody's questions keep others from asking");
    ok (asked.count == CB_ASKED_MAX && late.n_asked == 2 &&
            guests[0].n_asked + guests[1].n_asked == 2 * CB_ASKED_A_GUEST_MAX - 2,
        "who has most gives up his oldest");
    cb_asked_forget (&asked, &late);
    cb_asked_done (&asked);
    ok (late.n_asked == 0 && guests[0].n_asked == 0, "each is counted as long as it is there");
}

int
main (void)
{
    s_run (1 << 20, "stream", s_topic);
    s_run (128 << 20, "", s_slow);
    s_run (8 << 20, "", s_succession);
    s_run (8 << 20, "stream", s_presumed);
    s_run (64 << 20, "", s_idles);
    s_run (8 << 20, "", s_share);
    s_test_asked ();
    s_test_asked_fairness ();
    return tap_done ();
}
