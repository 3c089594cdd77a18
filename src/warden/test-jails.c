/* test-jails.c - jails as the broker sees them: start, use, end, and what is refused. Real stages,
 * a launcher that executes what the test says. */
#include "warden/rig.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdio.h"
#include "base/tap.h"
#include "warden/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static rig s_rig;
static cb_jail_spec s_spec;
static cb_launch_in s_in;
static uint64_t s_jail;
static char s_text[CB_ERR_TEXT_MAX];

#define SLEEP "import time\ntime.sleep(600)\n"
/* What ends at once has to wait until the warden has seen it begin: s_start_held. */
#define HOLD            \
    "import os, time\n" \
    "while not os.path.exists('/work/go'): time.sleep(0.01)\n"

/* Starts a new jail with the code; STARTED or FAILED (its text in s_text). */
static uint32_t
s_start (const char *code)
{
    uint64_t serial = rig_send_start (&s_rig, ++s_jail, &s_spec, code);
    uint32_t type = rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_STARTED, serial, &s_in);

    s_text[0] = '\0';
    if (type == CB_LAUNCH_FAILED)
        (void)snprintf (s_text, sizeof s_text, "%s", ((const cb_launch_failed *)s_in.body)->text);
    return type;
}

/* Sends a request and waits; FAILED's text is in s_text. */
static uint32_t
s_ask (uint32_t type, uint64_t jail, uint32_t answer)
{
    uint64_t serial = rig_send (&s_rig, (rig_request){RIG_BROKER, type, jail, NULL, 0});
    uint32_t came = rig_expect (&s_rig, RIG_BROKER, answer, serial, &s_in);

    s_text[0] = '\0';
    if (came == CB_LAUNCH_FAILED)
        (void)snprintf (s_text, sizeof s_text, "%s", ((const cb_launch_failed *)s_in.body)->text);
    return came;
}

static uint32_t
s_signal (uint64_t jail, int number)
{
    cb_launch_signal body = {.signal = number};
    uint64_t serial =
        rig_send (&s_rig, (rig_request){RIG_BROKER, CB_LAUNCH_SIGNAL, jail, &body, sizeof body});

    return rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_DONE, serial, &s_in);
}

static uint32_t
s_open (uint64_t jail, uint32_t mode, const char *path)
{
    uint64_t serial = rig_send_open (&s_rig, RIG_FILER, jail, mode, path);
    uint32_t came = rig_expect (&s_rig, RIG_FILER, CB_LAUNCH_OPENED, serial, &s_in);

    s_text[0] = '\0';
    if (came == CB_LAUNCH_FAILED)
        (void)snprintf (s_text, sizeof s_text, "%s", ((const cb_launch_failed *)s_in.body)->text);
    return came;
}

/* Waits until the jail has made the file. */
static int
s_wait_file (uint64_t jail, const char *path)
{
    cb_usec until = cb_now () + 120 * CB_USEC_PER_SEC;

    while (s_open (jail, CB_OPEN_READ, path) != CB_LAUNCH_OPENED)
        if (cb_now () > until || poll (NULL, 0, 10) < 0)
            return 0;
    return 1;
}

static void
s_kill (uint64_t jail)
{
    ok (s_ask (CB_LAUNCH_KILL, jail, CB_LAUNCH_DONE) == CB_LAUNCH_DONE, "KILL is answered at once");
    const cb_launch_exited *exited = rig_exited (&s_rig);
    ok (exited != NULL && exited->killed && exited->was_started, "and EXITED follows");
}

/* Starts a jail whose code ends by itself. */
static uint32_t
s_start_held (const char *code)
{
    char text[1024];

    (void)snprintf (text, sizeof text, HOLD "%s", code);
    uint32_t type = s_start (text);
    if (type == CB_LAUNCH_STARTED && s_open (s_jail, CB_OPEN_CREATE, "work/go") != CB_LAUNCH_OPENED)
        printf ("# not let go: %s\n", s_text);
    return type;
}

/* -- tests ----------------------------------------------------------------------------------- */

