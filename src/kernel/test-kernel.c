/* test-kernel.c - states, parents, causes of death, usage, channels: what needs no kernel. */
#include "base/tap.h"
#include "kernel/channels.h"
#include "kernel/death.h"
#include "kernel/parents.h"
#include "kernel/state.h"
#include "kernel/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
s_test_states (void)
{
    int last_is_end = 1;
    int all_end = 1;

    for (int i = 0; i < CB_KERNEL__COUNT; i++)
        last_is_end &= !cb_kernel_may_become (CB_KERNEL_GONE, (cb_kernel_state)i);
    ok (last_is_end, "nothing follows gone");
    for (int i = CB_KERNEL_LAUNCHING; i < CB_KERNEL_DYING; i++)
        all_end &= cb_kernel_may_become ((cb_kernel_state)i, CB_KERNEL_DYING);
    ok (all_end, "a kernel can die in every state of its life");
    ok (!cb_kernel_may_become (CB_KERNEL_LAUNCHING, CB_KERNEL_IDLE), "ready only after a probe");
    ok (!cb_kernel_may_become (CB_KERNEL_DYING, CB_KERNEL_IDLE), "no way back from dying");
    ok (strcmp (cb_kernel_state_name (CB_KERNEL_BUSY), "busy") == 0, "states have names");
}

static void
s_test_parents (void)
{
    static cb_parents parents;
    char id[64];
    int all = 1;

    cb_parents_init (&parents);
    ok (!cb_parents_has (&parents, "a"), "an empty ring knows nothing");
    cb_parents_add (&parents, "a");
    ok (cb_parents_has (&parents, "a") && !cb_parents_has (&parents, "b"), "one request");
    for (int i = 0; i < CB_PARENTS_MAX - 1; i++) {
        (void)snprintf (id, sizeof id, "request-%d", i);
        cb_parents_add (&parents, id);
    }
    ok (cb_parents_has (&parents, "a"), "the oldest of 1,024 is known");
    cb_parents_add (&parents, "one more");
    ok (!cb_parents_has (&parents, "a"), "the one before them is forgotten");
    for (int i = 0; i < CB_PARENTS_MAX - 1; i++) {
        (void)snprintf (id, sizeof id, "request-%d", i);
        all &= cb_parents_has (&parents, id);
    }
    ok (all, "all others are known");
}

static void
s_check_death (const cb_launch_exited *exited, const char *why, const char *words, const char *what)
{
    cb_jail_spec *spec = calloc (1, sizeof *spec);
    cb_death death;

    if (spec == NULL)
        abort ();
    spec->memory = (uint64_t)512 << 20;
    cb_death_of_exit (&death, exited, spec, why);
    ok (strstr (death.text, words) != NULL && strstr (death.text, "(total:") == NULL, "%s: %s",
        what, death.text);
    free (spec);
}

static void
s_test_deaths (void)
{
    s_check_death (&(cb_launch_exited){.signal = SIGKILL, .was_started = 1, .oom_kills = 1}, "",
                   "memory limit of 512 MiB", "out of memory");
    s_check_death (&(cb_launch_exited){.signal = SIGKILL, .was_started = 1, .oom_kills = 1},
                   "the session was stopped", "memory limit", "a fact is said before an intent");
    s_check_death (&(cb_launch_exited){.signal = SIGSEGV, .was_started = 1}, "",
                   "signal 11 (SIGSEGV, Segmentation fault)", "a signal");
    s_check_death (&(cb_launch_exited){.status = 139, .was_started = 1}, "", "as after SIGSEGV",
                   "a signal that bwrap passed on");
    s_check_death (
        &(cb_launch_exited){.status = 3, .was_started = 1, .text = "x\nImportError: y\n"}, "",
        "exit status 3: ImportError: y", "a status and the last line");
    s_check_death (&(cb_launch_exited){.status = 139,
                                       .was_started = 1,
                                       .text = "Fatal Python error: Segmentation fault\n\n"
                                               "Current thread 0x00007f (most recent call first):\n"
                                               "  File \"x.py\", line 1 in <module>\n  ...\n\n"
                                               "Extension modules: numpy.core, zmq (total: 2)\n"},
                   "",
                   "(as after SIGSEGV, Segmentation fault): Fatal Python error: Segmentation fault",
                   "a fault of Python's without its dump");
    s_check_death (&(cb_launch_exited){.status = 139,
                                       .was_started = 1,
                                       .text = "umpy.core, zmq.utils, pandas (total: 57)\n\n"},
                   "", "ended with status 139 (as after SIGSEGV, Segmentation fault)",
                   "a dump of which only the end was kept");
    s_check_death (&(cb_launch_exited){.signal = SIGKILL, .was_started = 1, .killed = 1},
                   "a cell ran over", "a cell ran over", "what we killed it for");
    s_check_death (&(cb_launch_exited){.text = "bwrap is missing"}, "", "bwrap is missing",
                   "a stage's words");
    cb_death death;
    cb_launch_failed failed = {.code = CB_E_DENIED, .text = "over the ceiling"};
    cb_death_of_start (&death, &failed);
    ok (death.before_ready && death.code == CB_E_DENIED &&
            strcmp (death.text, "over the ceiling") == 0,
        "a start that was refused");
}

