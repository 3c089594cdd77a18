/* workdir.c - the folder that a person works in, in the jail.
 *
 * Read-only it is an input (inputs.c) at another place, through overlayfs: sockets and pipes in it
 * lead nowhere, so it need not be searched for them, and starting in a large folder costs nothing.
 *
 * To be written it is the folder itself: as root by an idmapped mount, on which the jail's uid is
 * the folder's owner; for an ordinary user it is his own uid in any case. Nothing is copied: what a
 * cell writes is to be there. Devices, setuid programs and programs at all do nothing on the mount;
 * that no file gets a setuid bit, which would count outside, is seccomp's business (mkfilter.c),
 * and that none becomes a link or a socket Landlock's. */
#include "cell/workdir.h"

#include "base/cleanup.h"
#include "cell/inputs.h"
#include "cell/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

int
cb_workdir_take (int fd, const char *path, cb_err *err)
{
    int tree = open_tree (fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

    if (tree >= 0)
        return tree;
    /* An ordinary user's namespace may not show what lies below a mount of the host. */
    if (errno == EINVAL)
        return cb_fail (err, CB_E_DENIED,
                        "in the working folder %.800s something is mounted: take a folder without",
                        path);
    return cb_fail_errno (err, CB_E_IO, "cannot take the working folder %.800s into the jail",
                          path);
}

static int
s_attach_writable (const cb_input *folder, const cb_mounts *mounts, cb_err *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
    struct statvfs system;
    cb_survey survey;

    CB_TRY (cb_input_search_doors (folder, &survey, err));
    if (mounts->as_root && !cb_input_map (folder, mounts))
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "the file system of %.800s allows no idmapped mount, so a cell cannot "
                        "write there as its owner: take workdir ro",
                        folder->path);
    if (mount_setattr (folder->tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot guard %.800s for the jail", folder->path);
    if (fstatvfs (folder->tree, &system) < 0 || (system.f_flag & ST_RDONLY) != 0)
        return cb_fail (err, CB_E_DENIED, "the file system of %.800s is read-only: take workdir ro",
                        folder->path);
    if (move_mount (folder->tree, "", AT_FDCWD, folder->target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot attach %.800s in the jail", folder->path);
    return 0;
}

int
cb_workdir_attach (const cb_mounts *self, const cb_jail_spec *spec, cb_err *err)
{
    const cb_input folder = {.path = spec->workdir_path,
                             .tree = self->workdir,
                             .target = CB_STAGE_WORKDIR,
                             .noexec = 1,
                             .is_workdir = 1,
                             .is_input = 1};

    if (spec->workdir == CB_WORKDIR_NONE)
        return 0;
    if (cb_walk_is_kernels (folder.tree))
        return cb_fail (err, CB_E_DENIED,
                        "the working folder %.800s is in a file system of the kernel: a cell could "
                        "reach the machine through it",
                        folder.path);
    CB_TRY (cb_input_make_target (&folder, err));
    return spec->workdir == CB_WORKDIR_RW ? s_attach_writable (&folder, self, err)
                                          : cb_input_attach (&folder, self, err);
}
