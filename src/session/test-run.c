/* test-run.c - one cell under a clock in hand: limits, interrupts, endings, accounts. */
#include "base/table.h"
#include "base/tap.h"
#include "session/names.h"
#include "session/run.h"
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#define SEC  CB_USEC_PER_SEC
#define MSEC CB_USEC_PER_MSEC

static const cb_facts s_calm = {.refused = 0};
static const cb_usage s_unknown = {.known = 0};

static cb_run *
s_run (cb_usec wall)
{
    cb_err err = CB_ERR_INIT;
    cb_run_options options = {.session = "amber",
                              .msg_id = "id-1",
                              .content = json_pack ("{s:s}", "code", "1"),
                              .wall = wall,
                              .grace = SEC,
                              .output_limit = 1000};
    cb_run *run = cb_run_new (&options, &err);

    if (run == NULL)
        abort ();
    cb_run_begin (run, 100 * SEC, &s_unknown, &s_calm);
    cb_run_on_busy (run, 100 * SEC);
    return run;
}

/* A reply with this content, as if it had come. */
static int
s_reply (cb_run *run, const char *content, cb_usec now)
{
    cb_jmsg *reply = calloc (1, sizeof *reply);

    if (reply == NULL)
        abort ();
    reply->dicts[CB_DICT_CONTENT] = (cb_part){content, strlen (content)};
    int outcome = cb_run_on_reply (run, reply, now);
    json_decref (reply->content_);
    free (reply);
    return outcome;
}

static int
s_status_is (cb_run *run, const char *status, const char *ename)
{
    cb_owned (cb_json) json_t *none = json_array ();
    cb_owned (cb_json) json_t *result = cb_run_result (run, none);
    const char *has = json_string_value (json_object_get (result, "status"));
    const char *error =
        json_string_value (json_object_get (json_object_get (result, "error"), "ename"));

    if (strcmp (has, status) != 0)
        printf ("# status is %s\n", has);
    return strcmp (has, status) == 0 &&
           (ename == NULL ? error == NULL : error != NULL && strcmp (error, ename) == 0);
}

static void
s_test_good (void)
{
    cb_run *run = s_run (10 * SEC);

    ok (cb_run_deadline (run) == 110 * SEC, "the wall limit is the first deadline");
    ok (cb_run_tick (run, 101 * SEC) == CB_RUN_WAIT, "nothing to do before");
    ok (s_reply (run, "{\"status\":\"ok\",\"execution_count\":3}", 101 * SEC) == CB_RUN_TAKEN &&
            !cb_run_is_complete (run),
        "a reply alone is not the end");
    ok (cb_run_deadline (run) == 103 * SEC, "its idle has two seconds");
    ok (cb_run_on_idle (run, 101 * SEC) == CB_RUN_TAKEN && cb_run_is_complete (run),
        "reply and idle are");
    ok (cb_run_on_idle (run, 101 * SEC) == CB_RUN_TWICE &&
            s_reply (run, "{\"status\":\"error\"}", 101 * SEC) == CB_RUN_TWICE,
        "each counts once");
    cb_run_end (run, 101 * SEC + 500 * MSEC);
    cb_owned (cb_json) json_t *none = json_array ();
    cb_owned (cb_json) json_t *result = cb_run_result (run, none);
    ok (json_integer_value (json_object_get (result, "execution_count")) == 3 &&
            json_real_value (json_object_get (json_object_get (result, "usage"), "wall_s")) ==
                1.5 &&
            json_object_get (result, "limit") == NULL,
        "count and wall time are told");
    ok (s_status_is (run, "ok", NULL), "status ok without an error");
    cb_run_destroy (&run);
}

