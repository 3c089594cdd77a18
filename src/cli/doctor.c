/* doctor.c - the table of probes and what they share. Nothing here trusts a version number where it
 * can try the thing itself: kernels are patched, containers filter calls, sysctls lie. */
#include "cli/doctor.h"

#include "base/fdio.h"
#include "base/table.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Seconds a probe may take: Python's imports on a slow disk or an emulated processor. */
#define S_PROBE_SECONDS 60
/* The first uid of jails when root starts them. */
#define S_JAIL_UID 1900000000U

static const cb_probe s_probes[] = {
    {"programs", "bubblewrap", "builds the jail", true, cb_probe_bwrap},
    {"programs", "python3", "the Python of the jail", true, cb_probe_python},
    {"programs", "ipykernel", "the kernel in the jail", true, cb_probe_ipykernel},
    {"programs", "numpy", "for your code", false, cb_probe_numpy},
    {"programs", "pandas", "for your code", false, cb_probe_pandas},
    {"programs", "matplotlib", "for your code", false, cb_probe_matplotlib},
    {"programs", "scipy", "for your code", false, cb_probe_scipy},
    {"programs", "scikit-learn", "for your code", false, cb_probe_sklearn},
    {"programs", "debugger", "with loopback = on", false, cb_probe_debugger},
    {"namespaces", "user", "no rights outside the jail", true, cb_probe_user_ns},
    {"namespaces", "mount", "a file system of its own", true, cb_probe_mount_ns},
    {"namespaces", "pid", "sees and ends no foreign process", true, cb_probe_pid_ns},
    {"namespaces", "net", "no network", true, cb_probe_net_ns},
    {"namespaces", "ipc", "no shared memory with others", true, cb_probe_ipc_ns},
    {"namespaces", "uts", "a host name of its own", true, cb_probe_uts_ns},
    {"namespaces", "cgroup", "does not see the host's cgroups", true, cb_probe_cgroup_ns},
    {"namespaces", "own /proc", "a /proc of its own processes", true, cb_probe_proc},
    {"namespaces", "all together", "bubblewrap makes a jail", true, cb_probe_whole},
    {"layers", "seccomp", "few system calls", true, cb_probe_seccomp},
    {"layers", "landlock", "file rights a second time", true, cb_probe_landlock},
    {"layers", "uid", "a user of its own for each jail", true, cb_probe_uid},
    {"layers", "idmapped mounts", "inputs only root can read", false, cb_probe_idmap},
    {"limits", "cgroups", "memory, processes, processor", true, cb_probe_cgroups},
    {"limits", "swap", "memory means memory", true, cb_probe_swap},
    {"limits", "open files", "how many sessions fit", true, cb_probe_open_files},
    {"places", "runtime folder", "sockets and locks", true, cb_probe_runtime_dir},
    {"places", "state folder", "runs, pictures, the log", true, cb_probe_state_dir},
    {"places", "daemon", "runs the jails", false, cb_probe_daemon},
};

const cb_probe *
cb_doctor_probes (size_t *ret_count)
{
    *ret_count = CB_COUNT (s_probes);
    return s_probes;
}

const char *
cb_probe_state_name (cb_probe_state state)
{
    static const char *const names[] = {"ok", "weaker", "missing"};
    return names[state];
}

/* ---- findings ---------------------------------------------------------------------------------
 */

void
cb_finding_found (cb_finding *self, const char *format, ...)
{
    va_list args;

    va_start (args, format);
    (void)vsnprintf (self->found, sizeof self->found, format, args);
    va_end (args);
}

void
cb_finding_cause (cb_finding *self, cb_probe_state state, const char *format, ...)
{
    va_list args;

    self->state = state;
    va_start (args, format);
    (void)vsnprintf (self->cause, sizeof self->cause, format, args);
    va_end (args);
}

void
cb_finding_mend (cb_finding *self, const char *format, ...)
{
    va_list args;

    va_start (args, format);
    (void)vsnprintf (self->mend, sizeof self->mend, format, args);
    va_end (args);
}

/* ---- a probe's child --------------------------------------------------------------------------
 */

static void
s_child (const cb_probe *probe, int to)
{
    cb_finding finding = {.state = CB_PROBE_OK};
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0) {
        (void)dup2 (null, STDIN_FILENO);
        (void)dup2 (null, STDOUT_FILENO);
        (void)dup2 (null, STDERR_FILENO);
    }
    (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
    (void)alarm (S_PROBE_SECONDS);
    probe->look (&finding);
    (void)cb_write_all (to, &finding, sizeof finding, NULL);
    _exit (0);
}

static bool
s_receive (int from, cb_finding *finding)
{
    cb_scoped (cb_buf) cb_buf bytes;

    cb_buf_init (&bytes, sizeof *finding);
    if (cb_read_all (from, &bytes, NULL) < 0 || bytes.size != sizeof *finding)
        return false;
    memcpy (finding, bytes.data, sizeof *finding);
    return finding->state <= CB_PROBE_MISSING;
}

