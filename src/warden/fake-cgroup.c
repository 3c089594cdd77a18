/* fake-cgroup.c - folders that behave as control groups. */
#include "warden/fake-cgroup.h"

#include "base/tree.h"
#include "warden/cgio.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATHS        8
#define CHILDREN_MAX 32
#define GROUPS_MAX   64

/* What the linker puts in the place of theirs, and theirs. */
int __wrap_mkdir (const char *path, mode_t mode);
int __wrap_rmdir (const char *path);
int __wrap_kill (pid_t pid, int signal);
int __wrap_cb_cgio_write (const char *path, const char *text, cb_err *err);
int __real_mkdir (const char *path, mode_t mode);
int __real_rmdir (const char *path);
int __real_kill (pid_t pid, int signal);

static struct {
    char top[64];
    char groups[GROUPS_MAX][PATH_MAX]; /* "" when it was removed */
    int versions[GROUPS_MAX];
    size_t n_groups;
    pid_t children[CHILDREN_MAX];
    size_t n_children;
    char writes[8192];
    size_t size;
    const char *refused;
    const char *refused_text;
    int refused_with;
} s_fake;

struct file {
    const char *name;
    const char *text;
};

static const struct file s_v1[] = {{"cgroup.procs", ""},
                                   {"cgroup.event_control", ""},
                                   {"memory.oom_control", "oom_kill_disable 0\noom_kill 0\n"},
                                   {"pids.events", "max 0\n"},
                                   {NULL, NULL}};
static const struct file s_v2[] = {{"cgroup.procs", ""},
                                   {"cgroup.type", "domain\n"},
                                   {"cgroup.controllers", "cpuset cpu io memory pids\n"},
                                   {"cgroup.subtree_control", ""},
                                   {"memory.events", "low 0\nmax 0\noom 0\noom_kill 0\n"},
                                   {"pids.events", "max 0\n"},
                                   {NULL, NULL}};

/* -- files ----------------------------------------------------------------------------------- */

const char *
fake_top (void)
{
    return s_fake.top;
}

const char *
fake_path (const char *below)
{
    static char paths[PATHS][PATH_MAX];
    static size_t next;
    char *path = paths[next++ % PATHS];

    (void)snprintf (path, PATH_MAX, "%s%s%s", s_fake.top, below[0] != '\0' ? "/" : "", below);
    return path;
}

static const char *
s_read (const char *path)
{
    static char text[4096];

    (void)cb_cgio_read (path, text, sizeof text);
    return text;
}

static void
s_write (const char *path, const char *text)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write (fd, text, strlen (text)) != (ssize_t)strlen (text))
        abort ();
    (void)close (fd);
}

void
fake_file (const char *below, const char *text)
{
    s_write (fake_path (below), text);
}

void
fake_unlink (const char *below)
{
    (void)unlink (fake_path (below));
}

const char *
fake_text (const char *below)
{
    return s_read (fake_path (below));
}

static void
s_in_group (const char *group, const char *name, char *ret_path)
{
    if (snprintf (ret_path, PATH_MAX, "%s/%s", group, name) >= PATH_MAX)
        abort ();
}

/* -- groups ---------------------------------------------------------------------------------- */

/* Its index; GROUPS_MAX: no group. */
static size_t
s_find (const char *path)
{
    size_t i = 0;

    while (i < s_fake.n_groups && strcmp (s_fake.groups[i], path) != 0)
        i++;
    return i < s_fake.n_groups ? i : GROUPS_MAX;
}

static void
s_fill (const char *group, int version)
{
    char path[PATH_MAX];

    if (s_fake.n_groups == GROUPS_MAX)
        abort ();
    for (const struct file *file = version == 2 ? s_v2 : s_v1; file->name != NULL; file++) {
        s_in_group (group, file->name, path);
        s_write (path, file->text);
    }
    (void)snprintf (s_fake.groups[s_fake.n_groups], PATH_MAX, "%s", group);
    s_fake.versions[s_fake.n_groups++] = version;
}

