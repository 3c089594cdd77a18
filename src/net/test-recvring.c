/* test-recvring.c - received bytes in memory that outlives the process: whoever comes next goes on
 * at the very byte, in whichever step the one before was killed. */
#include "base/cleanup.h"
#include "base/tap.h"
#include "loop/stream.h"
#include "net/recvring.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM 65536U

typedef struct world {
    cb_recvlog log;
    volatile uint64_t handled;
    volatile uint32_t ready;
} world;

static world *s_world;
static char *s_bytes;
static int s_pair[2];

static void
s_make (void)
{
    s_world =
        mmap (NULL, sizeof *s_world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    s_bytes = mmap (NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s_world == MAP_FAILED || s_bytes == MAP_FAILED ||
        socketpair (AF_UNIX, SOCK_STREAM, 0, s_pair) < 0)
        _exit (2);
}

static void
s_send (const char *text)
{
    if (write (s_pair[0], text, strlen (text)) < 0)
        _exit (2);
}

/* Whether the next read gives this text. */
static int
s_gives (cb_recvring *ring, const char *text)
{
    const char *bytes = NULL;
    size_t size = 0;

    return cb_recvring_read (ring, s_pair[1], &bytes, &size, NULL) == CB_STREAM_READ &&
           size == strlen (text) && memcmp (bytes, text, size) == 0;
}

static void
s_test_go_on (void)
{
    cb_recvring ring;
    const char *bytes;
    size_t size;

    cb_recvring_init (&ring, &s_world->log, s_bytes, ROOM);
    s_send ("hello ");
    ok (s_gives (&ring, "hello "), "what comes is given");
    s_send ("world");
    ok (s_gives (&ring, "world"), "and what comes next");
    ok (cb_recvring_resume (&ring, &s_world->log, s_bytes, ROOM, 4, NULL) == 0 &&
            s_gives (&ring, "o world"),
        "another reader begins at the byte that was not handled");
    ok (cb_recvring_read (&ring, s_pair[1], &bytes, &size, NULL) == CB_STREAM_AGAIN,
        "nothing is given twice");
    ok (cb_recvring_resume (&ring, &s_world->log, s_bytes, ROOM, 12, NULL) == -CB_E_PROTO &&
            cb_recvring_resume (&ring, &s_world->log, s_bytes, ROOM * 2, 4, NULL) == -CB_E_PROTO,
        "what cannot be is refused");
    s_world->log.turn = 7;
    ok (cb_recvring_resume (&ring, &s_world->log, s_bytes, ROOM, 4, NULL) == -CB_E_PROTO,
        "a log that makes no sense too");
}

static void
s_test_full (void)
{
    static char text[ROOM];
    cb_recvring ring;
    const char *bytes;
    size_t size;
    cb_err err = CB_ERR_INIT;

    cb_recvring_init (&ring, &s_world->log, s_bytes, ROOM);
    memset (text, 'a', sizeof text);
    ok (write (s_pair[0], text, sizeof text) == (ssize_t)sizeof text &&
            cb_recvring_read (&ring, s_pair[1], &bytes, &size, &err) == CB_STREAM_READ &&
            size == ROOM,
        "a whole ring");
    s_send ("b");
    ok (cb_recvring_read (&ring, s_pair[1], &bytes, &size, &err) == -CB_E_LIMIT,
        "nothing is written over what is not handled");
    ring.kept = ROOM - 1;
    ok (s_gives (&ring, "b"), "the handled bytes are room");
    ring.kept = ROOM + 1;
    s_send ("c");
    ok (s_gives (&ring, "c") && s_bytes[0] == 'c', "an empty ring begins anew");
}

/* Counts up in bytes, handles what it reads, until it is killed. */
_Noreturn static void
s_reader (void)
{
    cb_recvring ring;
    cb_err err = CB_ERR_INIT;

    if (cb_recvring_resume (&ring, &s_world->log, s_bytes, ROOM, s_world->handled, &err) < 0)
        _exit (3);
    for (;;) {
        const char *bytes = NULL;
        size_t size = 0;
        s_world->ready = 1;
        if (cb_recvring_read (&ring, s_pair[1], &bytes, &size, &err) != CB_STREAM_READ)
            continue;
        for (size_t i = 0; i < size; i++) {
            if ((unsigned char)bytes[i] != s_world->handled % 251)
                _exit (4);
            s_world->handled++;
            ring.kept = s_world->handled;
        }
    }
}

/* Readers that are killed at any moment hand over to each other: every byte once, in its order. */
static void
s_test_killed (void)
{
    static char text[4096];
    uint64_t sent = 0;
    int wrong = 0;
    cb_recvring ring;

    cb_recvring_init (&ring, &s_world->log, s_bytes, ROOM);
    s_world->handled = 0;
    for (int round = 0; round < 200 && !wrong; round++) {
        s_world->ready = 0;
        pid_t pid = fork ();
        if (pid == 0)
            s_reader ();
        while (!s_world->ready && waitpid (pid, NULL, WNOHANG) == 0)
            continue;
        for (int i = 0; i < 1 + round % 7; i++) {
            size_t size = (size_t)(1 + (sent * 7 + (uint64_t)i) % sizeof text);
            for (size_t k = 0; k < size; k++)
                text[k] = (char)((sent + k) % 251);
            ssize_t done = send (s_pair[0], text, size, MSG_DONTWAIT);
            sent += done > 0 ? (uint64_t)done : 0;
        }
        int status = 0;
        (void)kill (pid, SIGKILL);
        wrong = waitpid (pid, &status, 0) != pid || !WIFSIGNALED (status);
    }
    ok (!wrong, "200 readers were killed, none met a byte that it should not");
    ok (s_world->handled <= sent, "no byte came twice");
}

int
main (void)
{
    s_make ();
    s_test_go_on ();
    s_test_full ();
    char rest[16];
    while (recv (s_pair[1], rest, sizeof rest, MSG_DONTWAIT) > 0)
        continue;
    s_test_killed ();
    return tap_done ();
}
