/* main-init.c - cellblock-init: the last stage of a jail, inside, before Python.
 *
 * Runs as the jail's process in all its namespaces, without capabilities, and takes away what is
 * left: limits, file rights, system calls. Then it tells the warden which layers are in force and
 * becomes the launcher. A layer that is "on" and cannot be had is a fault; one that is "auto" is
 * left out and reported missing. */
#include "cell/landlock.h"
#include "cell/limits.h"
#include "cell/seccomp.h"
#include "cell/stage.h"

#include <errno.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All that the cell's environment holds. Two threads for numerical libraries: one a CPU of a big
 * machine would eat the limit of processes at import. */
static char *const s_environment[] = {
#define ENTRY(text) ((char[]){text})
    ENTRY ("HOME=/work"),
    ENTRY ("PATH=/usr/bin:/bin"),
    ENTRY ("LANG=C.UTF-8"),
    ENTRY ("TMPDIR=/tmp"),
    ENTRY ("USER=cell"),
    ENTRY ("LOGNAME=cell"),
    ENTRY ("IPYTHONDIR=/tmp/.ipython"),
    ENTRY ("MPLBACKEND=module://matplotlib_inline.backend_inline"),
    ENTRY ("MPLCONFIGDIR=/tmp/.matplotlib"),
    ENTRY ("OMP_NUM_THREADS=2"),
    ENTRY ("OPENBLAS_NUM_THREADS=2"),
    ENTRY ("PYTHONDONTWRITEBYTECODE=1"),
    ENTRY ("PYTHONNOUSERSITE=1"),
    NULL,
};

struct layers {
    uint32_t in_force; /* bits (1 << cb_layer) */
    uint32_t landlock_abi;
};

/* The second filter's descriptor for the launcher; -1: it needs none. */
static int s_threads = -1;

/* A fault of a layer that is only "auto" is forgiven. */
static int
s_forgive (const cb_jail_spec *spec, cb_layer layer, int result, cb_err *err)
{
    if (result >= 0 || spec->layers[layer] != CB_LAYER_AUTO)
        return result;
    *err = (cb_err)CB_ERR_INIT;
    return 0;
}

static int
s_apply_landlock (const cb_jail_spec *spec, struct layers *layers, cb_err *err)
{
    if (spec->layers[CB_LAYER_LANDLOCK] == CB_LAYER_OFF)
        return 0;
    int abi = cb_landlock_apply (spec, err);
    if (abi == CB_LANDLOCK_NONE)
        abi = cb_fail (err, CB_E_UNSUPPORTED,
                       "this kernel has no Landlock and the profile wants landlock = on");
    abi = s_forgive (spec, CB_LAYER_LANDLOCK, abi, err);
    if (abi > 0) {
        layers->landlock_abi = (uint32_t)abi;
        layers->in_force |= 1U << CB_LAYER_LANDLOCK;
    }
    return abi < 0 ? abi : 0;
}

static int
s_apply_seccomp (const cb_jail_spec *spec, struct layers *layers, cb_err *err)
{
    if (spec->layers[CB_LAYER_SECCOMP] == CB_LAYER_OFF)
        return 0;
    int result = spec->workdir == CB_WORKDIR_RW ? cb_seccomp_workdir (err) : 0;
    if (result == 0)
        result = cb_seccomp_apply (spec, err);
    if (result == 0)
        layers->in_force |= 1U << CB_LAYER_SECCOMP;
    /* Without filters nothing would keep the cell from starting programs, or from setuid bits. */
    if (result < 0 && (!spec->subprocesses || spec->workdir == CB_WORKDIR_RW))
        return result;
    return s_forgive (spec, CB_LAYER_SECCOMP, result, err);
}

static int
s_lock (const cb_jail_spec *spec, cb_err *err)
{
    struct layers layers = {0, 0};

    if (close_range (CB_STAGE_FD_ARGS, ~0U, 0) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "close_range (Linux 5.9 needed)");
    (void)umask (022);
    if (spec->workdir != CB_WORKDIR_NONE && chdir (CB_CELL_WORKDIR) < 0)
        return cb_fail_errno (err, CB_E_DENIED, "cannot enter the working folder %.800s",
                              spec->workdir_path);
    CB_TRY (cb_limits_set (spec, err));
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "no_new_privs");
    if (!spec->subprocesses) {
        s_threads = cb_seccomp_threads (err);
        CB_TRY (s_threads);
    }
    CB_TRY (s_apply_landlock (spec, &layers, err));
    CB_TRY (s_apply_seccomp (spec, &layers, err));
    return cb_stage_done (CB_STAGE_INIT, layers.in_force, layers.landlock_abi, -1, err);
}

static int
s_become_python (const cb_jail_spec *spec, cb_err *err)
{
    char python[] = CB_PYTHON, isolated[] = "-IB", launcher[] = CB_CELL_LAUNCHER;
    char network[] = "loopback", none[] = "none";
    char profile[CB_NAME_MAX];
    (void)snprintf (profile, sizeof profile, "%s", spec->profile);
    char threads[16];
    (void)snprintf (threads, sizeof threads, "%d", s_threads >= 0 ? SYS_seccomp : -1);
    char *argv[6 + CB_SPEC_ARGUMENTS_MAX + 1] = {
        python, isolated, launcher, profile, spec->loopback ? network : none, threads};
    size_t count = 6;
    for (const char *at = cb_spec_next_argument (spec, NULL); at != NULL;
         at = cb_spec_next_argument (spec, at))
        argv[count++] = (char *)(uintptr_t)at;

    if (s_threads >= 0 ? dup3 (s_threads, CB_STAGE_FD_SPEC, 0) < 0
                       : close_range (CB_STAGE_FD_SPEC, CB_STAGE_FD_SPEC, 0) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot close the stage's descriptors");
    if (close_range (CB_STAGE_FD_STATUS, CB_STAGE_FD_STATUS, CLOSE_RANGE_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot close the stage's descriptors");
    (void)execve (CB_PYTHON, argv, s_environment);
    if (errno == ENOENT)
        return cb_fail (err, CB_E_NOTFOUND,
                        "%s is missing; install it with: apt-get install python3-ipykernel",
                        CB_PYTHON);
    return cb_fail_errno (err, CB_E_IO, "cannot run %s", CB_PYTHON);
}

int
main (void)
{
    static cb_jail_spec spec;
    cb_err err = CB_ERR_INIT;

    if (cb_stage_spec (&spec, &err) < 0 || s_lock (&spec, &err) < 0 ||
        s_become_python (&spec, &err) < 0)
        return cb_stage_failed (CB_STAGE_INIT, &err);
    return 0;
}
