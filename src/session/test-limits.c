/* test-limits.c - the end of what is dropped, and whose fault an exception is. */
#include "session/ends.h"
#include "session/limits.h"
#include "session/run.h"

#include "base/cleanup.h"
#include "base/jsonx.h"
#include "base/table.h"
#include "base/tap.h"
#include "kernel/death.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- the end of what is dropped -------------------------------------------------------------- */

static uint64_t
s_take (cb_ends **ends, const char *content)
{
    return cb_ends_take (ends, (cb_part){content, strlen (content)});
}

static uint64_t
s_print (cb_ends **ends, const char *name, const char *text, size_t size, size_t flags)
{
    cb_owned (cb_json) json_t *content =
        json_pack ("{s:s, s:s%}", "name", name, "text", text, size);
    cb_auto_free char *json = json_dumps (content, flags);

    return json != NULL ? s_take (ends, json) : 0;
}

static void
s_test_ends (void)
{
    char text[CB_ENDS_TEXT + 1];
    cb_ends *ends = NULL;

    ok (cb_ends_text (NULL, CB_ENDS_OUT, text) == 0 && text[0] == '\0', "nothing was dropped");
    ok (s_print (&ends, "stdout", "first\n", 6, 0) == 6, "text is counted as it was");
    ok (s_print (&ends, "stderr", "x\xc3\xa4\n", 4, JSON_ENSURE_ASCII) == 4, "escaped or not");
    ok (s_print (&ends, "stdout", "\"\\\b\xf0\x9f\x90\x8d", 7, JSON_ENSURE_ASCII) == 7,
        "whatever is in it");
    ok (cb_ends_text (ends, CB_ENDS_OUT, text) == 13 &&
            strcmp (text, "first\n\"\\\b\xf0\x9f\x90\x8d") == 0,
        "and is there in the end: %s", text);
    ok (cb_ends_text (ends, CB_ENDS_ERR, text) == 4 && strcmp (text, "x\xc3\xa4\n") == 0,
        "each stream for itself");
    cb_ends_destroy (&ends);
}

static void
s_test_no_streams (void)
{
    static const char *const contents[] = {
        "",
        "{",
        "{}",
        "[1]",
        "{\"name\": \"stdout\"}",
        "{\"text\": \"x\"}",
        "{\"name\": \"stdout\", \"text\": 1}",
        "{\"name\": \"stdout\", \"text\": \"x",
        "{\"name\": \"stdout\", \"text\": \"x\\\"}",
        "{\"name\": \"stdout\", \"text\": \"x\", \"more\": 1}",
        "{\"name\": \"stdout\" \"text\": \"x\"}",
        "{\"n\\u0061me\": \"stdout\", \"text\": \"x\"}",
    };
    char text[CB_ENDS_TEXT + 1];
    cb_ends *ends = NULL;

    for (size_t i = 0; i < CB_COUNT (contents); i++)
        ok (s_take (&ends, contents[i]) == strlen (contents[i]) && ends == NULL,
            "no stream's content: %s", contents[i]);
    ok (s_take (&ends, " { \"text\" : \"x\" ,\n\"name\":\"stdout\"}") == 1, "in any order");
    ok (s_take (&ends, "{\"name\": \"other\", \"text\": \"yy\"}") == 2, "of no known name");
    ok (cb_ends_text (ends, CB_ENDS_OUT, text) == 1 && strcmp (text, "x") == 0, "is not shown");
    ok (s_take (&ends, "{\"name\": \"stderr\", \"text\": \"\\ud83d\"}") > 0 &&
            cb_ends_text (ends, CB_ENDS_ERR, text) == 0,
        "half a character of JSON is not shown, either");
    cb_ends_destroy (&ends);
}

/* Text of all kinds of characters. */
static size_t
s_random (char *text, size_t room)
{
    static const char *const letters[] = {
        "a",   "\n",   "\"",       "\\",           "\x01",
        "\\u", "\x7f", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x8d",
        "/",   "\t",   " ",        "0123456789"};
    size_t wanted = (size_t)random () % room;
    size_t size = 0;

    for (;;) {
        const char *letter = letters[(size_t)random () % CB_COUNT (letters)];
        if (size + strlen (letter) > wanted)
            return size;
        memcpy (text + size, letter, strlen (letter));
        size += strlen (letter);
    }
}

