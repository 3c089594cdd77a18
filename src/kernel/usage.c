/* usage.c - what a kernel process has used: utime, stime and those of its children from stat, VmHWM
 * from status (proc(5)). */
#include "kernel/usage.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 4096

void
cb_usage_init (cb_usage_files *self)
{
    *self = (cb_usage_files){-1, -1};
}

void
cb_usage_open (cb_usage_files *self, pid_t pid)
{
    char path[64];

    (void)snprintf (path, sizeof path, "/proc/%d/stat", (int)pid);
    self->stat = open (path, O_RDONLY | O_CLOEXEC);
    (void)snprintf (path, sizeof path, "/proc/%d/status", (int)pid);
    self->status = open (path, O_RDONLY | O_CLOEXEC);
}

void
cb_usage_done (cb_usage_files *self)
{
    cb_close (&self->stat);
    cb_close (&self->status);
}

int
cb_usage_parse_stat (const char *text, cb_usec *ret_cpu)
{
    const char *at = strrchr (text, ')'); /* a command's name may have anything in it */
    uint64_t ticks = 0;

    if (at == NULL)
        return -1;
    at++;
    /* Behind the name: state is field 3, utime to cstime are fields 14 to 17. */
    for (int field = 3; field <= 17; field++) {
        at += strspn (at, " ");
        if (*at == '\0')
            return -1;
        if (field >= 14)
            ticks += strtoull (at, NULL, 10);
        at += strcspn (at, " ");
    }
    *ret_cpu = ticks * (CB_USEC_PER_SEC / (cb_usec)sysconf (_SC_CLK_TCK));
    return 0;
}

int
cb_usage_parse_status (const char *text, uint64_t *ret_peak)
{
    const char *at = strstr (text, "\nVmHWM:");

    if (at == NULL)
        return -1;
    *ret_peak = strtoull (at + strlen ("\nVmHWM:"), NULL, 10) * 1024;
    return 0;
}

static int
s_read (int fd, char text[FILE_MAX])
{
    ssize_t size = fd >= 0 ? pread (fd, text, FILE_MAX - 1, 0) : -1;

    if (size <= 0)
        return -1;
    text[size] = '\0';
    return 0;
}

void
cb_usage_read_cpu (const cb_usage_files *self, cb_usage *ret_usage)
{
    char text[FILE_MAX];

    *ret_usage = (cb_usage){.known = 0};
    if (s_read (self->stat, text) == 0 && cb_usage_parse_stat (text, &ret_usage->cpu) == 0)
        ret_usage->known = 1;
}

void
cb_usage_read (const cb_usage_files *self, cb_usage *ret_usage)
{
    char text[FILE_MAX];

    cb_usage_read_cpu (self, ret_usage);
    if (s_read (self->status, text) == 0)
        (void)cb_usage_parse_status (text, &ret_usage->peak_memory);
}
