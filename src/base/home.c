/* home.c - which folders are nobody's to give whole.
 *
 * A frontend often starts in a home: all of it, keys and mail, would be in the jail, though its
 * person only wanted to begin somewhere. So homes, and what holds them, are no working folders. */
#include "base/home.h"

#include "base/table.h"

#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
cb_folder_holds (const char *path, const char *folder)
{
    char real[PATH_MAX];
    size_t size = strlen (path);

    if (folder == NULL || folder[0] != '/' || realpath (folder, real) == NULL)
        return 0;
    return strncmp (real, path, size) == 0 && (real[size] == '/' || real[size] == '\0') &&
           strcmp (real, "/") != 0;
}

/* passwd's answer stands only until the next question. */
static int
s_holds_home_of (const char *path, uid_t uid)
{
    const struct passwd *entry = getpwuid (uid);

    return entry != NULL && cb_folder_holds (path, entry->pw_dir);
}

int
cb_home_check (const char *path, uid_t owner, cb_err *err)
{
    if (strcmp (path, "/") != 0 && !cb_folder_holds (path, getenv ("HOME")) &&
        !s_holds_home_of (path, geteuid ()) && !s_holds_home_of (path, owner))
        return 0;
    return cb_fail (err, CB_E_DENIED,
                    "the working folder %.800s is or holds a home directory, all of which cells "
                    "would see: start in a folder further down, or choose workdir none",
                    path);
}
