/* profile.c - profiles: the built-in ones, what the configuration set in them, what comes out.
 *
 * A profile keeps only what was set in it (values, a bit and an origin a row); resolving lays the
 * chain default -> ... -> profile one over the other. The built-in profiles are set by the same
 * door as those of a configuration, which may change them. */
#include "policy/profile.h"

#include "base/cleanup.h"
#include "base/table.h"
#include "policy/rows.h"

#include <stdio.h>
#include <string.h>

#define KIB ((uint64_t)1024)
#define MIB (KIB * 1024)

#define SEC CB_USEC_PER_SEC

/* "FILE:LINE" or the option, as base/ini tells it. */
#define ORIGIN_MAX 160
#define BUILT_IN   "built-in"

typedef struct entry {
    char name[CB_NAME_MAX];
    char inherits[CB_NAME_MAX];            /* "": default */
    uint64_t set;                          /* bit a row */
    uint64_t values[CB_ROWS_MAX];          /* only rows with their bit set count */
    char origins[CB_ROWS_MAX][ORIGIN_MAX]; /* the same: where it was said */
} entry;

struct cb_profiles {
    size_t n_entries;
    entry entries[CB_PROFILES_MAX];
};

static const cb_profile s_default = {
    .name = "default",
    .wall = 10 * SEC,
    .grace = SEC,
    .output = 32 * MIB,
    .artifacts = 128 * MIB,
    .workdir = CB_WORKDIR_RW,
    .jail =
        {
            .profile = "default",
            .memory = 512 * MIB,
            .disk = 256 * MIB,
            .files = 4096,
            .cpu_seconds = 3600,
            .cpu_percent = 100,
            .processes = 64,
            .open_files = 512,
            .subprocesses = 1,
            .layers = {CB_LAYER_AUTO, CB_LAYER_AUTO, CB_LAYER_AUTO, CB_LAYER_AUTO},
        },
};

/* What the built-in profiles have beside the default's values. Whoever evaluates a stranger's
 * expression wants nothing of it loosened by a tired hand, so safe_eval fixes its limits. */
static const struct {
    const char *profile;
    const char *key;
    const char *value;
} s_built_in[] = {
    {"safe_eval", "wall", "5 s"},
    {"safe_eval", "cpu_seconds", "60"},
    {"safe_eval", "memory", "256 MiB"},
    {"safe_eval", "disk", "16 MiB"},
    {"safe_eval", "files", "256"},
    {"safe_eval", "processes", "32"},
    {"safe_eval", "open_files", "128"},
    {"safe_eval", "output", "1 MiB"},
    {"safe_eval", "artifacts", "1 MiB"},
    {"safe_eval", "subprocesses", "off"},
    {"safe_eval", "seccomp", "on"},
    {"safe_eval", "workdir", "none"},
    {"safe_eval", "fixed",
     "active_output artifacts cpu cpu_seconds disk files grace loopback memory network open_files "
     "output processes subprocesses wall"},
    {"data_processing", "wall", "1 min"},
    {"data_processing", "cpu", "200 %"},
    {"data_processing", "memory", "2 GiB"},
    {"data_processing", "disk", "1 GiB"},
    {"data_processing", "files", "16384"},
    {"data_processing", "processes", "128"},
    {"data_processing", "open_files", "1024"},
    {"data_processing", "artifacts", "512 MiB"},
    {"plotting", "wall", "30 s"},
    {"plotting", "memory", "1 GiB"},
    {"plotting", "output", "64 MiB"},
    {"plotting", "artifacts", "256 MiB"},
    {"repo_tooling", "wall", "2 min"},
    {"repo_tooling", "cpu", "200 %"},
    {"repo_tooling", "memory", "1 GiB"},
    {"repo_tooling", "disk", "512 MiB"},
    {"repo_tooling", "files", "65536"},
    {"repo_tooling", "processes", "256"},
    {"repo_tooling", "open_files", "1024"},
    {"networked", "network", "on"},
};

