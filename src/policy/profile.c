/* profile.c - the rows of a profile, what the configuration set in them, what comes out.
 *
 * A profile keeps only what was set in it (values and a bit a row); resolving lays the chain
 * default -> ... -> profile one over the other. A new limit is a row here, a field in cb_profile
 * or cb_jail_spec, and a paragraph in cellblock.conf(5). */
#include "policy/profile.h"

#include "base/cleanup.h"
#include "base/nearest.h"
#include "base/table.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

#define KIB ((uint64_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

#define SEC CB_USEC_PER_SEC
#define DAY (24 * 3600 * SEC)

#define ORIGIN_MAX 256

typedef enum {
    KIND_SIZE,
    KIND_DURATION,
    KIND_PERCENT,
    KIND_COUNT,
    KIND_LAYER,   /* off | auto | on */
    KIND_SWITCH,  /* off | on */
    KIND_ONLY,    /* the one value there is in this version: why */
    KIND_FIXED,   /* names of keys that nobody may loosen */
    KIND_LATER,   /* known, but nothing obeys it yet: refused with why */
    KIND_INHERITS /* another profile's name */
} row_kind;

typedef struct row {
    const char *name;
    row_kind kind;
    size_t offset; /* in cb_profile */
    size_t width;  /* bytes of the field: 1, 4, 8 */
    uint64_t low;
    uint64_t high;
    int none;        /* the word "none" is 0: no limit */
    const char *why; /* ONLY: the value; LATER: a sentence */
} row;

#define FIELD(member) offsetof (cb_profile, member), sizeof (((cb_profile *)0)->member)
#define LAYER(layer)  offsetof (cb_profile, jail.layers[layer]), 1, 0, 0, 0, NULL

/* Sorted. Lower ends: below them Python does not start; upper ends: no higher than the warden's
 * ceiling, which is asked again when a jail starts. */
static const row s_rows[] = {
    {"active_output", KIND_LATER, 0, 0, 0, 0, 0,
     "this version shows outputs to command lines only, where nothing is active"},
    {"artifacts", KIND_SIZE, FIELD (artifacts), 4 * KIB, 64 * GIB, 0, NULL},
    {"cgroup", KIND_LAYER, LAYER (CB_LAYER_CGROUP)},
    {"cpu", KIND_PERCENT, FIELD (jail.cpu_percent), 5, 102400, 1, NULL},
    {"cpu_seconds", KIND_COUNT, FIELD (jail.cpu_seconds), 10, 315360000, 1, NULL},
    {"disk", KIND_SIZE, FIELD (jail.disk), MIB, 8 * GIB, 0, NULL},
    {"files", KIND_COUNT, FIELD (jail.files), 64, 1000000, 0, NULL},
    {"fixed", KIND_FIXED, FIELD (wall_fixed), 0, 0, 0, NULL},
    {"grace", KIND_DURATION, FIELD (grace), SEC / 10, 60 * SEC, 0, NULL},
    {"imports", KIND_LATER, 0, 0, 0, 0, 0, "this version checks no imports"},
    {"inherits", KIND_INHERITS, 0, 0, 0, 0, 0, NULL},
    {"landlock", KIND_LAYER, LAYER (CB_LAYER_LANDLOCK)},
    {"loopback", KIND_SWITCH, FIELD (jail.loopback), 0, 0, 0, NULL},
    {"memory", KIND_SIZE, FIELD (jail.memory), 64 * MIB, 16384 * GIB, 1, NULL},
    {"network", KIND_ONLY, 0, 0, 0, 0, 0, "off"},
    {"open_files", KIND_COUNT, FIELD (jail.open_files), 64, 65536, 0, NULL},
    {"output", KIND_SIZE, FIELD (output), 4 * KIB, GIB, 0, NULL},
    {"processes", KIND_COUNT, FIELD (jail.processes), 16, 4096, 0, NULL},
    {"seccomp", KIND_LAYER, LAYER (CB_LAYER_SECCOMP)},
    {"start", KIND_ONLY, 0, 0, 0, 0, 0, "cold"},
    {"uid", KIND_LAYER, LAYER (CB_LAYER_UID)},
    {"wall", KIND_DURATION, FIELD (wall), SEC / 10, 365 * DAY, 1, NULL},
};

typedef struct entry {
    char name[CB_NAME_MAX];
    char inherits[CB_NAME_MAX];         /* "": default */
    char inherits_origin[ORIGIN_MAX];   /* where that was said */
    uint64_t set;                       /* bit a row of s_rows */
    uint64_t values[CB_COUNT (s_rows)]; /* only rows with their bit set count */
} entry;

