/* spawn.c - the way from fork to exec. The warden has one thread, so a child may do anything; still
 * it does only what must be done with the warden's rights. */
#include "warden/spawn.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors are moved above this before they are put into their places from 3 on. */
#define ABOVE (3 + CB_SPAWN_FDS_MAX + 1)

#define CLOEXEC_RANGE (1U << 2) /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */

static void
s_die_with (pid_t parent)
{
    (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != parent)
        _exit (1);
}

void
cb_spawn_begin (pid_t parent, const char *oom_score_adj)
{
    sigset_t none;
    cb_auto_close int oom = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    for (int number = 1; number < NSIG; number++)
        (void)signal (number, SIG_DFL);
    (void)sigemptyset (&none);
    (void)sigprocmask (SIG_SETMASK, &none, NULL);
    (void)setsid ();
    if (oom >= 0)
        (void)!write (oom, oom_score_adj, strlen (oom_score_adj));
    s_die_with (parent);
}

/* Numbers above CAP_LAST_CAP of our headers are dropped as well: EINVAL ends the row. */
static void
s_drop_bounding_set (void)
{
    for (unsigned long capability = 0; capability < 64; capability++)
        if (prctl (PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            break;
}

int
cb_spawn_drop (uid_t uid, pid_t parent, cb_err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];

    memset (none, 0, sizeof none);
    if (uid != geteuid ()) {
        s_drop_bounding_set ();
        if (setgroups (0, NULL) < 0 || setresgid (uid, uid, uid) < 0 ||
            setresuid (uid, uid, uid) < 0)
            return cb_fail_errno (err, CB_E_IO, "cannot become user %u", (unsigned)uid);
    }
    if (syscall (SYS_capset, &head, none) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot drop capabilities");
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return cb_fail_errno (err, CB_E_IO, "PR_SET_NO_NEW_PRIVS");
    /* A change of user forgets the signal. */
    s_die_with (parent);
    return 0;
}

/* Out of the way of 3, 4, ...; the old number is closed by exec. */
static int
s_move_above (int *fd, cb_err *err)
{
    if (*fd < 0)
        return 0;
    int moved = fcntl (*fd, F_DUPFD_CLOEXEC, ABOVE);
    if (moved < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot move a descriptor");
    *fd = moved;
    return 0;
}

static int
s_standard (int error_fd, cb_err *err)
{
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return cb_fail_errno (err, CB_E_IO, "/dev/null");
    if (dup2 (null, STDIN_FILENO) < 0 || dup2 (error_fd, STDOUT_FILENO) < 0 ||
        (error_fd != STDERR_FILENO && dup2 (error_fd, STDERR_FILENO) < 0))
        return cb_fail_errno (err, CB_E_IO, "cannot place standard descriptors");
    return 0;
}

static int
s_place (cb_spawn *self, cb_err *err)
{
    int moved[CB_SPAWN_FDS_MAX];

    if (self->n_fds > CB_SPAWN_FDS_MAX)
        return cb_fail (err, CB_E_LIMIT, "more than %d descriptors", CB_SPAWN_FDS_MAX);
    CB_TRY (s_move_above (&self->program_fd, err));
    CB_TRY (s_move_above (&self->report_fd, err));
    for (size_t i = 0; i < self->n_fds; i++) {
        moved[i] = self->fds[i];
        CB_TRY (s_move_above (&moved[i], err));
    }
    CB_TRY (s_standard (self->error_fd, err));
    for (size_t i = 0; i < self->n_fds; i++)
        if (dup2 (moved[i], 3 + (int)i) < 0)
            return cb_fail_errno (err, CB_E_IO, "cannot place a descriptor");
    if (syscall (SYS_close_range, 3U + (unsigned)self->n_fds, ~0U, CLOEXEC_RANGE) < 0)
        return cb_fail_errno (err, CB_E_IO, "close_range");
    return 0;
}

int
cb_spawn_exec (cb_spawn *self, cb_err *err)
{
    CB_TRY (s_place (self, err));
    if (self->nofile != NULL)
        (void)setrlimit (RLIMIT_NOFILE, self->nofile);
    (void)execve (self->program, self->argv, self->env);
    /* A path below a folder that the new user cannot enter: by descriptor. */
    if (errno == EACCES && self->program_fd >= 0)
        (void)syscall (SYS_execveat, self->program_fd, "", self->argv, self->env, AT_EMPTY_PATH);
    return cb_fail_errno (err, CB_E_IO, "cannot execute %s", self->program);
}
