/* profile.h - profiles: what a jail may use and how long a cell may run. A row a limit. */
#ifndef CB_POLICY_PROFILE_H
#define CB_POLICY_PROFILE_H

#include "base/clock.h"
#include "jail/spec.h"
#include "wire/active.h"

#include <stddef.h>

typedef struct cb_profile {
    char name[CB_NAME_MAX];
    cb_usec wall;          /* a cell, 0: no limit */
    cb_usec grace;         /* between interrupt and kill */
    uint64_t output;       /* bytes of streams and rich results a cell */
    uint64_t artifacts;    /* bytes of /output collected a run */
    uint64_t fixed;        /* a bit a row: what no client may loosen */
    uint8_t network;       /* 1: it would need a way out, which this version has not */
    uint8_t active_output; /* a cb_active_output */
    uint8_t workdir;       /* a cb_workdir: the most that a client gets who asks for one */
    cb_jail_spec jail; /* limits and layers; name, inputs and folder are filled in per session */
} cb_profile;

/* Profiles in a configuration, the built-in ones among them. */
#define CB_PROFILES_MAX 64

/* Bytes of a value's text: `fixed` may name every key. */
#define CB_PROFILE_TEXT 512

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
                         cb_err *err) __attribute__ ((warn_unused_result));

/* A key of a resolved profile and where its value was said. All borrowed. */
typedef struct cb_profile_value {
    const char *key;
    char text[CB_PROFILE_TEXT]; /* as one would write it */
    const char *profile;        /* that sets it: itself or one it inherits from */
    const char *origin;         /* "FILE:LINE", "--set ...", "built-in" */
    int fixed;                  /* no client may loosen it */
} cb_profile_value;

typedef int cb_profile_on_value (const cb_profile_value *value, void *context, cb_err *err);

/* Tells every key that this version obeys; a fault ends it. */
int cb_profiles_explain (const cb_profiles *self, const char *name, cb_profile_on_value *on_value,
                         void *context, cb_err *err) __attribute__ ((warn_unused_result));

/* ---- what a client may change: override.c --------------------------------------------------- */

/* Another value for one key of a session ("memory", "1G"). Tighter is always allowed, looser where
 * the profile does not fix it: else -CB_E_POLICY, with profile, limit and value. */
int cb_profile_override (cb_profile *self, const char *key, const char *value, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Who sends a cell. */
typedef enum {
    CB_DOOR_PROGRAM, /* a command, an API, a model: the profile's wall time */
    CB_DOOR_PERSON   /* someone who can stop it: none, unless the profile fixes one */
} cb_door_kind;

/* The wall time of a cell, 0: none. asked: what its client wants, 0: nothing said. -CB_E_POLICY for
 * more than a profile that fixes it allows. */
int cb_profile_wall (const cb_profile *self, cb_door_kind door, cb_usec asked, cb_usec *ret_wall,
                     cb_err *err) __attribute__ ((warn_unused_result));

/* Whether a session can be made of it: -CB_E_UNSUPPORTED for a network, -CB_E_INVALID for what
 * contradicts itself. */
int cb_profile_check_start (const cb_profile *self, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