_Static_assert(CB_COUNT (s_rows) <= 64, "a bit a row");

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
            .layers = {CB_LAYER_AUTO, CB_LAYER_AUTO, CB_LAYER_AUTO, CB_LAYER_AUTO},
        },
};

cb_profiles *
cb_profiles_new (cb_err *err)
{
    cb_profiles *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    (void)snprintf (self->entries[0].name, CB_NAME_MAX, "%s", s_default.name);
    self->n_entries = 1;
    return self;
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
    return index < CB_COUNT (s_rows) ? s_rows[index].name : NULL;
}

static const entry *
s_find (const cb_profiles *self, const char *name)
{
    for (size_t i = 0; i < self->n_entries; i++)
        if (strcmp (self->entries[i].name, name) == 0)
            return &self->entries[i];
    return NULL;
}

/* The range of a row as people write it, for the sentence. */
static void
s_range_text (const row *at, char text[3 * CB_UNITS_TEXT])
{
    char low[CB_UNITS_TEXT];
    char high[CB_UNITS_TEXT];

    if (at->kind == KIND_SIZE) {
        (void)cb_size_text (at->low, low);
        (void)cb_size_text (at->high, high);
    } else if (at->kind == KIND_DURATION) {
        (void)cb_duration_text (at->low, low);
        (void)cb_duration_text (at->high, high);
    } else {
        const char *unit = at->kind == KIND_PERCENT ? " %" : "";
        (void)snprintf (low, sizeof low, "%llu%s", (unsigned long long)at->low, unit);
        (void)snprintf (high, sizeof high, "%llu%s", (unsigned long long)at->high, unit);
    }
    (void)snprintf (text, 3 * CB_UNITS_TEXT, "%s to %s%s", low, high, at->none ? ", or none" : "");
}

