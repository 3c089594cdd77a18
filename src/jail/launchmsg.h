/* launchmsg.h - the packets between broker and warden, and between warden and the jail's stages.
 *
 * SOCK_SEQPACKET, one message a packet: cb_launch_head, then a body that is a fixed struct of the
 * type's row below (and, for START, an encoded spec behind it). Same machine, same build: native
 * byte order and layout; the version in the head refuses anything else. The receiver checks size
 * and descriptors against the row before it looks at the body. No JSON, no pointers. */
#ifndef CB_JAIL_LAUNCHMSG_H
#define CB_JAIL_LAUNCHMSG_H

#include "base/channel.h"
#include "base/fdpass.h"
#include "jail/spec.h"

#define CB_LAUNCH_VERSION 1

/* A jail's life in packets. START is answered once: STARTED, or FAILED. When the jail had a process
 * before it failed, EXITED (was_started 0) follows as soon as all of it is gone. After EXITED its
 * files can still be opened (OPEN) until FORGET, at most CB_LAUNCH_REMAINS_S. */
#define CB_LAUNCH_REMAINS_S 60

typedef enum {
    /* broker -> warden */
    CB_LAUNCH_START =
        1, /* spec. fds: 5 listening, 5 connected, connection memfd, session page memfd */
    CB_LAUNCH_SIGNAL,   /* cb_launch_signal: a signal to the kernel process (SIGINT) */
    CB_LAUNCH_KILL,     /* -: the jail dies now; EXITED follows */
    CB_LAUNCH_LIST,     /* -: one JAIL a jail that starts or lives, then LISTED */
    CB_LAUNCH_SERVING,  /* cb_launch_serving: the broker's sockets are open, it has read nothing
                           but its configuration; the warden reports ready. Counts once */
    CB_LAUNCH_SHUTDOWN, /* -: end everything */
    CB_LAUNCH_USAGE,    /* -: what a live jail has used so far; answer USED */
    CB_LAUNCH_FORGET,   /* -: the files of a jail that EXITED are needed no longer; answer DONE */
    CB_LAUNCH_RELOAD,   /* -: the configuration files opened anew. fds: a SEQPACKET socket on which
                           CONFIG or FAILED comes, from a process of its own: it may take a while */
    /* broker or filer -> warden */
    CB_LAUNCH_OPEN, /* cb_launch_open: a file or folder of a jail's quota tmpfs */
    /* warden -> broker */
    CB_LAUNCH_STARTED, /* cb_launch_started. fds: quota tmpfs (O_PATH), pidfd of the kernel process,
                          facts */
    CB_LAUNCH_FAILED,  /* cb_launch_failed: answer to any request. From a broker that cannot start
                          (bad configuration): why; then it exits and the warden says it and ends */
    CB_LAUNCH_DONE,    /* -: answer to SIGNAL, KILL, FORGET */
    CB_LAUNCH_EXITED,  /* cb_launch_exited: a jail is gone, everything of it is cleaned up */
    CB_LAUNCH_JAIL,    /* cb_launch_started + encoded spec. fds: quota tmpfs, pidfd, 5 listening,
                          5 connected, connection memfd, page, facts; of a jail that is starting the
                          body is empty and the page stands for the first two */
    CB_LAUNCH_LISTED,  /* - */
    CB_LAUNCH_OPENED,  /* cb_launch_opened. fds: the file or folder */
    CB_LAUNCH_USED,    /* cb_launch_used */
    CB_LAUNCH_CONFIG,  /* cb_launch_config. fds: the configuration files, in the labels' order */
    /* stages -> warden (on the jail's status socket, SO_PASSCRED) */
    CB_LAUNCH_STAGE, /* cb_launch_stage: a stage is done (fds: quota tmpfs for STAGE_MOUNTS) or
                        failed */
    CB_LAUNCH__COUNT
} cb_launch_type;

typedef struct cb_launch_head {
    uint32_t version;
    uint32_t type;
    uint64_t serial; /* chosen by the asker, repeated in the answer; 0 in events */
    uint64_t jail;   /* chosen by the broker at START, never reused in its life; 0: none */
} cb_launch_head;

typedef struct cb_launch_serving {
    uint32_t off; /* bit (1 << cb_layer): a profile of the configuration switches it off */
} cb_launch_serving;

typedef struct cb_launch_signal {
    int32_t signal;
} cb_launch_signal;

typedef enum {
    CB_OPEN_READ = 1, /* a regular file, O_RDONLY */
    CB_OPEN_FOLDER,   /* a folder, O_RDONLY */
    CB_OPEN_CREATE, /* a new file, 0644, of the jail's uid, or an existing one, emptied; O_WRONLY */
    CB_OPEN_WRITE   /* an existing regular file as it is, O_WRONLY */
} cb_open_mode;

