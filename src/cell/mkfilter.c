/* mkfilter.c - makes the jail's seccomp filters when the program is built (not installed).
 *
 * libseccomp turns the tables below into BPF; this program prints that as C arrays, which seccomp.c
 * compiles in. The tables allow what ipykernel, numpy, pandas, matplotlib, scipy, sqlite,
 * multiprocessing and subprocess use; everything else is EPERM, calls for which libraries know
 * another way are ENOSYS, calls newer than the tables as well, another ABI (i386, x32) is death.
 * A name that this machine's architecture does not know is passed over.
 *
 * A profile with subprocesses = off gets a second filter, which the launcher installs over all
 * threads when the kernel stands (cellblock-init cannot: it has Python to execute yet). Its first
 * one lets just that through; the second ends it.
 *
 * A jail that writes a folder of the host gets one more, before all others (s_fill_workdir). */
#include "base/table.h"
#include "cell/allowed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* The newest call that the tables know (set_mempolicy_home_node, Linux 5.17; numbers are the same
 * on every architecture since 424). What comes later is answered as an older kernel would. */
#define NEWEST_CALL 450
#define X32_BIT     0x40000000U
#define NEW_SPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)
#define MAKES_UNNAMED 020000000 /* __O_TMPFILE of asm-generic/fcntl.h */
#define FILTER_MAX    4096      /* instructions, the kernel's bound (BPF_MAXINSNS) */

/* Libraries try these first and know what to do without. clone3 hides its flags from a filter,
 * io_uring does calls unseen, splice and its kin write to the page cache, a memfd is no file of the
 * quota tmpfs, and inotify's 128 instances are counted for the user outside as well: a cell would
 * take them from its owner's programs. */
static const char *const s_missing[] = {
    "clone3",
    "execveat",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "splice",
    "tee",
    "vmsplice",
    "memfd_create",
    "memfd_secret",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    "process_mrelease",
    "futex_waitv",
    "inotify_init",
    "inotify_init1",
};

/* Terminals (a pty for "!command"), sockets and pipes; not TIOCSTI, TIOCLINUX, TIOCSETD. */
static const uint32_t s_ioctls[] = {
    TCGETS,     TCSETS,      TCSETSW,   TCSETSF,  TCGETA,     TCSETA,     TCSETAW,   TCSETAF,
    TCSBRK,     TCSBRKP,     TCXONC,    TCFLSH,   TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP,
    TIOCGSID,   TIOCSCTTY,   TIOCNOTTY, TIOCEXCL, TIOCNXCL,   TIOCOUTQ,   TIOCGPTN,  TIOCSPTLCK,
    TIOCGPTLCK, TIOCGPTPEER, FIONREAD,  FIONBIO,  FIOCLEX,    FIONCLEX,   FIOASYNC,
};

/* prctl's options that only read or only restrict. */
static const int s_prctls[] = {
    PR_SET_PDEATHSIG,    PR_GET_PDEATHSIG,    PR_GET_DUMPABLE,        PR_SET_DUMPABLE,
    PR_SET_NAME,         PR_GET_NAME,         PR_GET_SECCOMP,         PR_CAPBSET_READ,
    PR_SET_TIMERSLACK,   PR_GET_TIMERSLACK,   PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS,     PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,  PR_SET_VMA,
};

/* fcntl's commands: descriptors, flags, locks, owners of signals, pipe sizes, seals. Not
 * F_SETLEASE: an input belongs to the cell's own user, and a lease on it holds up whoever writes it
 * outside. */
static const uint32_t s_fcntls[] = {
    F_DUPFD,      F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,     F_SETFL,
    F_GETLK,      F_SETLK,         F_SETLKW,    F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
    F_GETOWN,     F_SETOWN,        F_GETOWN_EX, F_SETOWN_EX, F_GETSIG,    F_SETSIG,
    F_GETPIPE_SZ, F_SETPIPE_SZ,    F_GET_SEALS, F_ADD_SEALS, F_GETLEASE,
};

/* setsockopt's options as bits that must be so: all up to 127 but those that size buffers,
 * SO_SNDBUF and SO_RCVBUF (7, 8), and that attach programs, SO_ATTACH_FILTER (26), SO_ATTACH_BPF
 * and the two REUSEPORT ones (50 to 52). No comparison by
 * size: it would take all 64 bits, of which the kernel ignores the upper half. */
static const struct {
    uint32_t mask;
    uint32_t value;
} s_socket_options[] = {
    {~3U, 0},  {~1U, 4},  {~0U, 6},     {~0U, 9},  {~1U, 10}, {~3U, 12}, {~7U, 16}, {~1U, 24},
    {~0U, 27}, {~3U, 28}, {~0x0fU, 32}, {~1U, 48}, {~0U, 53}, {~1U, 54}, {~7U, 56}, {~0x3fU, 64},
};

