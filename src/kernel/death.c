/* death.c - why a kernel is dead: the warden's numbers as a sentence.
 *
 * Order: what the kernel of the machine counted (out of memory) is a fact and comes first; then
 * what we killed it for; then the signal or status of the process, with the end of its standard
 * error. */
#include "kernel/death.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Of the last line on standard error: enough for an exception's text. */
#define TAIL_MAX 300

/* What Python's faulthandler writes after the line that names the fault: threads, their stacks,
 * the extension modules (of which often only the end is kept). None of it is a cause. */
static int
s_is_dump (const char *line, size_t size)
{
    static const char *const starts[] = {"  File \"",           "  ...",
                                         "  <no Python frame>", "Thread 0x",
                                         "Current thread",      "Stack (most recent",
                                         "Extension modules: "};

    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (size >= strlen (starts[i]) && memcmp (line, starts[i], strlen (starts[i])) == 0)
            return 1;
    return size > 0 && line[size - 1] == ')' && memmem (line, size, " (total: ", 9) != NULL;
}

/* The last line that says something. */
static void
s_tail (const char *text, char tail[TAIL_MAX])
{
    size_t end = strlen (text);

    tail[0] = '\0';
    while (end > 0) {
        size_t start = end;
        while (start > 0 && text[start - 1] != '\n')
            start--;
        size_t size = end - start;
        while (size > 0 && text[start + size - 1] == ' ')
            size--;
        if (size > 0 && !s_is_dump (text + start, size)) {
            (void)snprintf (tail, TAIL_MAX, "%.*s", (int)size, text + start);
            return;
        }
        end = start > 0 ? start - 1 : 0;
    }
}

static void
s_ending (const cb_launch_exited *exited, char *text, size_t room)
{
    int signal = exited->signal;

    if (signal != 0) {
        const char *name = sigabbrev_np (signal);
        const char *words = sigdescr_np (signal);
        (void)snprintf (text, room, "signal %d (SIG%s, %s)", signal, name != NULL ? name : "?",
                        words != NULL ? words : "unknown");
        return;
    }
    /* bwrap passes a signal's number on as 128 + n, as shells do. */
    const char *name = exited->status > 128 ? sigabbrev_np (exited->status - 128) : NULL;
    if (name != NULL)
        (void)snprintf (text, room, "status %d (as after SIG%s, %s)", exited->status, name,
                        sigdescr_np (exited->status - 128));
    else
        (void)snprintf (text, room, "exit status %d", exited->status);
}

/* Linux sends SIGXCPU at the limit, and SIGKILL to who ignored that. */
static int
s_is_cpu_limit (const cb_launch_exited *exited, const cb_jail_spec *spec)
{
    if (spec->cpu_seconds == 0)
        return 0;
    return exited->signal == SIGXCPU || (exited->signal == SIGKILL && !exited->killed &&
                                         exited->cpu_usec >= spec->cpu_seconds * CB_USEC_PER_SEC);
}

void
cb_death_of_exit (cb_death *self, const cb_launch_exited *exited, const cb_jail_spec *spec,
                  const char *why)
{
    char ending[96];
    char tail[TAIL_MAX];

    *self = (cb_death){.code = CB_E_GONE,
                       .used = {.known = exited->cpu_usec > 0,
                                .cpu = exited->cpu_usec,
                                .peak_memory = exited->peak_memory}};
    s_ending (exited, ending, sizeof ending);
    s_tail (exited->text, tail);
    if (exited->oom_kills > 0 && spec->memory > 0) {
        self->limit = "memory";
        (void)cb_size_text (spec->memory, self->limit_value);
        (void)snprintf (self->text, sizeof self->text,
                        "the kernel went over its memory limit of %s", self->limit_value);
    } else if (why[0] != '\0') {
        (void)snprintf (self->text, sizeof self->text, "%s", why);
    } else if (s_is_cpu_limit (exited, spec)) {
        self->limit = "cpu_seconds";
        (void)snprintf (self->limit_value, sizeof self->limit_value, "%llu s",
                        (unsigned long long)spec->cpu_seconds);
        (void)snprintf (self->text, sizeof self->text,
                        "the kernel process went over its limit of %s processor time",
                        self->limit_value);
    } else if (!exited->was_started && exited->text[0] != '\0') {
        (void)snprintf (self->text, sizeof self->text, "%s", exited->text);
    } else if (tail[0] != '\0') {
        (void)snprintf (self->text, sizeof self->text, "the kernel process ended with %s: %s",
                        ending, tail);
    } else {
        (void)snprintf (self->text, sizeof self->text, "the kernel process ended with %s", ending);
    }
    if (!exited->was_started)
        self->code = CB_E_IO;
}

void
cb_death_of_start (cb_death *self, const cb_launch_failed *failed)
{
    *self = (cb_death){.before_ready = 1, .code = failed->code > 0 ? failed->code : CB_E_IO};
    (void)snprintf (self->text, sizeof self->text, "%.*s", (int)sizeof failed->text - 1,
                    failed->text);
}