/* The warden may be exempt from the out-of-memory killer; its jails never. */
static int
s_oom_score (pid_t pid)
{
    char path[64];
    char text[16] = "";

    (void)snprintf (path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read (fd, text, sizeof text - 1) > 0 ? (int)strtol (text, NULL, 10) : -1;
}

static void
s_test_started (void)
{
    ok (s_start (SLEEP) == CB_LAUNCH_STARTED, "a jail starts: %s", s_text);
    const cb_launch_started *started = s_in.body;
    int quota = s_in.packet.fds[0];
    struct stat status;
    ok (fstatat (quota, "work", &status, 0) == 0 && S_ISDIR (status.st_mode) &&
            status.st_uid == started->uid,
        "its tmpfs came, /work belongs to its user %u", started->uid);
    ok (!cb_pidfd_ended (s_in.packet.fds[1]), "the pidfd of its kernel came");
    ok (getuid () != 0 || started->uid >= 1900000000, "root's jails have users of their own");
    ok (cb_proc_ns_init_between (started->kernel_pid, s_rig.warden) > 0,
        "the kernel process is below the warden, in a pid namespace");
    ok (s_oom_score (started->kernel_pid) == 1000, "it goes first when memory is short");
    printf ("# layers %x landlock %u cgroup %s\n", started->layers, started->landlock_abi,
            started->cgroup);
    int has_group = strcmp (started->cgroup, "none") != 0;
    ok (s_ask (CB_LAUNCH_USAGE, s_jail, CB_LAUNCH_USED) == CB_LAUNCH_USED, "USAGE is answered");
    const cb_launch_used *used = s_in.body;
    ok (!has_group || (used->memory > 0 && used->peak_memory >= used->memory), "with memory: %llu",
        (unsigned long long)used->memory);
    s_kill (s_jail);
    ok (s_ask (CB_LAUNCH_KILL, s_jail, CB_LAUNCH_DONE) == CB_LAUNCH_FAILED,
        "a jail that is gone is not found: %s", s_text);
}

static void
s_test_endings (void)
{
    ok (s_start_held ("import sys\nprint('bye', file=sys.stderr)\nsys.exit(7)\n") ==
            CB_LAUNCH_STARTED,
        "a jail that exits: %s", s_text);
    const cb_launch_exited *exited = rig_exited (&s_rig);
    ok (exited != NULL && exited->status == 7 && exited->signal == 0 && !exited->killed &&
            strcmp (exited->text, "bye") == 0,
        "its status and last words come");

    ok (s_start_held ("import sys\nsys.exit(137)\n") == CB_LAUNCH_STARTED, "status 137");
    exited = rig_exited (&s_rig);
    ok (exited != NULL && (exited->status == 137 || exited->signal == 9),
        "is no signal where Linux tells (6.15)");

    ok (s_start_held ("import os\nos.abort()\n") == CB_LAUNCH_STARTED, "a jail that aborts");
    exited = rig_exited (&s_rig);
    ok (exited != NULL && exited->signal == SIGABRT && exited->status == 0, "by its signal");

    ok (s_start ("import time\nopen('/work/ready', 'w').close()\ntime.sleep(600)\n") ==
                CB_LAUNCH_STARTED &&
            s_wait_file (s_jail, "work/ready"),
        "a jail that waits");
    ok (s_signal (s_jail, SIGINT) == CB_LAUNCH_DONE, "gets SIGINT");
    exited = rig_exited (&s_rig);
    ok (exited != NULL && exited->signal == SIGINT && strstr (exited->text, "KeyboardInterrupt"),
        "and dies of it");

    ok (s_start_held ("import os\nwhile True: os.write(2, b'\\xff\\x1b' * 3000)\n") ==
            CB_LAUNCH_STARTED,
        "a jail that floods its standard error");
    exited = rig_exited (&s_rig);
    ok (exited != NULL && strlen (exited->text) > 900 && strspn (exited->text, "?") > 100,
        "is read to the bound only, and harmless");
}

static void
s_test_memory (void)
{
    uint32_t came = s_start (HOLD "x = bytearray(1 << 30)\n" SLEEP);
    ok (came == CB_LAUNCH_STARTED, "too much memory");
    int has_group = strcmp (((const cb_launch_started *)s_in.body)->cgroup, "none") != 0;
    if (!has_group) {
        s_kill (s_jail);
        return;
    }
    ok (s_open (s_jail, CB_OPEN_CREATE, "work/go") == CB_LAUNCH_OPENED, "begun: %s", s_text);
    const cb_launch_exited *exited = rig_exited (&s_rig);
    ok (exited != NULL && exited->signal == SIGKILL && exited->oom_kills > 0 && !exited->killed,
        "is killed by its group, and that is told");
    ok (exited != NULL && exited->peak_memory > 100 << 20 && exited->cpu_usec > 0,
        "with peak and cpu");
}

static void
s_test_files (void)
{
    static const char code[] = "import os\n"
                               "os.symlink('/etc/passwd', '/output/link')\n"
                               "os.symlink('/etc', '/output/etc')\n"
                               "os.mkfifo('/output/fifo')\n"
                               "open('/output/a', 'w').write('abc')\n"
                               "open('/output/h1', 'w').write('h')\n"
                               "os.link('/output/h1', '/output/h2')\n"
                               "os.chmod('/output/a', 0o600)\n"
                               "os.mkdir('/output/d')\n"
                               "open('/work/ready', 'w').close()\n" SLEEP;

    ok (s_start (code) == CB_LAUNCH_STARTED && s_wait_file (s_jail, "work/ready"), "files: %s",
        s_text);
    ok (s_open (s_jail, CB_OPEN_READ, "output/a") == CB_LAUNCH_OPENED, "a file opens: %s", s_text);
    char bytes[16] = "";
    ok (read (s_in.packet.fds[0], bytes, sizeof bytes) == 3 && strcmp (bytes, "abc") == 0 &&
            ((const cb_launch_opened *)s_in.body)->size == 3,
        "with its bytes");
    ok (s_open (s_jail, CB_OPEN_FOLDER, "output") == CB_LAUNCH_OPENED, "a folder opens");
    static const char *const refused[] = {"output/link",      "output/etc/passwd", "output/fifo",
                                          "output/h1",        "output/d",          "../etc/passwd",
                                          "output/../../etc", "/etc/passwd",       "",
                                          "output/nothing",   "output/a/b"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        ok (s_open (s_jail, CB_OPEN_READ, refused[i]) == CB_LAUNCH_FAILED, "\"%s\" does not: %s",
            refused[i], s_text);
    ok (s_open (s_jail, CB_OPEN_CREATE, "output/link") == CB_LAUNCH_FAILED &&
            s_open (s_jail, CB_OPEN_CREATE, "output/fifo") == CB_LAUNCH_FAILED &&
            s_open (s_jail, CB_OPEN_CREATE, "output/h2") == CB_LAUNCH_FAILED &&
            s_open (s_jail, CB_OPEN_CREATE, "output/d") == CB_LAUNCH_FAILED &&
            s_open (s_jail, 77, "output/a") == CB_LAUNCH_FAILED,
        "nor are they written");
    ok (s_open (s_jail, CB_OPEN_CREATE, "work/new") == CB_LAUNCH_OPENED &&
            write (s_in.packet.fds[0], "12345", 5) == 5,
        "a file is made: %s", s_text);
    ok (s_open (s_jail, CB_OPEN_READ, "work/new") == CB_LAUNCH_OPENED, "and found");
    struct stat status;
    ok (fstat (s_in.packet.fds[0], &status) == 0 && status.st_size == 5 &&
            (status.st_mode & 07777) == 0644 && (getuid () != 0 || status.st_uid >= 1900000000),
        "it belongs to the jail");
    ok (s_open (s_jail, CB_OPEN_CREATE, "work/new") == CB_LAUNCH_OPENED &&
            ((const cb_launch_opened *)s_in.body)->size == 0,
        "and is cut when it is made again");
    uint64_t dead = s_jail;
    s_kill (dead);
    ok (s_open (dead, CB_OPEN_READ, "output/a") == CB_LAUNCH_OPENED, "after death it opens still");
    ok (s_ask (CB_LAUNCH_FORGET, dead, CB_LAUNCH_DONE) == CB_LAUNCH_DONE &&
            s_open (dead, CB_OPEN_READ, "output/a") == CB_LAUNCH_FAILED,
        "until FORGET: %s", s_text);
}

static void
s_failed_start (const char *what, const char *words)
{
    uint32_t came = s_start (SLEEP);

    ok (came == CB_LAUNCH_FAILED && strstr (s_text, words) != NULL, "%s: %.300s", what, s_text);
    if (came == CB_LAUNCH_STARTED)
        s_kill (s_jail);
}

static void
s_failed_process (const char *what, const char *words)
{
    s_failed_start (what, words);
    const cb_launch_exited *exited = rig_exited (&s_rig);
    ok (exited != NULL && !exited->was_started && strstr (exited->text, words) != NULL,
        "EXITED says it too");
}

static void
s_test_refusals (void)
{
    rig_spec (&s_spec, "refused");
    s_spec.disk = (uint64_t)9 << 30;
    s_failed_start ("too much disk", "disk: 9 GiB is refused");
    rig_spec (&s_spec, "refused");
    s_spec.memory = 0;
    s_failed_start ("endless memory", "memory: 0 B is refused");
    rig_spec (&s_spec, "refused");
    s_spec.n_inputs = 1;
    (void)snprintf (s_spec.inputs[0].name, sizeof s_spec.inputs[0].name, "x");
    static const char *const closed[] = {"/proc/1", "/sys", "/tmp", "/dev/null"};
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        (void)snprintf (s_spec.inputs[0].path, sizeof s_spec.inputs[0].path, "%s", closed[i]);
        s_failed_start (closed[i], "the input");
    }
    (void)snprintf (s_spec.inputs[0].path, sizeof s_spec.inputs[0].path, "%s", s_rig.runtime);
    s_failed_start ("the runtime folder", "which no jail sees");
    (void)snprintf (s_spec.inputs[0].path, sizeof s_spec.inputs[0].path, "/nowhere/at/all");
    s_failed_process ("an input that is not there", "/nowhere/at/all");
    (void)snprintf (s_spec.inputs[0].path, sizeof s_spec.inputs[0].path, "%s/k/link", s_rig.folder);
    (void)!symlink ("/etc", s_spec.inputs[0].path);
    s_failed_process ("an input that is a link", "k/link");
    (void)snprintf (s_spec.inputs[0].path, sizeof s_spec.inputs[0].path, "%s/ok", s_rig.folder);
    (void)mkdir (s_spec.inputs[0].path, 0700);
    ok (s_start ("import os\nos.listdir('/input/x')\n" SLEEP) == CB_LAUNCH_STARTED,
        "a good input: %s", s_text);
    s_kill (s_jail);
    rig_spec (&s_spec, "jail");
}

/* No profile said off when the daemon was started: a broker that says so later is not believed. */
static void
s_test_layers_stay (void)
{
    const cb_launch_serving serving = {.off = ~0U};
    char why[64];

    (void)rig_send (&s_rig,
                    (rig_request){RIG_BROKER, CB_LAUNCH_SERVING, 0, &serving, sizeof serving});
    for (unsigned layer = 0; layer < CB_LAYER__COUNT; layer++) {
        rig_spec (&s_spec, "refused");
        s_spec.layers[layer] = CB_LAYER_OFF;
        (void)snprintf (why, sizeof why, "%s = off is refused", cb_layer_name (layer));
        s_failed_start (cb_layer_name (layer), why);
    }
    rig_spec (&s_spec, "jail");
}

static void
s_test_bad_stages (void)
{
    rig_script (&s_rig, "cellblock-jail", "#!/bin/sh\necho boom >&2\nexit 3\n");
    s_failed_process ("a stage that dies", "status 3: boom");
    rig_script (&s_rig, "cellblock-jail", "#!/bin/sh\nkill -SEGV $$\n");
    s_failed_process ("a stage that crashes", "signal 11");
    rig_script (
        &s_rig, "cellblock-jail",
        "#!/usr/bin/python3\nimport os\nos.write(10, b'x' * 5000)\nos.kill(os.getpid(), 9)\n");
    s_failed_process ("a stage that sends nonsense", "a packet");
    char script[512];
    (void)snprintf (script, sizeof script,
                    "#!/usr/bin/python3\nimport os, struct, time\n"
                    "os.write(10, struct.pack('<IIQQIiII1024s', 1, %d, 0, 0, %d, 0, 15, 7, b''))\n"
                    "time.sleep(600)\n",
                    CB_LAUNCH_STAGE, CB_STAGE_INIT);
    rig_script (&s_rig, "cellblock-jail", script);
    s_failed_process ("a stage that skips the others", "no tmpfs came");
    (void)snprintf (
        script, sizeof script,
        "#!/usr/bin/python3\nimport os, struct, time\n"
        "if os.fork() == 0: os.write(10, struct.pack('<IIQQIiII1024s', 1, %d, 0, 0, %d, "
        "0, 0, 0, b''))\n"
        "time.sleep(600)\n",
        CB_LAUNCH_STAGE, CB_STAGE_MOUNTS);
    rig_script (&s_rig, "cellblock-jail", script);
    s_failed_process ("a stage that somebody else reports", "reported by process");
    rig_script (&s_rig, "cellblock-jail", "#!/bin/sh\nsleep 600 &\nsleep 600\n");
    uint64_t serial = rig_send_start (&s_rig, ++s_jail, &s_spec, SLEEP);
    ok (s_ask (CB_LAUNCH_KILL, s_jail, CB_LAUNCH_DONE) == CB_LAUNCH_DONE, "a start is killed");
    ok (rig_exited (&s_rig) != NULL, "and all of it ends");
    (void)serial;
    rig_script (&s_rig, "cellblock-jail", NULL);
}

/* The groups of jails that ended are gone while the daemon lives. */
static void
s_test_groups_go (void)
{
    static cb_cgroups groups;
    char path[2 * PATH_MAX];
    size_t left = 0;
    struct stat status;

    cb_cgroups_find (&groups);
    for (size_t i = 0; i < groups.n_trees; i++) {
        (void)snprintf (path, sizeof path, "%s/cellblock-%d", groups.trees[i].base,
                        (int)s_rig.warden);
        /* Links of a folder without folders: two; with v2 the daemon itself may live in one. */
        if (stat (path, &status) == 0 && !groups.trees[i].is_own)
            left += (size_t)status.st_nlink - 2;
    }
    ok (left == 0, "no group of a jail that ended is left (%zu)", left);
}

static void
s_test_hostile_broker (void)
{
    struct {
        cb_launch_head head;
        char more[64];
    } packet = {.head = {.version = CB_LAUNCH_VERSION, .type = CB_LAUNCH_START, .jail = 4000}};

    for (uint32_t type = 0; type < 64; type++) {
        packet.head.type = type;
        if (type != CB_LAUNCH_SHUTDOWN)
            (void)send (s_rig.lines[RIG_BROKER], &packet, sizeof packet, 0);
        (void)send (s_rig.lines[RIG_FILER], &packet, sizeof packet.head, 0);
    }
    (void)send (s_rig.lines[RIG_BROKER], &packet, 7, 0);
    ok (s_ask (CB_LAUNCH_LISTED, 0, CB_LAUNCH_DONE) == CB_LAUNCH_FAILED, "an answer is no request");
    ok (s_ask (CB_LAUNCH_LIST, 0, CB_LAUNCH_LISTED) == CB_LAUNCH_LISTED, "the warden is well");
    uint64_t serial = rig_send (&s_rig, (rig_request){RIG_FILER, CB_LAUNCH_SHUTDOWN, 0, NULL, 0});
    ok (rig_expect (&s_rig, RIG_FILER, CB_LAUNCH_DONE, serial, &s_in) == CB_LAUNCH_FAILED,
        "the filer shuts nothing down");
    ok (s_start (SLEEP) == CB_LAUNCH_STARTED, "a jail: %s", s_text);
    serial = rig_send_start (&s_rig, s_jail, &s_spec, SLEEP);
    ok (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_STARTED, serial, &s_in) == CB_LAUNCH_FAILED,
        "its number is not given twice");
    ok (s_signal (s_jail, SIGKILL) == CB_LAUNCH_FAILED && s_signal (s_jail, SIGSTOP) &&
            s_signal (s_jail, -1) == CB_LAUNCH_FAILED && s_signal (s_jail, 999) == CB_LAUNCH_FAILED,
        "only some signals are sent");
    s_kill (s_jail);
}

