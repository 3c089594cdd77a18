/* jail-spawn.c - the child of the warden that becomes cellblock-jail.
 *
 * Everything that may wait (entering a cgroup, name services, opening inputs on slow file systems)
 * happens in the child, so the warden's loop never does. The child reports a fault on the status
 * socket as stage CB_STAGE_SPAWN. */
#include "warden/jail-spawn.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/grant.h"
#include "base/home.h"
#include "base/runtime.h"
#include "warden/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* When the whole machine is short of memory, a jail goes first. */
#define OOM_SCORE_ADJ "1000"

/* Processes over the limit that the rlimit allows when a cgroup holds the limit itself. */
#define SECOND_WALL 16

struct child {
    const cb_jail *jail;
    const cb_jail_spec *spec;
    int uid_verified;
    int in_cgroup;
    int status; /* theirs */
    int error;  /* their end of the pipe */
    int spec_file;
    int args_file;
    pid_t warden;
    char program[PATH_MAX];
    int fds[CB_SPAWN_FDS_MAX];
    size_t n_fds;
};

static int
s_open_folder (const char *path, cb_err *err)
{
    int fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 ? fd : cb_fail_errno (err, CB_E_NOTFOUND, "%.900s", path);
}

static int
s_add (struct child *child, int fd)
{
    if (fd >= 0)
        child->fds[child->n_fds++] = fd;
    return fd < 0 ? fd : 0;
}

/* Nothing is the runtime folder under another name (a bind mount). what: "input", "working folder".
 */
static int
s_check_input (const struct child *child, const char *what, const char *path, int fd, cb_err *err)
{
    struct stat input;
    struct stat runtime;

    if (fstat (fd, &input) < 0 || fstat (child->jail->owner->place->runtime_fd, &runtime) < 0)
        return cb_fail_errno (err, CB_E_IO, "the %s %.800s", what, path);
    if (!S_ISREG (input.st_mode) && !S_ISDIR (input.st_mode))
        return cb_fail (err, CB_E_DENIED, "the %s %.800s is neither a file nor a folder", what,
                        path);
    if (input.st_dev == runtime.st_dev && input.st_ino == runtime.st_ino)
        return cb_fail (err, CB_E_DENIED, "the %s %.800s is cellblock's own folder", what, path);
    if (access (path, S_ISDIR (input.st_mode) ? R_OK | X_OK : R_OK) < 0)
        return cb_fail_errno (err, CB_E_DENIED, "the %s %.800s cannot be read", what, path);
    return 0;
}

/* Adds what is at the path, reached without a symlink. */
static int
s_open (struct child *child, const char *what, const char *path, int *ret_fd, cb_err *err)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall (SYS_openat2, AT_FDCWD, path, &how, sizeof how);

    if (fd < 0)
        return cb_fail_errno (err, errno == ENOENT ? CB_E_NOTFOUND : CB_E_DENIED, "the %s %.800s",
                              what, path);
    *ret_fd = fd;
    return s_add (child, fd);
}

static int
s_open_inputs (struct child *child, cb_err *err)
{
    int fd = -1;

    for (uint32_t i = 0; i < child->spec->n_inputs; i++) {
        const char *path = child->spec->inputs[i].path;
        CB_TRY (s_open (child, "input", path, &fd, err));
        CB_TRY (s_check_input (child, "input", path, fd, err));
    }
    return 0;
}

/* Written only by its owner's daemon, or root's, and when one of those who may has said so: a
 * broker that was taken over could otherwise change any folder of the machine through a jail. */
