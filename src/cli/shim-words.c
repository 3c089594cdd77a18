/* shim-words.c - the words of the options that a kernelspec hands on to its shim. */
#include "cli/shim.h"

#include <stddef.h>

const char *const cb_shim_active[] = {NULL, "sandbox", "full"};
const char *const cb_shim_workdir[] = {NULL, "ro", "rw", "none"};
