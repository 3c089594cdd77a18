/* death.c - why a kernel is dead: the warden's numbers as a sentence.
 *
 * Order: what the kernel of the machine counted (out of memory) is a fact and comes first; then
 * what we killed it for; then the signal or status of the process, with the end of its standard
 * error. */
#include "kernel/death.h"

#include <stdio.h>
#include <string.h>

/* Of the last line on standard error: enough for an exception's text. */
#define TAIL_MAX 300

/* The last line that is not empty. */
static void
s_tail (const char *text, char tail[TAIL_MAX])
{
    size_t end = strlen (text);

    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' '))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    (void)snprintf (tail, TAIL_MAX, "%.*s", (int)(end - start), text + start);
}

static void
s_ending (const cb_launch_exited *exited, char *text, size_t room)
{
    int signal = exited->signal;

    if (signal != 0) {
        const char *name = sigabbrev_np (signal);
        (void)snprintf (text, room, "signal %d (SIG%s)", signal, name != NULL ? name : "?");
        return;
    }
    /* bwrap passes a signal's number on as 128 + n, as shells do. */
    const char *name = exited->status > 128 ? sigabbrev_np (exited->status - 128) : NULL;
    if (name != NULL)
        (void)snprintf (text, room, "status %d (as after SIG%s)", exited->status, name);
    else
        (void)snprintf (text, room, "exit status %d", exited->status);
}

void
cb_death_of_exit (cb_death *self, const cb_launch_exited *exited, const cb_jail_spec *spec,
                  const char *why)
{
    char ending[64];
    char tail[TAIL_MAX];

    *self = (cb_death){.code = CB_E_GONE};
    s_ending (exited, ending, sizeof ending);
    s_tail (exited->text, tail);
    if (exited->oom_kills > 0 && spec->memory > 0) {
        self->limit = "memory";
        (void)cb_size_text (spec->memory, self->limit_value);
        (void)snprintf (self->text, sizeof self->text,
                        "the kernel went over its memory limit of %s", self->limit_value);
    } else if (why[0] != '\0') {
        (void)snprintf (self->text, sizeof self->text, "%s", why);
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