static void
s_test_usage (void)
{
    cb_usec cpu = 0;
    uint64_t peak = 0;
    cb_usage usage;
    cb_usage_files files;

    ok (cb_usage_parse_stat ("7 (a) b) c) S 1 1 1 0 -1 4 1 0 0 0 100 20 3 4 20 0 1", &cpu) == 0 &&
            cpu == 127 * (CB_USEC_PER_SEC / (cb_usec)sysconf (_SC_CLK_TCK)),
        "cpu time behind a name with brackets and blanks");
    ok (cb_usage_parse_stat ("7 (a) S 1", &cpu) < 0 && cb_usage_parse_stat ("", &cpu) < 0,
        "a short line is refused");
    ok (cb_usage_parse_status ("Name:\tx\nVmHWM:\t   1024 kB\n", &peak) == 0 && peak == 1048576,
        "peak memory");
    ok (cb_usage_parse_status ("Name:\tx\n", &peak) < 0, "a kernel thread has none");
    cb_usage_init (&files);
    cb_usage_read (&files, &usage);
    ok (!usage.known, "closed files: not known");
    cb_usage_open (&files, getpid ());
    cb_usage_read (&files, &usage);
    ok (usage.known && usage.peak_memory > 0, "our own usage");
    cb_usage_done (&files);
}

static int
s_entries (const char *path)
{
    DIR *dir = opendir (path);
    int n = 0;

    while (dir != NULL && readdir (dir) != NULL)
        n++;
    if (dir != NULL)
        closedir (dir);
    return n - 2;
}

static void
s_test_channels (void)
{
    char path[] = "/tmp/cb-test-XXXXXX";
    cb_channels channels;
    cb_err err = CB_ERR_INIT;
    char byte = 0;
    int good = 1;

    if (mkdtemp (path) == NULL)
        abort ();
    int dir = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cb_channels_init (&channels);
    ok (cb_channels_make (&channels, dir, &err) == 0, "five channels %s", err.text);
    ok (s_entries (path) == 0, "nothing is left on the disk");
    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        int accepted = accept (channels.listening[i], NULL, NULL);
        good &= accepted >= 0 && write (channels.connected[i], "x", 1) == 1 &&
                read (accepted, &byte, 1) == 1 && byte == 'x';
        (void)close (accepted);
    }
    ok (good, "the connection waits in the backlog of each");
    cb_channels_done (&channels);
    ok (channels.listening[0] == -1 && channels.connected[4] == -1, "all are closed");
    (void)close (dir);
    ok (cb_channels_make (&channels, dir, &err) < 0 && err.text[0] != '\0',
        "a folder that is gone: %s", err.text);
    (void)rmdir (path);
}

int
main (void)
{
    s_test_states ();
    s_test_parents ();
    s_test_deaths ();
    s_test_usage ();
    s_test_channels ();
    return tap_done ();
}
