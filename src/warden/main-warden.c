/* main-warden.c - cellblockd: arguments, folders, lock, log; then janitor and warden.
 *
 *   cellblockd [--foreground] [--ready-fd N] [--config FILE]... [--set SECTION.KEY=VALUE]...
 *              [--kernelspec FOLDER]
 *
 * Without --foreground the first process returns when the daemon is ready or cannot start. Whoever
 * gave --ready-fd is told there: "ok" or "error: SENTENCE". */
#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/runtime.h"
#include "warden/jail.h"
#include "warden/janitor.h"
#include "warden/report.h"
#include "warden/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETS_MAX 256

#define EXIT_USAGE 2

struct options {
    int foreground;
    int ready_fd;
    const char *configs[CB_CONFIGS_GIVEN];
    size_t n_configs;
    char *sets[SETS_MAX];
    size_t n_sets;
    const char *kernelspec;
};

static const char s_usage[] =
    "Usage: cellblockd [--foreground] [--ready-fd N] [--config FILE]... [--set "
    "SECTION.KEY=VALUE]...\n"
    "                  [--kernelspec FOLDER]\n"
    "The cellblock daemon: owns the jails and runs the broker. `cellblock` starts it by itself.\n"
    "  -f, --foreground       stay in the foreground, log to standard error\n"
    "      --ready-fd N       write \"ok\" or \"error: SENTENCE\" to descriptor N when known\n"
    "  -C, --config FILE      read this configuration file too\n"
    "      --set NAME=VALUE   set section.key on top of all files\n"
    "      --kernelspec DIR   start this folder's launcher.py in every jail (tests do)\n"
    "  -h, --help             this text\n"
    "  -V, --version          the version\n";

static int
s_number (const char *text, int *ret_number)
{
    char *end = NULL;
    long number;

    errno = 0;
    number = strtol (text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0 || number > 1000000)
        return -1;
    *ret_number = (int)number;
    return 0;
}

static int
s_usage_error (const char *what, const char *text)
{
    (void)fprintf (stderr, "cellblockd: %s%s\nTry: cellblockd --help\n", what, text);
    return EXIT_USAGE;
}

enum { OPTION_READY_FD = 256, OPTION_SET, OPTION_KERNELSPEC };

/* -1: go on; else the value for exit. */
static int
s_take_option (struct options *self, int option)
{
    switch (option) {
    case 'f':
        self->foreground = 1;
        return -1;
    case 'C':
        if (self->n_configs >= CB_CONFIGS_GIVEN)
            return s_usage_error ("too many of --config: ", optarg);
        self->configs[self->n_configs++] = optarg;
        return -1;
    case OPTION_SET:
        if (self->n_sets >= SETS_MAX)
            return s_usage_error ("too many of --set: ", optarg);
        self->sets[self->n_sets++] = optarg;
        return -1;
    case OPTION_KERNELSPEC:
        self->kernelspec = optarg;
        return -1;
    case OPTION_READY_FD:
        if (s_number (optarg, &self->ready_fd) < 0 || fcntl (self->ready_fd, F_GETFD) < 0)
            return s_usage_error ("--ready-fd is no open descriptor: ", optarg);
        (void)fcntl (self->ready_fd, F_SETFD, FD_CLOEXEC);
        return -1;
    case 'h':
        (void)fputs (s_usage, stdout);
        return 0;
    case 'V':
        (void)puts ("cellblockd " PACKAGE_VERSION);
        return 0;
    default:
        return s_usage_error ("see what was said above", "");
    }
}

static int
s_parse (struct options *self, int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'C'},
        {"foreground", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {"kernelspec", required_argument, NULL, OPTION_KERNELSPEC},
        {"ready-fd", required_argument, NULL, OPTION_READY_FD},
        {"set", required_argument, NULL, OPTION_SET},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };

    for (int option = getopt_long (argc, argv, "fC:hV", longs, NULL); option != -1;
         option = getopt_long (argc, argv, "fC:hV", longs, NULL)) {
        int code = s_take_option (self, option);
        if (code >= 0)
            return code;
    }
    return optind < argc ? s_usage_error ("unexpected argument: ", argv[optind]) : -1;
}

/* -- into the background --------------------------------------------------------------------- */

