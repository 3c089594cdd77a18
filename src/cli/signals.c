/* signals.c - signals by a descriptor: no handler runs anywhere, so nothing is cut in the middle,
 * and whoever waits (for the daemon, for a slow reader of our output) waits for signals as well. */
#include "cli/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int
cb_signals_open (cb_err *err)
{
    sigset_t wanted;

    (void)sigemptyset (&wanted);
    (void)sigaddset (&wanted, SIGINT);
    (void)sigaddset (&wanted, SIGTERM);
    if (sigprocmask (SIG_BLOCK, &wanted, NULL) < 0 || signal (SIGPIPE, SIG_IGN) == SIG_ERR)
        return cb_fail_errno (err, CB_E_IO, "signals cannot be set up");
    int fd = signalfd (-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "no descriptor for signals");
    return fd;
}

int
cb_signals_next (int fd)
{
    struct signalfd_siginfo info;

    if (fd < 0 || read (fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}
