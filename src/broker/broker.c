/* broker.c - wires the floors: loop, warden's line, file helper, sessions, control door.
 *
 * Made once by main-broker. What a floor needs of another goes through here: clients and sessions
 * that come and go move the clock of leaving, a reload exchanges the configuration, a shutdown asks
 * the warden, and the warden's closed line ends everything at once. */
#include "broker/broker.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/log.h"
#include "base/runtime.h"
#include "broker/reload.h"
#include "front/attach.h"
#include "front/control.h"
#include "wire/connfile.h"
#include "wire/ctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Front part of the control sockets' names in the runtime folder. */
#define SOCKET_FRONT "c"
/* Descriptors of a session (five channels, jail, pidfd, two of /proc, and as many again while one
 * kernel follows another), and what the broker and its clients need beside them. */
#define FDS_A_SESSION (18 + CB_ATTACH_FDS_A_SESSION)
#define FDS_BESIDE    64
/* Of all descriptors this part is left to clients. */
#define CLIENTS_SHARE 4
/* Bytes of unfinished messages of all kernels together: this part of the machine's memory. Each is
 * bounded by itself; only dozens that attack at once come near it. */
#define KERNELS_SHARE     4
#define KERNELS_BYTES_MIN ((uint64_t)1024 * 1024 * 1024)
/* Bytes of code that runs or waits, of all sessions. */
#define CELLS_BYTES_MAX ((uint64_t)128 * 1024 * 1024)
/* Freed memory lies between what is in use; every so often it goes back as a whole. */
#define TRIM_EVERY (10 * CB_USEC_PER_SEC)
/* A daemon that was asked to end and whose warden does not end it ends itself. */
#define SHUTDOWN_LIMIT (10 * CB_USEC_PER_SEC)

struct cb_broker {
    cb_loop *loop;
    cb_launcher *launcher;
    cb_files *files;
    cb_registry *registry;
    cb_control *control;
    cb_attach *attach;
    cb_signer *clients;
    const cb_ini_sources *sources;
    cb_config *config;
    cb_services services;
    cb_quota kernels;
    cb_quota cells;
    cb_control_facts facts;
    char log[PATH_MAX];
    int runtime;
    size_t sessions_bound; /* by descriptors */
    uint32_t layers_off;   /* as the warden was told: bit (1 << cb_layer) */
    cb_usec trimmed_at;
    cb_source *leave;
    int leaving;  /* SHUTDOWN is with the warden */
    int orphaned; /* the warden died: this is no end in order, and no cell is told that it is one */
    cb_source *term;
    cb_source *interrupt;
    cb_source *hangup;
};

/* An end in order ends all sessions, and for nothing where only the broker was meant: the warden
 * starts another one. So the warden alone ends us; a daemon is ended by telling the warden. */
static void
s_on_signal (cb_source *source, int signal, pid_t sender, void *context)
{
    cb_broker *self = context;

    (void)source;
    /* The warden's death is a signal too (PDEATHSIG), and may be seen before its line closes. */
    self->orphaned = getppid () != self->facts.warden_pid;
    if (!self->orphaned && sender != self->facts.warden_pid) {
        cb_log_warn ("not ended by who is not the warden (cellblock daemon stop ends all)",
                     CB_INT ("signal", signal), CB_INT ("sender", sender));
        return;
    }
    cb_log_info ("ending on a signal", CB_INT ("signal", signal));
    cb_loop_exit (self->loop, 0);
}

static void
s_on_warden_gone (void *context)
{
    cb_broker *self = context;

    cb_log_warn ("the warden is gone");
    self->orphaned = 1;
    cb_loop_exit (self->loop, 0);
}

/* Without the file helper nothing can be collected; it is never forked again from here (the copy
 * would hold keys): the warden starts a new broker, which goes on with all sessions. An end in
 * order would end them. */
static void
s_on_files_gone (void *context)
{
    (void)context;
    cb_log_error ("the file helper is gone: another broker goes on");
    _exit (1);
}

static void
s_shutdown (void *context)
{
    cb_broker *self = context;
    cb_err err = CB_ERR_INIT;

    if (self->leaving)
        return;
    self->leaving = 1;
    if (cb_launcher_shutdown (self->launcher, &err) < 0) {
        cb_log_error ("the warden cannot be asked to end", CB_STR ("why", err.text));
        cb_loop_exit (self->loop, 1);
        return;
    }
    cb_source_at (self->leave, cb_now () + SHUTDOWN_LIMIT);
}

static void
s_on_leave (cb_source *source, void *context)
{
    cb_broker *self = context;

    (void)source;
    if (self->leaving) {
        cb_log_error ("the warden does not end");
        cb_loop_exit (self->loop, 1);
        return;
    }
    cb_log_info ("leaving: no session and no client for long");
    s_shutdown (self);
}

