/* rig.c - a private cellblockd for tests. Programs are copied below a 0700 folder (as a checkout
 * below /root would be), fake-broker takes the broker's name and passes packets on. The launcher of
 * its jails executes the code that stands in the connection file. */
#include "warden/rig.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/tree.h"
#include "warden/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 120000 /* what anything may take on a busy machine */

static const char s_launcher[] = "import json, os, sys\n"
                                 "os.lseek(8, 0, 0)\n"
                                 "exec(json.loads(os.read(8, 65536))['code'])\n";

static void
s_must (int good, const char *what)
{
    if (good)
        return;
    printf ("Bail out! %s: %s\n", what, strerror (errno));
    exit (99);
}

static void
s_write (const char *folder, const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];

    (void)snprintf (path, sizeof path, "%s/%s", folder, name);
    (void)unlink (path);
    cb_auto_close int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    s_must (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t)strlen (text), path);
    s_must (fchmod (fd, mode) == 0, path);
}

static void
s_copy_program (const rig *self, const char *from, const char *name)
{
    cb_scoped (cb_buf) cb_buf bytes;
    char path[PATH_MAX];
    const char *top = getenv ("top_builddir");

    cb_buf_init (&bytes, 64 << 20);
    (void)snprintf (path, sizeof path, "%s/%s", top != NULL ? top : ".", from);
    cb_auto_close int in = open (path, O_RDONLY | O_CLOEXEC);
    s_must (in >= 0 && cb_read_all (in, &bytes, NULL) == 0, path);
    (void)snprintf (path, sizeof path, "%s/bin/%s", self->folder, name);
    cb_auto_close int out = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    s_must (out >= 0 && cb_write_all (out, bytes.data, bytes.size, NULL) == 0, path);
    s_must (fchmod (out, 0755) == 0, path);
}

void
rig_open (rig *self)
{
    char path[PATH_MAX];

    memset (self, 0, sizeof *self);
    self->lines[0] = self->lines[1] = -1;
    (void)signal (SIGPIPE, SIG_IGN);
    s_must (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, "subreaper");
    (void)snprintf (self->folder, sizeof self->folder, "/tmp/cb-rig-XXXXXX");
    s_must (mkdtemp (self->folder) != NULL, "mkdtemp");
    (void)snprintf (self->runtime, sizeof self->runtime, "%s/r", self->folder);
    (void)snprintf (self->state, sizeof self->state, "%s/s", self->folder);
    for (const char *const *name = (const char *const[]){"bin", "k", "k/etc", NULL}; *name != NULL;
         name++) {
        (void)snprintf (path, sizeof path, "%s/%s", self->folder, *name);
        s_must (mkdir (path, 0755) == 0, path);
    }
    s_copy_program (self, "cellblockd", "cellblockd");
    s_copy_program (self, "cellblock-jail", "cellblock-jail");
    s_copy_program (self, "cellblock-init", "cellblock-init");
    s_copy_program (self, "src/warden/fake-broker", "cellblock-broker");
    s_write (self->folder, "k/launcher.py", s_launcher, 0644);
}

void
rig_script (rig *self, const char *program, const char *script)
{
    char path[PATH_MAX];

    (void)snprintf (path, sizeof path, "%s/bin", self->folder);
    if (script != NULL) {
        s_write (path, program, script, 0755);
        return;
    }
    (void)snprintf (path, sizeof path, "%s/bin/%s", self->folder, program);
    (void)unlink (path);
    s_copy_program (self, program, program);
}