/* Opened with openat2 (RESOLVE_BENEATH, NO_SYMLINKS, NO_MAGICLINKS, NO_XDEV) and O_NONBLOCK: the
 * jail may put a FIFO anywhere at any time. FAILED says CB_E_NOTFOUND where nothing is there,
 * CB_E_INVALID for a symlink, a special file or the wrong kind, CB_E_LIMIT for a full quota,
 * CB_E_GONE for a jail that is not (or no longer) known. */
typedef struct cb_launch_open {
    uint32_t mode;       /* cb_open_mode */
    char path[PATH_MAX]; /* "output/plot.png": below the quota tmpfs, no symlink on the way */
} cb_launch_open;

typedef struct cb_launch_opened {
    uint64_t size;
    uint64_t inode;
    int64_t mtime_ns;
    uint32_t file_mode; /* st_mode */
    uint32_t links;
} cb_launch_opened;

/* What the kernel of the machine tells of a live jail, as files that are read again and again: so
 * the broker knows what was hit without asking. Each may be missing; those that are there come in
 * this order. */
typedef enum {
    CB_FACT_PROCESSES, /* the cgroup's pids.events, a line "max N": forks that were refused */
    CB_FACT_PROC,      /* without such a cgroup: /proc of the jail, a folder */
    CB_FACT_FILES,     /* /proc/PID/fd of the kernel process, a folder */
    CB_FACT__COUNT
} cb_fact;

typedef struct cb_launch_started {
    int32_t kernel_pid; /* in the warden's pid namespace */
    uint32_t uid;       /* kernel uid of the jail */
    uint32_t layers;    /* bit (1 << cb_layer): in force */
    uint32_t landlock_abi;
    uint32_t facts;  /* bit (1 << cb_fact): its descriptor came with it */
    char cgroup[64]; /* "v2", "v1", "none" */
} cb_launch_started;

typedef struct cb_launch_failed {
    int32_t code; /* CB_E_* */
    char text[CB_ERR_TEXT_MAX];
} cb_launch_failed;

typedef struct cb_launch_exited {
    int32_t signal;       /* that ended the kernel process, 0: it exited */
    int32_t status;       /* its exit status */
    uint32_t was_started; /* 0: it died before STARTED, text says in which stage and why */
    uint32_t killed;      /* 1: by our KILL or a shutdown */
    uint64_t oom_kills;   /* of its memory cgroup, or 1: ended over its limit by the watchdog */
    uint64_t pids_hits;   /* forks refused by the pids cgroup */
    uint64_t peak_memory; /* bytes, 0: not known */
    uint64_t cpu_usec;    /* 0: not known */
    char text[CB_ERR_TEXT_MAX]; /* the end of what it wrote to standard error */
} cb_launch_exited;

typedef struct cb_launch_used {
    uint64_t oom_kills;   /* of the jail's cgroup since its start */
    uint64_t pids_hits;   /* forks refused */
    uint64_t memory;      /* bytes now, 0: not known */
    uint64_t peak_memory; /* bytes, 0: not known */
    uint64_t cpu_usec;    /* 0: not known */
} cb_launch_used;

#define CB_LAUNCH_CONFIGS 16

typedef struct cb_launch_config {
    char labels[8192]; /* a line a file: its path */
} cb_launch_config;

typedef enum {
    CB_STAGE_SPAWN = 0,  /* the warden's child before cellblock-jail: cgroup, inputs opened */
    CB_STAGE_MOUNTS = 1, /* cellblock-jail: quota tmpfs and inputs mounted, uid dropped */
    CB_STAGE_INIT        /* cellblock-init: limits, Landlock, seccomp in force; execs Python next */
} cb_stage;

typedef struct cb_launch_stage {
    uint32_t stage;
    int32_t code; /* 0 or CB_E_*; then text says what failed */
    uint32_t layers;
    uint32_t landlock_abi;
    char text[CB_ERR_TEXT_MAX];
} cb_launch_stage;

/* cellblock-jail [--uid N] --parent PID
 * N: the jail's kernel uid (and gid); given exactly when the warden is root. PID: the warden's, so
 * that a stage notices a parent that died before PR_SET_PDEATHSIG. Nothing else is in argv or in
 * the environment, which is empty. The warden makes bwrap's arguments; they bind what
 * cellblock-jail mounts below CB_STAGE_DIR.
 *
 * Descriptors of a stage after exec, the same in cellblock-jail, bwrap and cellblock-init. */