void
fake_group (const char *below, int version)
{
    char path[PATH_MAX];
    size_t front = strlen (s_fake.top);

    (void)snprintf (path, sizeof path, "%s", fake_path (below));
    for (char *at = path + front + 1; (at = strchr (at, '/')) != NULL; *at++ = '/') {
        *at = '\0';
        if (__real_mkdir (path, 0755) == 0)
            s_fill (path, version);
    }
    if (__real_mkdir (path, 0755) == 0)
        s_fill (path, version);
}

int
__wrap_mkdir (const char *path, mode_t mode)
{
    char parent[PATH_MAX];

    if (__real_mkdir (path, mode) < 0)
        return -1;
    (void)snprintf (parent, sizeof parent, "%s", path);
    *strrchr (parent, '/') = '\0';
    size_t above = s_find (parent);
    if (above < GROUPS_MAX)
        s_fill (path, s_fake.versions[above]);
    return 0;
}

/* A group has no files that have to go first; processes and groups in it keep it. */
int
__wrap_rmdir (const char *path)
{
    char file[PATH_MAX];
    size_t at = s_find (path);
    size_t size = strlen (path);

    if (at == GROUPS_MAX)
        return __real_rmdir (path);
    s_in_group (path, "cgroup.procs", file);
    int busy = s_read (file)[0] != '\0';
    for (size_t i = 0; i < s_fake.n_groups; i++)
        busy |= strncmp (s_fake.groups[i], path, size) == 0 && s_fake.groups[i][size] == '/';
    if (busy) {
        errno = EBUSY;
        return -1;
    }
    s_fake.groups[at][0] = '\0';
    return cb_remove_tree (AT_FDCWD, path, NULL) == 0 ? 0 : -1;
}

/* -- processes ------------------------------------------------------------------------------- */

/* Takes a process out of every group. */
static void
s_take_out (pid_t pid)
{
    char path[PATH_MAX];
    char kept[4096];

    for (size_t i = 0; i < s_fake.n_groups; i++) {
        if (s_fake.groups[i][0] == '\0')
            continue;
        s_in_group (s_fake.groups[i], "cgroup.procs", path);
        size_t size = 0;
        const char *text = s_read (path);
        kept[0] = '\0';
        for (char *end = NULL; *text != '\0'; text = end + (*end == '\n'))
            if (strtol (text, &end, 10) != pid)
                size += (size_t)snprintf (kept + size, sizeof kept - size, "%.*s\n",
                                          (int)(end - text), text);
        s_write (path, kept);
    }
}

static void
s_put_in (const char *file, pid_t pid)
{
    s_take_out (pid);
    int fd = open (file, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || dprintf (fd, "%d\n", (int)pid) < 0)
        abort ();
    (void)close (fd);
}

int
__wrap_kill (pid_t pid, int signal)
{
    for (size_t i = 0; i < s_fake.n_children; i++)
        if (s_fake.children[i] == pid) {
            s_take_out (pid);
            return __real_kill (pid, signal);
        }
    fprintf (stderr, "a test of control groups would kill process %d\n", (int)pid);
    abort ();
}

pid_t
fake_child (const char *below)
{
    char path[PATH_MAX];
    pid_t pid = fork ();

    if (pid == 0)
        for ((void)prctl (PR_SET_PDEATHSIG, SIGKILL);;)
            (void)pause ();
    if (pid < 0 || s_fake.n_children == CHILDREN_MAX)
        abort ();
    s_fake.children[s_fake.n_children++] = pid;
    s_in_group (fake_path (below), "cgroup.procs", path);
    s_put_in (path, pid);
    return pid;
}

static void
s_forget (pid_t child)
{
    for (size_t i = 0; i < s_fake.n_children; i++)
        if (s_fake.children[i] == child)
            s_fake.children[i] = s_fake.children[--s_fake.n_children];
}

