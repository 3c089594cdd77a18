/* test-page.c - the session page: what was put in force is found again, what makes no sense is
 * refused, and a jail that brokers die of is known. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "kernel/page.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define ROOM ((size_t)1024 * 1024)
#define SEC  CB_USEC_PER_SEC

/* One that a broker left behind when its kernel was ready. The descriptor is the caller's. */
static int
s_left (cb_page **ret_page)
{
    int fd = -1;

    *ret_page = cb_page_new (ROOM, &fd, NULL);
    if (*ret_page == NULL)
        _exit (2);
    cb_page_shared *shared = (*ret_page)->shared;
    shared->named = 1;
    shared->ready = 1;
    memcpy (shared->key, "key", 4);
    memcpy (shared->identity, "amber-1", 8);
    (*ret_page)->work.above[0] = 42;
    (*ret_page)->work.channels[CB_CHANNEL_IOPUB].handled = 7;
    cb_page_commit (*ret_page);
    return fd;
}

static int
s_opens (int fd)
{
    cb_err err = CB_ERR_INIT;
    cb_owned (cb_page) cb_page *page = cb_page_open (fd, &err);

    return page != NULL ? 0 : -err.code;
}

static void
s_test_states (void)
{
    cb_owned (cb_page) cb_page *page = NULL;
    cb_auto_close int fd = s_left (&page);

    page->work.above[0] = 43; /* not in force */
    cb_owned (cb_page) cb_page *next = cb_page_open (fd, NULL);
    ok (next != NULL && next->work.above[0] == 42 &&
            next->work.channels[CB_CHANNEL_IOPUB].handled == 7,
        "what is in force is found, what was on its way is not");
    cb_page_commit (page);
    cb_page_destroy (&next);
    next = cb_page_open (fd, NULL);
    ok (next != NULL && next->work.above[0] == 43, "after the commit it is");
    memcpy (page->areas[CB_AREA_QUEUE] + 5, "waits", 5);
    page->rings[CB_CHANNEL_IOPUB][page->rooms[CB_CHANNEL_IOPUB] - 1] = 'x';
    ok (next != NULL && memcmp (next->areas[CB_AREA_QUEUE] + 5, "waits", 5) == 0 &&
            next->rings[CB_CHANNEL_IOPUB][next->rooms[CB_CHANNEL_IOPUB] - 1] == 'x',
        "areas and rings lie at the same places");
}

