/* test-scope.c - how the user's systemd is asked for a control group, with a script that plays
 * busctl. The real one answers in a booted guest (scripts/check-guest). */
#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/tap.h"
#include "cli/scope.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a script may take on a busy machine. */
#define PATIENCE_MS 60000

static char s_top[] = "/tmp/cb-scope-XXXXXX";

static const char *
s_path (const char *name)
{
    static char path[2][PATH_MAX];
    static int turn;

    turn = !turn;
    (void)snprintf (path[turn], PATH_MAX, "%s/%s", s_top, name);
    return path[turn];
}

static void
s_script (const char *text)
{
    char whole[1024];

    (void)snprintf (whole, sizeof whole, "#!/bin/sh\ncd %s\n%s\n", s_top, text);
    cb_auto_close int fd = open (s_path ("busctl"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    if (fd < 0 || cb_write_all (fd, whole, strlen (whole), NULL) < 0)
        abort ();
}

static int
s_ask (int wait_ms, cb_err *err)
{
    char busctl[PATH_MAX];
    const cb_scope_way way = {busctl, s_path ("cgroup"), wait_ms};

    (void)snprintf (busctl, sizeof busctl, "%s", s_path ("busctl"));
    (void)unlink (s_path ("cgroup"));
    return cb_scope_ask (&way, err);
}

static const char *
s_text (const char *name)
{
    static char text[4096];
    cb_auto_close int fd = open (s_path (name), O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;

    text[size > 0 ? size : 0] = '\0';
    return text;
}

int
main (void)
{
    cb_err err = CB_ERR_INIT;
    char wanted[128];

    if (mkdtemp (s_top) == NULL)
        abort ();
    /* The call returns before the process is moved: the name appears a little later. */
    s_script ("echo \"$*\" >asked\nfor name; do case $name in *.scope) unit=$name; esac; done\n"
              "(sleep 0.1; echo \"0::/user.slice/$unit\" >cgroup) &");
    ok (s_ask (PATIENCE_MS, &err) == 0, "a scope %s", err.text);
    (void)snprintf (wanted, sizeof wanted, "cellblockd-%ld.scope fail 4 ", (long)getpid ());
    ok (strstr (s_text ("asked"), wanted) != NULL, "%s", s_text ("asked"));
    (void)snprintf (wanted, sizeof wanted, "PIDs au 1 %ld Delegate b true", (long)getpid ());
    ok (strstr (s_text ("asked"), wanted) != NULL, "around this process, delegated");

    s_script ("echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    ok (s_ask (PATIENCE_MS, &err) == -CB_E_UNSUPPORTED &&
            strstr (err.text, "no scope: Failed to connect to bus: No medium found") != NULL,
        "%s", err.text);
    s_script ("exit 3");
    ok (s_ask (PATIENCE_MS, &err) == -CB_E_UNSUPPORTED, "%s", err.text);
    s_script ("echo done");
    ok (s_ask (50, &err) == -CB_E_TIMEOUT, "%s", err.text);
    (void)unlink (s_path ("busctl"));
    ok (s_ask (PATIENCE_MS, &err) == -CB_E_UNSUPPORTED, "%s", err.text);
    ok (geteuid () != 0 || cb_scope_look () == CB_SCOPE_NONE_NEEDED, "root needs none");
    ok (geteuid () != 0 || cb_scope_enter (&err) == 0, "and gets none");
    (void)unlink (s_path ("asked"));
    (void)unlink (s_path ("cgroup"));
    (void)rmdir (s_top);
    return tap_done ();
}
