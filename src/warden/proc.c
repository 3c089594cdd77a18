/* proc.c - /proc and pidfds. Nothing here blocks but cb_proc_kill_children, which only a janitor
 * calls. A pid is believed only while its process cannot have been reaped by anyone but us. */
#include "warden/proc.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fdio.h"
#include "warden/cgio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANCESTORS_MAX 5    /* cellblock-init, bwrap's pid 1, bwrap: three are expected */
#define CHILDREN_MAX  8192 /* of one look; who is not seen is seen next time */

/* From linux/pidfd.h of 6.15; Debian's headers are older. */
struct pidfd_exit_info {
    uint64_t mask;
    uint64_t cgroupid;
    uint32_t pid, tgid, ppid;
    uint32_t ids[8];
    int32_t exit_code;
};
#define PIDFD_EXIT_MASK ((uint64_t)1 << 3)
#define PIDFD_EXIT_GET  _IOWR (0xFF, 11, struct pidfd_exit_info)

/* Number behind "\nNAME:\t...": its last word in the line. */
static long
s_status_number (pid_t pid, const char *name)
{
    char path[64];
    char text[4096];
    char label[32];

    (void)snprintf (path, sizeof path, "/proc/%d/status", (int)pid);
    if (cb_cgio_read (path, text, sizeof text) < 0)
        return -1;
    (void)snprintf (label, sizeof label, "\n%s:", name);
    char *at = strstr (text, label);
    if (at == NULL)
        return -1;
    at += strlen (label);
    at[strcspn (at, "\n")] = '\0';
    char *last = strrchr (at, '\t');
    char *end = NULL;
    long number = strtol (last != NULL ? last + 1 : at, &end, 10);
    return end != NULL && *end == '\0' ? number : -1;
}

pid_t
cb_proc_parent (pid_t pid)
{
    return (pid_t)s_status_number (pid, "PPid");
}

int
cb_proc_is_ns_init (pid_t pid)
{
    return s_status_number (pid, "NSpid") == 1 && pid != 1;
}

pid_t
cb_proc_ns_init_between (pid_t pid, pid_t ancestor)
{
    pid_t init = -1;

    for (int level = 0; level < ANCESTORS_MAX; level++) {
        if (pid <= 1)
            return -1;
        if (cb_proc_is_ns_init (pid))
            init = pid;
        pid = cb_proc_parent (pid);
        if (pid == ancestor)
            return init;
    }
    return -1;
}

static size_t
s_parse_pids (const char *text, pid_t *pids, size_t room)
{
    size_t n = 0;

    while (n < room) {
        char *end = NULL;
        long pid = strtol (text, &end, 10);
        if (end == text)
            break;
        if (pid > 0)
            pids[n++] = (pid_t)pid;
        text = end;
    }
    return n;
}

/* Kernels without CONFIG_PROC_CHILDREN: everybody is asked for his parent. */
static size_t
s_scan_children (pid_t *pids, size_t room)
{
    DIR *dir = opendir ("/proc");
    size_t n = 0;

    if (dir == NULL)
        return 0;
    for (struct dirent *entry = readdir (dir); entry != NULL && n < room; entry = readdir (dir)) {
        char *end = NULL;
        long pid = strtol (entry->d_name, &end, 10);
        if (pid > 0 && *end == '\0' && cb_proc_parent ((pid_t)pid) == getpid ())
            pids[n++] = (pid_t)pid;
    }
    (void)closedir (dir);
    return n;
}

size_t
cb_proc_children (pid_t *pids, size_t room)
{
    char path[64];
    cb_buf text;

    (void)snprintf (path, sizeof path, "/proc/self/task/%d/children", (int)getpid ());
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return s_scan_children (pids, room);
    cb_buf_init (&text, 256 * 1024);
    size_t n = cb_read_all (fd, &text, NULL) == 0 && text.data != NULL
                   ? s_parse_pids (text.data, pids, room)
                   : 0;
    cb_buf_done (&text);
    return n;
}

int
cb_pidfd_open (pid_t pid)
{
    return (int)syscall (SYS_pidfd_open, pid, 0);
}

int
cb_pidfd_kill (int pidfd, int signal)
{
    return (int)syscall (SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int
cb_pidfd_ended (int pidfd)
{
    struct pollfd one = {.fd = pidfd, .events = POLLIN};

    return poll (&one, 1, 0) > 0;
}

int
cb_pidfd_exit_status (int pidfd, int *ret_status)
{
    struct pidfd_exit_info info = {.mask = PIDFD_EXIT_MASK};

    if (ioctl (pidfd, PIDFD_EXIT_GET, &info) < 0 || (info.mask & PIDFD_EXIT_MASK) == 0)
        return -1;
    *ret_status = info.exit_code;
    return 0;
}

size_t
cb_proc_kill_children (cb_usec until)
{
    static pid_t pids[CHILDREN_MAX];

    for (;;) {
        size_t n = cb_proc_children (pids, CHILDREN_MAX);
        for (size_t i = 0; i < n; i++)
            (void)kill (pids[i], SIGKILL);
        pid_t reaped;
        do {
            reaped = waitpid (-1, NULL, WNOHANG);
        } while (reaped > 0);
        if (reaped < 0 && errno == ECHILD)
            return 0;
        if (cb_now () >= until)
            return n > 0 ? n : 1;
        (void)poll (NULL, 0, 2);
    }
}