int
fake_was_killed (pid_t child)
{
    int status = 0;

    (void)alarm (60);
    int ended = waitpid (child, &status, 0) == child;
    (void)alarm (0);
    s_forget (child);
    return ended && WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL;
}

/* -- writes ---------------------------------------------------------------------------------- */

void
fake_refuse (const char *name, const char *text, int error)
{
    s_fake.refused = name;
    s_fake.refused_text = text;
    s_fake.refused_with = error;
}

const char *
fake_writes (void)
{
    static char taken[sizeof s_fake.writes];

    memcpy (taken, s_fake.writes, sizeof taken);
    s_fake.writes[0] = '\0';
    s_fake.size = 0;
    return taken;
}

static void
s_kill_group (const char *path)
{
    char procs[PATH_MAX];

    (void)snprintf (procs, sizeof procs, "%.*s/cgroup.procs", (int)(strrchr (path, '/') - path),
                    path);
    for (long pid; (pid = strtol (s_read (procs), NULL, 10)) > 0;)
        (void)__wrap_kill ((pid_t)pid, SIGKILL);
}

/* "+cpu": the groups right below have the controller now. */
static void
s_hand_down (const char *path, const char *controller)
{
    char file[PATH_MAX];
    char text[4096];
    size_t size = (size_t)(strrchr (path, '/') - path);

    for (size_t i = 0; i < s_fake.n_groups; i++) {
        const char *below = s_fake.groups[i] + size + 1;
        if (strncmp (s_fake.groups[i], path, size + 1) != 0 || strchr (below, '/') != NULL)
            continue;
        s_in_group (s_fake.groups[i], "cgroup.controllers", file);
        (void)snprintf (text, sizeof text, "%s", s_read (file));
        text[strcspn (text, "\n")] = '\0';
        size_t end = strlen (text);
        if (strstr (text, controller) == NULL)
            (void)snprintf (text + end, sizeof text - end, " %s\n", controller);
        s_write (file, text);
    }
}

int
__wrap_cb_cgio_write (const char *path, const char *text, cb_err *err)
{
    const char *name = strrchr (path, '/') + 1;

    if (s_fake.refused != NULL && strcmp (name, s_fake.refused) == 0 &&
        strcmp (text, s_fake.refused_text) == 0) {
        errno = s_fake.refused_with;
        return cb_fail_errno (err, CB_E_IO, "cannot write \"%s\" to %s", text, path);
    }
    s_fake.size +=
        (size_t)snprintf (s_fake.writes + s_fake.size, sizeof s_fake.writes - s_fake.size,
                          "%s=%s\n", path + strlen (s_fake.top) + 1, text);
    if (s_fake.size >= sizeof s_fake.writes)
        abort ();
    if (strcmp (name, "cgroup.procs") == 0) {
        long pid = strtol (text, NULL, 10);
        s_put_in (path, pid > 0 ? (pid_t)pid : getpid ());
    } else if (strcmp (name, "cgroup.kill") == 0) {
        s_kill_group (path);
    } else if (strcmp (name, "cgroup.subtree_control") == 0 && text[0] == '+') {
        s_hand_down (path, text + 1);
    } else {
        s_write (path, text);
    }
    return 0;
}

/* -- begin and end --------------------------------------------------------------------------- */

void
fake_open (void)
{
    memset (&s_fake, 0, sizeof s_fake);
    (void)snprintf (s_fake.top, sizeof s_fake.top, "/tmp/cb-cgroup-XXXXXX");
    if (mkdtemp (s_fake.top) == NULL)
        abort ();
}

void
fake_close (void)
{
    while (s_fake.n_children > 0) {
        pid_t child = s_fake.children[0];
        (void)__real_kill (child, SIGKILL);
        (void)waitpid (child, NULL, 0);
        s_forget (child);
    }
    if (cb_remove_tree (AT_FDCWD, s_fake.top, NULL) < 0)
        abort ();
}
