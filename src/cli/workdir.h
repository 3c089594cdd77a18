/* workdir.h - --workdir ro|rw|none: the folder that one is in, for the session that is made. */
#ifndef CB_CLI_WORKDIR_H
#define CB_CLI_WORKDIR_H

#include "base/jsonx.h"

enum { CB_WORKDIR_GIVEN, CB_WORKDIR_LEFT_OUT }; /* outcomes of cb_workdir_json */

/* The field `workdir` of new_request, owned, for the current folder. mode NULL: nobody said
 * anything, which is "ro" where that can be. CB_WORKDIR_LEFT_OUT for "none" and (mode NULL) for a
 * folder that cannot be given: a home, or what holds one; then *err says why, and "none" leaves it
 * as it is. */
int cb_workdir_json (const char *mode, json_t **ret_workdir, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Before the request goes out, for one with mode rw: says in the runtime folder of the daemon that
 * a jail may write that folder. */
int cb_workdir_allow (const json_t *workdir, const char *runtime_dir, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