cb_profiles *
cb_profiles_new (cb_err *err)
{
    cb_owned (cb_profiles) cb_profiles *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    (void)snprintf (self->entries[0].name, CB_NAME_MAX, "%s", s_default.name);
    self->n_entries = 1;
    for (size_t i = 0; i < CB_COUNT (s_built_in); i++)
        if (cb_profiles_set (self, s_built_in[i].profile, s_built_in[i].key, s_built_in[i].value,
                             BUILT_IN, err) < 0)
            return NULL;
    return cb_take (self);
}

void
cb_profiles_destroy (cb_profiles **self)
{
    free (*self);
    *self = NULL;
}

const char *
cb_profiles_name (const cb_profiles *self, size_t index)
{
    return index < self->n_entries ? self->entries[index].name : NULL;
}

const char *
cb_profiles_key (size_t index)
{
    size_t count = 0;
    const cb_row *rows = cb_rows (&count);

    return index < count ? rows[index].name : NULL;
}

static const entry *
s_find (const cb_profiles *self, const char *name)
{
    for (size_t i = 0; i < self->n_entries; i++)
        if (strcmp (self->entries[i].name, name) == 0)
            return &self->entries[i];
    return NULL;
}

static void
s_lay_over (const entry *upper, cb_profile *profile)
{
    size_t count = 0;
    const cb_row *rows = cb_rows (&count);

    for (size_t i = 0; i < count; i++)
        if (upper->set & (uint64_t)1 << i)
            cb_row_store (&rows[i], profile, upper->values[i]);
}

static int
s_set_inherits (entry *profile, const char *value, cb_err *err)
{
    if (strcmp (profile->name, s_default.name) == 0)
        return cb_fail (err, CB_E_INVALID, "'default' is what all others inherit");
    (void)snprintf (profile->inherits, sizeof profile->inherits, "%s", value);
    return 0;
}

static int
s_entry (cb_profiles *self, const char *name, entry **ret_entry, cb_err *err)
{
    CB_TRY (cb_name_check ("profile", name, err));
    for (size_t i = 0; i < self->n_entries; i++) {
        if (strcmp (self->entries[i].name, name) == 0) {
            *ret_entry = &self->entries[i];
            return 0;
        }
    }
    if (self->n_entries == CB_PROFILES_MAX)
        return cb_fail (err, CB_E_LIMIT, "more than %d profiles", CB_PROFILES_MAX);
    entry *fresh = &self->entries[self->n_entries++];
    (void)snprintf (fresh->name, sizeof fresh->name, "%s", name);
    *ret_entry = fresh;
    return 0;
}

static int
s_set (cb_profiles *self, const char *profile, const char *key, const char *value,
       const char *origin, cb_err *err)
{
    uint64_t number = 0;
    size_t index = 0;
    size_t count = 0;
    entry *into = NULL;
    cb_err why = CB_ERR_INIT;

    CB_TRY (s_entry (self, profile, &into, err));
    CB_TRY (cb_row_find (key, &index, err));
    const cb_row *row = cb_rows (&count) + index;
    int result = cb_row_parse (row, value, &number, &why);
    if (result == 0 && row->kind == CB_ROW_INHERITS)
        result = s_set_inherits (into, value, &why);
    if (result < 0)
        return cb_fail (err, why.code, "%s: %.800s", key, why.text);
    into->values[index] = number;
    into->set |= (uint64_t)1 << index;
    (void)snprintf (into->origins[index], ORIGIN_MAX, "%s", origin);
    return 0;
}

int
cb_profiles_set (cb_profiles *self, const char *profile, const char *key, const char *value,
                 const char *origin, cb_err *err)
{
    cb_err why = CB_ERR_INIT;

    if (s_set (self, profile, key, value, origin, &why) == 0)
        return 0;
    return cb_fail (err, why.code, "%.160s: %.800s", origin, why.text);
}

static int
s_not_found (const cb_profiles *self, const char *name, const char *origin, cb_err *err)
{
    char names[512] = "";
    size_t used = 0;

    for (size_t i = 0; i < self->n_entries && used + CB_NAME_MAX + 2 < sizeof names; i++)
        used += (size_t)snprintf (names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                  self->entries[i].name);
    return cb_fail (err, CB_E_NOTFOUND, "%s%sno profile '%.64s'; there are: %s", origin,
                    *origin != '\0' ? ": inherits: " : "", name, names);
}