/* The first process waits for the word and returns it as its exit status. */
static int
s_wait_ready (int fd)
{
    char text[CB_ERR_TEXT_MAX + 16];
    size_t size = 0;

    while (size < sizeof text - 1) {
        ssize_t got = read (fd, text + size, sizeof text - 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    text[size] = '\0';
    if (strcmp (text, "ok\n") == 0)
        return 0;
    (void)fprintf (stderr, "cellblockd: %s", size > 0 ? text : "error: it ended at once\n");
    return 1;
}

/* Forks; the parent leaves when the word is there. In the child *ready_fd is where to say it. */
static int
s_to_background (int *ready_fd, cb_err *err)
{
    int ends[2] = {-1, -1};

    if (*ready_fd < 0 && pipe2 (ends, O_CLOEXEC) < 0)
        return cb_fail_errno (err, CB_E_IO, "pipe");
    pid_t pid = fork ();
    if (pid < 0)
        return cb_fail_errno (err, CB_E_IO, "fork");
    if (pid > 0) {
        cb_close (&ends[1]);
        _exit (ends[0] >= 0 ? s_wait_ready (ends[0]) : 0);
    }
    cb_close (&ends[0]);
    if (ends[1] >= 0)
        *ready_fd = ends[1];
    (void)setsid ();
    return 0;
}

static int
s_redirect (cb_place *place, int foreground, cb_err *err)
{
    cb_auto_close int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2 (null, STDIN_FILENO) < 0)
        return cb_fail_errno (err, CB_E_IO, "/dev/null");
    if (foreground)
        return 0;
    cb_auto_close int log = cb_place_open_log (place, err);
    if (log < 0)
        return log;
    if (dup2 (null, STDOUT_FILENO) < 0 || dup2 (log, STDERR_FILENO) < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot write to the log");
    return 0;
}

/* An error of the kernel's under memory pressure should hit a jail, not us; needs root. */
static void
s_keep_from_oom (void)
{
    cb_auto_close int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && geteuid () == 0)
        (void)!write (fd, "-900", 4);
}

/* -- the whole ------------------------------------------------------------------------------- */

struct daemon {
    struct options options;
    cb_configs configs;
    cb_place place;
    cb_cgroups cgroups;
    struct rlimit nofile;
};

/* A folder given instead of ours must be one. */
static int
s_take_kernelspec (struct daemon *self, cb_err *err)
{
    char launcher[PATH_MAX + 16];
    char *into = self->place.kernelspec;

    if (self->options.kernelspec == NULL)
        return 0;
    if (realpath (self->options.kernelspec, into) == NULL)
        return cb_fail_errno (err, CB_E_NOTFOUND, "--kernelspec %.800s", self->options.kernelspec);
    (void)snprintf (launcher, sizeof launcher, "%s/launcher.py", into);
    if (access (launcher, R_OK) < 0)
        return cb_fail_errno (err, CB_E_NOTFOUND, "--kernelspec: %.800s", launcher);
    cb_log_warn ("jails start a launcher that is not ours", CB_STR ("kernelspec", into));
    return 0;
}

/* With fewer descriptors than one jail needs nothing could ever run, and what fails first would not
 * name them. */
static int
s_check_descriptors (const struct rlimit *limit, cb_err *err)
{
    const rlim_t least = CB_JAIL_FDS_OWN + CB_JAIL_FDS;

    if (limit->rlim_max >= least)
        return 0;
    return cb_fail (err, CB_E_LIMIT,
                    "only %llu open files are allowed (ulimit -Hn), a daemon with one jail needs "
                    "%llu: raise that limit",
                    (unsigned long long)limit->rlim_max, (unsigned long long)least);
}

static int
s_prepare (struct daemon *self, cb_err *err)
{
    (void)getrlimit (RLIMIT_NOFILE, &self->nofile);
    CB_TRY (s_check_descriptors (&self->nofile, err));
    (void)umask (077);
    CB_TRY (cb_configs_find (&self->configs, self->options.configs, self->options.n_configs, err));
    CB_TRY (cb_configs_open (&self->configs, err));
    CB_TRY (cb_place_open (&self->place, err));
    CB_TRY (s_take_kernelspec (self, err));
    if (!self->options.foreground)
        CB_TRY (s_to_background (&self->options.ready_fd, err));
    if (chdir ("/") < 0)
        return cb_fail_errno (err, CB_E_IO, "chdir");
    CB_TRY (s_redirect (&self->place, self->options.foreground, err));
    s_keep_from_oom ();
    cb_cgroups_find (&self->cgroups);
    return cb_janitor_prepare (err);
}

static int
s_run (struct daemon *self, cb_err *err)
{
    int ends[2];

    CB_TRY (cb_report_pair (ends, err));
    pid_t janitor = getpid ();
    pid_t warden = fork ();
    if (warden < 0)
        return cb_fail_errno (err, CB_E_IO, "fork");
    if (warden > 0) {
        cb_close (&ends[0]);
        cb_configs_close (&self->configs);
        _exit (cb_janitor_serve (&self->place, &self->cgroups, warden, ends[1],
                                 self->options.ready_fd));
    }
    cb_close (&ends[1]);
    cb_close (&self->options.ready_fd);
    const cb_warden_config config = {.place = &self->place,
                                     .cgroups = &self->cgroups,
                                     .broker = {.place = &self->place,
                                                .configs = &self->configs,
                                                .sets = self->options.sets,
                                                .n_sets = self->options.n_sets},
                                     .nofile = self->nofile,
                                     .janitor = janitor,
                                     .report_fd = ends[0]};
    _exit (cb_warden_serve (&config));
}

/* A parent hands on what it ignores and blocks. With SIGCHLD ignored nobody's end is ever seen: no
 * kernel's cause of death, no broker that has to be started again. */
static void
s_forget_parent (void)
{
    sigset_t none;

    (void)sigemptyset (&none);
    (void)sigprocmask (SIG_SETMASK, &none, NULL);
    (void)signal (SIGCHLD, SIG_DFL);
    cb_hold_standard ();
}

int
main (int argc, char **argv)
{
    static struct daemon daemon = {.options.ready_fd = -1};
    cb_err err = CB_ERR_INIT;
    int code = s_parse (&daemon.options, argc, argv);

    if (code >= 0)
        return code;
    s_forget_parent ();
    cb_log_open ("cellblockd", CB_LOG_INFO);
    if (s_prepare (&daemon, &err) == 0)
        (void)s_run (&daemon, &err);
    /* Said once: to who waits, else here. */
    if (daemon.options.ready_fd < 0)
        (void)fprintf (stderr, "cellblockd: error: %s\n", err.text);
    else
        cb_report_error (&daemon.options.ready_fd, err.text);
    return 1;
}