/* Their numbers have other meanings at the levels of the Internet's protocols. */
static const uint32_t s_buffer_options[] = {SO_SNDBUF, SO_RCVBUF};
static const uint32_t s_internet_levels[] = {IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6};

/* What the second filter takes away: new processes and programs; and further filters, whose
 * compiler in the kernel is nothing for a cell to play with. */
static const char *const s_processes[] = {"fork", "vfork", "execve", "execveat", "seccomp"};

typedef enum {
    KIND_LOOPBACK = 1, /* with the Internet families */
    KIND_FIRST = 2,    /* lets one more filter be installed */
    KIND_THREADS = 4,  /* that one more */
    KIND_WORKDIR = 8   /* stands before the others: no setuid bits */
} filter_kind;

#define DIE(...) return fprintf (stderr, "mkfilter: " __VA_ARGS__), -1

/* One rule with up to three comparisons; a call unknown here is passed over. */
static int
s_add (scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
       const struct scmp_arg_cmp *when)
{
    int number = seccomp_syscall_resolve_name (name);

    if (number == __NR_SCMP_ERROR)
        DIE ("no call is called %s\n", name);
    if (number < 0)
        return 0;
    if (number > NEWEST_CALL)
        DIE ("%s is newer than NEWEST_CALL\n", name);
    int result = seccomp_rule_add_array (filter, action, number, count, when);
    if (result < 0)
        DIE ("a rule for %s: error %d\n", name, -result);
    return 0;
}

static int
s_add_names (scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (s_add (filter, action, names[i], 0, NULL) < 0)
            return -1;
    return 0;
}

/* Allows a call when 32 bits of one argument are one of the values. */
static int
s_add_values (scmp_filter_ctx filter, const char *name, unsigned argument, uint32_t value)
{
    struct scmp_arg_cmp when = SCMP_CMP (argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value);

    return s_add (filter, SCMP_ACT_ALLOW, name, 1, &when);
}

/* socket(family, type, protocol) for the two stream-like types of the Internet families. */
static int
s_add_internet (scmp_filter_ctx filter, uint32_t family)
{
    static const uint32_t types[] = {SOCK_STREAM, SOCK_DGRAM};
    static const uint32_t protocols[] = {0, 6, 17}; /* any, TCP, UDP: not SCTP, not MPTCP */

    for (size_t i = 0; i < CB_COUNT (types); i++) {
        for (size_t k = 0; k < CB_COUNT (protocols); k++) {
            struct scmp_arg_cmp when[] = {
                SCMP_CMP (0, SCMP_CMP_MASKED_EQ, UINT32_MAX, family),
                SCMP_CMP (1, SCMP_CMP_MASKED_EQ, 0xff, types[i]),
                SCMP_CMP (2, SCMP_CMP_MASKED_EQ, UINT32_MAX, protocols[k]),
            };
            if (s_add (filter, SCMP_ACT_ALLOW, "socket", CB_COUNT (when), when) < 0)
                return -1;
        }
    }
    /* Every server on both families says it, and its number is SO_ATTACH_FILTER's at its level. */
    struct scmp_arg_cmp only_six[] = {
        SCMP_CMP (1, SCMP_CMP_MASKED_EQ, UINT32_MAX, IPPROTO_IPV6),
        SCMP_CMP (2, SCMP_CMP_MASKED_EQ, UINT32_MAX, IPV6_V6ONLY),
    };
    return s_add (filter, SCMP_ACT_ALLOW, "setsockopt", CB_COUNT (only_six), only_six);
}

static int
s_add_option (scmp_filter_ctx filter, uint32_t action, uint32_t level, uint32_t option)
{
    struct scmp_arg_cmp when[] = {SCMP_CMP (1, SCMP_CMP_MASKED_EQ, UINT32_MAX, level),
                                  SCMP_CMP (2, SCMP_CMP_MASKED_EQ, UINT32_MAX, option)};

    return s_add (filter, action, "setsockopt", CB_COUNT (when), when);
}

/* A socket's buffer is memory that is none of a process: each keeps the size that it has, so that
 * who counts sockets knows what they may hold. As Linux does with a size that is too large, the
 * call succeeds. */
static int
s_add_buffers (scmp_filter_ctx filter, int loopback)
{
    for (size_t i = 0; i < CB_COUNT (s_buffer_options); i++) {
        if (s_add_option (filter, SCMP_ACT_ERRNO (0), SOL_SOCKET, s_buffer_options[i]) < 0)
            return -1;
        for (size_t k = 0; loopback && k < CB_COUNT (s_internet_levels); k++)
            if (s_add_option (filter, SCMP_ACT_ALLOW, s_internet_levels[k], s_buffer_options[i]) <
                0)
                return -1;
    }
    return 0;
}

