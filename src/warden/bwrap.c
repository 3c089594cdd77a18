/* bwrap.c - bubblewrap's arguments.
 *
 * What a jail sees: /usr and a few files of /etc read-only, the quota tmpfs as /work, /tmp, /output
 * and /dev/shm, its inputs read-only, a /proc and a /dev of its own. Every namespace is new, the
 * user inside is 1000 and cannot make further user namespaces. bwrap makes no destination below a
 * tree that the jail can write (CVE-2026-87766 of 0.8 to 0.11: it would follow links there), and
 * the tmpfs it makes itself are read-only in the end, for they have no bound. The list is the same
 * for all jails: what differs is in the spec, which the stages read. */
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

static const char *const s_root[][3] = {
    {"--ro-bind", "/usr", "/usr"},
    {"--symlink", "usr/lib", "/lib"},
    {"--symlink", "usr/lib64", "/lib64"},
    {"--symlink", "usr/bin", "/bin"},
    {"--symlink", "usr/sbin", "/sbin"},
    {"--ro-bind-try", "/etc/alternatives", "/etc/alternatives"},
    {"--ro-bind-try", "/etc/fonts", "/etc/fonts"},
    {"--ro-bind-try", "/etc/matplotlibrc", "/etc/matplotlibrc"},
    {"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"},
    {"--ro-bind-try", "/etc/localtime", "/etc/localtime"},
    {"--ro-bind-try", "/etc/mime.types", "/etc/mime.types"},
};

static const char *const s_own[][3] = {
    {"--ro-bind-try", CB_STAGE_KERNELSPEC "/etc/passwd", "/etc/passwd"},
    {"--ro-bind-try", CB_STAGE_KERNELSPEC "/etc/group", "/etc/group"},
    {"--ro-bind-try", CB_STAGE_KERNELSPEC "/etc/hosts", "/etc/hosts"},
    {"--ro-bind", CB_STAGE_INIT_FILE, CB_CELL_INIT},
    {"--ro-bind", CB_STAGE_KERNELSPEC, CB_CELL_KERNELSPEC},
};

static const char *const s_writable[][3] = {
    {"--bind", CB_STAGE_QUOTA "/work", "/work"},
    {"--bind", CB_STAGE_QUOTA "/tmp", "/tmp"},
    {"--bind", CB_STAGE_QUOTA "/output", "/output"},
    {"--bind", CB_STAGE_QUOTA "/shm", "/dev/shm"},
};

/* Readable inside any container and of use to an attacker only. */
static const char *const s_masked[] = {
    "/proc/cmdline", "/proc/config.gz", "/proc/diskstats",  "/proc/interrupts", "/proc/kallsyms",
    "/proc/keys",    "/proc/key-users", "/proc/partitions", "/proc/timer_list",
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

#define PUT_ROWS(into, rows) \
    s_put_words ((into), &(rows)[0][0], CB_COUNT (rows) * CB_COUNT ((rows)[0]))

static int
s_put_tail (cb_buf *into, uint32_t masks)
{
    static const char *const run[] = {"--size",  "4096", "--perms",      "0755",
                                      "--tmpfs", "/run", "--remount-ro", "/run"};
    static const char *const end[] = {"--remount-ro", "/proc", "--remount-ro", "/dev",
                                      "--remount-ro", "/",     "--chdir",      "/work"};

    CB_TRY (s_put_words (into, run, CB_COUNT (run)));
    for (size_t i = 0; i < CB_COUNT (s_masked); i++) {
        const char *const mask[] = {"--ro-bind", "/dev/null", s_masked[i]};
        if ((masks & 1U << i) != 0)
            CB_TRY (s_put_words (into, mask, CB_COUNT (mask)));
    }
    return s_put_words (into, end, CB_COUNT (end));
}

static int
s_put_all (uint32_t masks, cb_buf *into)
{
    static const char *const special[] = {"--proc", "/proc", "--dev", "/dev"};
    static const char *const input[] = {"--ro-bind", CB_STAGE_INPUT, "/input"};

    CB_TRY (s_put_words (into, s_namespaces, CB_COUNT (s_namespaces)));
    CB_TRY (s_put_words (into, s_identity, CB_COUNT (s_identity)));
    CB_TRY (PUT_ROWS (into, s_root));
    CB_TRY (PUT_ROWS (into, s_own));
    CB_TRY (s_put_words (into, input, CB_COUNT (input)));
    CB_TRY (s_put_words (into, special, CB_COUNT (special)));
    CB_TRY (PUT_ROWS (into, s_writable));
    return s_put_tail (into, masks);
}

int
cb_bwrap_args (uint32_t masks, cb_buf *into, cb_err *err)
{
    if (s_put_all (masks, into) < 0)
        return cb_fail (err, CB_E_LIMIT, "bubblewrap's arguments are over %zu bytes", into->limit);
    return 0;
}
