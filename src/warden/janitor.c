/* janitor.c - cleans up however the warden ends.
 *
 * The process that was started stays as the janitor and forks the warden. As the nearest subreaper
 * above, it inherits everything the warden leaves, so "kill my children and reap until there is
 * none" ends every process of the house, with cgroups and without. It holds the flock of the
 * runtime folder open: the lock is free only when all is clean. It does nothing else and reads
 * nothing from anyone but the warden's one word. */
#include "warden/janitor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "warden/proc.h"
#include "warden/report.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_WAIT (10 * CB_USEC_PER_SEC)

static void
s_signals (sigset_t *set)
{
    (void)sigemptyset (set);
    (void)sigaddset (set, SIGTERM);
    (void)sigaddset (set, SIGINT);
    (void)sigaddset (set, SIGHUP);
    (void)sigaddset (set, SIGCHLD);
}

int
cb_janitor_prepare (cb_err *err)
{
    sigset_t set;

    s_signals (&set);
    (void)signal (SIGPIPE, SIG_IGN);
    if (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || sigprocmask (SIG_BLOCK, &set, NULL) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot become a subreaper");
    return 0;
}

/* Reaps; 1 when the warden was among them. */
static int
s_reap (pid_t warden, int *ret_status)
{
    int found = 0;
    int status = 0;

    for (pid_t pid = waitpid (-1, &status, WNOHANG); pid > 0; pid = waitpid (-1, &status, WNOHANG))
        if (pid == warden) {
            *ret_status = status;
            found = 1;
        }
    return found;
}

static void
s_forward (int signals, pid_t warden)
{
    struct signalfd_siginfo info;

    while (read (signals, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            (void)kill (warden, (int)info.ssi_signo);
}

static void
s_say_death (int *ready_fd, const cb_place *place, int status)
{
    char text[CB_ERR_TEXT_MAX];

    (void)snprintf (text, sizeof text, "cellblockd ended (%s %d) before it was ready: see %.900s",
                    WIFSIGNALED (status) ? "signal" : "status",
                    WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status),
                    place->log_path);
    cb_report_error (ready_fd, text);
}

void
cb_janitor_clean (cb_place *place, const cb_cgroups *cgroups, pid_t warden)
{
    cb_place_mark (place, warden, "ending");
    size_t left = cb_proc_kill_children (cb_now () + KILL_WAIT);
    size_t groups = cb_cgroups_remove (cgroups, warden);
    cb_place_clean (place);
    if (left + groups > 0)
        cb_log_error ("left behind", CB_INT ("processes", left), CB_INT ("groups", groups));
}

int
cb_janitor_serve (cb_place *place, const cb_cgroups *cgroups, pid_t warden, int report_fd,
                  int ready_fd)
{
    sigset_t set;
    int status = 0;

    (void)prctl (PR_SET_NAME, "cb-janitor");
    s_signals (&set);
    cb_auto_close int signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    do {
        struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                               {.fd = report_fd, .events = POLLIN}};
        /* Without a signalfd (no descriptors left) it looks four times a second. */
        if (poll (fds, 2, signals < 0 ? 250 : -1) < 0 && errno != EINTR)
            break;
        s_forward (signals, warden);
        if (report_fd >= 0 && fds[1].revents != 0 && !cb_report_pass (&report_fd, &ready_fd))
            cb_close (&report_fd);
    } while (!s_reap (warden, &status));

    (void)cb_report_pass (&report_fd, &ready_fd);
    s_say_death (&ready_fd, place, status);
    if (WIFSIGNALED (status))
        cb_log_error ("warden died", CB_INT ("pid", warden), CB_INT ("signal", WTERMSIG (status)));
    cb_janitor_clean (place, cgroups, warden);
    return WIFEXITED (status) ? WEXITSTATUS (status) : 1;
}