static int
s_add_sockets (scmp_filter_ctx filter, int loopback)
{
    /* libzmq aborts when it may not list interfaces, but goes on when there is no such family. */
    struct scmp_arg_cmp netlink = SCMP_CMP (0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_NETLINK);

    if (s_add (filter, SCMP_ACT_ERRNO (EOPNOTSUPP), "socket", 1, &netlink) < 0 ||
        s_add_values (filter, "socket", 0, AF_UNIX) < 0 ||
        s_add_values (filter, "socketpair", 0, AF_UNIX) < 0 || s_add_buffers (filter, loopback) < 0)
        return -1;
    if (loopback && (s_add_internet (filter, AF_INET) < 0 || s_add_internet (filter, AF_INET6) < 0))
        return -1;
    for (size_t i = 0; i < CB_COUNT (s_socket_options); i++) {
        struct scmp_arg_cmp option =
            SCMP_CMP (2, SCMP_CMP_MASKED_EQ, s_socket_options[i].mask, s_socket_options[i].value);
        if (s_add (filter, SCMP_ACT_ALLOW, "setsockopt", 1, &option) < 0)
            return -1;
    }
    return 0;
}

static int
s_add_checked (scmp_filter_ctx filter)
{
    static const uint32_t kinds[] = {0, S_IFREG, S_IFIFO};
    struct scmp_arg_cmp no_new_spaces = SCMP_CMP (0, SCMP_CMP_MASKED_EQ, NEW_SPACES, 0);

    if (s_add (filter, SCMP_ACT_ALLOW, "clone", 1, &no_new_spaces) < 0 ||
        s_add_values (filter, "personality", 0, 0) < 0 ||
        s_add_values (filter, "personality", 0, UINT32_MAX) < 0)
        return -1;
    for (size_t i = 0; i < CB_COUNT (s_ioctls); i++)
        if (s_add_values (filter, "ioctl", 1, s_ioctls[i]) < 0)
            return -1;
    for (size_t i = 0; i < CB_COUNT (s_fcntls); i++)
        if (s_add_values (filter, "fcntl", 1, s_fcntls[i]) < 0)
            return -1;
    for (size_t i = 0; i < CB_COUNT (s_prctls); i++)
        if (s_add_values (filter, "prctl", 0, (uint32_t)s_prctls[i]) < 0)
            return -1;
    for (size_t i = 0; i < CB_COUNT (kinds); i++) {
        struct scmp_arg_cmp mknod = SCMP_CMP (1, SCMP_CMP_MASKED_EQ, S_IFMT, kinds[i]);
        struct scmp_arg_cmp mknodat = SCMP_CMP (2, SCMP_CMP_MASKED_EQ, S_IFMT, kinds[i]);
        if (s_add (filter, SCMP_ACT_ALLOW, "mknod", 1, &mknod) < 0 ||
            s_add (filter, SCMP_ACT_ALLOW, "mknodat", 1, &mknodat) < 0)
            return -1;
    }
    return 0;
}

/* seccomp (SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ...) and nothing else of it. */
static int
s_add_second (scmp_filter_ctx filter)
{
    struct scmp_arg_cmp when[] = {
        SCMP_CMP (0, SCMP_CMP_MASKED_EQ, UINT32_MAX, SECCOMP_SET_MODE_FILTER),
        SCMP_CMP (1, SCMP_CMP_MASKED_EQ, UINT32_MAX, SECCOMP_FILTER_FLAG_TSYNC),
    };

    return s_add (filter, SCMP_ACT_ALLOW, "seccomp", CB_COUNT (when), when);
}

/* Threads, but no processes. clone3 hides its flags and is missing in the first filter already. */
static int
s_fill_threads (scmp_filter_ctx filter)
{
    struct scmp_arg_cmp no_thread = SCMP_CMP (0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);

    if (s_add_names (filter, SCMP_ACT_ERRNO (EPERM), s_processes, CB_COUNT (s_processes)) < 0 ||
        s_add (filter, SCMP_ACT_ERRNO (ENOSYS), "clone3", 0, NULL) < 0)
        return -1;
    return s_add (filter, SCMP_ACT_ERRNO (EPERM), "clone", 1, &no_thread);
}

/* A call that makes or changes a file, and where its mode is. */
typedef struct mode_call {
    const char *name;
    unsigned mode;
    int flags; /* the argument that says whether a file is made; -1: always */
} mode_call;

static const mode_call s_mode_calls[] = {
    {"chmod", 1, -1}, {"fchmod", 1, -1},  {"fchmodat", 2, -1}, {"creat", 1, -1},
    {"mknod", 1, -1}, {"mknodat", 2, -1}, {"open", 2, 1},      {"openat", 3, 2},
};

