/* inputs.h - --input PATH: what a session sees below /input. */
#ifndef CB_CLI_INPUTS_H
#define CB_CLI_INPUTS_H

#include "base/jsonx.h"
#include "cli/options.h"

/* The array for a request: real absolute paths and the names by which the jail sees them. Every
 * path must be there and readable, no two may have one name. Owned; NULL with err. */
json_t *cb_inputs_json (const cb_words *paths, cb_err *err);

#endif
