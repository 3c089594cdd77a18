/* landlock.c - file rights inside the jail, where the kernel has Landlock.
 *
 * A second lock behind the read-only mounts: it still holds when a mount is not what it seems, it
 * makes /proc read-only and keeps /proc/1 shut. Debian's headers know ABI 2, kernels know more, so
 * the constants are carried here (Linux's include/uapi/linux/landlock.h). */
#include "cell/landlock.h"

#include "base/cleanup.h"
#include "base/table.h"
#include "jail/launchmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

#define FS_TRUNCATE  (UINT64_C (1) << 14) /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C (1) << 15) /* ABI 5 */
#define NET_TCP      UINT64_C (3)         /* ABI 4: bind, connect */
#define SCOPES       UINT64_C (3)         /* ABI 6: abstract Unix sockets, signals */

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_RUN  (FS_READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define FS_WRITE                                                                                  \
    (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |  \
     LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
/* In a person's folder: no links, sockets and pipes, with which a cell could catch his programs. */
#define FS_WORKDIR                                                                                \
    (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
#define FS_DEVICE \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* What a ruleset handles; shorter on older kernels (linux/landlock.h of ABI 6). */
struct attr {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};

/* Rights a path gives; a path that is not there is passed over. */
static const struct {
    const char *path;
    uint64_t rights;
} s_paths[] = {
    {"/", FS_READ},
    {"/usr", FS_RUN},
    {"/work", FS_WRITE},
    {"/tmp", FS_WRITE},
    {"/output", FS_WRITE},
    {"/dev/shm", FS_WRITE},
    {"/dev/pts", FS_READ | FS_DEVICE},
    {"/dev/tty", FS_DEVICE},
    {"/dev/null", FS_DEVICE},
    {"/dev/zero", FS_DEVICE},
    {"/dev/full", FS_DEVICE},
    {"/dev/random", FS_DEVICE},
    {"/dev/urandom", FS_DEVICE},
};

/* Everything of the ABI. Rights that nobody is given are refused everywhere. */
static struct attr
s_handled (int abi, int loopback)
{
    struct attr attr = {.fs = (UINT64_C (1) << 13) - 1};

    if (abi >= 2)
        attr.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        attr.fs |= FS_TRUNCATE;
    if (abi >= 4 && !loopback)
        attr.net = NET_TCP;
    if (abi >= 5)
        attr.fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        attr.scoped = SCOPES;
    return attr;
}

static size_t
s_attr_size (int abi)
{
    return abi >= 6 ? sizeof (struct attr) : abi >= 4 ? 16 : 8;
}

static int
s_allow (int ruleset, const char *path, uint64_t rights, cb_err *err)
{
    cb_auto_close int fd = open (path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

    if (fd < 0)
        return errno == ENOENT ? 0 : cb_fail_errno (err, CB_E_IO, "Landlock: %s", path);
    if (syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "Landlock: a rule for %s", path);
    return 0;
}

int
cb_landlock_apply (const cb_jail_spec *spec, cb_err *err)
{
    int abi = (int)syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
        return CB_LANDLOCK_NONE;
    if (abi < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "Landlock");
    struct attr attr = s_handled (abi, spec->loopback);
    cb_auto_close int ruleset =
        (int)syscall (SYS_landlock_create_ruleset, &attr, s_attr_size (abi), 0);
    if (ruleset < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "Landlock: a ruleset of ABI %d", abi);
    for (size_t i = 0; i < CB_COUNT (s_paths); i++)
        CB_TRY (s_allow (ruleset, s_paths[i].path, s_paths[i].rights & attr.fs, err));
    if (spec->workdir == CB_WORKDIR_RW)
        CB_TRY (s_allow (ruleset, CB_CELL_WORKDIR, FS_WORKDIR & attr.fs, err));
    if (syscall (SYS_landlock_restrict_self, ruleset, 0) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "Landlock: cannot restrict");
    return abi;
}
