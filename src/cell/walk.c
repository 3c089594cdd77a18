/* walk.c - walking a folder given as an input: what is in it, and a copy of it.
 *
 * Runs as root over a person's files before the uid is dropped, so it follows nothing: every step
 * is openat with O_NOFOLLOW, at most WALK_DEPTH deep. */
#include "cell/walk.h"

#include "base/cleanup.h"
#include "base/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define WALK_DEPTH     64
#define MOUNT_ROOT     0x2000     /* STATX_ATTR_MOUNT_ROOT, Linux 5.8 */
#define CONFIGFS_MAGIC 0x62656570 /* fs/configfs/mount.c */

/* The kernel's own file systems, the numbers of linux/magic.h where it has them: through one of
 * them (a chroot's /proc, say) a cell reaches processes and the machine, read-only or not. */
static const long s_kernels[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC,      CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
    TRACEFS_MAGIC,    SECURITYFS_MAGIC, BPF_FS_MAGIC,       DEVPTS_SUPER_MAGIC,  SELINUX_MAGIC,
    SMACK_MAGIC,      PSTOREFS_MAGIC,   EFIVARFS_MAGIC,     NSFS_MAGIC,          CONFIGFS_MAGIC,
};

/* Opens a folder for reading from an O_PATH descriptor; NULL with errno. */
static DIR *
s_open_folder (int dir_fd, const char *name)
{
    int fd = openat (dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *folder = fdopendir (fd);
    if (folder == NULL)
        cb_close (&fd);
    return folder;
}

static void
s_folder_destroy (DIR **folder)
{
    if (*folder != NULL)
        (void)closedir (*folder);
}

/* The next entry but "." and ".."; NULL at the end. */
static const struct dirent *
s_next (DIR *folder)
{
    const struct dirent *entry;

    do {
        entry = readdir (folder);
    } while (entry != NULL &&
             (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0));
    return entry;
}

struct survey {
    cb_survey *found;
    int with_stat;
    char path[PATH_MAX];
};

static int s_survey_folder (struct survey *self, int dir_fd, const char *name, int depth);

static void
s_found_door (struct survey *self, const char *what)
{
    (void)snprintf (self->found->door, sizeof self->found->door, "%s",
                    self->path[0] != '\0' ? self->path : ".");
    self->found->door_is = what;
}

int
cb_walk_is_kernels (int fd)
{
    struct statfs system;

    if (fstatfs (fd, &system) < 0)
        return 0;
    for (size_t i = 0; i < CB_COUNT (s_kernels); i++)
        if (system.f_type == s_kernels[i])
            return 1;
    return 0;
}

/* Whether the folder is where something is mounted. Linux that cannot tell (before 5.8): assume. */
static int
s_is_mounted (int fd)
{
    struct statx found;

    return statx (fd, "", AT_EMPTY_PATH, STATX_TYPE, &found) < 0 ||
           (found.stx_attributes_mask & MOUNT_ROOT) == 0 ||
           (found.stx_attributes & MOUNT_ROOT) != 0;
}

static int
s_is_door (mode_t mode)
{
    return S_ISSOCK (mode) || S_ISFIFO (mode);
}

static void
s_count (struct survey *self, const struct stat *status)
{
    mode_t needed = S_ISDIR (status->st_mode) ? S_IROTH | S_IXOTH : S_IROTH;

    if (S_ISREG (status->st_mode))
        self->found->bytes += (uint64_t)status->st_size;
    if (!S_ISLNK (status->st_mode) && (status->st_mode & needed) != needed)
        self->found->private = 1;
}

static int
s_survey_entry (struct survey *self, int dir_fd, const struct dirent *entry, int depth)
{
    struct stat status = {.st_mode = DTTOIF (entry->d_type)};
    size_t before = strlen (self->path);

    self->found->entries++;
    (void)snprintf (self->path + before, sizeof self->path - before, "%s%s", before > 0 ? "/" : "",
                    entry->d_name);
    if (self->with_stat || entry->d_type == DT_UNKNOWN) {
        if (fstatat (dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            return -1;
        s_count (self, &status);
    }
    if (s_is_door (status.st_mode))
        s_found_door (self, "a socket or named pipe");
    int result = 0;
    if (S_ISDIR (status.st_mode))
        result = s_survey_folder (self, dir_fd, entry->d_name, depth + 1);
    self->path[before] = '\0';
    return result;
}

static int
s_survey_folder (struct survey *self, int dir_fd, const char *name, int depth)
{
    __attribute__ ((__cleanup__ (s_folder_destroy))) DIR *folder = s_open_folder (dir_fd, name);
    const struct dirent *entry;

    if (folder == NULL)
        return -1;
    self->found->has_mounts |= depth > 0 && s_is_mounted (dirfd (folder));
    if (cb_walk_is_kernels (dirfd (folder)))
        s_found_door (self, "a file system of the kernel");
    while (self->found->door[0] == '\0' && (entry = s_next (folder)) != NULL) {
        if (self->found->entries >= CB_SURVEY_ENTRIES || depth > WALK_DEPTH) {
            errno = E2BIG;
            return -1;
        }
        if (s_survey_entry (self, dirfd (folder), entry, depth) < 0 && errno != ENOENT &&
            errno != EACCES)
            return -1;
    }
    return 0;
}

int
cb_walk_survey (int tree, int with_stat, cb_survey *ret_survey, cb_err *err)
{
    struct survey walk = {.found = ret_survey, .with_stat = with_stat};
    struct stat status;

    memset (ret_survey, 0, sizeof *ret_survey);
    if (fstat (tree, &status) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot look at an input");
    s_count (&walk, &status);
    if (!S_ISDIR (status.st_mode) && cb_walk_is_kernels (tree))
        s_found_door (&walk, "a file of the kernel");
    if (!S_ISDIR (status.st_mode) || s_survey_folder (&walk, tree, ".", 0) == 0)
        return 0;
    if (errno != E2BIG)
        return cb_fail_errno (err, CB_E_IO, "cannot read the folder");
    return cb_fail (err, CB_E_LIMIT,
                    "more than %d entries, or folders more than %d deep, are not searched for "
                    "sockets; give a folder further down",
                    CB_SURVEY_ENTRIES, WALK_DEPTH);
}

static int
s_copy_bytes (int from, int to)
{
    ssize_t moved;

    do {
        moved = sendfile (to, from, NULL, 1 << 20);
    } while (moved > 0 || (moved < 0 && errno == EINTR));
    return moved < 0 ? -1 : 0;
}

static int
s_copy_file (int from_dir, int to_dir, const char *name)
{
    cb_auto_close int from = openat (from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    cb_auto_close int to =
        openat (to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

    return from < 0 || to < 0 ? -1 : s_copy_bytes (from, to);
}

static int
s_copy_link (int from_dir, int to_dir, const char *name)
{
    char target[PATH_MAX];
    ssize_t size = readlinkat (from_dir, name, target, sizeof target - 1);

    if (size < 0)
        return -1;
    target[size] = '\0';
    return symlinkat (target, to_dir, name);
}

static int s_copy_folder (int from_dir, const char *name, int to_dir, int depth);

static int
s_copy_entry (int from_dir, int to_dir, const char *name, int depth)
{
    struct stat status;

    if (fstatat (from_dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISREG (status.st_mode))
        return s_copy_file (from_dir, to_dir, name);
    if (S_ISLNK (status.st_mode))
        return s_copy_link (from_dir, to_dir, name);
    if (!S_ISDIR (status.st_mode))
        return 0;
    if (mkdirat (to_dir, name, 0755) < 0)
        return -1;
    cb_auto_close int to = openat (to_dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return to < 0 ? -1 : s_copy_folder (from_dir, name, to, depth + 1);
}

static int
s_copy_folder (int from_dir, const char *name, int to_dir, int depth)
{
    __attribute__ ((__cleanup__ (s_folder_destroy))) DIR *folder = s_open_folder (from_dir, name);
    const struct dirent *entry;

    if (folder == NULL)
        return -1;
    if (depth > WALK_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    while ((entry = s_next (folder)) != NULL)
        if (s_copy_entry (dirfd (folder), to_dir, entry->d_name, depth) < 0)
            return -1;
    return 0;
}

int
cb_walk_copy (int tree, int to_fd, cb_err *err)
{
    struct stat status;

    if (fstat (tree, &status) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot look at an input");
    int result;
    if (S_ISDIR (status.st_mode)) {
        result = s_copy_folder (tree, ".", to_fd, 0);
    } else {
        char path[64];
        (void)snprintf (path, sizeof path, "/proc/self/fd/%d", tree);
        cb_auto_close int from = open (path, O_RDONLY | O_CLOEXEC);
        result = from < 0 ? -1 : s_copy_bytes (from, to_fd);
    }
    if (result < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot copy");
    return 0;
}
