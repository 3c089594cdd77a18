/* missing.c - what a jail needs of the machine before anything else: two packages. Only looked at
 * after a failure, so a run that works pays nothing for it. */
#include "cli/missing.h"

#include "base/table.h"
#include "cli/cli.h"

#include <string.h>
#include <unistd.h>

typedef struct s_need {
    const char *path;
    int rights; /* of access */
    const char *package;
    const char *what;
} s_need;

/* Where Debian puts them; kernels run the distribution's Python only. */
static const s_need s_needs[] = {
    {CB_BWRAP, R_OK | X_OK, "bubblewrap", "bubblewrap (" CB_BWRAP ")"},
    {CB_PYTHON, R_OK | X_OK, "python3", "Python (" CB_PYTHON ")"},
    {"/usr/lib/python3/dist-packages/ipykernel/__init__.py", R_OK, "python3-ipykernel",
     "ipykernel for " CB_PYTHON},
};

const char *
cb_missing_package (const char **ret_what)
{
    for (size_t i = 0; i < CB_COUNT (s_needs); i++) {
        if (access (s_needs[i].path, s_needs[i].rights) == 0)
            continue;
        if (ret_what != NULL)
            *ret_what = s_needs[i].what;
        return s_needs[i].package;
    }
    return NULL;
}

int
cb_missing_explain (const cb_err *err)
{
    const char *what = NULL;

    int code = cb_cli_failed (err);
    if (cb_missing_package (&what) == NULL && strstr (err->text, "the jail failed") != NULL)
        cb_cli_say (
            "what this machine lacks for jails, and what mends it, tells: cellblock doctor");
    if (what != NULL)
        cb_cli_say (
            "%s is missing or cannot be used. Install what jails need: apt-get install bubblewrap "
            "python3-ipykernel",
            what);
    return code;
}