static void
s_test_refused (void)
{
    static const struct {
        const char *what;
        size_t offset;
        uint8_t value;
        size_t size; /* bytes that get it */
    } rows[] = {
        {"a magic of something else", offsetof (cb_page_shared, magic), 'x', 1},
        {"another build", offsetof (cb_page_shared, build), 'x', 1},
        {"another version", offsetof (cb_page_shared, version), 99, 1},
        {"another size", offsetof (cb_page_shared, size), 1, 1},
        {"nothing written yet", offsetof (cb_page_shared, named), 0, 4},
        {"a third state", offsetof (cb_page_shared, turn), 2, 1},
        {"too much info", offsetof (cb_page_shared, info_size), 0xff, 4},
        {"a message larger than there are", offsetof (cb_page_shared, max_message), 0xff, 8},
        {"another room than the file has", offsetof (cb_page_shared, max_message), 1, 8},
        {"too many parents", offsetof (cb_page_shared, parents.used), 0xff, 4},
        {"a key without an end", offsetof (cb_page_shared, key), 'k', 65},
        {"an identity without an end", offsetof (cb_page_shared, identity), 'k', CB_NAME_MAX + 16},
        {"ids without an end", offsetof (cb_page_shared, hidden), 'k', 18},
        {"a request that ends before it begins",
         offsetof (cb_page_shared, states[1].outs[CB_CHANNEL_SHELL].base), 9, 1},
        {"one larger than its room",
         offsetof (cb_page_shared, states[1].outs[CB_CHANNEL_SHELL].end), 0x7f, 8},
        {"a request that was cut off and is not kept", offsetof (cb_page_shared, sending), 1, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cb_owned (cb_page) cb_page *page = NULL;
        cb_auto_close int fd = s_left (&page);
        int before = s_opens (fd);
        memset ((char *)page->shared + rows[i].offset, rows[i].value, rows[i].size);
        ok (before == 0 && s_opens (fd) == -CB_E_PROTO, "refused: %s", rows[i].what);
    }
}

/* Of a request half was sent: nothing but the rest is owed. */
static void
s_test_outs (void)
{
    cb_owned (cb_page) cb_page *page = NULL;
    cb_auto_close int fd = s_left (&page);
    cb_sendlog *log = &page->shared->sends[CB_CHANNEL_SHELL];

    page->work.outs[CB_CHANNEL_SHELL] = (cb_page_out){.base = 100, .end = 200};
    cb_page_commit (page);
    log->turns[0].from = 120;
    log->turns[0].call.msg_len = 30;
    cb_owned (cb_page) cb_page *next = cb_page_open (fd, NULL);
    ok (next != NULL && cb_sendlog_sent (&next->shared->sends[CB_CHANNEL_SHELL]) == 150 &&
            next->work.outs[CB_CHANNEL_SHELL].end == 200,
        "what is on its way is known to the byte");
    log->turns[0].from = 50;
    ok (s_opens (fd) == -CB_E_PROTO, "less sent than there was before it makes no sense");
}

static void
s_test_sizes (void)
{
    cb_owned (cb_page) cb_page *page = NULL;
    cb_auto_close int fd = s_left (&page);
    size_t size = page->size;
    int all = 1;

    cb_page_destroy (&page);
    ok (ftruncate (fd, (off_t)size + 4096) == 0 && s_opens (fd) == -CB_E_PROTO, "one too long");
    for (size_t cut = size - 4096; cut > 4096; cut /= 2)
        all &= ftruncate (fd, (off_t)cut) == 0 && s_opens (fd) == -CB_E_PROTO;
    ok (all && ftruncate (fd, 0) == 0 && s_opens (fd) == -CB_E_PROTO, "one that was cut, anywhere");
    cb_auto_close int other = dup (STDIN_FILENO);
    ok (s_opens (other) < 0 && s_opens (-1) < 0, "no memory file at all");
}

/* Every bit of what is checked. */
static void
s_test_flips (void)
{
    cb_owned (cb_page) cb_page *page = NULL;
    cb_auto_close int fd = s_left (&page);
    size_t opened = 0;
    size_t refused = 0;
    int sound = 1;

    for (size_t i = 0; i < offsetof (cb_page_shared, states) * 8; i++) {
        unsigned char *byte = (unsigned char *)page->shared + i / 8;
        *byte ^= (unsigned char)(1U << i % 8);
        cb_owned (cb_page) cb_page *found = cb_page_open (fd, NULL);
        *byte ^= (unsigned char)(1U << i % 8);
        refused += found == NULL;
        opened += found != NULL;
        if (found != NULL)
            sound &= found->size == page->size && found->work.above[0] <= 43;
    }
    ok (sound && opened > 0 && refused > 100,
        "every bit of its head: %zu refused, %zu are harmless", refused, opened);
}

static void
s_test_deadly (void)
{
    cb_owned (cb_page) cb_page *page = NULL;
    cb_auto_close int fd = s_left (&page);

    ok (cb_page_adopted_at (page) == 0 && !cb_page_is_deadly (page, 0), "never taken over");
    cb_page_adopted (page, 100 * SEC);
    cb_page_adopted (page, 101 * SEC);
    ok (!cb_page_is_deadly (page, 102 * SEC), "twice is chance");
    cb_page_adopted (page, 102 * SEC);
    ok (cb_page_adopted_at (page) == 102 * SEC && cb_page_is_deadly (page, 103 * SEC),
        "three times within ten seconds is not");
    ok (!cb_page_is_deadly (page, 110 * SEC), "with time in between it is again");
    cb_page_adopted (page, 110 * SEC);
    ok (cb_page_is_deadly (page, 110 * SEC + 1) && !cb_page_is_deadly (page, 111 * SEC),
        "the last three count");
    (void)fd;
}

int
main (void)
{
    s_test_states ();
    s_test_refused ();
    s_test_outs ();
    s_test_sizes ();
    s_test_flips ();
    s_test_deadly ();
    return tap_done ();
}