/* A broker that dies: the next one is given the jails with their descriptors. */
static void
s_test_broker_dies (void)
{
    ok (s_start (SLEEP) == CB_LAUNCH_STARTED, "a jail: %s", s_text);
    int32_t kernel = ((const cb_launch_started *)s_in.body)->kernel_pid;
    pid_t pids[16];
    size_t n = 0;
    char path[64];
    (void)snprintf (path, sizeof path, "/proc/%d/task/%d/children", (int)s_rig.warden,
                    (int)s_rig.warden);
    cb_scoped (cb_buf) cb_buf text;
    cb_buf_init (&text, 4096);
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);
    (void)!cb_read_all (fd, &text, NULL);
    n = (size_t)sscanf (text.data, "%d", &pids[0]);
    ok (n == 1 && kill (pids[0], SIGKILL) == 0, "the broker is killed");
    ok (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_LISTED, 1, &s_in) == 0, "its line is closed");
    while (kill (pids[0], 0) == 0) /* its socket may outlive its line for a moment */
        (void)poll (NULL, 0, 1);
    ok (rig_connect (&s_rig), "the next one is there");
    uint64_t serial = rig_send (&s_rig, (rig_request){RIG_BROKER, CB_LAUNCH_LIST, 0, NULL, 0});
    ok (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_JAIL, serial, &s_in) == CB_LAUNCH_JAIL &&
            s_in.head.jail == s_jail && s_in.packet.n_fds >= 14 &&
            ((const cb_launch_started *)s_in.body)->kernel_pid == kernel,
        "it is given the jail");
    cb_jail_spec spec;
    ok (cb_spec_decode ((const char *)s_in.body + sizeof (cb_launch_started),
                        s_in.body_size - sizeof (cb_launch_started), &spec, NULL) == 0 &&
            strcmp (spec.name, s_spec.name) == 0,
        "with its spec");
    ok (rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_LISTED, serial, &s_in) == CB_LAUNCH_LISTED,
        "and that is all");
    s_kill (s_jail);
    s_rig.serial += 1000;
}