/* A long text that all letters go past. */
static void
s_test_long (size_t flags)
{
    static char all[1 << 20];
    static char piece[150000];
    char text[CB_ENDS_TEXT + 1];
    cb_ends *ends = NULL;
    uint64_t counted = 0;
    size_t size = 0;
    int same = 1;

    while (size < sizeof all - sizeof piece) {
        size_t more = s_random (piece, random () % 3 == 0 ? sizeof piece : 3000);
        counted += s_print (&ends, "stdout", piece, more, flags);
        memcpy (all + size, piece, more);
        size += more;
        size_t kept = cb_ends_text (ends, CB_ENDS_OUT, text);
        same &= counted == size && kept <= CB_ENDS_TEXT && kept <= size &&
                memcmp (text, all + size - kept, kept) == 0 && (kept > 4000 || kept == size);
    }
    ok (same, "the count is exact and the end is the end, at any time (flags %zx)", flags);
    cb_ends_destroy (&ends);
}

static void
s_test_recover (void)
{
    cb_run_options options = {
        .session = "amber", .msg_id = "id-1", .content = json_object (), .output_limit = 20};
    cb_run *run = cb_run_new (&options, NULL);
    char text[CB_ENDS_TEXT + 1];
    static const char content[] = "{\"name\": \"stdout\", \"text\": \"12345\"}";

    ok (cb_run_admit (run, 20) && !cb_run_admit (run, 1) && cb_run_dropped (run) == 0,
        "over the cap, not yet counted");
    cb_run_drop_stream (run, (cb_part){content, sizeof content - 1});
    ok (cb_run_dropped (run) == 5 && cb_run_end_of_stream (run, CB_ENDS_OUT, text) == 5 &&
            strcmp (text, "12345") == 0,
        "counted and kept");
    ok (strcmp (cb_run_status (run), "limit") == 0, "that is a limit");
    cb_run_drop (run, 3);
    cb_run_recover (run, 5);
    ok (cb_run_dropped (run) == 3 && strcmp (cb_run_status (run), "limit") == 0, "but for the end");
    cb_run_recover (run, 3);
    ok (cb_run_dropped (run) == 0 && strcmp (cb_run_status (run), "ok") == 0,
        "what is shown in the end was never over it");
    cb_run_destroy (&run);
}

/* -- whose fault ----------------------------------------------------------------------------- */

static const cb_jail_spec s_spec = {.memory = (uint64_t)512 << 20,
                                    .disk = (uint64_t)256 << 20,
                                    .files = 4096,
                                    .cpu_seconds = 60,
                                    .processes = 64,
                                    .open_files = 512};

static void
s_judge (const char *what, cb_facts before, cb_facts now, const char *ename, const char *wanted)
{
    cb_limit_hit hit;
    char words[256] = "";

    cb_limit_judge (&before, &now, ename, &s_spec, &hit);
    if (hit.name != NULL)
        cb_limit_words (&hit, "safe", words, sizeof words);
    int right = wanted == NULL ? hit.name == NULL
                               : hit.name != NULL && strcmp (hit.name, wanted) == 0 &&
                                     strstr (words, hit.value) != NULL &&
                                     strstr (words, "profile safe") != NULL &&
                                     strcmp (hit.ename, cb_limit_ename (wanted)) == 0;
    ok (right, "%s: %s: %s", what, ename, wanted != NULL ? words : "no limit");
}

static void
s_test_judge (void)
{
    const cb_facts calm = {.refused = 3};
    const cb_facts refused = {.refused = 4};
    const cb_facts full = {.refused = 3, .reached = 1U << CB_HIT_DISK};
    const cb_facts inodes = {.refused = 3, .reached = 1U << CB_HIT_FILES};
    const cb_facts open = {.refused = 3, .reached = 1U << CB_HIT_OPEN_FILES};
    const cb_facts crowd = {.reached = 1U << CB_HIT_PROCESSES};
    const cb_facts blind = {.unknown = 1U << CB_HIT_PROCESSES | 1U << CB_HIT_OPEN_FILES};

    s_judge ("nothing happened", calm, calm, "OSError", NULL);
    s_judge ("a fork was refused", calm, refused, "ValueError", "processes");
    s_judge ("one of an older cell", refused, refused, "BlockingIOError", NULL);
    s_judge ("the disk was filled", calm, full, "OperationalError", "disk");
    s_judge ("it was full before", full, full, "ZeroDivisionError", NULL);
    s_judge ("it was full before, and that matters", full, full, "OSError", "disk");
    s_judge ("no more files", calm, inodes, "OSError", "files");
    s_judge ("no more descriptors", calm, open, "OSError", "open_files");
    s_judge ("they were used up before", open, open, "KeyError", NULL);
    s_judge ("counted without a cgroup", blind, crowd, "BlockingIOError", "processes");
    s_judge ("and that is not why", blind, crowd, "NameError", NULL);
    s_judge ("what cannot be seen is no fact", blind, blind, "OSError", NULL);
    ok (cb_limit_ename ("nothing")[0] == '\0' && cb_limit_advice (NULL)[0] == '\0',
        "no such limit, no words");
}

