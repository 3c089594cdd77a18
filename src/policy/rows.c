/* rows.c - the keys of a profile: names, ranges, fields, reading and telling a value.
 *
 * A new limit is a row here, a field in cb_profile or cb_jail_spec, and a paragraph in
 * cellblock.conf(5). */
#include "policy/rows.h"

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

#define FIELD(member) offsetof (cb_profile, member), sizeof (((cb_profile *)0)->member)
#define MODE(layer)   offsetof (cb_profile, jail.layers[layer]), 1
#define LAYER(layer)  MODE (layer), CB_LAYER_OFF, CB_LAYER_ON, 0, NULL

/* Sorted. Lower ends: below them Python does not start; upper ends: no higher than the warden's
 * ceiling, which is asked again when a jail starts. */
static const cb_row s_rows[] = {
    {"active_output", CB_ROW_ACTIVE, FIELD (active_output), 0, 0, 0, NULL},
    {"artifacts", CB_ROW_SIZE, FIELD (artifacts), 4 * KIB, 64 * GIB, 0, NULL},
    {"cgroup", CB_ROW_LAYER, LAYER (CB_LAYER_CGROUP)},
    {"cpu", CB_ROW_PERCENT, FIELD (jail.cpu_percent), 5, 102400, 1, NULL},
    {"cpu_seconds", CB_ROW_COUNT, FIELD (jail.cpu_seconds), 10, 315360000, 1, NULL},
    {"disk", CB_ROW_SIZE, FIELD (jail.disk), MIB, 8 * GIB, 0, NULL},
    {"files", CB_ROW_COUNT, FIELD (jail.files), 64, 1000000, 0, NULL},
    {"fixed", CB_ROW_FIXED, FIELD (fixed), 0, 0, 0, NULL},
    {"grace", CB_ROW_DURATION, FIELD (grace), SEC / 10, 60 * SEC, 0, NULL},
    {"imports", CB_ROW_LATER, 0, 0, 0, 0, 0, "this version checks no imports"},
    {"inherits", CB_ROW_INHERITS, 0, 0, 0, 0, 0, NULL},
    {"landlock", CB_ROW_LAYER, LAYER (CB_LAYER_LANDLOCK)},
    {"loopback", CB_ROW_SWITCH, FIELD (jail.loopback), 0, 0, 0, NULL},
    {"memory", CB_ROW_SIZE, FIELD (jail.memory), 64 * MIB, 16384 * GIB, 1, NULL},
    {"network", CB_ROW_SWITCH, FIELD (network), 0, 0, 0, NULL},
    {"open_files", CB_ROW_COUNT, FIELD (jail.open_files), 64, 65536, 0, NULL},
    {"output", CB_ROW_SIZE, FIELD (output), 4 * KIB, GIB, 0, NULL},
    {"processes", CB_ROW_COUNT, FIELD (jail.processes), 16, 4096, 0, NULL},
    {"seccomp", CB_ROW_LAYER, LAYER (CB_LAYER_SECCOMP)},
    {"start", CB_ROW_ONLY, 0, 0, 0, 0, 0, "cold"},
    {"subprocesses", CB_ROW_SWITCH, FIELD (jail.subprocesses), 0, 0, 0, NULL},
    {"uid", CB_ROW_LAYER, MODE (CB_LAYER_UID), CB_LAYER_AUTO, CB_LAYER_ON, 0,
     "a daemon of root's never runs a jail as root, nor two as one user"},
    {"wall", CB_ROW_DURATION, FIELD (wall), SEC / 10, 365 * DAY, 1, NULL},
    {"workdir", CB_ROW_WORKDIR, FIELD (workdir), 0, 0, 0, NULL},
};

_Static_assert(CB_COUNT (s_rows) <= CB_ROWS_MAX && CB_ROWS_MAX <= 64, "a bit a row");

static const char *const s_layer_words[] = {"off", "auto", "on"};
static const char *const s_switch_words[] = {"off", "on"};
static const char *const s_workdir_words[] = {"none", "ro", "rw"}; /* by cb_workdir */
static const char *const s_active_words[] = {"sandbox", "full"};   /* by cb_active_output */

const cb_row *
cb_rows (size_t *ret_count)
{
    *ret_count = CB_COUNT (s_rows);
    return s_rows;
}