static void
s_test_late (void)
{
    cb_run *run = s_run (0);

    ok (cb_run_deadline (run) == CB_USEC_NEVER, "no wall limit, no deadline");
    (void)s_reply (run, "{\"status\":\"ok\"}", 101 * SEC);
    ok (cb_run_tick (run, 102 * SEC) == CB_RUN_WAIT && cb_run_tick (run, 103 * SEC) == CB_RUN_OVER,
        "a kernel that never says idle is not waited for");
    ok (s_status_is (run, "ok", NULL), "and its cell is fine");
    cb_run_destroy (&run);

    run = s_run (0);
    cb_run_on_output (run, 100 * SEC);
    ok (cb_run_deadline (run) == CB_USEC_NEVER, "output before the reply changes nothing");
    (void)s_reply (run, "{\"status\":\"ok\"}", 101 * SEC);
    for (cb_usec i = 102; i < 150; i++)
        cb_run_on_output (run, i * SEC);
    ok (cb_run_tick (run, 150 * SEC) == CB_RUN_WAIT && cb_run_deadline (run) == 151 * SEC,
        "much output between reply and idle is waited for");
    for (cb_usec i = 150; i < 200; i++)
        cb_run_on_output (run, i * SEC);
    ok (cb_run_tick (run, 161 * SEC) == CB_RUN_OVER, "but not for ever");
    cb_run_destroy (&run);

    run = s_run (0);
    (void)cb_run_on_idle (run, 101 * SEC);
    char words[200];
    ok (cb_run_tick (run, 130 * SEC) == CB_RUN_WAIT &&
            cb_run_tick (run, 131 * SEC) == CB_RUN_KILL &&
            cb_run_kill_words (run, words, sizeof words) == 0,
        "idle without a reply ends the kernel: %s", words);
    cb_run_destroy (&run);
}

/* The wall limit passes between a reply and its idle: such a cell is no timeout. */
static void
s_test_wall_while_waiting_for_idle (void)
{
    cb_run *run = s_run (SEC);

    (void)s_reply (run, "{\"status\":\"ok\"}", 100 * SEC + 500 * MSEC);
    ok (cb_run_tick (run, 102 * SEC) == CB_RUN_WAIT &&
            cb_run_deadline (run) == 102 * SEC + 500 * MSEC,
        "a cell that has replied is not over its time");
    ok (cb_run_interrupt (run, 102 * SEC) == 1 && cb_run_tick (run, 102 * SEC) == CB_RUN_WAIT,
        "nor is there anything to interrupt");
    ok (cb_run_tick (run, 103 * SEC) == CB_RUN_OVER && s_status_is (run, "ok", NULL),
        "its end is ok");
    cb_run_destroy (&run);

    run = s_run (SEC);
    (void)cb_run_tick (run, 101 * SEC);
    (void)s_reply (run, "{\"status\":\"error\",\"ename\":\"KeyboardInterrupt\"}", 101 * SEC);
    ok (cb_run_tick (run, 102 * SEC) == CB_RUN_WAIT && cb_run_tick (run, 103 * SEC) == CB_RUN_OVER,
        "a kernel that has answered the interrupt is not killed");
    ok (s_status_is (run, "timeout", "WallTimeLimitExceeded"), "and the cell is a timeout");
    cb_run_destroy (&run);

    run = s_run (SEC);
    (void)cb_run_on_idle (run, 100 * SEC + 500 * MSEC);
    char words[200];
    ok (cb_run_tick (run, 130 * SEC) == CB_RUN_WAIT &&
            cb_run_tick (run, 131 * SEC) == CB_RUN_KILL &&
            cb_run_kill_words (run, words, sizeof words) == 0,
        "idle without a reply is judged as such: %s", words);
    cb_run_destroy (&run);
}

static void
s_test_wall (void)
{
    cb_run *run = s_run (10 * SEC);
    char words[200];

    ok (cb_run_tick (run, 110 * SEC) == CB_RUN_INTERRUPT &&
            cb_run_tick (run, 110 * SEC) == CB_RUN_WAIT,
        "the wall limit interrupts, once");
    ok (cb_run_deadline (run) == 110 * SEC + 300 * MSEC, "the signal comes after 300 ms");
    ok (cb_run_tick (run, 110 * SEC + 300 * MSEC) == CB_RUN_INTERRUPT_HARD &&
            cb_run_tick (run, 110 * SEC + 300 * MSEC) == CB_RUN_WAIT,
        "once");
    ok (cb_run_deadline (run) == 111 * SEC && cb_run_tick (run, 111 * SEC) == CB_RUN_KILL &&
            cb_run_tick (run, 111 * SEC) == CB_RUN_WAIT,
        "the kill after the grace");
    ok (cb_run_kill_words (run, words, sizeof words) == 1 && strstr (words, "10 s") != NULL,
        "and says why: %s", words);
    cb_death death = {.code = CB_E_GONE, .text = "killed"};
    cb_run_die (run, &death, "");
    cb_run_end (run, 111 * SEC);
    ok (s_status_is (run, "timeout", "WallTimeLimitExceeded"), "a timeout, not a death");
    cb_run_destroy (&run);

    run = s_run (10 * SEC);
    (void)cb_run_tick (run, 110 * SEC);
    cb_run_interrupt_taken (run);
    ok (cb_run_deadline (run) == 111 * SEC,
        "an interrupt that was taken is not followed by a signal");
    (void)s_reply (run, "{\"status\":\"error\",\"ename\":\"KeyboardInterrupt\"}", 111 * SEC);
    (void)cb_run_on_idle (run, 111 * SEC);
    cb_run_end (run, 111 * SEC);
    ok (s_status_is (run, "timeout", "WallTimeLimitExceeded"), "also when the interrupt worked");
    ok (cb_run_deadline (run) == CB_USEC_NEVER && cb_run_tick (run, 200 * SEC) == CB_RUN_WAIT,
        "an ended run wants nothing");
    cb_run_destroy (&run);
}

