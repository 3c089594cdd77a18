/* seccomp.c - installs the allow-list that mkfilter made when the program was built.
 *
 * Nothing is compiled at run time and no library is needed inside: the filter is an array. */
#include "cell/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cell/filter-data.h"

int
cb_seccomp_apply (int loopback, cb_err *err)
{
    struct sock_fprog program = {
        .len = loopback ? sizeof s_filter_loopback / sizeof s_filter_loopback[0]
                        : sizeof s_filter_plain / sizeof s_filter_plain[0],
        .filter = loopback ? s_filter_loopback : s_filter_plain,
    };

    if (syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return cb_fail_errno (err, CB_E_UNSUPPORTED, "the kernel refuses the seccomp filter");
    return 0;
}