static void
s_trim (cb_broker *self)
{
    cb_usec now = cb_now ();

    if (now - self->trimmed_at < TRIM_EVERY)
        return;
    self->trimmed_at = now;
    (void)malloc_trim (0);
}

/* Sessions or clients came or went. */
static void
s_on_changed (void *context)
{
    cb_broker *self = context;
    int used = self->control == NULL || cb_control_clients (self->control) > 0 ||
               cb_registry_count (self->registry) > 0;

    s_trim (self);
    if (self->leaving)
        return;
    cb_source_at (self->leave, used || self->config->leave_after == 0
                                   ? CB_USEC_NEVER
                                   : cb_now () + self->config->leave_after);
}

static void
s_apply_config (cb_broker *self)
{
    size_t most = self->config->sessions;

    self->services.profiles = self->config->profiles;
    self->services.idle_expiry = self->config->idle_expiry;
    self->services.start_limit = self->config->start_limit;
    cb_log_open ("cellblock-broker", self->config->log_level);
    if (self->registry != NULL)
        cb_registry_set_most (self->registry,
                              most < self->sessions_bound ? most : self->sessions_bound);
}

/* The warden was told at the start what may be switched off, and believes nobody since. */
static int
s_check_layers (const cb_broker *self, const cb_config *config, cb_err *err)
{
    uint32_t more = config->layers_off & ~self->layers_off;

    for (unsigned layer = 0; layer < CB_LAYER__COUNT; layer++)
        if ((more & 1U << layer) != 0)
            return cb_fail (err, CB_E_DENIED,
                            "a profile says %s = off now, which only a daemon that is started anew "
                            "obeys (end this one with: cellblock daemon stop)",
                            cb_layer_name (layer));
    return 0;
}

static int
s_on_reload (void *context, cb_err *err)
{
    cb_broker *self = context;
    cb_owned (cb_config) cb_config *config = NULL;
    cb_scoped (cb_reload) cb_reload fresh = {.in.packet.n_fds = 0};

    CB_TRY (cb_reload_fetch (&fresh, self->launcher, self->sources, err));
    CB_TRY (cb_config_load (&fresh.sources, &config, err));
    CB_TRY (s_check_layers (self, config, err));
    cb_config_destroy (&self->config);
    self->config = cb_take (config);
    s_apply_config (self);
    cb_log_info ("configuration read again");
    s_on_changed (self);
    return 0;
}

static void
s_on_hangup (cb_source *source, int signal, pid_t sender, void *context)
{
    cb_err err = CB_ERR_INIT;

    (void)source;
    (void)signal;
    (void)sender;
    if (s_on_reload (context, &err) < 0)
        cb_log_error ("configuration not read again", CB_STR ("why", err.text));
}

static const cb_control_events s_control_events = {s_on_changed, s_on_reload, s_shutdown};
static const cb_launcher_events s_launcher_events = {s_on_warden_gone};

/* ---- broker.json ---- */

static int
s_write_connection (const cb_broker *self, const char *key, cb_err *err)
{
    cb_scoped (cb_connfile) cb_connfile file;
    size_t size = 0;

    cb_connfile_init (&file);
    (void)snprintf (file.ip, sizeof file.ip, "%s/" SOCKET_FRONT, self->services.runtime_dir);
    (void)snprintf (file.key, sizeof file.key, "%s", key);
    (void)snprintf (file.kernel_name, sizeof file.kernel_name, "cellblock");
    file.more =
        json_pack ("{s:i, s:s, s:I, s:I, s:s}", "protocol", CB_CTL_PROTOCOL, "version",
                   self->facts.version, "pid", (json_int_t)self->facts.pid, "warden_pid",
                   (json_int_t)self->facts.warden_pid, "state_dir", self->services.state_dir);
    cb_auto_free char *text = cb_connfile_write (&file, &size, err);
    if (text == NULL)
        return -CB_E_INVALID;
    return cb_write_file (self->runtime, CB_RUNTIME_BROKER, text, size, err);
}

/* The key of the broker before us, who died: its clients come back with it (1). Else a new one. */
static int
s_client_key (const cb_broker *self, char key[65])
{
    cb_scoped (cb_buf) cb_buf text;
    cb_scoped (cb_connfile) cb_connfile file;

    cb_buf_init (&text, CB_CONNFILE_MAX);
    cb_connfile_init (&file);
    if (cb_read_file (self->runtime, CB_RUNTIME_BROKER, &text, NULL) == 0 &&
        cb_connfile_read (&file, text.data, text.size, NULL) == 0 && strlen (file.key) == 64)
        return memcpy (key, file.key, 65) != NULL;
    cb_random_hex (key, 32);
    return 0;
}

