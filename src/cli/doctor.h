/* doctor.h - looks at what this machine can enforce: a table of probes, each really tried in a
 * child process of its own, so a probe that fails, hangs or dies harms nobody. */
#ifndef CB_CLI_DOCTOR_H
#define CB_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Bytes of the texts; a mend may be a whole AppArmor profile. */
#define CB_FINDING_FOUND 192
#define CB_FINDING_CAUSE 512
#define CB_FINDING_MEND  1024

typedef enum {
    CB_PROBE_OK,
    CB_PROBE_WEAKER, /* something is not there, jails work, weaker or poorer */
    CB_PROBE_MISSING /* no jail, or not the default profile, without it */
} cb_probe_state;

typedef struct cb_finding {
    cb_probe_state state;
    char found[CB_FINDING_FOUND]; /* what is there, in a few words */
    char cause[CB_FINDING_CAUSE]; /* why it is not as it should be; "" when ok */
    char mend[CB_FINDING_MEND];   /* the command or change that mends it; lines end with \n */
} cb_finding;

typedef struct cb_probe {
    const char *group; /* heading: "programs" */
    const char *name;
    const char *purpose; /* what it is for, in the man page's words */
    bool needed;         /* the default profile does not hold fully without it */
    void (*look) (cb_finding *finding);
} cb_probe;

/* All rows, in the order in which they are shown. */
const cb_probe *cb_doctor_probes (size_t *ret_count);

/* Runs one probe in a child (at most 20 s). Never fails: what went wrong is the finding. */
void cb_doctor_run (const cb_probe *probe, cb_finding *ret_finding);

/* "ok", "weaker", "missing". Borrowed, static. */
const char *cb_probe_state_name (cb_probe_state state);

/* ---- for the probes, inside their child -------------------------------------------------------
 */

void cb_finding_found (cb_finding *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
void cb_finding_cause (cb_finding *self, cb_probe_state state, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
void cb_finding_mend (cb_finding *self, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/* The first size bytes of a small file of /proc or /sys with an end byte; -1 when unreadable. */
int cb_probe_read (const char *path, char *text, size_t size);
/* A number that stands alone in such a file; otherwise when there is none. */
long cb_probe_number (const char *path, long otherwise);

/* fork; the child is killed when the probe ends, who may be cut off at any moment. */
pid_t cb_probe_fork (void);

/* Runs a program without environment; what it printed, both streams, in text. Its exit status,
 * 128 + signal, or -1 when it could not be run. */
int cb_probe_run (char *const argv[], char *text, size_t size);

/* As root: becomes a uid such as jails get (the child only). 0, or -1 where there is none. */
int cb_probe_drop_root (void);

/* unshare with a user namespace and our ids mapped into it. 0 or -1 with errno. */
int cb_probe_unshare (int flags);

/* Why user namespaces fail here, with the mend. */
void cb_probe_explain_userns (cb_finding *finding, int number);

void cb_probe_bwrap (cb_finding *finding);
void cb_probe_python (cb_finding *finding);
void cb_probe_ipykernel (cb_finding *finding);
void cb_probe_numpy (cb_finding *finding);
void cb_probe_pandas (cb_finding *finding);
void cb_probe_matplotlib (cb_finding *finding);
void cb_probe_scipy (cb_finding *finding);
void cb_probe_sklearn (cb_finding *finding);
void cb_probe_debugger (cb_finding *finding);
void cb_probe_user_ns (cb_finding *finding);
void cb_probe_mount_ns (cb_finding *finding);
void cb_probe_pid_ns (cb_finding *finding);
void cb_probe_net_ns (cb_finding *finding);
void cb_probe_ipc_ns (cb_finding *finding);
void cb_probe_uts_ns (cb_finding *finding);
void cb_probe_cgroup_ns (cb_finding *finding);
void cb_probe_proc (cb_finding *finding);
void cb_probe_whole (cb_finding *finding);
void cb_probe_seccomp (cb_finding *finding);
void cb_probe_landlock (cb_finding *finding);
void cb_probe_uid (cb_finding *finding);
void cb_probe_idmap (cb_finding *finding);
void cb_probe_cgroups (cb_finding *finding);
void cb_probe_swap (cb_finding *finding);
void cb_probe_open_files (cb_finding *finding);
void cb_probe_runtime_dir (cb_finding *finding);
void cb_probe_state_dir (cb_finding *finding);
void cb_probe_daemon (cb_finding *finding);

#endif