/* A whole number, for PERCENT with a % behind it if one likes. */
static int
s_parse_count (const row *at, const char *text, uint64_t *ret_value, cb_err *err)
{
    size_t digits = strspn (text, "0123456789");
    const char *rest = text + digits;
    uint64_t value = 0;

    if (at->kind == KIND_PERCENT) {
        rest += strspn (rest, " ");
        rest += *rest == '%';
    }
    if (digits == 0 || *rest != '\0')
        return cb_fail (err, CB_E_INVALID, "'%.64s' is not a %s", text,
                        at->kind == KIND_PERCENT ? "percentage of one CPU such as 150 %"
                                                 : "whole number");
    for (size_t i = 0; i < digits && value <= at->high; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    *ret_value = value;
    return 0;
}

static int
s_parse_word (const char *text, const char *const *words, size_t n_words, uint64_t *ret_value,
              cb_err *err)
{
    for (size_t i = 0; i < n_words; i++) {
        if (strcmp (text, words[i]) == 0) {
            *ret_value = i;
            return 0;
        }
    }
    return cb_fail (err, CB_E_INVALID, "'%.64s' is not %s", text,
                    n_words == 2 ? "off or on" : "off, auto or on");
}

static int
s_parse_limit (const row *at, const char *text, uint64_t *ret_value, cb_err *err)
{
    char range[3 * CB_UNITS_TEXT];
    uint64_t value = 0;
    int result;

    if (at->none && strcmp (text, "none") == 0) {
        *ret_value = 0;
        return 0;
    }
    if (at->kind == KIND_SIZE)
        result = cb_size_parse (text, &value, err);
    else if (at->kind == KIND_DURATION)
        result = cb_duration_parse (text, &value, err);
    else
        result = s_parse_count (at, text, &value, err);
    if (result == -CB_E_INVALID)
        return result;
    s_range_text (at, range);
    if (result < 0 || value < at->low || value > at->high)
        return cb_fail (err, CB_E_LIMIT, "'%.64s' is out of range (%s)", text, range);
    *ret_value = value;
    return 0;
}

/* The wall time is the one limit that clients may ask to have changed. */
static int
s_parse_fixed (const char *text, uint64_t *ret_value, cb_err *err)
{
    *ret_value = strcmp (text, "wall") == 0;
    if (*ret_value == 1 || strcmp (text, "none") == 0)
        return 0;
    return cb_fail (err, CB_E_UNSUPPORTED,
                    "'%.64s': only 'wall' can be fixed, or 'none': no client may change others",
                    text);
}

static int
s_parse (const row *at, const char *text, uint64_t *ret_value, cb_err *err)
{
    static const char *const layer_words[] = {"off", "auto", "on"};
    static const char *const switch_words[] = {"off", "on"};

    *ret_value = 0;
    switch (at->kind) {
    case KIND_LAYER:
        return s_parse_word (text, layer_words, CB_COUNT (layer_words), ret_value, err);
    case KIND_SWITCH:
        return s_parse_word (text, switch_words, CB_COUNT (switch_words), ret_value, err);
    case KIND_FIXED:
        return s_parse_fixed (text, ret_value, err);
    case KIND_ONLY:
        if (strcmp (text, at->why) == 0)
            return 0;
        return cb_fail (err, CB_E_UNSUPPORTED, "'%.64s': this version has only '%s'", text,
                        at->why);
    case KIND_LATER:
        return cb_fail (err, CB_E_UNSUPPORTED, "%s; leave this key out", at->why);
    case KIND_INHERITS:
        return cb_name_check ("profile", text, err);
    case KIND_SIZE:
    case KIND_DURATION:
    case KIND_PERCENT:
    case KIND_COUNT:
    default:
        return s_parse_limit (at, text, ret_value, err);
    }
}

/* Fields are unsigned integers of three widths. */
static void
s_store (const row *at, cb_profile *profile, uint64_t value)
{
    char *field = (char *)profile + at->offset;
    uint32_t value32 = (uint32_t)value;
    uint8_t value8 = (uint8_t)value;

    if (at->width == sizeof value)
        memcpy (field, &value, sizeof value);
    else if (at->width == sizeof value32)
        memcpy (field, &value32, sizeof value32);
    else if (at->width == sizeof value8)
        memcpy (field, &value8, sizeof value8);
}

static void
s_lay_over (const entry *upper, cb_profile *profile)
{
    for (size_t i = 0; i < CB_COUNT (s_rows); i++)
        if (upper->set & (uint64_t)1 << i)
            s_store (&s_rows[i], profile, upper->values[i]);
}

static int
s_set_inherits (entry *profile, const char *value, const char *origin, cb_err *err)
{
    if (strcmp (profile->name, s_default.name) == 0)
        return cb_fail (err, CB_E_INVALID, "'default' is what all others inherit");
    (void)snprintf (profile->inherits, sizeof profile->inherits, "%s", value);
    (void)snprintf (profile->inherits_origin, sizeof profile->inherits_origin, "%s", origin);
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
    const row *at = CB_TABLE_FIND (s_rows, key);
    uint64_t number = 0;
    entry *into = NULL;
    cb_err why = CB_ERR_INIT;
    int result;

    CB_TRY (s_entry (self, profile, &into, err));
    if (at == NULL) {
        const char *near = cb_nearest (key, s_rows, CB_COUNT (s_rows), sizeof s_rows[0]);
        return cb_fail (err, CB_E_INVALID, "unknown key '%.64s' of a profile%s%s%s", key,
                        near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                        near != NULL ? "'?" : "");
    }
    result = s_parse (at, value, &number, &why);
    if (result == 0 && at->kind == KIND_INHERITS)
        result = s_set_inherits (into, value, origin, &why);
    if (result < 0)
        return cb_fail (err, why.code, "%s: %.800s", key, why.text);
    into->values[at - s_rows] = number;
    into->set |= (uint64_t)1 << (at - s_rows);
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

int
cb_profiles_resolve (const cb_profiles *self, const char *name, cb_profile *ret_profile,
                     cb_err *err)
{
    const entry *chain[CB_PROFILES_MAX];
    size_t depth = 0;
    const char *origin = "";

    for (const char *next = name; *next != '\0';) {
        const entry *at = s_find (self, next);
        if (at == NULL)
            return s_not_found (self, next, origin, err);
        if (depth == CB_PROFILES_MAX || (depth > 0 && at == chain[0]))
            return cb_fail (err, CB_E_INVALID, "%s: inherits: profile '%s' inherits from itself",
                            origin, next);
        chain[depth++] = at;
        origin = at->inherits_origin;
        next = at->inherits;
        if (*next == '\0' && strcmp (at->name, s_default.name) != 0)
            next = s_default.name;
    }
    *ret_profile = s_default;
    while (depth-- > 0)
        s_lay_over (chain[depth], ret_profile);
    (void)snprintf (ret_profile->name, sizeof ret_profile->name, "%s", name);
    (void)snprintf (ret_profile->jail.profile, sizeof ret_profile->jail.profile, "%s", name);
    return 0;
}