static void
s_test_interrupt (void)
{
    cb_run *run = s_run (0);

    ok (cb_run_interrupt (run, 101 * SEC) == 0 && cb_run_deadline (run) == 0 &&
            cb_run_tick (run, 101 * SEC) == CB_RUN_INTERRUPT,
        "a person's interrupt is due at once");
    ok (cb_run_interrupt (run, 101 * SEC) == 1, "a second one changes nothing yet");
    ok (cb_run_tick (run, 101 * SEC + 300 * MSEC) == CB_RUN_INTERRUPT_HARD &&
            cb_run_deadline (run) == CB_USEC_NEVER,
        "a signal follows, never a kill");
    ok (cb_run_interrupt (run, 105 * SEC) == 0 && cb_run_tick (run, 105 * SEC) == CB_RUN_INTERRUPT,
        "then a person may ask again");
    (void)s_reply (run, "{\"status\":\"error\",\"ename\":\"KeyboardInterrupt\"}", 106 * SEC);
    ok (s_status_is (run, "interrupted", NULL), "status interrupted");
    cb_run_destroy (&run);

    run = s_run (0);
    (void)cb_run_interrupt (run, 101 * SEC);
    (void)s_reply (run, "{\"status\":\"ok\"}", 101 * SEC);
    ok (s_status_is (run, "ok", NULL), "an interrupt that came too late leaves it ok");
    cb_run_destroy (&run);
}

static void
s_test_an_early_interrupt (void)
{
    cb_err err = CB_ERR_INIT;
    cb_run_options options = {
        .session = "amber", .msg_id = "id-1", .content = json_object (), .output_limit = 1000};
    cb_run *run = cb_run_new (&options, &err);

    ok (cb_run_interrupt (run, 100 * SEC) == 0, "a cell that waits takes an interrupt");
    cb_run_begin (run, 101 * SEC, &s_unknown, &s_calm);
    ok (cb_run_interrupt (run, 101 * SEC) == 0 && cb_run_tick (run, 102 * SEC) == CB_RUN_WAIT,
        "it is kept until the kernel has begun");
    cb_run_on_busy (run, 102 * SEC);
    ok (cb_run_tick (run, 102 * SEC) == CB_RUN_INTERRUPT &&
            cb_run_deadline (run) == 102 * SEC + 300 * MSEC,
        "and goes out then, the signal after it");
    cb_run_on_busy (run, 102 * SEC);
    ok (cb_run_tick (run, 102 * SEC) == CB_RUN_WAIT, "a second busy does not send it again");
    (void)cb_run_on_idle (run, 102 * SEC);
    ok (cb_run_tick (run, 104 * SEC) == CB_RUN_OVER && s_status_is (run, "interrupted", NULL),
        "idle without a reply after an interrupt: the cell was interrupted, the kernel lives");
    cb_run_destroy (&run);
}

static void
s_test_output (void)
{
    cb_run *run = s_run (0);

    ok (cb_run_limit_event (run) == NULL && cb_run_limit (run) == NULL, "no limit was hit");
    ok (cb_run_account (run, 600) && cb_run_account (run, 400), "the cap is reached");
    ok (!cb_run_account (run, 1) && !cb_run_account (run, 50) && cb_run_dropped (run) == 51,
        "what is over it is dropped and counted exactly");
    (void)s_reply (run, "{\"status\":\"ok\"}", 101 * SEC);
    ok (s_status_is (run, "limit", "OutputLimitExceeded"), "status limit");
    cb_owned (cb_json) json_t *limit = cb_run_limit_event (run);
    ok (json_integer_value (json_object_get (limit, "dropped_bytes")) == 51 &&
            strcmp (json_string_value (json_object_get (limit, "value")), "1000 B") == 0,
        "the event says it");
    cb_run_destroy (&run);

    run = s_run (0);
    ok (!cb_run_account (run, 1001) && !cb_run_account (run, 1),
        "after one that is too large nothing small slips through");
    cb_run_destroy (&run);
}

