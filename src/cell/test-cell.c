/* test-cell.c - Landlock, limits and the walk over an input, each alone: in a jail the other layers
 * would hide that one is missing. What changes the process runs in a child. */
#include "cell/landlock.h"
#include "cell/limits.h"
#include "cell/walk.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/tap.h"
#include "base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static cb_jail_spec s_spec;
static char s_folder[] = "/tmp/cb-test-cell-XXXXXX";

/* Whether the function returns true in a child of its own. */
static int
s_in_child (int (*check) (void))
{
    int status = 0;
    pid_t pid = fork ();

    if (pid == 0)
        _exit (check () ? 0 : 1);
    return waitpid (pid, &status, 0) == pid && WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

static int
s_open_refused (const char *path, int flags)
{
    cb_auto_close int fd = open (path, flags | O_CLOEXEC, 0644);
    return fd < 0 && errno == EACCES;
}

static int
s_lock (void)
{
    cb_err err = CB_ERR_INIT;
    return prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && cb_landlock_apply (&s_spec, &err) > 0;
}

static int
s_writes_below_tmp_only (void)
{
    return s_lock () && !s_open_refused ("inside", O_WRONLY | O_CREAT) &&
           !s_open_refused ("/dev/null", O_WRONLY) &&
           s_open_refused ("/var/tmp/cb-test-cell", O_WRONLY | O_CREAT) &&
           s_open_refused ("/proc/self/comm", O_WRONLY) &&
           !s_open_refused ("/proc/self/comm", O_RDONLY);
}

static int
s_runs_usr_only (void)
{
    char own[] = "./program", usr[] = "/usr/bin/true";
    char *argv[] = {own, NULL}, *environment[] = {NULL};

    if (!s_lock () || execve (own, argv, environment) == 0 || errno != EACCES)
        return 0;
    argv[0] = usr;
    (void)execve (usr, argv, environment);
    return 0;
}

static int
s_has_no_tcp (void)
{
    struct sockaddr_un any = {.sun_family = AF_INET};
    cb_auto_close int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return s_lock () && bind (fd, (struct sockaddr *)&any, 16) < 0 && errno == EACCES;
}

static int
s_signals_stay_inside (void)
{
    return s_lock () && kill (getppid (), 0) < 0 && errno == EPERM;
}

static void
s_test_landlock (void)
{
    int abi = (int)syscall (444 /* landlock_create_ruleset */, NULL, 0, 1);

    if (abi < 1) {
        printf ("# no Landlock in this kernel\n");
        return;
    }
    cb_auto_close int from = open ("/usr/bin/true", O_RDONLY | O_CLOEXEC);
    cb_auto_close int to = open ("program", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    cb_scoped (cb_buf) cb_buf program;
    cb_err err = CB_ERR_INIT;
    cb_buf_init (&program, 16 << 20);
    ok (cb_read_all (from, &program, &err) == 0 &&
            cb_write_all (to, program.data, program.size, &err) == 0,
        "a program outside /usr");
    cb_close (&to);
    ok (s_in_child (s_writes_below_tmp_only), "writing works in the jail's folders alone");
    ok (s_in_child (s_runs_usr_only), "programs of /usr run, others do not");
    ok (abi < 4 || s_in_child (s_has_no_tcp), "no TCP without loopback");
    ok (abi < 6 || s_in_child (s_signals_stay_inside), "no signal leaves");
}

static int
s_limit_is (__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit;
    return getrlimit (resource, &limit) == 0 && limit.rlim_max == value;
}

static int
s_limits_hold_but_cpu (void)
{
    const cb_jail_spec spec = {
        .disk = 1 << 20, .cpu_seconds = 60, .processes = 40, .open_files = 64, .start_seconds = 30};
    cb_err err = CB_ERR_INIT;

    return cb_limits_set (&spec, &err) == 0 && s_limit_is (RLIMIT_NPROC, 40) &&
           s_limit_is (RLIMIT_NOFILE, 64) && s_limit_is (RLIMIT_FSIZE, 1 << 20) &&
           s_limit_is (RLIMIT_CORE, 1) && s_limit_is (RLIMIT_MSGQUEUE, 0) &&
           s_limit_is (RLIMIT_RTPRIO, 0);
}

static int
s_limits_hold (void)
{
    return s_limits_hold_but_cpu () && s_limit_is (RLIMIT_CPU, 62);
}

/* As by `ulimit -t 1` of who starts the daemon. */
static int
s_less_is_kept (void)
{
    const struct rlimit second = {1, 1};

    return setrlimit (RLIMIT_CPU, &second) == 0 && s_limits_hold_but_cpu () &&
           s_limit_is (RLIMIT_CPU, 1);
}

static void
s_put (const char *path, const char *text, mode_t mode)
{
    cb_err err = CB_ERR_INIT;
    cb_auto_close int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    ok (fd >= 0 && cb_write_all (fd, text, strlen (text), &err) == 0 && fchmod (fd, mode) == 0,
        "%s", path);
}

static void
s_test_walk (void)
{
    cb_err err = CB_ERR_INIT;
    cb_survey survey;
    char text[8] = "";

    ok (mkdir ("tree", 0755) == 0 && mkdir ("tree/deep", 0755) == 0 &&
            symlink ("deep/two", "tree/link") == 0 && mkdir ("copy", 0755) == 0,
        "a tree");
    s_put ("tree/one", "12345", 0644);
    s_put ("tree/deep/two", "678", 0644);
    cb_auto_close int tree = open ("tree", O_PATH | O_CLOEXEC);
    ok (cb_walk_survey (tree, 1, &survey, &err) == 0 && survey.entries == 4 && survey.bytes == 8 &&
            !survey.private && survey.door[0] == '\0',
        "is counted");
    ok (chmod ("tree/deep/two", 0600) == 0 && cb_walk_survey (tree, 1, &survey, &err) == 0 &&
            survey.private,
        "a file that only its owner reads is seen");
    cb_auto_close int copy = open ("copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok (cb_walk_copy (tree, copy, &err) == 0, "is copied");
    cb_auto_close int two = open ("copy/link", O_RDONLY | O_CLOEXEC);
    ok (read (two, text, sizeof text) == 3 && memcmp (text, "678", 3) == 0,
        "with what is deep and linked");
    ok (mkfifo ("tree/deep/pipe", 0600) == 0 && cb_walk_survey (tree, 0, &survey, &err) == 0 &&
            strcmp (survey.door, "deep/pipe") == 0,
        "a named pipe in it is found");
}

/* Through a chroot's /proc a cell would reach the processes of its user. */
static void
s_test_kernel_folders (void)
{
    cb_err err = CB_ERR_INIT;
    cb_survey survey;
    const char *const paths[] = {"/proc/self/fdinfo", "/proc/self/status"};

    for (size_t i = 0; i < 2; i++) {
        cb_auto_close int tree = open (paths[i], O_PATH | O_CLOEXEC);
        ok (cb_walk_survey (tree, 0, &survey, &err) == 0 && strcmp (survey.door, ".") == 0 &&
                strstr (survey.door_is, "of the kernel") != NULL,
            "%s is a door", paths[i]);
    }
}

/* What is not looked at may hold anything. */
static void
s_test_depth (void)
{
    cb_err err = CB_ERR_INIT;
    cb_survey survey;
    char path[256] = "deep";

    ok (mkdir (path, 0755) == 0, "a folder");
    for (size_t size = strlen (path); size < 4 + 2 * 65; size += 2) {
        memcpy (path + size, "/d", 3);
        if (mkdir (path, 0755) < 0)
            ok (0, "%s", path);
    }
    cb_auto_close int tree = open ("deep", O_PATH | O_CLOEXEC);
    ok (cb_walk_survey (tree, 0, &survey, &err) == 0, "65 empty folders in each other");
    memcpy (path + strlen (path), "/p", 3);
    ok (mkfifo (path, 0600) == 0, "a door in the last");
    ok (cb_walk_survey (tree, 0, &survey, &err) == -CB_E_LIMIT, "is not passed over: %s", err.text);
    ok (rename ("deep/d/d/d/d/d", "undeep") == 0, "short enough to be removed");
}

int
main (void)
{
    cb_err err = CB_ERR_INIT;

    if (mkdtemp (s_folder) == NULL || chdir (s_folder) < 0)
        return 1;
    s_test_landlock ();
    ok (s_in_child (s_limits_hold), "limits are set, soft and hard");
    ok (s_in_child (s_less_is_kept), "who has less processor time than that keeps what he has");
    s_test_walk ();
    s_test_kernel_folders ();
    s_test_depth ();
    ok (chdir ("/") == 0 && cb_remove_tree (AT_FDCWD, s_folder, &err) == 0, "nothing is left");
    return tap_done ();
}