static int
s_check_writable (const struct child *child, const char *path, int fd, cb_err *err)
{
    struct stat folder;

    if (fstat (fd, &folder) < 0)
        return cb_fail_errno (err, CB_E_IO, "the working folder %.800s", path);
    if (geteuid () != 0 && folder.st_uid != geteuid ())
        return cb_fail (err, CB_E_DENIED,
                        "the working folder %.800s belongs to user %u, not to %u: take workdir ro",
                        path, (unsigned)folder.st_uid, (unsigned)geteuid ());
    if (faccessat (AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
        return cb_fail_errno (err, CB_E_DENIED, "the working folder %.800s cannot be written",
                              path);
    return cb_grant_check (child->jail->owner->place->grants_fd, &folder, path, err);
}

static int
s_open_workdir (struct child *child, cb_err *err)
{
    const char *path = child->spec->workdir_path;
    struct stat folder;
    int fd = -1;

    if (child->spec->workdir == CB_WORKDIR_NONE)
        return 0;
    CB_TRY (s_open (child, "working folder", path, &fd, err));
    CB_TRY (s_check_input (child, "working folder", path, fd, err));
    if (fstat (fd, &folder) < 0 || !S_ISDIR (folder.st_mode))
        return cb_fail (err, CB_E_INVALID, "the working folder %.800s is no folder", path);
    CB_TRY (cb_home_check (path, folder.st_uid, err));
    if (child->spec->workdir == CB_WORKDIR_RW)
        return s_check_writable (child, path, fd, err);
    return 0;
}

static int
s_gather (struct child *child, cb_err *err)
{
    char path[PATH_MAX];

    CB_TRY (cb_find_program ("cellblock-jail", child->program, sizeof child->program, err));
    for (size_t i = 0; i < CB_CHANNEL__COUNT; i++)
        CB_TRY (s_add (child, child->jail->fds.listening[i]));
    CB_TRY (s_add (child, child->jail->fds.connection));
    CB_TRY (s_add (child, child->spec_file));
    CB_TRY (s_add (child, child->status));
    CB_TRY (s_add (child, child->args_file));
    CB_TRY (cb_find_program ("cellblock-init", path, sizeof path, err));
    *strrchr (path, '/') = '\0';
    CB_TRY (s_add (child, s_open_folder (path, err)));
    const char *kernelspec = child->jail->owner->place->kernelspec;
    if (kernelspec[0] == '\0')
        CB_TRY (cb_find_kernelspec (path, sizeof path, err));
    CB_TRY (s_add (child, s_open_folder (kernelspec[0] != '\0' ? kernelspec : path, err)));
    CB_TRY (s_open_inputs (child, err));
    return s_open_workdir (child, err);
}

static int
s_check_uid (const struct child *child, cb_err *err)
{
    char name[64];

    if (!child->jail->has_uid || child->uid_verified ||
        !cb_uids_owner (child->jail->uid, name, sizeof name))
        return 0;
    return cb_fail (err, CB_E_EXISTS, "user id %u belongs to the account %s: it is not used again",
                    (unsigned)child->jail->uid, name);
}

static int
s_execute (struct child *child, cb_err *err)
{
    char uid[16];
    char parent[16];
    char name[] = "cellblock-jail";
    char uid_option[] = "--uid";
    char parent_option[] = "--parent";
    char *argv[6];
    char *env[] = {NULL};
    size_t n = 0;

    (void)snprintf (uid, sizeof uid, "%u", (unsigned)child->jail->uid);
    (void)snprintf (parent, sizeof parent, "%d", (int)child->warden);
    argv[n++] = name;
    if (child->jail->has_uid) {
        argv[n++] = uid_option;
        argv[n++] = uid;
    }
    argv[n++] = parent_option;
    argv[n++] = parent;
    argv[n] = NULL;
    cb_spawn spawn = {.program = child->program,
                      .argv = argv,
                      .env = env,
                      .fds = child->fds,
                      .n_fds = child->n_fds,
                      .error_fd = child->error,
                      .program_fd = -1,
                      .report_fd = child->status,
                      .nofile = &child->jail->owner->nofile};
    int result = cb_spawn_exec (&spawn, err);
    child->status = spawn.report_fd;
    return result;
}

/* In the child: never returns. */
static void
s_become (struct child *child)
{
    cb_err err = CB_ERR_INIT;

    cb_spawn_begin (child->warden, OOM_SCORE_ADJ);
    if (s_check_uid (child, &err) == 0 &&
        (child->in_cgroup || cb_cgroup_enter (&child->jail->cgroup, &err) == 0) &&
        s_gather (child, &err) == 0)
        (void)s_execute (child, &err);

    cb_launch_stage stage = {.stage = CB_STAGE_SPAWN, .code = err.code};
    memcpy (stage.text, err.text, sizeof stage.text);
    cb_launch_out out = {.head.type = CB_LAUNCH_STAGE, .body = &stage, .body_size = sizeof stage};
    int sent = cb_launch_send (child->status, &out, NULL);
    _exit (sent < 0 ? 125 : 126);
}

/* The spec as the stages get it: Linux counts bwrap's pid 1 to the rlimit of processes as well.
 * Where a cgroup refuses the process that is one too many, and counts that, the rlimit is a second
 * wall a little further off. */
static int
s_make_spec_file (cb_jail *self, const struct child *child, cb_err *err)
{
    static cb_jail_spec spec; /* large; one START at a time */
    cb_scoped (cb_buf) cb_buf encoded;

    cb_buf_init (&encoded, CB_SPEC_BYTES_MAX);
    spec = *child->spec;
    spec.processes += cb_cgroup_holds_processes (&self->cgroup) ? SECOND_WALL : 1;
    CB_TRY (cb_spec_encode (&spec, &encoded, err));
    return cb_memfd ("spec", encoded.data, encoded.size, err);
}

static int
s_make_files (cb_jail *self, struct child *child, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf args;

    cb_buf_init (&args, CB_BWRAP_BYTES_MAX);
    CB_TRY (cb_bwrap_args (self->owner->masks, &args, err));
    child->args_file = cb_memfd ("bwrap", args.data, args.size, err);
    CB_TRY (child->args_file);
    child->spec_file = s_make_spec_file (self, child, err);
    return child->spec_file < 0 ? child->spec_file : 0;
}

int
cb_jail_spawn (cb_jail *self, const cb_jail_spec *spec, int uid_verified, cb_err *err)
{
    struct child child = {.jail = self,
                          .spec = spec,
                          .uid_verified = uid_verified,
                          .warden = getpid (),
                          .spec_file = -1,
                          .args_file = -1};
    int status[2];
    int error[2];
    const int on = 1;

    int made = s_make_files (self, &child, err);
    cb_auto_close int spec_file = child.spec_file;
    cb_auto_close int args_file = child.args_file;
    CB_TRY (made);
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, status) < 0)
        return cb_fail_errno (err, CB_E_IO, "socketpair");
    cb_auto_close int own_status = status[0];
    cb_auto_close int their_status = status[1];
    if (pipe2 (error, O_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "pipe");
    cb_auto_close int own_error = error[0];
    cb_auto_close int their_error = error[1];
    if (setsockopt (own_status, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        return cb_fail_errno (err, CB_E_IO, "SO_PASSCRED");
    CB_TRY (cb_set_nonblock (own_status, 1, err));
    CB_TRY (cb_set_nonblock (own_error, 1, err));
    child.status = their_status;
    child.error = their_error;

    pid_t pid = cb_cgroup_fork (&self->cgroup, &child.in_cgroup);
    if (pid < 0)
        return cb_fail_errno (err, CB_E_IO, "fork");
    if (pid == 0)
        s_become (&child);
    self->pid = pid;
    self->status = cb_take_fd (&own_status);
    cb_tail_open (&self->tail, self->owner->reactor, cb_take_fd (&own_error));
    return 0;
}