/* Who died was not looked at before: the jail's own account, and what becomes of the session. */
static void
s_test_the_account_of_the_dead (void)
{
    cb_death death = {.code = CB_E_GONE,
                      .text = "it ended",
                      .used = {.known = 1, .cpu = 3 * SEC, .peak_memory = 4096}};
    cb_usage before = {.known = 1, .cpu = SEC};
    cb_run *run = s_run (0);

    cb_run_begin (run, 100 * SEC, &before, &s_calm);
    cb_run_die (run, &death, "all is gone");
    cb_run_end (run, 102 * SEC);
    cb_owned (cb_json) json_t *none = json_array ();
    cb_owned (cb_json) json_t *result = cb_run_result (run, none);
    const json_t *usage = json_object_get (result, "usage");
    const char *words =
        json_string_value (json_object_get (json_object_get (result, "error"), "evalue"));
    ok (json_real_value (json_object_get (usage, "cpu_s")) == 2.0 &&
            json_integer_value (json_object_get (usage, "peak_memory_bytes")) == 4096,
        "usage of a cell whose kernel died");
    ok (strcmp (words, "it ended; all is gone") == 0, "its words: %s", words);
    cb_run_destroy (&run);
}

static void
s_test_endings (void)
{
    cb_run *run = s_run (0);
    cb_death death = {.code = CB_E_GONE, .limit = "memory", .limit_value = "512 MiB"};

    cb_run_die (run, &death, "");
    ok (s_status_is (run, "limit", "MemoryLimitExceeded"), "out of memory is a limit");
    cb_run_destroy (&run);

    run = s_run (0);
    death.limit = NULL;
    (void)snprintf (death.text, sizeof death.text, "the input /\xc3\xa4/\xff/cut \xc3");
    cb_run_die (run, &death, "");
    cb_owned (cb_json) json_t *none = json_array ();
    cb_owned (cb_json) json_t *result = cb_run_result (run, none);
    const char *words =
        json_string_value (json_object_get (json_object_get (result, "error"), "evalue"));
    ok (words != NULL && strcmp (words, "the input /\xc3\xa4/?/cut ?") == 0,
        "words that are no UTF-8 are told as far as they are");
    cb_run_destroy (&run);

    run = s_run (0);
    death.text[0] = '\0';
    cb_run_die (run, &death, "");
    ok (s_status_is (run, "died", "KernelDied"), "another death is a death");
    cb_run_destroy (&run);
    s_test_the_account_of_the_dead ();

    static const char *const bad[] = {"{}",
                                      "{\"status\":7}",
                                      "{\"status\":\"fine\"}",
                                      "{\"status\":\"ok\",\"execution_count\":\"x\"}",
                                      "{\"status\":\"ok\",\"execution_count\":-1}",
                                      "[]"};
    for (size_t i = 0; i < CB_COUNT (bad); i++) {
        run = s_run (0);
        ok (s_reply (run, bad[i], 101 * SEC) == CB_RUN_BROKEN &&
                s_status_is (run, "error", "KernelProtocolError"),
            "a reply that makes no sense: %s", bad[i]);
        cb_run_destroy (&run);
    }
    run = s_run (0);
    (void)s_reply (run,
                   "{\"status\":\"error\",\"ename\":\"E\",\"evalue\":9,\"traceback\":[1,\"a\"]}",
                   101 * SEC);
    ok (s_status_is (run, "error", "E"), "an error with odd parts is still an error");
    cb_run_destroy (&run);
    run = s_run (0);
    ok (cb_run_on_huge_reply (run, 101 * SEC) == CB_RUN_BROKEN &&
            cb_run_on_huge_reply (run, 101 * SEC) == CB_RUN_TWICE &&
            s_status_is (run, "error", "KernelProtocolError"),
        "a reply that is too large is a reply");
    cb_run_drop (run, 7);
    ok (cb_run_dropped (run) == 7 && s_status_is (run, "limit", "OutputLimitExceeded"),
        "output that is too large to be kept is the cap");
    cb_run_destroy (&run);
    run = s_run (0);
    (void)s_reply (run, "{\"status\":\"aborted\"}", 101 * SEC);
    ok (s_status_is (run, "error", "ExecutionAborted"), "aborted");
    cb_run_destroy (&run);
}

