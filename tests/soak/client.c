/* client.c - the C client of tests/scenario/test_seeded.py: runs seeded cells in a session through
 * libcellblock, several at a time, and checks what comes of each.
 *
 *   client SESSION SEED COUNT
 *
 * One start, one busy, the cell's own output, one idle, one reply, in the order of the requests:
 * what is otherwise is said on standard error, and the exit code is 1. Each reply is a line `NUMBER
 * STATUS` on standard output. The cells carry `# c-NUMBER`, by which others know them on iopub. */
#include <cellblock.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Requests that wait for their end at a time. */
#define WINDOW 4
/* Milliseconds that an answer may take on a busy machine. */
#define PATIENCE 300000

/* How far a request is: each step once, in this order. */
typedef enum { S_SENT, S_STARTED, S_BUSY, S_INPUT, S_IDLE } s_step;

typedef struct s_open {
    int64_t request;
    int number;
    s_step step;
} s_open;

typedef struct s_soak {
    cellblock_client *client;
    const char *session;
    uint64_t random;
    s_open open[WINDOW]; /* the oldest first */
    int n_open;
    int sent;
    int faults;
} s_soak;

static unsigned
s_random (s_soak *self, unsigned below)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return (unsigned)(self->random >> 33) % below;
}

static void
s_fault (s_soak *self, const s_open *open, const char *what, const char *content)
{
    fprintf (stderr, "client: cell %d at step %d: %s %.200s\n", open != NULL ? open->number : -1,
             open != NULL ? (int)open->step : -1, what, content);
    self->faults++;
}

/* The JSON of a run_request. */
static void
s_write_request (s_soak *self, char *text, size_t size)
{
    char code[128];
    unsigned kind = s_random (self, 4);
    unsigned number = s_random (self, 1000);

    switch (kind) {
    case 0:
        snprintf (code, sizeof code, "total = (total * 31 + %u) %% 1000003\\ntotal", number);
        break;
    case 1:
        snprintf (code, sizeof code, "print(%u)", number);
        break;
    case 2:
        snprintf (code, sizeof code, "%u / 0", number);
        break;
    default:
        snprintf (code, sizeof code, "%u * 7", number);
        break;
    }
    snprintf (text, size, "{\"session\": \"%s\", \"code\": \"%s  # c-%d\"}", self->session, code,
              self->sent);
}

static int
s_ask (s_soak *self)
{
    char text[512];
    s_open *open = &self->open[self->n_open];

    s_write_request (self, text, sizeof text);
    *open = (s_open){.number = self->sent};
    open->request = cellblock_request (self->client, "run", text, NULL, 0);
    if (open->request < 0)
        return -1;
    self->n_open++;
    self->sent++;
    return 0;
}

static s_open *
s_find (s_soak *self, int64_t request)
{
    for (int i = 0; i < self->n_open; i++)
        if (self->open[i].request == request)
            return &self->open[i];
    return NULL;
}

/* One of the steps in their order. */
static void
s_on_step (s_soak *self, s_open *open, s_step step, const char *content)
{
    if ((int)open->step != (int)step - 1)
        s_fault (self, open, "out of its order:", content);
    open->step = step;
}

static void
s_on_event (s_soak *self, s_open *open, const cellblock_event *event)
{
    const char *type = cellblock_event_type (event);
    const char *content = cellblock_event_content (event, NULL);

    if (strcmp (type, "start") == 0)
        s_on_step (self, open, S_STARTED, content);
    else if (strcmp (type, "queued") == 0 && open->step == S_STARTED)
        return;
    else if (strcmp (type, "status") == 0)
        s_on_step (self, open, strstr (content, "idle") != NULL ? S_IDLE : S_BUSY, content);
    else if (strcmp (type, "execute_input") == 0)
        s_on_step (self, open, S_INPUT, content);
    else if (open->step != S_INPUT)
        s_fault (self, open, type, content);
}

static void
s_on_reply (s_soak *self, s_open *open, const cellblock_event *event)
{
    const char *content = cellblock_event_content (event, NULL);
    int is_error = strstr (content, "\"status\":\"error\"") != NULL;

    if (open != self->open || open->step != S_IDLE || cellblock_event_code (event) != CELLBLOCK_OK)
        s_fault (self, open, "a reply out of its order:", content);
    printf ("%d %s\n", open->number, is_error ? "error" : "ok");
    memmove (open, open + 1, (size_t)(self->open + --self->n_open - open) * sizeof *open);
}

static int
s_take (s_soak *self)
{
    cellblock_event *event = cellblock_next (self->client, PATIENCE);

    if (event == NULL)
        return -1;
    s_open *open = s_find (self, cellblock_event_request (event));
    if (open == NULL)
        s_fault (self, NULL, "of no open request:", cellblock_event_content (event, NULL));
    else if (cellblock_event_kind (event) == CELLBLOCK_REPLY)
        s_on_reply (self, open, event);
    else
        s_on_event (self, open, event);
    cellblock_event_free (&event);
    return 0;
}

int
main (int argc, char **argv)
{
    s_soak self = {.session = argc > 1 ? argv[1] : ""};
    int result = 0;

    if (argc != 4) {
        fprintf (stderr, "usage: client SESSION SEED COUNT\n");
        return 2;
    }
    self.random = strtoull (argv[2], NULL, 10) | 1;
    int count = (int)strtol (argv[3], NULL, 10);
    if (cellblock_open (NULL, &self.client) < 0)
        result = -1;
    while (result == 0 && (self.sent < count || self.n_open > 0))
        result = self.sent < count && self.n_open < WINDOW ? s_ask (&self) : s_take (&self);
    if (result < 0)
        s_fault (&self, NULL, cellblock_error_text (self.client), "");
    cellblock_close (&self.client);
    return self.faults > 0;
}
