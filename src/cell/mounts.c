/* mounts.c - the mount namespace of cellblock-jail: what bwrap will bind, made below CB_STAGE_DIR.
 *
 * bwrap alone cannot bound a tmpfs's inodes, nor reach a file below a 0700 folder of another user:
 * so the quota tmpfs is mounted and every source is bound here, before bwrap and before the uid is
 * dropped. Sources come as descriptors that the warden opened, never as names to be walked again;
 * only an ordinary user must open them once more, because a descriptor of the outer namespace
 * cannot be bound in the new one - and then it must be the same file. */
#include "cell/mounts.h"

#include "base/cleanup.h"
#include "cell/inputs.h"
#include "cell/root.h"
#include "cell/stage.h"
#include "cell/workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Entries of the stage folder itself: those of root.c and one an input, with room to spare. */
#define STAGE_OPTIONS "size=128k,nr_inodes=128,mode=0755"
/* The quota tmpfs holds its root and four folders before the cell makes its first file. */
#define QUOTA_OWN_INODES 5

/* Why a namespace is refused, in the order of likelihood. */
#define NAMESPACE_CAUSE                                                                          \
    "refused inside a chroot, by kernel.unprivileged_userns_clone=0, user.max_user_namespaces, " \
    "AppArmor (kernel.apparmor_restrict_unprivileged_userns) or a container's seccomp filter; "  \
    "cellblock doctor tells which"

static int
s_map_self (uid_t uid, gid_t gid, cb_err *err)
{
    char map[64];

    CB_TRY (cb_stage_write ("/proc/self/setgroups", "deny", err));
    (void)snprintf (map, sizeof map, "%u %u 1\n", uid, uid);
    CB_TRY (cb_stage_write ("/proc/self/uid_map", map, err));
    (void)snprintf (map, sizeof map, "%u %u 1\n", gid, gid);
    return cb_stage_write ("/proc/self/gid_map", map, err);
}

