/* root.c - the root folder of the jail: what a cell finds at / before bwrap adds /proc and /dev.
 *
 * One table a kind of entry. Everything of the host is bound here, read-only, before the user
 * namespace of the jail exists: its flags are locked from then on, and bwrap has one tree to bind
 * instead of twenty (each costs it a walk through all mounts). */
#include "cell/root.h"

#include "base/cleanup.h"
#include "base/table.h"
#include "cell/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define HARMLESS  (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define READ_ONLY (HARMLESS | MOUNT_ATTR_RDONLY)

static const char *const s_folders[] = {
    "",     "/usr", "/etc", "/cb",   CB_CELL_KERNELSPEC, "/input", "/work",
    "/tmp", "/run", "/dev", "/proc", "/output",
};

static const struct {
    const char *name;
    const char *target;
} s_links[] = {
    {"/bin", "usr/bin"},
    {"/sbin", "usr/sbin"},
    {"/lib", "usr/lib"},
    {"/lib64", "usr/lib64"},
};

/* Small files of the jail's own. */
static const struct {
    const char *name;
    const char *text;
} s_texts[] = {
    {CB_CELL_INIT, ""}, /* cellblock-init is bound over it */
    {"/etc/passwd", "cell:x:1000:1000:cellblock:/work:/bin/sh\n"
                    "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"},
    {"/etc/group", "cell:x:1000:\nnogroup:x:65534:\n"},
    {"/etc/hosts", "127.0.0.1 localhost cell\n::1 localhost\n"},
};

/* The host's, read-only. Programs and libraries of /usr look up the rest; what is not there is
 * passed over. */
static const struct {
    const char *path;
    uint64_t flags;
} s_host[] = {
    {"/usr", READ_ONLY},
    {"/etc/alternatives", READ_ONLY | MOUNT_ATTR_NOEXEC}, /* which BLAS numpy loads */
    {"/etc/fonts", READ_ONLY | MOUNT_ATTR_NOEXEC},
    {"/etc/matplotlibrc", READ_ONLY | MOUNT_ATTR_NOEXEC},
    {"/etc/ld.so.cache", READ_ONLY | MOUNT_ATTR_NOEXEC},
    {"/etc/localtime", READ_ONLY | MOUNT_ATTR_NOEXEC},
    {"/etc/mime.types", READ_ONLY | MOUNT_ATTR_NOEXEC},
};

/* What bwrap itself needs in its own root: libraries, /proc for its maps, the devices of its /dev.
 * /usr is the jail's. */
static const struct {
    const char *name;
    const char *target;
} s_bwrap_links[] = {
    {"/usr", "root/usr"},
    {"/lib", "usr/lib"},
    {"/lib64", "usr/lib64"},
};

static const struct {
    const char *path;
    uint64_t flags;
} s_bwrap_host[] = {
    {"/proc", HARMLESS | MOUNT_ATTR_NOEXEC}, {"/dev/null", MOUNT_ATTR_NOSUID},
    {"/dev/zero", MOUNT_ATTR_NOSUID},        {"/dev/full", MOUNT_ATTR_NOSUID},
    {"/dev/random", MOUNT_ATTR_NOSUID},      {"/dev/urandom", MOUNT_ATTR_NOSUID},
    {"/dev/tty", MOUNT_ATTR_NOSUID},
};

/* Folders of the quota tmpfs; /dev/shm is bwrap's to bind, behind its /dev. */
static const char *const s_writable[] = {"/work", "/tmp", "/output"};

static int
s_path (char *into, size_t room, const char *top, const char *name, cb_err *err)
{
    int size = snprintf (into, room, "%s%s", top, name);

    if (size < 0 || (size_t)size >= room)
        return cb_fail (err, CB_E_INVALID, "a path in the jail is too long");
    return 0;
}