static void
s_test_deaths (void)
{
    cb_death death;
    cb_launch_exited exited = {.signal = SIGXCPU, .was_started = 1};

    cb_death_of_exit (&death, &exited, &s_spec, "");
    ok (death.limit != NULL && strcmp (death.limit, "cpu_seconds") == 0 &&
            strcmp (death.limit_value, "60 s") == 0 && strstr (death.text, "60 s") != NULL,
        "SIGXCPU is the limit of processor time: %s", death.text);
    exited.signal = SIGKILL;
    cb_death_of_exit (&death, &exited, &s_spec, "");
    ok (death.limit == NULL, "a SIGKILL is nothing known");
    exited.cpu_usec = 61 * CB_USEC_PER_SEC;
    cb_death_of_exit (&death, &exited, &s_spec, "");
    ok (death.limit != NULL && strcmp (death.limit, "cpu_seconds") == 0,
        "but when the group has counted so much");
    exited.killed = 1;
    cb_death_of_exit (&death, &exited, &s_spec, "it was stopped");
    ok (death.limit == NULL && strcmp (death.text, "it was stopped") == 0, "unless it was us");
    exited.oom_kills = 1;
    cb_death_of_exit (&death, &exited, &s_spec, "");
    ok (death.limit != NULL && strcmp (death.limit, "memory") == 0 &&
            strcmp (death.limit_value, "512 MiB") == 0,
        "memory comes first");
}

/* -- facts ----------------------------------------------------------------------------------- */

static void
s_test_facts (void)
{
    char name[] = "/tmp/cb-test-facts-XXXXXX";
    cb_fact_files files;
    cb_facts facts;
    cb_jail_spec spec = s_spec;
    int fds[2] = {mkostemp (name, O_CLOEXEC), open ("/proc/self/fd", O_RDONLY | O_CLOEXEC)};

    cb_fact_files_init (&files);
    cb_facts_look (&files, &spec, -1, 1, &facts);
    ok (facts.refused == 0 && facts.reached == 0 && facts.unknown == (1U << CB_HIT__COUNT) - 1,
        "nothing to look at, nothing known");
    ok (write (fds[0], "max 17\n", 7) == 7, "a group's events");
    cb_fact_files_take (&files, 1U << CB_FACT_PROCESSES | 1U << CB_FACT_FILES, fds, 2);
    cb_auto_close int root = open ("/tmp", O_PATH | O_CLOEXEC);
    spec.open_files = 3;
    cb_facts_look (&files, &spec, root, 1, &facts);
    ok (fds[0] == -1 && facts.refused == 17, "the counter is read");
    ok ((facts.reached & 1U << CB_HIT_OPEN_FILES) != 0, "open files are counted");
    ok ((facts.unknown & (1U << CB_HIT_DISK | 1U << CB_HIT_FILES)) == 0, "the disk is known");
    spec.open_files = 100000;
    cb_facts_look (&files, &spec, root, 1, &facts);
    ok ((facts.reached & 1U << CB_HIT_OPEN_FILES) == 0, "and are below the limit");
    cb_auto_close int proc = open ("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok (cb_facts_tasks (proc) > 0 && cb_facts_tasks (-1) < 0, "processes are counted");
    cb_fact_files_done (&files);
    (void)unlink (name);
}

int
main (void)
{
    srandom (20261120);
    s_test_ends ();
    s_test_no_streams ();
    s_test_long (0);
    s_test_long (JSON_ENSURE_ASCII);
    s_test_recover ();
    s_test_judge ();
    s_test_deaths ();
    s_test_facts ();
    return tap_done ();
}