/* The folder of the sessions' connection files; those of a broker before us are in it. */
static int
s_sessions_folder (cb_broker *self, cb_err *err)
{
    if (mkdirat (self->runtime, CB_RUNTIME_SESSIONS, 0700) != 0 && errno != EEXIST)
        return cb_fail_errno (err, CB_E_IO, "%s/" CB_RUNTIME_SESSIONS, self->services.runtime_dir);
    self->services.sessions_fd = openat (self->runtime, CB_RUNTIME_SESSIONS,
                                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (self->services.sessions_fd < 0)
        return cb_fail_errno (err, CB_E_IO, "%s/" CB_RUNTIME_SESSIONS, self->services.runtime_dir);
    return 0;
}

/* ---- making it ---- */

static int
s_open_lines (cb_broker *self, const cb_broker_options *options, cb_err *err)
{
    cb_auto_close int warden = options->warden;
    cb_auto_close int socket = options->filer;

    self->loop = cb_loop_new (err);
    if (self->loop == NULL)
        return -CB_E_IO;
    self->launcher =
        cb_launcher_new (self->loop, cb_take_fd (&warden), &s_launcher_events, self, err);
    if (self->launcher == NULL)
        return -CB_E_IO;
    cb_filer *filer = cb_filer_new (cb_take_fd (&socket), err);
    if (filer == NULL)
        return -CB_E_IO;
    self->files = cb_files_new (self->loop, filer, s_on_files_gone, self, err);
    return self->files != NULL ? 0 : -CB_E_IO;
}

static int
s_open_sources (cb_broker *self, cb_err *err)
{
    CB_TRY (cb_loop_at (self->loop, CB_USEC_NEVER, s_on_leave, self, &self->leave, err));
    CB_TRY (cb_loop_signal (self->loop, SIGTERM, s_on_signal, self, &self->term, err));
    CB_TRY (cb_loop_signal (self->loop, SIGHUP, s_on_hangup, self, &self->hangup, err));
    return cb_loop_signal (self->loop, SIGINT, s_on_signal, self, &self->interrupt, err);
}

static uint64_t
s_kernels_bytes (void)
{
    long pages = sysconf (_SC_PHYS_PAGES);
    long size = sysconf (_SC_PAGESIZE);
    uint64_t share = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / KERNELS_SHARE : 0;

    return share > KERNELS_BYTES_MIN ? share : KERNELS_BYTES_MIN;
}

static void
s_fill_services (cb_broker *self, const cb_broker_options *options)
{
    cb_quota_init (&self->kernels, NULL, s_kernels_bytes ());
    cb_quota_init (&self->cells, NULL, CELLS_BYTES_MAX);
    self->services = (cb_services){.loop = self->loop,
                                   .launcher = self->launcher,
                                   .files = self->files,
                                   .runtime_fd = options->runtime,
                                   .sessions_fd = -1,
                                   .runtime_dir = options->runtime_dir,
                                   .state_dir = options->state_dir,
                                   .kernels = &self->kernels,
                                   .cells = &self->cells};
    (void)snprintf (self->log, sizeof self->log, "%s/" CB_STATE_LOG, options->state_dir);
    self->facts = (cb_control_facts){.version = PACKAGE_VERSION,
                                     .pid = getpid (),
                                     .warden_pid = options->warden_pid,
                                     .started_at = cb_now (),
                                     .log = self->log};
    self->runtime = options->runtime;
}

/* Connection files whose sessions did not live on. */
static void
s_sweep_sessions (const cb_broker *self)
{
    int fd = openat (self->services.sessions_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir (fd) : NULL;
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir (folder)) != NULL) {
        char name[CB_NAME_MAX];
        size_t size = strlen (entry->d_name);
        size_t bare = size > 5 ? size - 5 : 0;
        if (entry->d_name[0] == '.' && size <= 2 && entry->d_name[size - 1] == '.')
            continue;
        (void)snprintf (name, sizeof name, "%.*s", (int)bare, entry->d_name);
        if (bare == 0 || bare >= sizeof name || cb_registry_find (self->registry, name) == NULL)
            (void)unlinkat (self->services.sessions_fd, entry->d_name, 0);
    }
    if (folder != NULL)
        (void)closedir (folder);
    else
        cb_close (&fd);
}

