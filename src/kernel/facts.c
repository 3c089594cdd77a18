/* facts.c - counters and file systems instead of guesses.
 *
 * The warden hands over descriptors (launchmsg.h); none of them lets the broker do more than read.
 * Before each cell two system calls say how things stand; when a cell has raised, some more say
 * what is used up now. Nothing here looks at what the kernel says. */
#include "kernel/facts.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* A tmpfs is full when not even this fits: a write ends at a page, a large page may be split. */
#define ROOM_LEFT ((uint64_t)65536)

void
cb_fact_files_init (cb_fact_files *self)
{
    for (size_t i = 0; i < CB_FACT__COUNT; i++)
        self->files[i] = -1;
}

void
cb_fact_files_done (cb_fact_files *self)
{
    for (size_t i = 0; i < CB_FACT__COUNT; i++)
        cb_close (&self->files[i]);
}

void
cb_fact_files_take (cb_fact_files *self, uint32_t bits, int *fds, size_t n_fds)
{
    size_t next = 0;

    for (unsigned i = 0; i < CB_FACT__COUNT; i++) {
        if ((bits & 1U << i) == 0 || next >= n_fds)
            continue;
        cb_close (&self->files[i]);
        self->files[i] = cb_take_fd (&fds[next++]);
    }
}

/* The number in the line "WORD NUMBER" or "WORD:\tNUMBER". */
static uint64_t
s_number (const char *text, const char *word)
{
    const char *at = strstr (text, word);

    return at != NULL ? strtoull (at + strlen (word), NULL, 10) : 0;
}

static uint64_t
s_refused (int events)
{
    char text[256];
    ssize_t size = pread (events, text, sizeof text - 1, 0);

    text[size > 0 ? size : 0] = '\0';
    return s_number (text, "max ");
}

static DIR *
s_open_again (int folder)
{
    int fd = openat (folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;

    if (dir == NULL)
        cb_close (&fd);
    return dir;
}

static int64_t
s_threads (int proc, const char *pid)
{
    char path[280];
    char text[2048];

    (void)snprintf (path, sizeof path, "%s/status", pid);
    cb_auto_close int fd = openat (proc, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;
    text[size > 0 ? size : 0] = '\0';
    return (int64_t)s_number (text, "\nThreads:");
}

int64_t
cb_facts_tasks (int proc)
{
    DIR *dir = s_open_again (proc);
    int64_t tasks = 0;

    if (dir == NULL)
        return -1;
    for (const struct dirent *at = readdir (dir); at != NULL; at = readdir (dir))
        if (at->d_name[0] >= '1' && at->d_name[0] <= '9' && strcmp (at->d_name, "1") != 0)
            tasks += s_threads (proc, at->d_name);
    (void)closedir (dir);
    return tasks;
}

/* Linux 6.2 tells the number as the folder's size; before, its entries are counted. 0: cannot be
 * seen. */
static uint64_t
s_open_files (int folder, int closely)
{
    struct stat status;
    uint64_t n = 0;

    if (fstat (folder, &status) < 0 || status.st_size > 0 || !closely)
        return status.st_size > 0 ? (uint64_t)status.st_size : 0;
    if (lseek (folder, 0, SEEK_SET) < 0)
        return 0;
    int copy = fcntl (folder, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir (copy) : NULL;
    if (dir == NULL) {
        cb_close (&copy);
        return 0;
    }
    for (const struct dirent *at = readdir (dir); at != NULL; at = readdir (dir))
        n += at->d_name[0] != '.';
    (void)closedir (dir);
    return n;
}

static void
s_note (cb_facts *facts, cb_hit hit, int known, int reached)
{
    if (!known)
        facts->unknown |= 1U << hit;
    else if (reached)
        facts->reached |= 1U << hit;
}

static void
s_look_at_disk (int tree, cb_facts *facts)
{
    struct statfs status = {.f_bsize = 0};
    int known = tree >= 0 && fstatfs (tree, &status) == 0;
    uint64_t left = known ? (uint64_t)status.f_bavail * (uint64_t)status.f_bsize : 0;

    s_note (facts, CB_HIT_DISK, known, left < ROOM_LEFT);
    s_note (facts, CB_HIT_FILES, known, known && status.f_ffree == 0);
}

void
cb_facts_look (const cb_fact_files *self, const cb_jail_spec *spec, int tree, int closely,
               cb_facts *ret_facts)
{
    int events = self->files[CB_FACT_PROCESSES];
    int proc = self->files[CB_FACT_PROC];
    int folder = self->files[CB_FACT_FILES];

    *ret_facts = (cb_facts){0};
    if (events >= 0)
        ret_facts->refused = s_refused (events);
    int64_t tasks = events < 0 && proc >= 0 && closely ? cb_facts_tasks (proc) : -1;
    s_note (ret_facts, CB_HIT_PROCESSES, tasks >= 0, tasks >= (int64_t)spec->processes);
    uint64_t files = folder >= 0 ? s_open_files (folder, closely) : 0;
    /* A pipe needs two: with one left it is refused. */
    s_note (ret_facts, CB_HIT_OPEN_FILES, files > 0, files + 1 >= spec->open_files);
    s_look_at_disk (tree, ret_facts);
}
