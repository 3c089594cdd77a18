/* broker.c - starting the broker with as few rights as it can live with.
 *
 * It gets two lines to the warden, the two folders, the configuration files and the log: all by
 * descriptor. Its own session makes it the leader of a process group, so what it leaves behind (the
 * filer) can be ended with it. */
#include "warden/broker.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/runtime.h"
#include "warden/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FD_WARDEN = 3, FD_FILER, FD_RUNTIME, FD_STATE, FD_CONFIG };

#define ARGS_MAX 600 /* fixed ones, two for each file and --set */
#define ENV_MAX  16
#define TEXT_MAX 8192

/* What of our environment the broker may see: places and switches of the sanitizers, no secrets. */
static const char *const s_env_names[] = {"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TZ"};

struct command {
    char *argv[ARGS_MAX];
    size_t argc;
    char *env[ENV_MAX];
    size_t n_env;
    char texts[TEXT_MAX * 4];
    size_t used;
};

static char *
s_text (struct command *command, const char *text)
{
    char *at = command->texts + command->used;
    size_t size = strlen (text) + 1;

    if (size > sizeof command->texts - command->used)
        return NULL;
    memcpy (at, text, size);
    command->used += size;
    return at;
}

static int
s_arg (struct command *command, const char *text, cb_err *err)
{
    char *copy = s_text (command, text);

    if (copy == NULL || command->argc + 1 >= ARGS_MAX)
        return cb_fail (err, CB_E_LIMIT, "too many arguments for the broker");
    command->argv[command->argc++] = copy;
    return 0;
}

static int
s_option (struct command *command, const char *name, const char *value, cb_err *err)
{
    CB_TRY (s_arg (command, name, err));
    return s_arg (command, value, err);
}

static int
s_number_option (struct command *command, const char *name, long value, cb_err *err)
{
    char text[32];

    (void)snprintf (text, sizeof text, "%ld", value);
    return s_option (command, name, text, err);
}

static int
s_build_args (const cb_broker *self, struct command *command, cb_err *err)
{
    const cb_broker_config *config = &self->config;
    char text[PATH_MAX + 16];

    CB_TRY (s_arg (command, "cellblock-broker", err));
    CB_TRY (s_number_option (command, "--warden-fd", FD_WARDEN, err));
    CB_TRY (s_number_option (command, "--filer-fd", FD_FILER, err));
    CB_TRY (s_number_option (command, "--runtime-fd", FD_RUNTIME, err));
    CB_TRY (s_number_option (command, "--state-fd", FD_STATE, err));
    CB_TRY (s_option (command, "--runtime-dir", config->place->runtime_path, err));
    CB_TRY (s_option (command, "--state-dir", config->place->state_path, err));
    CB_TRY (s_number_option (command, "--warden-pid", getppid (), err));
    for (size_t i = 0; i < config->configs->n; i++) {
        (void)snprintf (text, sizeof text, "%zu=%s", FD_CONFIG + i, config->configs->labels[i]);
        CB_TRY (s_option (command, "--config-fd", text, err));
    }
    for (size_t i = 0; i < config->n_sets; i++)
        CB_TRY (s_option (command, "--set", config->sets[i], err));
    return 0;
}

static int
s_build_env (struct command *command, cb_err *err)
{
    char text[TEXT_MAX];

    command->env[command->n_env++] = s_text (command, "PATH=/usr/bin:/bin");
    command->env[command->n_env++] = s_text (command, "LANG=C.UTF-8");
    for (size_t i = 0; i < sizeof s_env_names / sizeof s_env_names[0]; i++) {
        const char *value = getenv (s_env_names[i]);
        if (value == NULL)
            continue;
        int size = snprintf (text, sizeof text, "%s=%s", s_env_names[i], value);
        if (size > 0 && (size_t)size < sizeof text)
            command->env[command->n_env++] = s_text (command, text);
    }
    for (size_t i = 0; i < command->n_env; i++)
        if (command->env[i] == NULL)
            return cb_fail (err, CB_E_LIMIT, "the environment is too large");
    return 0;
}