/* What a broker before us left behind goes on before anybody can ask for it. */
static int
s_take_over (cb_broker *self, const char *key, cb_err *err)
{
    cb_usec began = cb_now ();
    size_t n = 0;

    self->clients = cb_signer_new (key, "hmac-sha256", err);
    if (self->clients == NULL)
        return -CB_E_NOMEM;
    self->services.clients = self->clients;
    cb_auto_free cb_launch_left *left = NULL;
    CB_TRY (cb_launcher_left (self->launcher, &left, &n, err));
    cb_registry_adopt (self->registry, left, n);
    s_sweep_sessions (self);
    if (n > 0)
        cb_log_info ("taken over from the broker before", CB_INT ("jails", n),
                     CB_INT ("usec", cb_now () - began));
    return 0;
}

static int
s_open_doors (cb_broker *self, cb_err *err)
{
    char key[65];

    self->attach = cb_attach_new (self->loop, self->runtime, err);
    if (self->attach == NULL)
        return -CB_E_NOMEM;
    self->services.doors = cb_attach_doors (self->attach);
    self->registry =
        cb_registry_new (&self->services, self->sessions_bound, s_on_changed, self, err);
    if (self->registry == NULL)
        return -CB_E_NOMEM;
    s_apply_config (self);
    CB_TRY (s_sessions_folder (self, err));
    int known = s_client_key (self, key);
    CB_TRY (s_take_over (self, key, err));
    cb_control_options control = {.loop = self->loop,
                                  .registry = self->registry,
                                  .runtime_fd = self->runtime,
                                  .signer = self->clients,
                                  .socket_front = SOCKET_FRONT,
                                  .facts = &self->facts,
                                  .events = &s_control_events,
                                  .context = self};
    self->control = cb_control_new (&control, err);
    if (self->control == NULL)
        return -CB_E_IO;
    int result = s_write_connection (self, key, err);
    explicit_bzero (key, sizeof key);
    if (result == 0 || !known)
        return result;
    /* Only our pid is wrong in the one there is. */
    cb_log_warn ("broker.json is the one of the broker before", CB_STR ("why", err->text));
    *err = (cb_err)CB_ERR_INIT;
    return 0;
}

/* Sessions that the descriptors allow; one in any case. */
static size_t
s_sessions_bound (uint64_t nofile)
{
    uint64_t clients = nofile / CLIENTS_SHARE;

    if (clients > CB_CLIENTS_MAX + CB_ATTACH_CONNECTIONS_MAX)
        clients = CB_CLIENTS_MAX + CB_ATTACH_CONNECTIONS_MAX;
    uint64_t rest = nofile - clients;
    return rest < FDS_BESIDE + FDS_A_SESSION ? 1 : (rest - FDS_BESIDE) / FDS_A_SESSION;
}

cb_broker *
cb_broker_new (const cb_broker_options *options, cb_err *err)
{
    cb_owned (cb_broker) cb_broker *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->sources = options->sources;
    self->runtime = -1;
    self->services.sessions_fd = -1;
    self->sessions_bound = s_sessions_bound (cb_raise_nofile ());
    if (s_open_lines (self, options, err) < 0 || s_open_sources (self, err) < 0)
        return NULL;
    s_fill_services (self, options);
    if (cb_config_load (options->sources, &self->config, err) < 0 || s_open_doors (self, err) < 0 ||
        cb_launcher_serving (self->launcher, self->config->layers_off, err) < 0)
        return NULL;
    self->layers_off = self->config->layers_off;
    s_on_changed (self);
    cb_log_info ("serving", CB_STR ("version", self->facts.version),
                 CB_STR ("runtime_dir", options->runtime_dir),
                 CB_INT ("sessions", cb_registry_most (self->registry)));
    return cb_take (self);
}

void
cb_broker_destroy (cb_broker **self_at)
{
    cb_broker *self = *self_at;

    if (self == NULL)
        return;
    /* Nobody is left who could be told that a client or a session went. */
    self->leaving = 1;
    if (self->registry != NULL && !self->orphaned)
        cb_registry_end (self->registry);
    cb_control_destroy (&self->control);
    cb_registry_destroy (&self->registry);
    cb_attach_destroy (&self->attach);
    cb_signer_destroy (&self->clients);
    cb_files_destroy (&self->files);
    cb_launcher_destroy (&self->launcher);
    cb_source_destroy (&self->leave);
    cb_source_destroy (&self->term);
    cb_source_destroy (&self->interrupt);
    cb_source_destroy (&self->hangup);
    cb_config_destroy (&self->config);
    cb_close (&self->services.sessions_fd);
    if (self->runtime >= 0)
        (void)unlinkat (self->runtime, CB_RUNTIME_BROKER, 0);
    cb_loop_destroy (&self->loop);
    free (self);
    *self_at = NULL;
}

int
cb_broker_run (cb_broker *self, cb_err *err)
{
    return cb_loop_run (self->loop, err);
}
