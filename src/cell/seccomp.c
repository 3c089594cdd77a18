/* seccomp.c - installs the allow-list that mkfilter made when the program was built.
 *
 * Nothing is compiled at run time and no library is needed inside: the filter is an array. */
#include "cell/seccomp.h"

#include "base/fdio.h"
#include "base/table.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cell/filter-data.h"

#define PROGRAM(code)                            \
    {                                            \
        .len = CB_COUNT (code), .filter = (code) \
    }

static int
s_install (struct sock_fprog *program, cb_err *err)
{
    if (syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "the kernel refuses the seccomp filter");
    return 0;
}

int
cb_seccomp_apply (const cb_jail_spec *spec, cb_err *err)
{
    /* By loopback, then subprocesses. */
    const struct sock_fprog programs[2][2] = {
        {PROGRAM (s_filter_plain_first), PROGRAM (s_filter_plain)},
        {PROGRAM (s_filter_loopback_first), PROGRAM (s_filter_loopback)},
    };
    struct sock_fprog program = programs[spec->loopback != 0][spec->subprocesses != 0];

    return s_install (&program, err);
}

int
cb_seccomp_workdir (cb_err *err)
{
    struct sock_fprog program = PROGRAM (s_filter_workdir);

    return s_install (&program, err);
}

int
cb_seccomp_threads (cb_err *err)
{
    return cb_memfd ("filter", s_filter_threads, sizeof s_filter_threads, err);
}