/* A broker that does not read while it asks: the warden stops reading, answers later, loses none.
 */
static void
s_test_deaf_broker (void)
{
    cb_launch_out out = {.head = {.type = CB_LAUNCH_USAGE, .serial = 1, .jail = 999999}};
    cb_err err = CB_ERR_INIT;
    int sent = 0;
    int answered = 0;

    (void)cb_set_nonblock (s_rig.lines[RIG_BROKER], 1, &err);
    for (int pause = 0; pause < 50; pause++, (void)poll (NULL, 0, 1))
        while (cb_launch_send (s_rig.lines[RIG_BROKER], &out, &err) == 0)
            sent++;
    (void)cb_set_nonblock (s_rig.lines[RIG_BROKER], 0, &err);
    while (answered < sent && rig_expect (&s_rig, RIG_BROKER, CB_LAUNCH_FAILED, 1, &s_in) != 0)
        answered++;
    ok (sent > 100 && answered == sent, "%d requests without reading, %d answers", sent, answered);
    ok (s_ask (CB_LAUNCH_LIST, 0, CB_LAUNCH_LISTED) == CB_LAUNCH_LISTED, "the warden is well");
}

int
main (void)
{
    (void)alarm (600);
    rig_open (&s_rig);
    ok (rig_start (&s_rig, "serve") && rig_connect (&s_rig), "cellblockd starts: %s", s_rig.said);
    rig_spec (&s_spec, "jail");
    s_test_started ();
    s_test_endings ();
    s_test_memory ();
    s_test_files ();
    s_test_refusals ();
    s_test_layers_stay ();
    s_test_bad_stages ();
    s_test_groups_go ();
    s_test_hostile_broker ();
    s_test_broker_dies ();
    s_test_deaf_broker ();
    (void)kill (s_rig.janitor, SIGTERM);
    ok (rig_wait (&s_rig) == 0 && rig_leaks (&s_rig) == 0, "it ends clean");
    rig_close (&s_rig);
    return tap_done ();
}
