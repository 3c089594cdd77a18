/* limits.h - --limit NAME=VALUE: what a new session has otherwise than its profile. */
#ifndef CB_CLI_LIMITS_H
#define CB_CLI_LIMITS_H

#include "base/jsonx.h"
#include "cli/options.h"

#define CB_LIMITS_HINT "NAME=VALUE"
#define CB_LIMITS_HELP \
    "one limit otherwise than the profile has it, such as memory=1G (a new session only)"

/* The object for a request, {"memory": "1G"}; the daemon knows names and values. Owned; NULL with
 * err. */
json_t *cb_limits_json (const cb_words *words, cb_err *err);

#endif