void
cb_doctor_run (const cb_probe *probe, cb_finding *ret_finding)
{
    int ends[2] = {-1, -1};
    int status = 0;

    memset (ret_finding, 0, sizeof *ret_finding);
    pid_t pid = pipe2 (ends, O_CLOEXEC) == 0 ? fork () : -1;
    if (pid == 0)
        s_child (probe, ends[1]);
    cb_close (&ends[1]);
    bool whole = pid > 0 && s_receive (ends[0], ret_finding);
    cb_close (&ends[0]);
    if (pid > 0)
        (void)waitpid (pid, &status, 0);
    if (whole)
        return;
    memset (ret_finding, 0, sizeof *ret_finding);
    cb_finding_found (ret_finding, "not known");
    if (pid < 0)
        cb_finding_cause (ret_finding, CB_PROBE_MISSING, "no process for the probe");
    else if (WIFSIGNALED (status) && WTERMSIG (status) == SIGALRM)
        cb_finding_cause (ret_finding, CB_PROBE_MISSING, "nothing came for %d s", S_PROBE_SECONDS);
    else
        cb_finding_cause (ret_finding, CB_PROBE_MISSING, "the probe was ended by signal %d",
                          WTERMSIG (status));
}

/* ---- what probes share ------------------------------------------------------------------------
 */

int
cb_probe_read (const char *path, char *text, size_t size)
{
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read (fd, text, size - 1) : -1;

    text[got > 0 ? got : 0] = '\0';
    return got >= 0 ? 0 : -1;
}

long
cb_probe_number (const char *path, long otherwise)
{
    char text[64];
    char *end = NULL;

    if (cb_probe_read (path, text, sizeof text) < 0)
        return otherwise;
    long number = strtol (text, &end, 10);
    return end != text ? number : otherwise;
}

pid_t
cb_probe_fork (void)
{
    pid_t probe = getpid ();
    pid_t pid = fork ();

    if (pid != 0)
        return pid;
    (void)prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != probe)
        _exit (127);
    return 0;
}

int
cb_probe_run (char *const argv[], char *text, size_t size)
{
    int ends[2];
    int status = 0;
    char *environment[] = {NULL};
    cb_buf printed;

    text[0] = '\0';
    if (pipe2 (ends, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = cb_probe_fork ();
    if (pid == 0) {
        (void)dup2 (ends[1], STDOUT_FILENO);
        (void)dup2 (ends[1], STDERR_FILENO);
        (void)execve (argv[0], argv, environment);
        _exit (127);
    }
    cb_close (&ends[1]);
    cb_buf_init (&printed, 65536);
    (void)cb_read_all (ends[0], &printed, NULL);
    cb_close (&ends[0]);
    if (printed.data != NULL)
        (void)snprintf (text, size, "%s", printed.data);
    cb_buf_done (&printed);
    if (pid < 0 || waitpid (pid, &status, 0) < 0)
        return -1;
    return WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status);
}

/* The uid a jail of root would get: from S_JAIL_UID up where mapped, else the highest mapped. */
static uid_t
s_jail_uid (void)
{
    unsigned long inside = 0;
    unsigned long outside = 0;
    unsigned long count = 0;
    unsigned long highest = 0;
    cb_auto_close int fd = open ("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    char text[4096] = "";

    if (fd < 0 || read (fd, text, sizeof text - 1) <= 0)
        return 0;
    for (const char *line = text; line != NULL && *line != '\0';
         line = (line = strchr (line, '\n')) != NULL ? line + 1 : NULL) {
        if (sscanf (line, "%lu %lu %lu", &inside, &outside, &count) != 3 || count == 0)
            break;
        if (inside <= S_JAIL_UID && S_JAIL_UID - inside < count)
            return S_JAIL_UID;
        if (inside + count - 1 > highest)
            highest = inside + count - 1;
    }
    return (uid_t)highest;
}

int
cb_probe_drop_root (void)
{
    if (geteuid () != 0)
        return 0;
    uid_t uid = s_jail_uid ();
    if (uid == 0 || setgroups (0, NULL) < 0 || setresgid (uid, uid, uid) < 0 ||
        setresuid (uid, uid, uid) < 0)
        return -1;
    (void)prctl (PR_SET_PDEATHSIG, SIGKILL); /* another uid has forgotten it */
    return prctl (PR_SET_DUMPABLE, 1);       /* else /proc/self/uid_map belongs to root */
}

static int
s_write_text (const char *path, const char *text)
{
    cb_auto_close int fd = open (path, O_WRONLY | O_CLOEXEC);
    size_t size = strlen (text);
    return fd >= 0 && write (fd, text, size) == (ssize_t)size ? 0 : -1;
}

int
cb_probe_unshare (int flags)
{
    char map[64];
    uid_t uid = geteuid ();
    gid_t gid = getegid ();

    if (unshare (CLONE_NEWUSER | flags) < 0)
        return -1;
    (void)s_write_text ("/proc/self/setgroups", "deny");
    (void)snprintf (map, sizeof map, "%u %u 1", uid, uid);
    if (s_write_text ("/proc/self/uid_map", map) < 0)
        return -1;
    (void)snprintf (map, sizeof map, "%u %u 1", gid, gid);
    return s_write_text ("/proc/self/gid_map", map);
}
