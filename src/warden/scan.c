/* scan.c - sums over the processes of a jail, for limits that no cgroup holds.
 *
 * The jail's own /proc lists its processes and nobody else's, so a look costs what the jail has and
 * not what the machine has. It is held open from the start: no path is walked again. What is read
 * is the kernel's own account; a process that ends meanwhile just is not counted. */
#include "warden/scan.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES_BYTES 16384
#define FILE_MAX      4096

/* A look at one process: its number in the jail. */
typedef void look (int proc, const char *pid, void *into);

int
cb_scan_open (pid_t pid)
{
    char path[64];

    (void)snprintf (path, sizeof path, "/proc/%d/root/proc", (int)pid);
    return open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

uint64_t
cb_scan_number (const char *text, const char *label)
{
    size_t size = strlen (label);

    for (const char *line = text; line != NULL && *line != '\0';
         line = (line = strchr (line, '\n')) != NULL ? line + 1 : NULL)
        if (strncmp (line, label, size) == 0)
            return strtoull (line + size, NULL, 10);
    return 0;
}

static int
s_file (int proc, const char *pid, const char *name, char text[FILE_MAX])
{
    char path[64];

    (void)snprintf (path, sizeof path, "%s/%s", pid, name);
    cb_auto_close int fd = openat (proc, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd >= 0 ? read (fd, text, FILE_MAX - 1) : -1;
    text[size > 0 ? size : 0] = '\0';
    return size > 0 ? 0 : -1;
}

/* The kernel's struct linux_dirent64 (getdents64 (2)): readdir would allocate at each look. */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* The number of processes that were looked at, -1 when there are none to be seen. */
static int
s_each (int proc, look *one, void *into)
{
    _Alignas(struct entry) char bytes[ENTRIES_BYTES];
    int n = 0;

    if (lseek (proc, 0, SEEK_SET) < 0)
        return -1;
    for (;;) {
        long size = syscall (SYS_getdents64, proc, bytes, sizeof bytes);
        if (size <= 0)
            return size < 0 || n == 0 ? -1 : n;
        for (long at = 0; at < size;) {
            const struct entry *found = (const struct entry *)(const void *)(bytes + at);
            at += found->size;
            if (found->name[0] < '1' || found->name[0] > '9')
                continue;
            n++;
            if (strcmp (found->name, "1") != 0)
                one (proc, found->name, into);
        }
    }
}

static void
s_look (int proc, const char *pid, void *into)
{
    cb_scan *scan = into;
    char text[FILE_MAX];

    if (s_file (proc, pid, "status", text) < 0)
        return;
    scan->processes++;
    scan->tasks += (uint32_t)cb_scan_number (text, "Threads:");
    scan->resident += cb_scan_number (text, "VmRSS:") * 1024;
    scan->tables += cb_scan_number (text, "VmPTE:") * 1024;
    scan->swapped += cb_scan_number (text, "VmSwap:") * 1024;
}

int
cb_scan_read (int proc, cb_scan *ret_scan)
{
    *ret_scan = (cb_scan){0};
    return s_each (proc, s_look, ret_scan) < 0 ? -1 : 0;
}

static void
s_look_exactly (int proc, const char *pid, void *into)
{
    cb_scan_exact *exact = into;
    char text[FILE_MAX];

    if (s_file (proc, pid, "smaps_rollup", text) < 0)
        return;
    uint64_t shared = cb_scan_number (text, "Pss_Shmem:");
    uint64_t all = cb_scan_number (text, "Pss:") + cb_scan_number (text, "SwapPss:");
    exact->own += (all > shared ? all - shared : 0) * 1024;
    exact->shared += shared * 1024;
}

int
cb_scan_read_exact (int proc, cb_scan_exact *ret_exact)
{
    *ret_exact = (cb_scan_exact){0, 0};
    return s_each (proc, s_look_exactly, ret_exact) < 0 ? -1 : 0;
}

uint32_t
cb_scan_sockets (int proc)
{
    static const char label[] = "sockets: used ";
    char text[FILE_MAX];

    /* Its pid 1 is in the same network as all of them. */
    if (s_file (proc, "1", "net/sockstat", text) < 0)
        return 0;
    return (uint32_t)cb_scan_number (text, label);
}