/* In the child: never returns. */
static void
s_become (const cb_broker *self, const char *program, const int *lines, pid_t warden)
{
    static struct command command;
    cb_err err = CB_ERR_INIT;
    int fds[CB_SPAWN_FDS_MAX] = {lines[0], lines[1], self->config.place->runtime_fd,
                                 self->config.place->state_fd};
    cb_spawn spawn = {.program = program,
                      .argv = command.argv,
                      .env = command.env,
                      .fds = fds,
                      .n_fds = 4,
                      .error_fd = STDERR_FILENO,
                      .report_fd = -1};

    cb_spawn_begin (warden, "0");
    spawn.program_fd = open (program, O_PATH | O_CLOEXEC);
    /* Those that were opened before serve when they cannot be opened now. */
    if (cb_configs_open (self->config.configs, &err) < 0)
        cb_log_warn ("configuration not opened anew", CB_STR ("why", err.text));
    for (size_t i = 0; i < self->config.configs->n; i++)
        fds[spawn.n_fds++] = self->config.configs->fds[i];
    if (s_build_args (self, &command, &err) == 0 && s_build_env (&command, &err) == 0 &&
        cb_spawn_drop (self->config.place->broker_uid, warden, &err) == 0)
        (void)cb_spawn_exec (&spawn, &err);
    cb_log_error ("broker not executed", CB_STR ("why", err.text));
    _exit (127);
}

/* Room for one more start, or too many lately. */
static int
s_count_start (cb_broker *self, cb_err *err)
{
    cb_usec now = cb_now ();

    if (self->started[0] != 0 && now - self->started[0] < CB_BROKER_RESTARTS_WITHIN)
        return cb_fail (err, CB_E_LIMIT, "the broker ended %d times within %d s: see the log %s",
                        CB_BROKER_RESTARTS, (int)(CB_BROKER_RESTARTS_WITHIN / CB_USEC_PER_SEC),
                        self->config.place->log_path);
    memmove (self->started, self->started + 1, sizeof self->started - sizeof self->started[0]);
    self->started[CB_BROKER_RESTARTS] = now;
    return 0;
}

int
cb_broker_start (cb_broker *self, cb_err *err)
{
    char program[PATH_MAX];
    int line[2];
    int filer[2];
    int flags = SOCK_SEQPACKET | SOCK_CLOEXEC;

    CB_TRY (s_count_start (self, err));
    CB_TRY (cb_find_program ("cellblock-broker", program, sizeof program, err));
    if (socketpair (AF_UNIX, flags, 0, line) < 0)
        return cb_fail_errno (err, CB_E_IO, "socketpair");
    cb_auto_close int own = line[0];
    cb_auto_close int theirs = line[1];
    if (socketpair (AF_UNIX, flags, 0, filer) < 0)
        return cb_fail_errno (err, CB_E_IO, "socketpair");
    cb_auto_close int own_filer = filer[0];
    cb_auto_close int their_filer = filer[1];
    CB_TRY (cb_set_nonblock (own, 1, err));
    CB_TRY (cb_set_nonblock (own_filer, 1, err));

    pid_t warden = getpid ();
    pid_t pid = fork ();
    if (pid < 0)
        return cb_fail_errno (err, CB_E_IO, "fork");
    if (pid == 0)
        s_become (self, program, (const int[]){theirs, their_filer}, warden);
    self->pid = pid;
    cb_line_open (&self->line, cb_take_fd (&own));
    cb_line_open (&self->filer, cb_take_fd (&own_filer));
    cb_log_info ("broker started", CB_INT ("pid", pid));
    return 0;
}

void
cb_broker_signal (const cb_broker *self, int number)
{
    if (self->pid > 0)
        (void)kill (self->pid, number);
}

void
cb_broker_ended (cb_broker *self)
{
    (void)kill (-self->pid, SIGKILL);
    self->pid = 0;
    cb_line_close (&self->line);
    cb_line_close (&self->filer);
}