static int
s_write_text (const char *path, const char *text, cb_err *err)
{
    cb_auto_close int file = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (file < 0 || write (file, text, strlen (text)) != (ssize_t)strlen (text))
        return cb_fail_errno (err, CB_E_IO, "%s", path);
    return 0;
}

static int
s_make_entries (cb_err *err)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < CB_COUNT (s_folders); i++) {
        CB_TRY (s_path (path, sizeof path, CB_STAGE_ROOT, s_folders[i], err));
        if (mkdir (path, 0755) < 0)
            return cb_fail_errno (err, CB_E_IO, "%s", path);
    }
    for (size_t i = 0; i < CB_COUNT (s_links); i++) {
        CB_TRY (s_path (path, sizeof path, CB_STAGE_ROOT, s_links[i].name, err));
        if (symlink (s_links[i].target, path) < 0)
            return cb_fail_errno (err, CB_E_IO, "%s", path);
    }
    for (size_t i = 0; i < CB_COUNT (s_texts); i++) {
        CB_TRY (s_path (path, sizeof path, CB_STAGE_ROOT, s_texts[i].name, err));
        CB_TRY (s_write_text (path, s_texts[i].text, err));
    }
    return 0;
}

/* Binds source (with what is mounted in it) over target with flags of mount_setattr. */
static int
s_bind (const char *source, const char *target, uint64_t flags, cb_err *err)
{
    struct mount_attr attr = {.attr_set = flags};
    struct stat status;
    cb_auto_close int tree =
        open_tree (AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (tree < 0 && errno == ENOENT)
        return 0;
    if (tree < 0 || fstat (tree, &status) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot take %s into the jail", source);
    if (S_ISDIR (status.st_mode) ? mkdir (target, 0755) < 0 && errno != EEXIST
                                 : s_write_text (target, "", err) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", target);
    if (mount_setattr (tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0 ||
        move_mount (tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot bind %s", source);
    return 0;
}

static int
s_bind_at (const char *source, const char *top, const char *name, uint64_t flags, cb_err *err)
{
    char target[PATH_MAX];

    CB_TRY (s_path (target, sizeof target, top, name, err));
    return s_bind (source, target, flags, err);
}

/* The jail's root. */
static int
s_bind_root (cb_err *err)
{
    char source[PATH_MAX];

    for (size_t i = 0; i < CB_COUNT (s_host); i++)
        CB_TRY (s_bind_at (s_host[i].path, CB_STAGE_ROOT, s_host[i].path, s_host[i].flags, err));
    for (size_t i = 0; i < CB_COUNT (s_writable); i++) {
        CB_TRY (s_path (source, sizeof source, CB_STAGE_QUOTA, s_writable[i], err));
        CB_TRY (
            s_bind_at (source, CB_STAGE_ROOT, s_writable[i], HARMLESS | MOUNT_ATTR_NOEXEC, err));
    }
    return 0;
}

/* bwrap's root around it. */
static int
s_bind_stage (cb_err *err)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < CB_COUNT (s_bwrap_links); i++) {
        CB_TRY (s_path (path, sizeof path, CB_STAGE_DIR, s_bwrap_links[i].name, err));
        if (symlink (s_bwrap_links[i].target, path) < 0)
            return cb_fail_errno (err, CB_E_IO, "%s", path);
    }
    if (mkdir (CB_STAGE_DIR "/dev", 0755) < 0 || mkdir (CB_STAGE_DIR "/tmp", 0755) < 0)
        return cb_fail_errno (err, CB_E_IO, "a folder in %s", CB_STAGE_DIR);
    for (size_t i = 0; i < CB_COUNT (s_bwrap_host); i++)
        CB_TRY (s_bind_at (s_bwrap_host[i].path, CB_STAGE_DIR, s_bwrap_host[i].path,
                           s_bwrap_host[i].flags, err));
    return 0;
}

int
cb_root_build (cb_err *err)
{
    CB_TRY (s_make_entries (err));
    CB_TRY (s_bind_root (err));
    return s_bind_stage (err);
}