enum {
    CB_STAGE_FD_CHANNELS = 3, /* 3..7: listening sockets, in cb_channel order */
    CB_STAGE_FD_CONNECTION =
        8,                   /* memfd: JSON {"key", "signature_scheme", "session", "fds": [3..7]} */
    CB_STAGE_FD_SPEC = 9,    /* memfd: encoded spec */
    CB_STAGE_FD_STATUS = 10, /* SEQPACKET to the warden */
    CB_STAGE_FD_ARGS =
        11, /* memfd: bwrap's arguments, for --args (cellblock-jail and bwrap only) */
    CB_STAGE_FD_LIBEXEC = 12, /* O_PATH of the folder with cellblock-init (cellblock-jail only) */
    CB_STAGE_FD_KERNELSPEC = 13, /* O_PATH of the folder with launcher.py (cellblock-jail only) */
    CB_STAGE_FD_INPUTS = 14 /* 14..: O_PATH of each input in the spec's order, then of the working
                               folder, if there is one (cellblock-jail only) */
};

/* Where cellblock-jail builds what bwrap binds, in a mount namespace of its own: a small tmpfs over
 * CB_STAGE_DIR. In the end that tmpfs, read-only, is the whole of what bwrap sees (pivot_root):
 * no mount of the host is left that bwrap could be tricked to. */
#define CB_STAGE_DIR        "/mnt"
#define CB_STAGE_QUOTA      CB_STAGE_DIR "/quota"            /* tmpfs: work tmp output shm */
#define CB_STAGE_ROOT       CB_STAGE_DIR CB_BWRAP_ROOT       /* / of the jail, complete */
#define CB_STAGE_INIT_FILE  CB_STAGE_ROOT CB_CELL_INIT       /* cellblock-init */
#define CB_STAGE_KERNELSPEC CB_STAGE_ROOT CB_CELL_KERNELSPEC /* launcher.py and what it needs */
#define CB_STAGE_INPUT      CB_STAGE_ROOT "/input"           /* one entry an input */
#define CB_STAGE_WORKDIR    CB_STAGE_ROOT CB_CELL_WORKDIR    /* the working folder */

/* The same as bwrap sees it: it binds CB_BWRAP_ROOT, with everything mounted in it, as /, adds
 * /proc and /dev, and binds CB_BWRAP_SHM as /dev/shm. */
#define CB_BWRAP_ROOT "/root"
#define CB_BWRAP_SHM  "/quota/shm"

/* The same inside. cellblock-init runs: CB_PYTHON -IB CB_CELL_LAUNCHER PROFILE none|loopback, with
 * descriptors 0 to 8 and nothing of the environment but its own list. With subprocesses = off one
 * argument more, the number of seccomp(2), and in CB_STAGE_FD_SPEC the filter to install. */
#define CB_CELL_INIT       "/cb/init"
#define CB_CELL_KERNELSPEC "/cb/python"
#define CB_CELL_WORKDIR    "/workdir" /* where the kernel starts, if there is one: else in /work */
#define CB_CELL_LAUNCHER   CB_CELL_KERNELSPEC "/launcher.py"

/* A packet to send. Everything is borrowed; what is not named is empty. */
typedef struct cb_launch_out {
    cb_launch_head head; /* its version is filled in */
    const void *body;
    size_t body_size;
    const void *tail; /* an encoded spec, behind the body */
    size_t tail_size;
    const int *fds;
    size_t n_fds;
} cb_launch_out;

/* Checks it as the receiver will, then sends; faults of cb_packet_send. */
int cb_launch_send (int socket, const cb_launch_out *out, cb_err *err)
    __attribute__ ((warn_unused_result));

/* A packet received. */
typedef struct cb_launch_in {
    cb_launch_head head;
    const void *body; /* points into the bytes given; a spec in it is not decoded yet */
    size_t body_size;
    cb_packet packet; /* the descriptors and the sender: cb_packet_done () when done with it */
} cb_launch_in;

/* Receives into bytes (room >= CB_LAUNCH_BYTES_MAX, aligned for a uint64_t) and checks version,
 * type, size and descriptors against the type's row. Outcomes of cb_packet_recv; on a fault the
 * descriptors are closed. */
#define CB_LAUNCH_BYTES_MAX (CB_SPEC_BYTES_MAX + 8192)
int cb_launch_recv (int socket, char *bytes, size_t room, cb_launch_in *ret_in, cb_err *err)
    __attribute__ ((warn_unused_result));

/* The check of cb_launch_recv alone: fills head, body, body_size. */
int cb_launch_check (const char *bytes, size_t size, size_t n_fds, cb_launch_in *ret_in,
                     cb_err *err) __attribute__ ((warn_unused_result));

/* "start", "signal" ...: for logs. */
const char *cb_launch_type_name (uint32_t type);

#endif
