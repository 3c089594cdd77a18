/* main-jail.c - cellblock-jail: the first stage of a jail, between the warden and bwrap.
 *
 * A child of the warden, with the descriptors of launchmsg.h, an empty environment, and root's
 * rights when the warden has them. It mounts what bwrap cannot, gives up its rights for good, tells
 * the warden, and becomes bwrap. Static and tiny: it parses nothing but the spec that the warden
 * made. See launchmsg.h for its arguments. */
#include "base/cleanup.h"
#include "cell/mounts.h"
#include "cell/overlay.h"
#include "cell/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

struct options {
    uint32_t uid; /* 0: not given */
    pid_t parent;
};

static int
s_number (const char *text, uint32_t *ret_number)
{
    char *end = NULL;

    errno = 0;
    unsigned long value = text != NULL ? strtoul (text, &end, 10) : 0;
    if (value == 0 || errno != 0 || *end != '\0' || value >= UINT32_MAX)
        return -1;
    *ret_number = (uint32_t)value;
    return 0;
}

static int
s_parse (int argc, char **argv, struct options *ret_options, cb_err *err)
{
    struct options options = {0, 0};
    uint32_t parent = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        int is_uid = strcmp (argv[i], "--uid") == 0;
        if (!is_uid && strcmp (argv[i], "--parent") != 0)
            return cb_fail (err, CB_E_INVALID, "unknown argument \"%s\"", argv[i]);
        if (s_number (argv[i + 1], is_uid ? &options.uid : &parent) < 0)
            return cb_fail (err, CB_E_INVALID, "%s takes a number over 0", argv[i]);
    }
    options.parent = (pid_t)parent;
    if (argc % 2 == 0 || parent == 0 || (geteuid () == 0) != (options.uid != 0))
        return cb_fail (err, CB_E_INVALID,
                        "cellblock-jail is started by cellblockd: --parent PID, and --uid N as "
                        "root only");
    *ret_options = options;
    return 0;
}

/* The kernel's promise that we die with the warden, also when it died a moment ago. */
static int
s_die_with (pid_t parent, cb_err *err)
{
    if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "PR_SET_PDEATHSIG");
    if (getppid () != parent)
        return cb_fail (err, CB_E_GONE, "the warden is gone");
    return 0;
}

/* All of 0..13 and the inputs must be there; nothing but 0..11 reaches bwrap. */
static int
s_check_descriptors (const cb_jail_spec *spec, cb_err *err)
{
    int last = CB_STAGE_FD_INPUTS + (int)spec->n_inputs;

    for (int fd = 0; fd < last; fd++)
        if (fcntl (fd, F_GETFD) < 0)
            return cb_fail (err, CB_E_INVALID, "descriptor %d is missing", fd);
    if (close_range (CB_STAGE_FD_LIBEXEC, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "close_range (Linux 5.11 needed)");
    return 0;
}

/* From root to the jail's uid, with no way back. */
static int
s_drop (const cb_mounts *mounts, cb_err *err)
{
    if (setgroups (0, NULL) < 0 || setresgid (mounts->gid, mounts->gid, mounts->gid) < 0 ||
        setresuid (mounts->uid, mounts->uid, mounts->uid) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "cannot become uid %u", mounts->uid);
    if (setresuid (0, 0, 0) == 0 || geteuid () != mounts->uid || getegid () != mounts->gid)
        return cb_fail (err, CB_E_DENIED, "root's rights did not go with the uid");
    /* Changing the uid made /proc/self root's: bwrap could not write its uid_map. */
    if (prctl (PR_SET_DUMPABLE, 1) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "PR_SET_DUMPABLE");
    return 0;
}

static int
s_prepare (int argc, char **argv, cb_err *err)
{
    static cb_jail_spec spec;
    struct options options = {0, 0};
    cb_mounts mounts = {.uid = geteuid (), .gid = getegid ()};

    CB_TRY (s_parse (argc, argv, &options, err));
    CB_TRY (s_die_with (options.parent, err));
    CB_TRY (cb_stage_spec (&spec, err));
    CB_TRY (s_check_descriptors (&spec, err));
    (void)umask (022);
    if (options.uid != 0)
        mounts = (cb_mounts){.as_root = 1, .uid = options.uid, .gid = options.uid};
    CB_TRY (cb_mounts_enter (&mounts, &spec, err));
    cb_auto_close int quota = cb_mounts_build (&mounts, &spec, err);
    if (quota < 0)
        return quota;
    CB_TRY (cb_overlay_keep_fresh (err));
    if (mounts.as_root)
        CB_TRY (s_drop (&mounts, err));
    CB_TRY (s_die_with (options.parent, err));
    return cb_stage_done (CB_STAGE_MOUNTS, mounts.as_root ? 1U << CB_LAYER_UID : 0, 0, quota, err);
}

/* The whole command line of pid 1 inside, which a cell can read: the rest comes by descriptor. */
static int
s_become_bwrap (cb_err *err)
{
    char args[16];
    (void)snprintf (args, sizeof args, "%d", CB_STAGE_FD_ARGS);
    char name[] = "bwrap", option[] = "--args", end[] = "--", init[] = CB_CELL_INIT;
    char *argv[] = {name, option, args, end, init, NULL};
    char *environment[] = {NULL};

    (void)execve (CB_BWRAP, argv, environment);
    if (errno == ENOENT)
        return cb_fail (err, CB_E_NOTFOUND,
                        "%s is missing (it must lie below /usr); install it with: apt-get install "
                        "bubblewrap",
                        CB_BWRAP);
    return cb_fail_errno (err, CB_E_IO, "cannot run %s", CB_BWRAP);
}

int
main (int argc, char **argv)
{
    cb_err err = CB_ERR_INIT;

    if (s_prepare (argc, argv, &err) < 0 || s_become_bwrap (&err) < 0)
        return cb_stage_failed (CB_STAGE_MOUNTS, &err);
    return 0;
}