/* The file of the descriptor, opened again in this mount namespace by its path; the same file. */
static int
s_open_again (int *fd, const char *what, cb_err *err)
{
    char link[64];
    char path[PATH_MAX];
    struct stat before;
    struct stat after;

    (void)snprintf (link, sizeof link, "/proc/self/fd/%d", *fd);
    ssize_t size = readlink (link, path, sizeof path - 1);
    if (size < 0 || fstat (*fd, &before) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", what);
    path[size] = '\0';
    cb_auto_close int again = open (path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (again < 0 || fstat (again, &after) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s %s", what, path);
    if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
        return cb_fail (err, CB_E_IO, "%s %s was replaced just now", what, path);
    if (dup3 (again, *fd, O_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s %s", what, path);
    return 0;
}

/* A detached copy of the mounts at dir_fd/name (name "": at dir_fd itself). */
static int
s_tree (int dir_fd, const char *name, const char *what, int *ret_tree, cb_err *err)
{
    int tree = open_tree (dir_fd, name,
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

    if (tree < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot take %s into the jail", what);
    *ret_tree = tree;
    return 0;
}

static int
s_take_trees (cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    CB_TRY (s_tree (CB_STAGE_FD_LIBEXEC, "cellblock-init", "cellblock-init", &self->init, err));
    CB_TRY (s_tree (CB_STAGE_FD_KERNELSPEC, "", "the kernelspec folder", &self->kernelspec, err));
    for (uint32_t i = 0; i < spec->n_inputs; i++)
        CB_TRY (
            s_tree (CB_STAGE_FD_INPUTS + (int)i, "", spec->inputs[i].path, &self->inputs[i], err));
    if (spec->workdir == CB_WORKDIR_NONE)
        return 0;
    self->workdir =
        cb_workdir_take (CB_STAGE_FD_INPUTS + (int)spec->n_inputs, spec->workdir_path, err);
    return self->workdir < 0 ? self->workdir : 0;
}

static int
s_enter_as_root (cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    CB_TRY (s_take_trees (self, spec, err));
    if (unshare (CLONE_NEWNS) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "no mount namespace (CAP_SYS_ADMIN needed)");
    return 0;
}

static int
s_enter_as_user (cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    int folders[] = {CB_STAGE_FD_LIBEXEC, CB_STAGE_FD_KERNELSPEC};

    if (unshare (CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "no user namespace (" NAMESPACE_CAUSE ")");
    CB_TRY (s_map_self (self->uid, self->gid, err));
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        CB_TRY (s_open_again (&folders[i], "the program folder", err));
    for (uint32_t i = 0; i < spec->n_inputs; i++) {
        int input = CB_STAGE_FD_INPUTS + (int)i;
        CB_TRY (s_open_again (&input, "the input", err));
    }
    if (spec->workdir != CB_WORKDIR_NONE) {
        int workdir = CB_STAGE_FD_INPUTS + (int)spec->n_inputs;
        CB_TRY (s_open_again (&workdir, "the working folder", err));
    }
    return s_take_trees (self, spec, err);
}

int
cb_mounts_enter (cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    CB_TRY (self->as_root ? s_enter_as_root (self, spec, err) : s_enter_as_user (self, spec, err));
    if (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED,
                              "cannot make the mounts private (" NAMESPACE_CAUSE ")");
    return 0;
}

static int
s_mount_stage (cb_err *err)
{
    if (mount ("cellblock", CB_STAGE_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
               STAGE_OPTIONS) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "no tmpfs over %s (" NAMESPACE_CAUSE ")",
                              CB_STAGE_DIR);
    if (mkdir (CB_STAGE_QUOTA, 0755) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", CB_STAGE_QUOTA);
    return 0;
}

static int
s_mount_quota (const cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"work", 0755}, {"output", 0755}, {"tmp", 01777}, {"shm", 01777}};
    char options[128];

    (void)snprintf (options, sizeof options, "size=%llu,nr_inodes=%llu,uid=%u,gid=%u,mode=0755",
                    (unsigned long long)spec->disk,
                    (unsigned long long)spec->files + QUOTA_OWN_INODES, self->uid, self->gid);
    if (mount ("cellblock-quota", CB_STAGE_QUOTA, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
               options) < 0)
        return cb_fail_errno (err, CB_E_IO, "no quota tmpfs (%s)", options);
    cb_auto_close int quota = open (CB_STAGE_QUOTA, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (quota < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", CB_STAGE_QUOTA);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const char *name = folders[i].name;
        if (mkdirat (quota, name, 0755) < 0 || fchmodat (quota, name, folders[i].mode, 0) < 0 ||
            fchownat (quota, name, self->uid, self->gid, AT_SYMLINK_NOFOLLOW) < 0)
            return cb_fail_errno (err, CB_E_IO, "%s/%s", CB_STAGE_QUOTA, name);
    }
    return cb_take_fd (&quota);
}

/* The programs' folders. Readable by the jail as they are, or idmapped (a checkout with 0700). */
static int
s_attach_programs (const cb_mounts *self, cb_err *err)
{
    cb_input init = {.path = "cellblock-init", .tree = self->init, .target = CB_STAGE_INIT_FILE};
    cb_input kernelspec = {.path = "the kernelspec folder",
                           .tree = self->kernelspec,
                           .target = CB_STAGE_KERNELSPEC,
                           .noexec = 1};

    CB_TRY (cb_input_attach (&init, self, err));
    return cb_input_attach (&kernelspec, self, err);
}

static int
s_attach_inputs (const cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    for (uint32_t i = 0; i < spec->n_inputs; i++) {
        char target[sizeof CB_STAGE_INPUT + 1 + CB_FILE_NAME_MAX];
        cb_input input = {.path = spec->inputs[i].path,
                          .tree = self->inputs[i],
                          .target = target,
                          .noexec = 1,
                          .is_input = 1};

        (void)snprintf (target, sizeof target, "%s/%s", CB_STAGE_INPUT, spec->inputs[i].name);
        CB_TRY (cb_input_make_target (&input, err));
        CB_TRY (cb_input_attach (&input, self, err));
    }
    return 0;
}

/* Makes the stage folder read-only and our root; every mount of the host is gone from here on. */
static int
s_leave_host (cb_err *err)
{
    if (mount (NULL, CB_STAGE_DIR, NULL,
               MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot make %s read-only", CB_STAGE_DIR);
    /* The old root lands on top of the new one and is taken off again: pivot_root (2). */
    if (chdir (CB_STAGE_DIR) < 0 || syscall (SYS_pivot_root, ".", ".") < 0 ||
        umount2 (".", MNT_DETACH) < 0 || chdir ("/") < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED,
                              "cannot leave the host's root folder (refused inside a chroot and "
                              "on an initramfs)");
    return 0;
}

int
cb_mounts_build (cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    CB_TRY (s_mount_stage (err));
    cb_auto_close int quota = s_mount_quota (self, spec, err);
    if (quota < 0)
        return quota;
    CB_TRY (cb_root_build (err));
    CB_TRY (s_attach_programs (self, err));
    CB_TRY (s_attach_inputs (self, spec, err));
    CB_TRY (cb_workdir_attach (self, spec, err));
    CB_TRY (s_leave_host (err));
    return cb_take_fd (&quota);
}
