/* parent.c - ends with who started us.
 *
 * A pidfd is readable when the process ends. PR_SET_PDEATHSIG would fire when the *thread* that
 * forked ends, and frontends start kernels from threads. A parent that is gone before we look is
 * told by another parent id than $JPY_PARENT_PID's, which nobody has any more. */
#include "cli/parent.h"

#include "base/cleanup.h"
#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>

/* Processes between a frontend and us. */
#define GENERATIONS_MAX 32

enum { PARENT, FRONTEND, WATCHED };

struct cb_parent {
    cb_on_orphaned *on_orphaned;
    void *context;
    int fds[WATCHED];
    cb_source *sources[WATCHED];
};

static void
s_on_end (cb_source *source, int fd, uint32_t events, void *context)
{
    cb_parent *self = context;

    (void)fd;
    (void)events;
    cb_source_on (source, 0);
    self->on_orphaned (self->context);
}

/* The frontend's process as its environment says, 0: it does not. */
static pid_t
s_frontend (void)
{
    const char *text = getenv ("JPY_PARENT_PID");
    char *end = NULL;
    long pid = text != NULL ? strtol (text, &end, 10) : 0;

    return text != NULL && end != text && *end == '\0' && pid > 0 && pid < INT32_MAX ? (pid_t)pid
                                                                                     : 0;
}

/* The parent of a process, 0 when that cannot be known. */
static pid_t
s_parent_of (pid_t pid)
{
    char path[40];
    cb_scoped (cb_buf) cb_buf text;
    int parent = 0;

    (void)snprintf (path, sizeof path, "/proc/%d/stat", (int)pid);
    cb_buf_init (&text, 4096);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || cb_read_all (fd, &text, NULL) < 0)
        return 0;
    /* "PID (NAME) STATE PARENT": the name may hold anything. */
    const char *after = text.data != NULL ? strrchr (text.data, ')') : NULL;
    return after != NULL && sscanf (after, ") %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

static int
s_is_above (pid_t pid)
{
    pid_t at = getppid ();

    for (int i = 0; i < GENERATIONS_MAX && at > 0 && at != pid; i++)
        at = s_parent_of (at);
    return at == pid;
}

static int
s_watch (cb_parent *self, cb_loop *loop, int which, pid_t pid, cb_err *err)
{
    self->fds[which] = pidfd_open (pid, 0);
    if (self->fds[which] < 0 && errno == ESRCH)
        return cb_fail (err, CB_E_GONE, "the frontend that started this kernel is gone");
    if (self->fds[which] < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "the parent process cannot be watched");
    return cb_loop_io (loop, self->fds[which], EPOLLIN, s_on_end, self, &self->sources[which], err);
}

static int
s_open (cb_parent *self, cb_loop *loop, cb_err *err)
{
    pid_t parent = getppid ();
    pid_t frontend = s_frontend ();

    if (frontend > 0 && !s_is_above (frontend))
        return cb_fail (err, CB_E_GONE,
                        "the frontend that started this kernel (process %d, JPY_PARENT_PID) is "
                        "gone",
                        (int)frontend);
    if (frontend > 0 && frontend != parent)
        CB_TRY (s_watch (self, loop, FRONTEND, frontend, err));
    /* Whom init has started, or was given, ends by signals. */
    if (parent <= 1 && frontend != parent)
        return 0;
    CB_TRY (s_watch (self, loop, PARENT, parent, err));
    if (getppid () != parent)
        return cb_fail (err, CB_E_GONE, "the frontend that started this kernel is gone");
    return 0;
}

cb_parent *
cb_parent_new (cb_loop *loop, cb_on_orphaned *on_orphaned, void *context, cb_err *err)
{
    cb_parent *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    *self = (cb_parent){.on_orphaned = on_orphaned, .context = context, .fds = {-1, -1}};
    if (s_open (self, loop, err) < 0)
        cb_parent_destroy (&self);
    return self;
}

void
cb_parent_destroy (cb_parent **self_at)
{
    cb_parent *self = cb_take (*self_at);

    for (int i = 0; self != NULL && i < WATCHED; i++) {
        cb_source_destroy (&self->sources[i]);
        cb_close (&self->fds[i]);
    }
    free (self);
}
