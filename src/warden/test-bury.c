/* test-bury.c - who closes the tmpfs of a dead jail last. */
#include "warden/bury.h"

#include "base/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* A tmpfs with so many bytes in it that only the descriptor holds any more; -1: none can be had. */
static int
s_tmpfs (const char *folder, size_t bytes)
{
    if (mount ("test", folder, "tmpfs", 0, "size=64m") < 0)
        return -1;
    int fd = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int file = openat (fd, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char *block = calloc (1, MIB);
    for (size_t i = 0; block != NULL && i < bytes / MIB; i++)
        (void)!write (file, block, MIB);
    free (block);
    (void)close (file);
    (void)umount2 (folder, MNT_DETACH);
    return fd;
}

/* An ordinary user must be somebody in its new namespace to make a file. */
static void
s_map_self (uid_t uid, gid_t gid)
{
    char map[32];
    int fd = open ("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);

    (void)snprintf (map, sizeof map, "0 %u 1\n", (unsigned)uid);
    (void)!write (fd, map, strlen (map));
    (void)close (fd);
    fd = open ("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
    (void)!write (fd, "deny", 4);
    (void)close (fd);
    (void)snprintf (map, sizeof map, "0 %u 1\n", (unsigned)gid);
    fd = open ("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
    (void)!write (fd, map, strlen (map));
    (void)close (fd);
}

int
main (void)
{
    uid_t uid = getuid ();
    gid_t gid = getgid ();
    char folder[] = "/tmp/cb-bury-XXXXXX";
    int flags = CLONE_NEWNS | (uid != 0 ? CLONE_NEWUSER : 0);
    int none = -1;
    int status = -1;

    (void)alarm (60);
    ok (mkdtemp (folder) != NULL, "a folder");
    if (unshare (flags) < 0 || mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0) {
        ok (1, "a tmpfs # SKIP no mount namespace: %s", strerror (errno));
        (void)rmdir (folder);
        return tap_done ();
    }
    if (uid != 0)
        s_map_self (uid, gid);
    int fd = s_tmpfs (folder, 32 * MIB);
    struct stat held;
    ok (fd >= 0 && fstatat (fd, "x", &held, 0) == 0 && held.st_size == (off_t)(32 * MIB),
        "a tmpfs that only a descriptor holds");
    cb_bury (&fd);
    ok (fd == -1, "is given up");
    ok (waitpid (-1, &status, 0) > 0 && status == 0, "by a child that has waited for us");
    fd = s_tmpfs (folder, MIB);
    cb_bury (&fd);
    ok (fd == -1 && waitpid (-1, &status, WNOHANG) < 0 && errno == ECHILD,
        "a small one needs nobody");
    cb_bury (&none);
    ok (none == -1, "nothing at all is fine");
    (void)rmdir (folder);
    return tap_done ();
}
