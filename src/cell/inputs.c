/* inputs.c - one thing from the host made readable for the jail's uid, read-only.
 *
 * An idmapped mount shows the owner of the thing as the jail's uid, so a 0600 file below a 0700
 * home can be read without a change on disk and without a copy. Read-only does not close
 * everything: a socket or named pipe in a folder is a door to the program behind it, and the
 * mapping would open it with the owner's right. The kernel's file systems are doors to everything.
 * So a folder with one in it is refused; overlay.c sees to those that are made later. */
#include "cell/inputs.h"

#include "base/cleanup.h"
#include "cell/overlay.h"
#include "cell/stage.h"
#include "cell/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define COPIES CB_STAGE_DIR "/copies"

int
cb_input_make_target (const cb_input *self, cb_err *err)
{
    struct stat status;

    if (fstat (self->tree, &status) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", self->path);
    if (!S_ISDIR (status.st_mode) && !S_ISREG (status.st_mode))
        return cb_fail (err, CB_E_INVALID, "%s is neither a file nor a folder", self->path);
    if (S_ISDIR (status.st_mode) && mkdir (self->target, 0755) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", self->target);
    if (S_ISREG (status.st_mode)) {
        cb_auto_close int file = open (self->target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0)
            return cb_fail_errno (err, CB_E_IO, "%s", self->target);
    }
    return 0;
}

static int
s_write_map (pid_t pid, const char *file, uint32_t inside, uint32_t outside)
{
    char path[64];
    char map[64];
    cb_err err = CB_ERR_INIT;

    (void)snprintf (path, sizeof path, "/proc/%d/%s", pid, file);
    (void)snprintf (map, sizeof map, "%u %u 1\n", inside, outside);
    return cb_stage_write (path, map, &err);
}

/* A user namespace whose id (owner) is the jail's id outside: the mapping of an idmapped mount.
 * Owned descriptor or -1: a process must live in it only until it is opened. */
static int
s_mapping (const struct stat *owner, const cb_mounts *mounts)
{
    char path[64];
    int fd = -1;
    pid_t own = getpid ();
    pid_t pid = (pid_t)syscall (SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    if (pid < 0)
        return -1;
    if (pid == 0) {
        (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
        while (getppid () == own)
            (void)pause ();
        _exit (1);
    }
    (void)snprintf (path, sizeof path, "/proc/%d/ns/user", pid);
    if (s_write_map (pid, "uid_map", owner->st_uid, mounts->uid) == 0 &&
        s_write_map (pid, "gid_map", owner->st_gid, mounts->gid) == 0)
        fd = open (path, O_RDONLY | O_CLOEXEC);
    (void)kill (pid, SIGKILL);
    (void)waitpid (pid, NULL, 0);
    return fd;
}

int
cb_input_map (const cb_input *self, const cb_mounts *mounts)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP};
    struct stat owner;

    if (fstat (self->tree, &owner) < 0)
        return 0;
    cb_auto_close int mapping = s_mapping (&owner, mounts);
    if (mapping < 0)
        return 0;
    attr.userns_fd = (__u64)mapping;
    return mount_setattr (self->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) == 0;
}

/* A person's folder goes through overlayfs; one with mounts in it cannot. */
static int
s_wants_overlay (const cb_input *self, const cb_survey *survey)
{
    struct stat status;

    return self->is_input && !survey->has_mounts && fstat (self->tree, &status) == 0 &&
           S_ISDIR (status.st_mode);
}

/* Outcomes of cb_overlay_attach. */
static int
s_attach_tree (const cb_input *self, int overlay, cb_err *err)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                          (self->noexec ? MOUNT_ATTR_NOEXEC : 0U)};

    if (mount_setattr (self->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot make %s read-only for the jail", self->path);
    if (overlay)
        return cb_overlay_attach (self->tree, self->target, err);
    if (move_mount (self->tree, "", AT_FDCWD, self->target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot attach %s in the jail", self->path);
    return CB_OVERLAY_REFUSED;
}

/* One tmpfs for all copies of this jail, made when the first is needed. */
static int
s_mount_copies (cb_err *err)
{
    char options[96];

    if (mkdir (COPIES, 0755) < 0)
        return errno == EEXIST ? 0 : cb_fail_errno (err, CB_E_IO, "%s", COPIES);
    (void)snprintf (options, sizeof options, "size=%" PRIu64 ",nr_inodes=%d,mode=0755",
                    CB_INPUT_COPY_BYTES, CB_INPUT_COPY_ENTRIES);
    if (mount ("cellblock-copies", COPIES, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
        return cb_fail_errno (err, CB_E_IO, "no tmpfs for copies of inputs");
    return 0;
}

static int
s_check_copy (const cb_input *self, const cb_survey *survey, cb_err *err)
{
    if (survey->bytes <= CB_INPUT_COPY_BYTES && survey->entries < CB_INPUT_COPY_ENTRIES)
        return 0;
    return cb_fail (err, CB_E_LIMIT,
                    "%s: its file system allows no idmapped mount, not everybody may read it, and "
                    "with %" PRIu64 " MiB and %" PRIu64 " entries it is over what is copied "
                    "(%" PRIu64 " MiB, %d entries); make it readable by everybody",
                    self->path, survey->bytes >> 20, survey->entries, CB_INPUT_COPY_BYTES >> 20,
                    CB_INPUT_COPY_ENTRIES);
}

/* Copies the input and puts the copy in the place of its tree. */
static int
s_replace_by_copy (const cb_input *self, const cb_survey *survey, cb_err *err)
{
    const char *name = strrchr (self->target, '/') + 1;
    char path[sizeof COPIES + 1 + CB_FILE_NAME_MAX];
    cb_input copy = *self;
    cb_err why = CB_ERR_INIT;

    CB_TRY (s_check_copy (self, survey, err));
    CB_TRY (s_mount_copies (err));
    (void)snprintf (path, sizeof path, "%s/%s", COPIES, name);
    copy.target = path;
    CB_TRY (cb_input_make_target (&copy, err));
    cb_auto_close int into = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (into < 0)
        into = open (path, O_WRONLY | O_CLOEXEC);
    if (into < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", path);
    if (cb_walk_copy (self->tree, into, &why) < 0)
        return cb_fail (err, why.code, "%s: %s (copies may hold %" PRIu64 " MiB in all)",
                        self->path, why.text, CB_INPUT_COPY_BYTES >> 20);
    int tree = open_tree (AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 || dup3 (tree, self->tree, O_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", path);
    return 0;
}

int
cb_input_search_doors (const cb_input *self, cb_survey *survey, cb_err *err)
{
    cb_err why = CB_ERR_INIT;

    if (cb_walk_survey (self->tree, 0, survey, &why) < 0)
        return cb_fail (err, why.code, "%s: %s", self->path, why.text);
    if (survey->door[0] == '\0')
        return 0;
    return cb_fail (err, CB_E_DENIED,
                    "%s holds %s (%.200s): a cell could reach the program "
                    "behind it; give the files themselves",
                    self->path, survey->door_is, survey->door);
}

/* Root only: makes the jail's uid able to read the tree. */
static int
s_make_readable (const cb_input *self, const cb_mounts *mounts, cb_err *err)
{
    cb_survey survey;

    if (!self->is_input) {
        /* Mapping costs a process: only for a checkout that hides itself. */
        CB_TRY (cb_walk_survey (self->tree, 1, &survey, err));
        if (!survey.private || cb_input_map (self, mounts))
            return 0;
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "%s is not readable by everybody and its file system allows no idmapped "
                        "mount; make it readable (chmod -R go+rX)",
                        self->path);
    }
    if (cb_input_map (self, mounts))
        return 0;
    CB_TRY (cb_walk_survey (self->tree, 1, &survey, err));
    return survey.private ? s_replace_by_copy (self, &survey, err) : 0;
}

int
cb_input_attach (const cb_input *self, const cb_mounts *mounts, cb_err *err)
{
    cb_survey survey = {.entries = 0};

    if (self->is_input && !self->is_workdir)
        CB_TRY (cb_input_search_doors (self, &survey, err));
    if (mounts->as_root)
        CB_TRY (s_make_readable (self, mounts, err));
    int outcome = s_attach_tree (self, s_wants_overlay (self, &survey), err);
    CB_TRY (outcome);
    if (self->is_workdir && outcome == CB_OVERLAY_REFUSED)
        CB_TRY (cb_input_search_doors (self, &survey, err));
    return 0;
}