/* The child that becomes cellblockd. */
static void
s_become (const rig *self, const char *mode, int ready)
{
    char program[PATH_MAX];
    char number[16];
    char set[64];
    char kernelspec[PATH_MAX];

    (void)snprintf (program, sizeof program, "%s/bin/cellblockd", self->folder);
    (void)snprintf (number, sizeof number, "%d", ready);
    (void)snprintf (set, sizeof set, "fake.mode=%s", mode);
    (void)snprintf (kernelspec, sizeof kernelspec, "%s/k", self->folder);
    (void)prctl (PR_SET_PDEATHSIG, SIGTERM);
    (void)fcntl (ready, F_SETFD, 0);
    (void)setenv ("CELLBLOCK_RUNTIME_DIR", self->runtime, 1);
    (void)setenv ("CELLBLOCK_STATE_DIR", self->state, 1);
    (void)setenv ("XDG_CONFIG_HOME", self->folder, 1);
    (void)unsetenv ("CELLBLOCK_CONFIG");
    /* The log goes to its file also in the foreground: tests look into it. */
    (void)mkdir (self->state, 0700);
    (void)snprintf (program, sizeof program, "%s/stderr", self->folder);
    int log = open (program, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2 (log, STDERR_FILENO);
    (void)snprintf (program, sizeof program, "%s/bin/cellblockd", self->folder);
    (void)execl (program, "cellblockd", "--foreground", "--ready-fd", number, "--set", set,
                 "--kernelspec", kernelspec, (char *)NULL);
    _exit (127);
}

static pid_t
s_read_warden (const rig *self)
{
    char path[PATH_MAX];
    char text[64] = "";

    (void)snprintf (path, sizeof path, "%s/lock", self->runtime);
    cb_auto_close int fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || read (fd, text, sizeof text - 1) <= 0)
        return 0;
    return (pid_t)strtol (text, NULL, 10);
}

int
rig_start (rig *self, const char *mode)
{
    int ready[2];
    size_t size = 0;

    s_must (pipe2 (ready, O_CLOEXEC) == 0, "pipe");
    self->janitor = fork ();
    s_must (self->janitor >= 0, "fork");
    if (self->janitor == 0)
        s_become (self, mode, ready[1]);
    (void)close (ready[1]);
    for (;;) {
        ssize_t got = read (ready[0], self->said + size, sizeof self->said - 1 - size);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    self->said[size] = '\0';
    (void)close (ready[0]);
    self->warden = s_read_warden (self);
    return strcmp (self->said, "ok\n") == 0;
}

int
rig_connect (rig *self)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    cb_usec until = cb_now () + (cb_usec)WAIT_MS * CB_USEC_PER_MSEC;

    (void)snprintf (name.sun_path, sizeof name.sun_path, "%s/ctl", self->runtime);
    for (int i = 0; i < RIG_LINES; i++) {
        cb_close (&self->lines[i]);
        self->lines[i] = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        while (connect (self->lines[i], (struct sockaddr *)&name, sizeof name) < 0) {
            if (cb_now () > until)
                return 0;
            (void)poll (NULL, 0, 5);
        }
    }
    return 1;
}

int
rig_wait (rig *self)
{
    cb_usec until = cb_now () + (cb_usec)WAIT_MS * CB_USEC_PER_MSEC;
    int status = 0;

    while (cb_now () < until) {
        if (waitpid (self->janitor, &status, WNOHANG) == self->janitor) {
            self->janitor = 0;
            return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
        }
        (void)poll (NULL, 0, 2);
    }
    return -1;
}

/* -- leaks ----------------------------------------------------------------------------------- */

static void
s_say_process (pid_t pid)
{
    char path[64];
    char text[64] = "";

    (void)snprintf (path, sizeof path, "/proc/%d/comm", (int)pid);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read (fd, text, sizeof text - 1) > 0)
        text[strcspn (text, "\n")] = '\0';
    printf ("# left: process %d %s\n", (int)pid, text);
}

/* As the subreaper above the janitor the test inherits what it leaves. */
static size_t
s_left_processes (void)
{
    pid_t pids[64];
    size_t left = 0;

    while (waitpid (-1, NULL, WNOHANG) > 0)
        continue;
    size_t n = cb_proc_children (pids, 64);
    for (size_t i = 0; i < n; i++, left++)
        s_say_process (pids[i]);
    return left;
}

static size_t
s_left_groups (const rig *self)
{
    static cb_cgroups groups;
    char path[2 * PATH_MAX];
    size_t left = 0;

    cb_cgroups_find (&groups);
    for (size_t i = 0; i < groups.n_trees; i++) {
        (void)snprintf (path, sizeof path, "%s/cellblock-%d", groups.trees[i].base,
                        (int)self->warden);
        if (access (path, F_OK) == 0) {
            printf ("# left: cgroup %s\n", path);
            left++;
        }
    }
    return left;
}

