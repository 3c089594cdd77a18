/* test-folders.c - which folders are nobody's to give, and the word of somebody who may. */
#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/grant.h"
#include "base/home.h"
#include "base/tap.h"
#include "base/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *s_victim; /* what a stranger puts behind each new name; NULL: nothing */

int __real_renameat (int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat (int from_fd, const char *from, int to_fd, const char *to);

int
__wrap_renameat (int from_fd, const char *from, int to_fd, const char *to)
{
    int result = __real_renameat (from_fd, from, to_fd, to);

    if (s_victim != NULL && (unlinkat (to_fd, to, 0) < 0 || symlinkat (s_victim, to_fd, to) < 0))
        abort ();
    return result;
}

static char s_folder[] = "/tmp/cb-test-folders-XXXXXX";
static cb_err s_err;

static int
s_is_refused (const char *path)
{
    return cb_home_check (path, geteuid (), &s_err) == -CB_E_DENIED &&
           strstr (s_err.text, path) != NULL;
}

static void
s_test_home (void)
{
    char home[128];
    char below[160];
    char beside[160];

    (void)snprintf (home, sizeof home, "%s/homes/ann", s_folder);
    (void)snprintf (below, sizeof below, "%s/project", home);
    (void)snprintf (beside, sizeof beside, "%s/homes/annabel", s_folder);
    ok (mkdir ("homes", 0755) == 0 && mkdir (home, 0755) == 0 && mkdir (below, 0755) == 0 &&
            mkdir (beside, 0755) == 0 && setenv ("HOME", home, 1) == 0,
        "a home");
    ok (s_is_refused (home), "is refused: %s", s_err.text);
    ok (s_is_refused (s_folder) && s_is_refused ("/tmp") && s_is_refused ("/"),
        "and what holds it");
    ok (cb_home_check (below, geteuid (), &s_err) == 0, "not what is in it");
    ok (cb_home_check (beside, geteuid (), &s_err) == 0, "nor a name that begins alike");
    ok (symlink ("homes/ann", "link") == 0 && setenv ("HOME", "link", 1) == 0 &&
            cb_home_check (home, geteuid (), &s_err) == 0,
        "a home that is no path is none");
    (void)snprintf (below, sizeof below, "%s/link", s_folder);
    ok (setenv ("HOME", below, 1) == 0 && s_is_refused (home), "one behind a link is seen");
    ok (unsetenv ("HOME") == 0 && cb_home_check (home, geteuid (), &s_err) == 0, "without HOME");
    ok (cb_home_check ("/root", 0, &s_err) == -CB_E_DENIED, "the owner's counts as well");
}

static void
s_test_grant (int runtime)
{
    cb_auto_close int grants = -1;
    char name[64];
    struct stat folder;
    struct stat other;

    ok (stat ("homes", &folder) == 0 && stat ("/usr", &other) == 0, "two folders");
    (void)snprintf (name, sizeof name, "workdir-%lx-%lx", (unsigned long)folder.st_dev,
                    (unsigned long)folder.st_ino);
    ok (cb_grant_give (runtime, &folder, &s_err) < 0, "nobody is asked: %s", s_err.text);
    grants = cb_grant_open (runtime, &s_err);
    ok (grants >= 0 && cb_grant_open (runtime, &s_err) < 0, "there is one place for it");
    ok (cb_grant_check (grants, &folder, "homes", &s_err) == -CB_E_DENIED &&
            strstr (s_err.text, name) != NULL,
        "nobody said anything: %s", s_err.text);
    ok (cb_grant_give (runtime, &folder, &s_err) == 0 &&
            cb_grant_check (grants, &folder, "homes", &s_err) == 0 &&
            cb_grant_give (runtime, &folder, &s_err) == 0 &&
            cb_grant_check (grants, &folder, "homes", &s_err) == 0,
        "said, and said again");
    ok (cb_grant_check (grants, &other, "/usr", &s_err) == -CB_E_DENIED, "of this one alone");
    ok (cb_write_file (grants, name, name, strlen (name) - 1, &s_err) == 0 &&
            cb_grant_check (grants, &folder, "homes", &s_err) == -CB_E_DENIED,
        "in its own words");
    ok (unlinkat (grants, name, 0) == 0 && symlinkat ("said", grants, name) == 0 &&
            cb_write_file (grants, "said", name, strlen (name), &s_err) == 0 &&
            cb_grant_check (grants, &folder, "homes", &s_err) == -CB_E_DENIED,
        "not behind a link");
    ok (unlinkat (grants, name, 0) == 0 && mkfifoat (grants, name, 0600) == 0 &&
            cb_grant_check (grants, &folder, "homes", &s_err) == -CB_E_DENIED,
        "no pipe is waited for");
    ok (fchmod (grants, 0701) == 0 && cb_grant_give (runtime, &folder, &s_err) == -CB_E_DENIED &&
            fchmod (grants, 0700) == 0,
        "nor said where others enter");
    if (geteuid () != 0)
        return;
    ok (unlinkat (grants, name, 0) == 0 && cb_grant_give (runtime, &folder, &s_err) == 0 &&
            fchownat (grants, name, 4711, 4711, 0) == 0 &&
            cb_grant_check (grants, &folder, "homes", &s_err) == -CB_E_DENIED,
        "nor what somebody else says");
}

static mode_t
s_mode (const char *name)
{
    struct stat status;

    return stat (name, &status) == 0 ? status.st_mode & 07777 : 0;
}

/* As root writes a kernelspec into somebody's environment, who changes names meanwhile. */
static void
s_test_public (int folder)
{
    cb_scoped (cb_buf) cb_buf text;

    cb_buf_init (&text, 16);
    ok (cb_buf_puts (&text, "text") == 0 && cb_write_file (folder, "mine", "x", 1, &s_err) == 0,
        "a file of ours");
    (void)umask (077);
    ok (cb_write_public_file (folder, "public", &text, &s_err) == 0 && s_mode ("public") == 0644,
        "everybody may read it, whatever the umask");
    s_victim = "mine";
    ok (cb_write_public_file (folder, "public", &text, &s_err) == 0 && s_mode ("public") == 0600,
        "and not what its name is a moment later");
    s_victim = NULL;
}

int
main (void)
{
    if (mkdtemp (s_folder) == NULL || chdir (s_folder) < 0)
        return 1;
    cb_auto_close int runtime = open (".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s_test_home ();
    s_test_grant (runtime);
    s_test_public (runtime);
    ok (chdir ("/") == 0 && cb_remove_tree (AT_FDCWD, s_folder, &s_err) == 0, "nothing is left");
    return tap_done ();
}
