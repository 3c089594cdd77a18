/* overlay.c - inputs that are folders, through overlayfs with nothing but lower layers.
 *
 * A read-only mount does not close a socket or named pipe: to connect or to open them is no write.
 * Those that are there at the start are refused (inputs.c), but one that a program makes later in a
 * folder that a jail already has would be a way out to that program. Overlayfs shows sockets and
 * pipes with inodes of its own, behind which nobody listens; files are read through.
 *
 * It remembers names: one that was there, or was not, stays so for who asked before, when the host
 * changes the folder. A remount drops what it remembers, so a process outside of the jail does that
 * again and again; it has no descriptors, reads nothing and does nothing else. Folders with mounts
 * in them, and file systems that overlayfs refuses, are attached as they are. */
#include "cell/overlay.h"

#include "cell/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOWER CB_STAGE_DIR "/lower" /* a folder a layer; not in the jail's root */
#define NONE  CB_STAGE_DIR "/none"  /* overlayfs wants two layers */
#define FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Where they are once CB_STAGE_DIR is the root. */
static char s_paths[CB_SPEC_INPUTS_MAX + 1][PATH_MAX];
static unsigned s_n_paths;

static int
s_make_folder (const char *path, cb_err *err)
{
    if (mkdir (path, 0755) < 0 && errno != EEXIST)
        return cb_fail_errno (err, CB_E_IO, "%s", path);
    return 0;
}

int
cb_overlay_attach (int tree, const char *target, cb_err *err)
{
    char lower[64];
    char options[160];

    CB_TRY (s_make_folder (LOWER, err));
    CB_TRY (s_make_folder (NONE, err));
    (void)snprintf (lower, sizeof lower, LOWER "/%u", s_n_paths);
    CB_TRY (s_make_folder (lower, err));
    if (move_mount (tree, "", AT_FDCWD, lower, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot attach a folder at %s", lower);
    (void)snprintf (options, sizeof options, "lowerdir=%s:" NONE, lower);
    if (mount ("cellblock-input", target, "overlay", FLAGS, options) < 0) {
        if (move_mount (AT_FDCWD, lower, AT_FDCWD, target, 0) < 0)
            return cb_fail_errno (err, CB_E_IO, "cannot attach a folder at %s", target);
        return CB_OVERLAY_REFUSED;
    }
    (void)umount2 (lower, MNT_DETACH);
    (void)snprintf (s_paths[s_n_paths], sizeof s_paths[0], "%s", target + strlen (CB_STAGE_DIR));
    s_n_paths++;
    return CB_OVERLAY_ATTACHED;
}

static void
s_refresh (pid_t parent)
{
    /* Not by PR_SET_PDEATHSIG: our parent will have dropped root, and may not signal us then. */
    struct pollfd end = {.fd = (int)syscall (SYS_pidfd_open, parent, 0), .events = POLLIN};

    (void)prctl (PR_SET_NAME, "cb-inputs");
    if (end.fd < 1 || getppid () != parent || close_range (0, (unsigned)end.fd - 1, 0) < 0 ||
        close_range ((unsigned)end.fd + 1, ~0U, 0) < 0)
        _exit (1);
    while (poll (&end, 1, CB_OVERLAY_FRESH * 1000) == 0)
        for (unsigned i = 0; i < s_n_paths; i++)
            (void)mount (NULL, s_paths[i], NULL, MS_REMOUNT | FLAGS, NULL);
    _exit (0);
}

int
cb_overlay_keep_fresh (cb_err *err)
{
    pid_t own = getpid ();
    pid_t pid = s_n_paths > 0 ? fork () : 1;

    if (pid < 0)
        return cb_fail_errno (err, CB_E_IO, "no process to keep the inputs fresh");
    if (pid == 0)
        s_refresh (own);
    return 0;
}
