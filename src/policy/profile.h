/* profile.h - profiles: what a jail may use and how long a cell may run. A row a limit. */
#ifndef CB_POLICY_PROFILE_H
#define CB_POLICY_PROFILE_H

#include "base/clock.h"
#include "jail/spec.h"

#include <stddef.h>

typedef struct cb_profile {
    char name[CB_NAME_MAX];
    cb_usec wall;       /* a cell, 0: no limit */
    cb_usec grace;      /* between interrupt and kill */
    uint64_t output;    /* bytes of streams and rich results a cell */
    uint64_t artifacts; /* bytes of /output collected a run */
    uint8_t wall_fixed; /* nobody may have a longer wall time, attached clients have it too */
    cb_jail_spec jail;  /* limits and layers; name and inputs are filled in per session */
} cb_profile;

/* Profiles in a configuration. */
#define CB_PROFILES_MAX 64

typedef struct cb_profiles cb_profiles; /* the built-in ones and those of the configuration */

cb_profiles *cb_profiles_new (cb_err *err);
void cb_profiles_destroy (cb_profiles **self);

/* The keys there are, sorted; NULL behind the last. */
const char *cb_profiles_key (size_t index);

/* One key of a [profile NAME] section ("memory" = "512M"). origin ("FILE:LINE") is borrowed for the
 * error's text. Unknown keys are -CB_E_INVALID with the nearest known one. */
int cb_profiles_set (cb_profiles *self, const char *profile, const char *key, const char *value,
                     const char *origin, cb_err *err);

/* The names, in the order in which they appeared ("default" first); NULL behind the last. */
const char *cb_profiles_name (const cb_profiles *self, size_t index);

/* The profile with everything it inherits (in the end always `default`). -CB_E_NOTFOUND lists the
 * names there are; -CB_E_INVALID when profiles inherit from each other in a circle. */
int cb_profiles_resolve (const cb_profiles *self, const char *name, cb_profile *ret_profile,
                         cb_err *err);

#endif