/* Of our folder, or of the stages, whose file systems are called cellblock-... */
static size_t
s_left_mounts (const rig *self)
{
    cb_scoped (cb_buf) cb_buf text;
    cb_buf_init (&text, 1 << 20);
    cb_auto_close int fd = open ("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

    s_must (fd >= 0 && cb_read_all (fd, &text, NULL) == 0, "mountinfo");
    return strstr (text.data, self->folder) != NULL || strstr (text.data, " cellblock") != NULL;
}

size_t
rig_leaks (rig *self)
{
    int has_files = access (self->runtime, F_OK) == 0;

    if (has_files)
        printf ("# left: %s\n", self->runtime);
    return s_left_processes () + s_left_groups (self) + s_left_mounts (self) + (size_t)has_files;
}

void
rig_close (rig *self)
{
    cb_err err = CB_ERR_INIT;

    for (int i = 0; i < RIG_LINES; i++)
        cb_close (&self->lines[i]);
    if (self->janitor > 0) {
        (void)kill (self->janitor, SIGTERM);
        (void)rig_wait (self);
    }
    (void)cb_proc_kill_children (cb_now () + 60 * CB_USEC_PER_SEC);
    if (cb_remove_tree (AT_FDCWD, self->folder, &err) < 0)
        printf ("# %s\n", err.text);
}

int
rig_logged (const rig *self, const char *text)
{
    char path[PATH_MAX];
    cb_scoped (cb_buf) cb_buf log;
    cb_buf_init (&log, 64 << 20);

    (void)snprintf (path, sizeof path, "%s/stderr", self->folder);
    return cb_read_file (AT_FDCWD, path, &log, NULL) == 0 && log.data != NULL &&
           strstr (log.data, text) != NULL;
}

/* -- packets --------------------------------------------------------------------------------- */

void
rig_spec (cb_jail_spec *ret_spec, const char *name)
{
    memset (ret_spec, 0, sizeof *ret_spec);
    (void)snprintf (ret_spec->name, sizeof ret_spec->name, "%s", name);
    (void)snprintf (ret_spec->profile, sizeof ret_spec->profile, "default");
    ret_spec->memory = 128 << 20;
    ret_spec->disk = 16 << 20;
    ret_spec->files = 512;
    ret_spec->cpu_seconds = 60;
    ret_spec->cpu_percent = 100;
    ret_spec->processes = 32;
    ret_spec->open_files = 128;
    ret_spec->start_seconds = 30;
    ret_spec->subprocesses = 1;
    for (int i = 0; i < CB_LAYER__COUNT; i++)
        ret_spec->layers[i] = CB_LAYER_AUTO;
}

uint64_t
rig_send (rig *self, rig_request request)
{
    cb_err err = CB_ERR_INIT;
    cb_launch_out out = {
        .head = {.type = request.type, .serial = ++self->serial, .jail = request.jail},
        .body = request.body,
        .body_size = request.size};

    if (cb_launch_send (self->lines[request.line], &out, &err) < 0)
        printf ("# not sent: %s\n", err.text);
    return self->serial;
}

uint64_t
rig_send_open (rig *self, int line, uint64_t jail, uint32_t mode, const char *path)
{
    static cb_launch_open wanted;

    wanted.mode = mode;
    (void)snprintf (wanted.path, sizeof wanted.path, "%s", path);
    return rig_send (self, (rig_request){line, CB_LAUNCH_OPEN, jail, &wanted, sizeof wanted});
}

/* Five listening sockets and a connection waiting in the backlog of each; nothing left on disk. */
static void
s_sockets (const rig *self, int fds[2 * CB_CHANNEL__COUNT])
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    for (int i = 0; i < CB_CHANNEL__COUNT; i++) {
        (void)snprintf (name.sun_path, sizeof name.sun_path, "%s/k%d", self->folder, i);
        fds[i] = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        fds[CB_CHANNEL__COUNT + i] = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        s_must (
            bind (fds[i], (struct sockaddr *)&name, sizeof name) == 0 && listen (fds[i], 4) == 0 &&
                connect (fds[CB_CHANNEL__COUNT + i], (struct sockaddr *)&name, sizeof name) == 0,
            "sockets");
        (void)unlink (name.sun_path);
    }
}