static const char *
s_origin (const entry *at, const char *key)
{
    size_t index = 0;

    return cb_row_find (key, &index, NULL) == 0 ? at->origins[index] : "";
}

/* From the profile itself to default. */
typedef struct chain {
    const entry *links[CB_PROFILES_MAX];
    size_t n;
} chain;

static int
s_follow (const cb_profiles *self, const char *name, chain *into, cb_err *err)
{
    const char *origin = "";

    into->n = 0;
    for (const char *next = name; *next != '\0';) {
        const entry *at = s_find (self, next);
        if (at == NULL)
            return s_not_found (self, next, origin, err);
        if (into->n == CB_PROFILES_MAX || (into->n > 0 && at == into->links[0]))
            return cb_fail (err, CB_E_INVALID, "%s: inherits: profile '%s' inherits from itself",
                            origin, next);
        into->links[into->n++] = at;
        origin = s_origin (at, "inherits");
        next = at->inherits;
        if (*next == '\0' && strcmp (at->name, s_default.name) != 0)
            next = s_default.name;
    }
    return 0;
}

static void
s_lay_all (const chain *links, const char *name, cb_profile *profile)
{
    *profile = s_default;
    for (size_t i = links->n; i-- > 0;)
        s_lay_over (links->links[i], profile);
    (void)snprintf (profile->name, sizeof profile->name, "%s", name);
    (void)snprintf (profile->jail.profile, sizeof profile->jail.profile, "%s", name);
}

int
cb_profiles_resolve (const cb_profiles *self, const char *name, cb_profile *ret_profile,
                     cb_err *err)
{
    chain links;

    CB_TRY (s_follow (self, name, &links, err));
    s_lay_all (&links, name, ret_profile);
    return 0;
}

/* The nearest profile of the chain that sets the row; default when none does. */
static void
s_find_origin (const chain *links, size_t index, cb_profile_value *value)
{
    value->profile = s_default.name;
    value->origin = BUILT_IN;
    for (size_t i = 0; i < links->n; i++) {
        if (links->links[i]->set & (uint64_t)1 << index) {
            value->profile = links->links[i]->name;
            value->origin = links->links[i]->origins[index];
            return;
        }
    }
}

/* `inherits` is said by each profile for itself. */
static void
s_tell_parent (const entry *at, size_t index, cb_profile_value *value)
{
    int set = (at->set & (uint64_t)1 << index) != 0;
    int is_default = strcmp (at->name, s_default.name) == 0;

    value->profile = at->name;
    value->origin = set ? at->origins[index] : BUILT_IN;
    (void)snprintf (value->text, sizeof value->text, "%s",
                    is_default ? "nothing"
                    : set      ? at->inherits
                               : s_default.name);
}

int
cb_profiles_explain (const cb_profiles *self, const char *name, cb_profile_on_value *on_value,
                     void *context, cb_err *err)
{
    size_t count = 0;
    const cb_row *rows = cb_rows (&count);
    chain links;

    CB_TRY (s_follow (self, name, &links, err));
    cb_auto_free cb_profile *profile = malloc (sizeof *profile);
    if (profile == NULL)
        return cb_fail_nomem (err);
    s_lay_all (&links, name, profile);
    for (size_t i = 0; i < count; i++) {
        cb_profile_value value = {.key = rows[i].name,
                                  .fixed = (profile->fixed & (uint64_t)1 << i) != 0};
        if (rows[i].kind == CB_ROW_LATER)
            continue;
        s_find_origin (&links, i, &value);
        if (rows[i].kind == CB_ROW_INHERITS)
            s_tell_parent (links.links[0], i, &value);
        else
            (void)cb_row_text (&rows[i], cb_row_load (&rows[i], profile), value.text);
        CB_TRY (on_value (&value, context, err));
    }
    return 0;
}