static void
s_test_sessions (void)
{
    char name[CB_NAME_MAX];
    int good = 1;
    int stop = 1;

    for (unsigned i = 0; i < 100; i++) {
        cb_session_name_make (name, i % 20);
        good &= cb_name_check ("session", name, NULL) == 0;
    }
    ok (good, "made names are names, such as %s", name);
    for (int i = 0; i < CB_SESSION_STOPPING; i++)
        stop &= cb_session_may_become ((cb_session_state)i, CB_SESSION_STOPPING);
    ok (stop, "a session can be stopped in every state");
    ok (!cb_session_may_become (CB_SESSION_DEAD, CB_SESSION_IDLE), "no life without a restart");
    ok (!cb_session_may_become (CB_SESSION_STARTING, CB_SESSION_BUSY), "no cell before ready");
}

static void
s_test_asked (void)
{
    cb_run *run = s_run (10 * SEC);

    cb_run_pause (run, 109 * SEC);
    ok (cb_run_deadline (run) == CB_USEC_NEVER && cb_run_tick (run, 500 * SEC) == CB_RUN_WAIT,
        "the clock stands while a person is asked");
    cb_run_resume (run, 609 * SEC);
    cb_run_resume (run, 700 * SEC);
    ok (cb_run_deadline (run) == 610 * SEC, "what was left is left");
    ok (cb_run_tick (run, 610 * SEC) == CB_RUN_INTERRUPT, "and then it is over");
    ok (!cb_run_raised (run), "no reply yet");
    (void)s_reply (run, "{\"status\":\"error\",\"ename\":\"E\"}", 610 * SEC);
    ok (cb_run_raised (run), "it raised");
    cb_run_destroy (&run);
}

/* What `name?` asks for comes in the reply, from whoever writes replies there. */
static void
s_test_pages (void)
{
    static const char *const bad[] = {
        "{\"status\":\"ok\",\"payload\":\"x\"}",
        "{\"status\":\"ok\",\"payload\":[1,{\"source\":\"page\",\"data\":{\"text/"
        "plain\":[\"x\"]}}]}",
        "{\"status\":\"ok\",\"payload\":[{\"source\":\"set_next_input\",\"text\":\"x\"}]}",
    };
    static const char page[] = "{\"source\":\"page\",\"data\":{\"text/plain\":\"help\"}},";
    cb_scoped (cb_buf) cb_buf many;
    cb_owned (cb_json) json_t *none = json_array ();
    cb_run *run = NULL;

    for (size_t i = 0; i < CB_COUNT (bad); i++) {
        run = s_run (0);
        ok (s_reply (run, bad[i], 101 * SEC) == CB_RUN_TAKEN, "it is a reply: %s", bad[i]);
        cb_owned (cb_json) json_t *result = cb_run_result (run, none);
        ok (json_object_get (result, "pages") == NULL, "without a page");
        cb_run_destroy (&run);
    }
    cb_buf_init (&many, 1 << 20);
    (void)cb_buf_puts (&many, "{\"status\":\"ok\",\"payload\":[");
    for (int i = 0; i < 50; i++)
        (void)cb_buf_puts (&many, page);
    (void)cb_buf_put (&many, "1]}", 4);
    run = s_run (0);
    (void)s_reply (run, many.data, 101 * SEC);
    cb_owned (cb_json) json_t *result = cb_run_result (run, none);
    const json_t *pages = json_object_get (result, "pages");
    ok (json_array_size (pages) == 16 &&
            strcmp (json_string_value (json_array_get (pages, 15)), "help") == 0,
        "pages are told, and not more than 16");
    cb_run_destroy (&run);
}

int
main (void)
{
    s_test_good ();
    s_test_pages ();
    s_test_asked ();
    s_test_late ();
    s_test_wall ();
    s_test_wall_while_waiting_for_idle ();
    s_test_interrupt ();
    s_test_an_early_interrupt ();
    s_test_output ();
    s_test_endings ();
    s_test_sessions ();
    return tap_done ();
}