static int
s_add_no_bit (scmp_filter_ctx filter, const mode_call *call, uint32_t bit)
{
    static const uint32_t makes[] = {O_CREAT, MAKES_UNNAMED};
    struct scmp_arg_cmp when[2] = {SCMP_CMP (call->mode, SCMP_CMP_MASKED_EQ, bit, bit)};

    if (call->flags < 0)
        return s_add (filter, SCMP_ACT_ERRNO (EPERM), call->name, 1, when);
    for (size_t i = 0; i < CB_COUNT (makes); i++) {
        when[1] = SCMP_CMP ((unsigned)call->flags, SCMP_CMP_MASKED_EQ, makes[i], makes[i]);
        if (s_add (filter, SCMP_ACT_ERRNO (EPERM), call->name, 2, when) < 0)
            return -1;
    }
    return 0;
}

/* No file with a setuid or setgid bit: in a folder of the host it would give whoever runs it there
 * the owner's rights. openat2 hides its mode, and libraries know another way. */
static int
s_fill_workdir (scmp_filter_ctx filter)
{
    if (s_add (filter, SCMP_ACT_ERRNO (ENOSYS), "openat2", 0, NULL) < 0)
        return -1;
    for (size_t i = 0; i < CB_COUNT (s_mode_calls); i++)
        if (s_add_no_bit (filter, &s_mode_calls[i], S_ISUID) < 0 ||
            s_add_no_bit (filter, &s_mode_calls[i], S_ISGID) < 0)
            return -1;
    return 0;
}

static int
s_fill (scmp_filter_ctx filter, unsigned kind)
{
    if (seccomp_attr_set (filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
        seccomp_attr_set (filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
        DIE ("libseccomp 2.5 is needed\n");
    if ((kind & KIND_THREADS) != 0)
        return s_fill_threads (filter);
    if ((kind & KIND_WORKDIR) != 0)
        return s_fill_workdir (filter);
    if ((kind & KIND_FIRST) != 0 && s_add_second (filter) < 0)
        return -1;
    if (s_add_names (filter, SCMP_ACT_ALLOW, s_allowed, CB_COUNT (s_allowed)) < 0 ||
        s_add_names (filter, SCMP_ACT_ERRNO (ENOSYS), s_missing, CB_COUNT (s_missing)) < 0 ||
        s_add_checked (filter) < 0)
        return -1;
    return s_add_sockets (filter, (kind & KIND_LOOPBACK) != 0);
}

/* The filter as libseccomp makes it; the number of its instructions or -1. */
static ssize_t
s_compile (unsigned kind, struct sock_filter *into)
{
    scmp_filter_ctx filter = seccomp_init (
        (kind & (KIND_THREADS | KIND_WORKDIR)) != 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO (EPERM));
    FILE *file = tmpfile ();
    ssize_t size = -1;

    if (filter != NULL && file != NULL && s_fill (filter, kind) == 0 &&
        seccomp_export_bpf (filter, fileno (file)) == 0)
        size = pread (fileno (file), into, FILTER_MAX * sizeof *into, 0);
    if (file != NULL)
        (void)fclose (file);
    seccomp_release (filter);
    return size < 0 ? -1 : size / (ssize_t)sizeof *into;
}

static int
s_print (const char *name, unsigned kind)
{
    static struct sock_filter code[FILTER_MAX];
    /* Calls newer than ours: ENOSYS. Other ABIs and x32 go on to libseccomp's own check. */
    const struct sock_filter before[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, arch)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native (), 0, 4),
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0),
        BPF_JUMP (BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    ssize_t count = s_compile (kind, code);

    if (count <= 0 || (size_t)count + CB_COUNT (before) > FILTER_MAX)
        DIE ("no filter\n");
    printf ("static struct sock_filter %s[] = {\n", name);
    for (size_t i = 0; i < CB_COUNT (before) + (size_t)count; i++) {
        const struct sock_filter *at =
            i < CB_COUNT (before) ? &before[i] : &code[i - CB_COUNT (before)];
        printf ("    {0x%x, %u, %u, 0x%xU},\n", at->code, at->jt, at->jf, at->k);
    }
    printf ("};\n\n");
    return 0;
}

int
main (void)
{
    printf ("/* filter-data.h - made by mkfilter.c. Never edit. */\n");
    if (s_print ("s_filter_plain", 0) < 0 || s_print ("s_filter_loopback", KIND_LOOPBACK) < 0 ||
        s_print ("s_filter_plain_first", KIND_FIRST) < 0 ||
        s_print ("s_filter_loopback_first", KIND_LOOPBACK | KIND_FIRST) < 0 ||
        s_print ("s_filter_threads", KIND_THREADS) < 0 ||
        s_print ("s_filter_workdir", KIND_WORKDIR) < 0)
        return 1;
    return fflush (stdout) != 0 || ferror (stdout);
}