/* Code as a JSON string: quotes, backslashes and newlines are all it has. */
static void
s_put_code (cb_buf *into, const char *code)
{
    (void)cb_buf_puts (into, "{\"code\": \"");
    for (; *code != '\0'; code++) {
        if (*code == '"' || *code == '\\')
            (void)cb_buf_put (into, "\\", 1);
        if (*code == '\n')
            (void)cb_buf_puts (into, "\\n");
        else
            (void)cb_buf_put (into, code, 1);
    }
    (void)cb_buf_puts (into, "\"}");
}

uint64_t
rig_send_start (rig *self, uint64_t jail, const cb_jail_spec *spec, const char *code)
{
    int fds[2 * CB_CHANNEL__COUNT + 2];
    cb_scoped (cb_buf) cb_buf encoded;
    cb_scoped (cb_buf) cb_buf connection;
    cb_err err = CB_ERR_INIT;

    cb_buf_init (&encoded, CB_SPEC_BYTES_MAX);
    cb_buf_init (&connection, 65536);
    s_put_code (&connection, code);
    s_sockets (self, fds);
    fds[2 * CB_CHANNEL__COUNT] = cb_memfd ("connection", connection.data, connection.size, &err);
    fds[2 * CB_CHANNEL__COUNT + 1] = cb_memfd ("page", "", 0, &err);
    int good = cb_spec_encode (spec, &encoded, &err) == 0;
    s_must (good, err.text);
    cb_launch_out out = {.head = {.type = CB_LAUNCH_START, .serial = ++self->serial, .jail = jail},
                         .tail = encoded.data,
                         .tail_size = encoded.size,
                         .fds = fds,
                         .n_fds = 2 * CB_CHANNEL__COUNT + 2};
    if (cb_launch_send (self->lines[RIG_BROKER], &out, &err) < 0)
        printf ("# not sent: %s\n", err.text);
    for (size_t i = 0; i < 2 * CB_CHANNEL__COUNT + 2; i++)
        cb_close (&fds[i]);
    return self->serial;
}

uint32_t
rig_expect (rig *self, int line, uint32_t type, uint64_t serial, cb_launch_in *ret_in)
{
    static _Alignas(uint64_t) char bytes[CB_LAUNCH_BYTES_MAX];
    static cb_packet last;
    cb_usec until = cb_now () + (cb_usec)WAIT_MS * CB_USEC_PER_MSEC;
    cb_err err = CB_ERR_INIT;

    for (;;) {
        cb_packet_done (&last);
        struct pollfd one = {.fd = self->lines[line], .events = POLLIN};
        if (cb_now () >= until || poll (&one, 1, WAIT_MS) <= 0)
            return 0;
        int outcome = cb_launch_recv (self->lines[line], bytes, sizeof bytes, ret_in, &err);
        if (outcome != CB_PACKET_OK) {
            printf ("# line: %s\n", outcome < 0 ? err.text : "closed");
            return 0;
        }
        last = ret_in->packet;
        if (ret_in->head.type == type && (serial == 0 || ret_in->head.serial == serial))
            return type;
        if (ret_in->head.type == CB_LAUNCH_FAILED && ret_in->head.serial == serial)
            return CB_LAUNCH_FAILED;
    }
}

const cb_launch_exited *
rig_exited (rig *self)
{
    static cb_launch_in in;
    static cb_launch_exited exited;

    if (rig_expect (self, RIG_BROKER, CB_LAUNCH_EXITED, 0, &in) != CB_LAUNCH_EXITED)
        return NULL;
    memcpy (&exited, in.body, sizeof exited);
    printf ("# exited: signal %d status %d killed %u oom %llu pids %llu peak %llu cpu %llu "
            "\"%.300s\"\n",
            exited.signal, exited.status, exited.killed, (unsigned long long)exited.oom_kills,
            (unsigned long long)exited.pids_hits, (unsigned long long)exited.peak_memory,
            (unsigned long long)exited.cpu_usec, exited.text);
    return &exited;
}
