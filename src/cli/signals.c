/* signals.c - signals by a descriptor: no handler runs anywhere, so nothing is cut in the middle,
 * and whoever waits (for the daemon, for a slow reader of our output) waits for signals as well. */
#include "cli/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A terminal that closes ends us like SIGTERM, unless somebody (nohup) wants it ignored: a signal
 * that is blocked would come all the same. */
static int
s_wants_hangup (void)
{
    struct sigaction now;
    return sigaction (SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN;
}

int
cb_signals_open (cb_err *err)
{
    sigset_t wanted;

    (void)sigemptyset (&wanted);
    (void)sigaddset (&wanted, SIGINT);
    (void)sigaddset (&wanted, SIGTERM);
    if (s_wants_hangup ())
        (void)sigaddset (&wanted, SIGHUP);
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
    return info.ssi_signo == SIGHUP ? SIGTERM : (int)info.ssi_signo;
}