int
cb_row_find (const char *key, size_t *ret_index, cb_err *err)
{
    const cb_row *row = CB_TABLE_FIND (s_rows, key);

    if (row == NULL) {
        const char *near = cb_nearest (key, s_rows, CB_COUNT (s_rows), sizeof s_rows[0]);
        return cb_fail (err, CB_E_INVALID, "unknown key '%.64s' of a profile%s%s%s", key,
                        near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                        near != NULL ? "'?" : "");
    }
    *ret_index = (size_t)(row - s_rows);
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The range of a row as people write it, for the sentence. */
static void
s_range_text (const cb_row *row, char text[3 * CB_UNITS_TEXT])
{
    char low[CB_PROFILE_TEXT];
    char high[CB_PROFILE_TEXT];

    (void)snprintf (text, 3 * CB_UNITS_TEXT, "%.40s to %.40s%s", cb_row_text (row, row->low, low),
                    cb_row_text (row, row->high, high), row->none ? ", or none" : "");
}

/* A whole number, for PERCENT with a % behind it if one likes. */
static int
s_parse_count (const cb_row *row, const char *text, uint64_t *ret_value, cb_err *err)
{
    size_t digits = strspn (text, "0123456789");
    const char *rest = text + digits;
    uint64_t value = 0;

    if (row->kind == CB_ROW_PERCENT) {
        rest += strspn (rest, " ");
        rest += *rest == '%';
    }
    if (digits == 0 || *rest != '\0')
        return cb_fail (err, CB_E_INVALID, "'%.64s' is not a %s", text,
                        row->kind == CB_ROW_PERCENT ? "percentage of one CPU such as 150 %"
                                                    : "whole number");
    for (size_t i = 0; i < digits && value <= row->high; i++)
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
    return cb_fail (err, CB_E_INVALID, "'%.64s' is not %s%s%s or %s", text, words[0],
                    n_words == 3 ? ", " : "", n_words == 3 ? words[1] : "", words[n_words - 1]);
}

/* A mode that the row has not is refused with why. */
static int
s_parse_layer (const cb_row *row, const char *text, uint64_t *ret_value, cb_err *err)
{
    uint64_t mode = 0;

    CB_TRY (s_parse_word (text, s_layer_words, CB_COUNT (s_layer_words), &mode, err));
    if (mode < row->low)
        return cb_fail (err, CB_E_INVALID, "'%.64s' is refused (%s): auto or on", text, row->why);
    *ret_value = mode;
    return 0;
}

static int
s_parse_limit (const cb_row *row, const char *text, uint64_t *ret_value, cb_err *err)
{
    char range[3 * CB_UNITS_TEXT];
    uint64_t value = 0;
    int result;

    if (row->none && strcmp (text, "none") == 0) {
        *ret_value = 0;
        return 0;
    }
    if (row->kind == CB_ROW_SIZE)
        result = cb_size_parse (text, &value, err);
    else if (row->kind == CB_ROW_DURATION)
        result = cb_duration_parse (text, &value, err);
    else
        result = s_parse_count (row, text, &value, err);
    if (result == -CB_E_INVALID)
        return result;
    s_range_text (row, range);
    if (result < 0 || value < row->low || value > row->high)
        return cb_fail (err, CB_E_LIMIT, "'%.64s' is out of range (%s)", text, range);
    *ret_value = value;
    return 0;
}

/* What can be fixed: limits and switches, which a client may ask to have changed. */
static int
s_can_be_fixed (const cb_row *row)
{
    return row->width > 0 && row->kind != CB_ROW_LAYER && row->kind != CB_ROW_FIXED &&
           row->kind != CB_ROW_WORKDIR;
}

static int
s_parse_fixed (const char *text, uint64_t *ret_value, cb_err *err)
{
    uint64_t mask = 0;
    char name[CB_NAME_MAX];
    size_t index = 0;

    if (strcmp (text, "none") == 0)
        return 0;
    for (const char *at = text + strspn (text, " ,"); *at != '\0'; at += strspn (at, " ,")) {
        size_t size = strcspn (at, " ,");
        (void)snprintf (name, sizeof name, "%.*s", (int)(size < sizeof name ? size : 31), at);
        CB_TRY (cb_row_find (name, &index, err));
        if (!s_can_be_fixed (&s_rows[index]))
            return cb_fail (err, CB_E_INVALID, "'%s' is none that a client may loosen", name);
        mask |= (uint64_t)1 << index;
        at += size;
    }
    if (mask == 0)
        return cb_fail (err, CB_E_INVALID, "needs names of keys, or none");
    *ret_value = mask;
    return 0;
}

int
cb_row_parse (const cb_row *row, const char *text, uint64_t *ret_value, cb_err *err)
{
    *ret_value = 0;
    switch (row->kind) {
    case CB_ROW_LAYER:
        return s_parse_layer (row, text, ret_value, err);
    case CB_ROW_SWITCH:
        return s_parse_word (text, s_switch_words, CB_COUNT (s_switch_words), ret_value, err);
    case CB_ROW_ACTIVE:
        return s_parse_word (text, s_active_words, CB_COUNT (s_active_words), ret_value, err);
    case CB_ROW_WORKDIR:
        return s_parse_word (text, s_workdir_words, CB_COUNT (s_workdir_words), ret_value, err);
    case CB_ROW_FIXED:
        return s_parse_fixed (text, ret_value, err);
    case CB_ROW_ONLY:
        if (strcmp (text, row->why) == 0)
            return 0;
        return cb_fail (err, CB_E_UNSUPPORTED, "'%.64s': this version has only '%s'", text,
                        row->why);
    case CB_ROW_LATER:
        return cb_fail (err, CB_E_UNSUPPORTED, "%s; leave this key out", row->why);
    case CB_ROW_INHERITS:
        return cb_name_check ("profile", text, err);
    case CB_ROW_SIZE:
    case CB_ROW_DURATION:
    case CB_ROW_PERCENT:
    case CB_ROW_COUNT:
    default:
        return s_parse_limit (row, text, ret_value, err);
    }
}

/* ---- telling -------------------------------------------------------------------------------- */

static void
s_fixed_text (uint64_t mask, char text[CB_PROFILE_TEXT])
{
    size_t used = 0;

    (void)snprintf (text, CB_PROFILE_TEXT, "none");
    for (size_t i = 0; i < CB_COUNT (s_rows) && used < CB_PROFILE_TEXT; i++)
        if (mask & (uint64_t)1 << i)
            used += (size_t)snprintf (text + used, CB_PROFILE_TEXT - used, "%s%s",
                                      used > 0 ? ", " : "", s_rows[i].name);
}

const char *
cb_row_text (const cb_row *row, uint64_t value, char text[CB_PROFILE_TEXT])
{
    const char *word = "";

    if (row->none && value == 0) {
        (void)snprintf (text, CB_PROFILE_TEXT, "none");
        return text;
    }
    switch (row->kind) {
    case CB_ROW_SIZE:
        return cb_size_text (value, text);
    case CB_ROW_DURATION:
        return cb_duration_text (value, text);
    case CB_ROW_FIXED:
        s_fixed_text (value, text);
        return text;
    case CB_ROW_LAYER:
        word = value < CB_COUNT (s_layer_words) ? s_layer_words[value] : "";
        break;
    case CB_ROW_SWITCH:
        word = s_switch_words[value != 0];
        break;
    case CB_ROW_ACTIVE:
        word = s_active_words[value != 0];
        break;
    case CB_ROW_WORKDIR:
        word = value < CB_COUNT (s_workdir_words) ? s_workdir_words[value] : "";
        break;
    case CB_ROW_ONLY:
        word = row->why;
        break;
    case CB_ROW_PERCENT:
    case CB_ROW_COUNT:
        (void)snprintf (text, CB_PROFILE_TEXT, "%llu%s", (unsigned long long)value,
                        row->kind == CB_ROW_PERCENT ? " %" : "");
        return text;
    case CB_ROW_LATER:
    case CB_ROW_INHERITS:
    default:
        break;
    }
    (void)snprintf (text, CB_PROFILE_TEXT, "%s", word);
    return text;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* Fields are unsigned integers of three widths. */
void
cb_row_store (const cb_row *row, cb_profile *profile, uint64_t value)
{
    char *field = (char *)profile + row->offset;
    uint32_t value32 = (uint32_t)value;
    uint8_t value8 = (uint8_t)value;

    if (row->width == sizeof value)
        memcpy (field, &value, sizeof value);
    else if (row->width == sizeof value32)
        memcpy (field, &value32, sizeof value32);
    else if (row->width == sizeof value8)
        memcpy (field, &value8, sizeof value8);
}

uint64_t
cb_row_load (const cb_row *row, const cb_profile *profile)
{
    const char *field = (const char *)profile + row->offset;
    uint64_t value = 0;
    uint32_t value32 = 0;
    uint8_t value8 = 0;

    if (row->width == sizeof value) {
        memcpy (&value, field, sizeof value);
    } else if (row->width == sizeof value32) {
        memcpy (&value32, field, sizeof value32);
        value = value32;
    } else if (row->width == sizeof value8) {
        memcpy (&value8, field, sizeof value8);
        value = value8;
    }
    return value;
}

int
cb_row_is_looser (const cb_row *row, uint64_t value, uint64_t than)
{
    if (row->none && (value == 0 || than == 0))
        return value == 0 && than != 0;
    return value > than;
}
