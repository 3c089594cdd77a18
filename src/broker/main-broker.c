/* main-broker.c - cellblock-broker: started by the warden with its descriptors, never by hand.
 *
 * Before anything else (no key, no client, no thread) the file helper is forked: its copy of this
 * process holds nothing worth having. */
#include "broker/broker.h"

#include "base/fdio.h"
#include "base/log.h"
#include "jail/launchmsg.h"
#include "prov/filer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct arguments {
    int warden;
    int filer;
    int runtime;
    int state;
    const char *runtime_dir;
    const char *state_dir;
    long warden_pid;
    cb_ini_sources sources;
} arguments;

enum {
    OPT_WARDEN = 256,
    OPT_FILER,
    OPT_RUNTIME,
    OPT_STATE,
    OPT_RUNTIME_DIR,
    OPT_STATE_DIR,
    OPT_WARDEN_PID,
    OPT_CONFIG_FD,
    OPT_SET
};

static const struct option s_options[] = {
    {"warden-fd", required_argument, NULL, OPT_WARDEN},
    {"filer-fd", required_argument, NULL, OPT_FILER},
    {"runtime-fd", required_argument, NULL, OPT_RUNTIME},
    {"state-fd", required_argument, NULL, OPT_STATE},
    {"runtime-dir", required_argument, NULL, OPT_RUNTIME_DIR},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"warden-pid", required_argument, NULL, OPT_WARDEN_PID},
    {"config-fd", required_argument, NULL, OPT_CONFIG_FD},
    {"set", required_argument, NULL, OPT_SET},
    {NULL, 0, NULL, 0},
};

static int
s_number (const char *text, long most, long *ret_number, cb_err *err)
{
    char *end = NULL;

    errno = 0;
    long number = strtol (text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0 || number > most)
        return cb_fail (err, CB_E_INVALID, "'%.40s' is not a number up to %ld", text, most);
    *ret_number = number;
    return 0;
}

/* A descriptor that is open; it does not go on to other programs. */
static int
s_descriptor (const char *text, int *ret_fd, cb_err *err)
{
    long number = -1;
    struct stat stat;

    CB_TRY (s_number (text, INT32_MAX, &number, err));
    if (fstat ((int)number, &stat) != 0)
        return cb_fail_errno (err, CB_E_INVALID, "descriptor %ld", number);
    *ret_fd = (int)number;
    return 0;
}

static int
s_take (arguments *self, int option, const char *value, cb_err *err)
{
    switch (option) {
    case OPT_WARDEN:
        return s_descriptor (value, &self->warden, err);
    case OPT_FILER:
        return s_descriptor (value, &self->filer, err);
    case OPT_RUNTIME:
        return s_descriptor (value, &self->runtime, err);
    case OPT_STATE:
        return s_descriptor (value, &self->state, err);
    case OPT_RUNTIME_DIR:
        self->runtime_dir = value;
        return 0;
    case OPT_STATE_DIR:
        self->state_dir = value;
        return 0;
    case OPT_WARDEN_PID:
        return s_number (value, INT32_MAX, &self->warden_pid, err);
    case OPT_CONFIG_FD:
        return cb_ini_add_fd (&self->sources, value, err);
    case OPT_SET:
        return cb_ini_add_set (&self->sources, value, err);
    default:
        return cb_fail (err, CB_E_INVALID,
                        "cellblock-broker is started by cellblockd, not by hand");
    }
}

static int
s_parse (int argc, char **argv, arguments *self, cb_err *err)
{
    int option;

    *self = (arguments){.warden = -1, .filer = -1, .runtime = -1, .state = -1};
    opterr = 0;
    while ((option = getopt_long (argc, argv, "", s_options, NULL)) != -1)
        CB_TRY (s_take (self, option, optarg, err));
    if (optind != argc || self->warden < 0 || self->filer < 0 || self->runtime < 0 ||
        self->state < 0 || self->runtime_dir == NULL || self->state_dir == NULL)
        return cb_fail (err, CB_E_INVALID,
                        "cellblock-broker is started by cellblockd, not by hand");
    return 0;
}

/* Forks the file helper; our end of its socket. Its line to the warden and the state folder stay
 * with it alone. */
static int
s_start_filer (arguments *self, cb_err *err)
{
    int pair[2];

    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return cb_fail_errno (err, CB_E_IO, "cannot make a socket pair");
    cb_auto_close int ours = pair[0];
    cb_auto_close int theirs = pair[1];
    pid_t pid = fork ();
    if (pid < 0)
        return cb_fail_errno (err, CB_E_IO, "cannot start the file helper");
    if (pid == 0)
        _exit (cb_filer_serve (theirs, self->filer, self->state));
    cb_close (&self->filer);
    cb_close (&self->state);
    return cb_take_fd (&ours);
}

/* The warden says it to whoever waits for the daemon. */
static void
s_tell_failure (int warden, const cb_err *why)
{
    cb_launch_failed failed = {.code = why->code};
    cb_launch_out out = {
        .head = {.type = CB_LAUNCH_FAILED}, .body = &failed, .body_size = sizeof failed};
    cb_err err = CB_ERR_INIT;

    cb_log_error ("cannot start", CB_STR ("why", why->text));
    (void)snprintf (failed.text, sizeof failed.text, "%s", why->text);
    if (warden >= 0 && cb_launch_send (warden, &out, &err) < 0)
        cb_log_error ("the warden cannot be told", CB_STR ("why", err.text));
}

static int
s_serve (arguments *self, int filer, cb_err *err)
{
    /* The line is kept for the words of a failure. */
    cb_auto_close int line = fcntl (self->warden, F_DUPFD_CLOEXEC, 0);
    cb_broker_options options = {.warden = self->warden,
                                 .filer = filer,
                                 .runtime = self->runtime,
                                 .runtime_dir = self->runtime_dir,
                                 .state_dir = self->state_dir,
                                 .warden_pid = self->warden_pid,
                                 .sources = &self->sources};
    cb_owned (cb_broker) cb_broker *broker = cb_broker_new (&options, err);

    if (broker == NULL) {
        s_tell_failure (line, err);
        return 1;
    }
    cb_close (&line);
    int result = cb_broker_run (broker, err);
    if (result < 0)
        cb_log_error ("the loop ended", CB_STR ("why", err->text));
    return result != 0;
}

/* Messages of some 100 KiB come and go all the time: without this each would be mapped, faulted in
 * page by page and given back. What is kept is little, and large blocks still go back at once. */
static void
s_tune_memory (void)
{
    (void)mallopt (M_MMAP_THRESHOLD, 1024 * 1024);
    (void)mallopt (M_TRIM_THRESHOLD, 2 * 1024 * 1024);
}

int
main (int argc, char **argv)
{
    arguments self;
    cb_err err = CB_ERR_INIT;

    cb_log_open ("cellblock-broker", CB_LOG_INFO);
    s_tune_memory ();
    (void)signal (SIGPIPE, SIG_IGN);
    if (s_parse (argc, argv, &self, &err) < 0) {
        s_tell_failure (self.warden, &err);
        return 2;
    }
    int filer = s_start_filer (&self, &err);
    if (filer < 0) {
        s_tell_failure (self.warden, &err);
        return 1;
    }
    return s_serve (&self, filer, &err);
}
