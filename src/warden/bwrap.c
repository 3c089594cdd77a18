/* bwrap.c - bubblewrap's arguments.
 *
 * What a jail sees was built by cellblock-jail as CB_BWRAP_ROOT and is bound as it is, read-only
 * but for the folders of the quota tmpfs; bwrap adds a /proc and a /dev of the jail's own. Every
 * namespace is new, the user inside is 1000 and cannot make further user namespaces. bwrap makes no
 * destination below a tree that the jail can write (CVE-2026-87766 of 0.8 to 0.11: it would follow
 * links there), and the one tmpfs it makes itself (/dev) is read-only in the end, for it has no
 * bound. The list is the same for all jails: what differs is in the spec, which the stages read. */
#include "warden/bwrap.h"

#include "base/table.h"
#include "jail/launchmsg.h"

#include <string.h>
#include <unistd.h>

static const char *const s_namespaces[] = {
    "--unshare-user", "--unshare-ipc",        "--unshare-pid",
    "--unshare-uts",  "--unshare-cgroup-try", "--unshare-net",
};

static const char *const s_identity[] = {
    "--uid",
    "1000",
    "--gid",
    "1000",
    "--disable-userns",
    "--hostname",
    "cell",
    "--die-with-parent",
    "--new-session",
    "--clearenv",
};

static const char *const s_mounts[] = {
    "--bind", CB_BWRAP_ROOT, "/",      "--proc",     "/proc",
    "--dev",  "/dev",        "--bind", CB_BWRAP_SHM, "/dev/shm",
};

static const char *const s_end[] = {
    "--remount-ro", "/proc", "--remount-ro", "/dev", "--chdir", "/work",
};

/* Readable inside any container and of use to an attacker only, or a name of the host. */
static const char *const s_masked[] = {
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/consoles",
    "/proc/diskstats",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/keys",
    "/proc/key-users",
    "/proc/locks",
    "/proc/modules",
    "/proc/partitions",
    "/proc/swaps",
    "/proc/sys/kernel/random/boot_id",
    "/proc/timer_list",
};

uint32_t
cb_bwrap_masks (void)
{
    uint32_t masks = 0;

    for (size_t i = 0; i < CB_COUNT (s_masked); i++)
        if (access (s_masked[i], F_OK) == 0)
            masks |= 1U << i;
    return masks;
}

static int
s_put (cb_buf *into, const char *word)
{
    return cb_buf_put (into, word, strlen (word) + 1);
}

static int
s_put_words (cb_buf *into, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CB_TRY (s_put (into, words[i]));
    return 0;
}

static int
s_put_masks (cb_buf *into, uint32_t masks)
{
    for (size_t i = 0; i < CB_COUNT (s_masked); i++) {
        const char *const mask[] = {"--ro-bind", "/dev/null", s_masked[i]};
        if ((masks & 1U << i) != 0)
            CB_TRY (s_put_words (into, mask, CB_COUNT (mask)));
    }
    return 0;
}

static int
s_put_all (uint32_t masks, cb_buf *into)
{
    CB_TRY (s_put_words (into, s_namespaces, CB_COUNT (s_namespaces)));
    CB_TRY (s_put_words (into, s_identity, CB_COUNT (s_identity)));
    CB_TRY (s_put_words (into, s_mounts, CB_COUNT (s_mounts)));
    CB_TRY (s_put_masks (into, masks));
    return s_put_words (into, s_end, CB_COUNT (s_end));
}

int
cb_bwrap_args (uint32_t masks, cb_buf *into, cb_err *err)
{
    if (s_put_all (masks, into) < 0)
        return cb_fail (err, CB_E_LIMIT, "bubblewrap's arguments are over %zu bytes", into->limit);
    return 0;
}
