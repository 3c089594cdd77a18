/* ceiling.c - the last word on what a jail may be. The broker may be taken over: then this table,
 * not its configuration, decides. User 0 inside, missing namespaces and writable binds other than
 * the one working folder cannot be asked for at all: no packet has a field for them; and a folder
 * is written only with the word of somebody who may (base/grant.h, asked where it is opened). */
#include "warden/ceiling.h"

#include "base/table.h"
#include "base/units.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define HALF_OF_MEMORY 0 /* as `high`: cb_ceiling.memory */

struct row {
    const char *name;
    size_t at;
    size_t size; /* of the number: 8, 4 or 1 */
    uint64_t low;
    uint64_t high;
    int is_bytes;
};

#define NUMBER(field) offsetof (cb_jail_spec, field), sizeof (((cb_jail_spec *)0)->field)

/* 0 means "no limit" to the kernel for memory, disk and files: refused by `low`. */
static const struct row s_rows[] = {
    {"memory", NUMBER (memory), 16 * MIB, HALF_OF_MEMORY, 1},
    {"disk", NUMBER (disk), MIB, 8 * GIB, 1},
    {"files", NUMBER (files), 32, 1000000, 0},
    {"cpu", NUMBER (cpu_percent), 0, 102400, 0},
    {"processes", NUMBER (processes), 1, 4096, 0},
    {"open_files", NUMBER (open_files), 32, 65536, 0},
    {"start", NUMBER (start_seconds), 1, CB_SPEC_START_SECONDS_MAX, 0},
    {"loopback", NUMBER (loopback), 0, 1, 0},
    {"subprocesses", NUMBER (subprocesses), 0, 1, 0},
    {"inputs", NUMBER (n_inputs), 0, CB_SPEC_INPUTS_MAX, 0},
    {"workdir", NUMBER (workdir), CB_WORKDIR_NONE, CB_WORKDIR_RW, 0},
};

uint64_t
cb_ceiling_memory (void)
{
    long pages = sysconf (_SC_PHYS_PAGES);
    long page = sysconf (_SC_PAGESIZE);
    uint64_t half = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page / 2 : 0;

    return half > CB_CEILING_MEMORY_MIN ? half : CB_CEILING_MEMORY_MIN;
}

static uint64_t
s_number (const cb_jail_spec *spec, const struct row *row)
{
    const char *at = (const char *)spec + row->at;
    uint64_t wide;
    uint32_t narrow;

    if (row->size == sizeof wide) {
        memcpy (&wide, at, sizeof wide);
        return wide;
    }
    if (row->size == sizeof narrow) {
        memcpy (&narrow, at, sizeof narrow);
        return narrow;
    }
    return *(const uint8_t *)at;
}

/* Whether path is folder or lies below it. */
static int
s_is_in (const char *path, const char *folder)
{
    size_t size = strlen (folder);

    if (strcmp (folder, "/") == 0)
        return 1;
    return strncmp (path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* Absolute, no empty, "." or ".." component, no slash at the end. */
static int
s_is_plain (const char *path)
{
    if (path[0] != '/')
        return 0;
    for (const char *at = path; *at == '/';) {
        size_t size = strcspn (++at, "/");
        if (size == 0 || (size == 1 && at[0] == '.') || (size == 2 && at[0] == '.' && at[1] == '.'))
            return 0;
        at += size;
    }
    return 1;
}

/* what: "input", "working folder". */
static int
s_check_path (const cb_ceiling *self, const char *what, const char *path, cb_err *err)
{
    const char *const closed[] = {"/proc", "/sys", "/dev", self->runtime_dir, self->state_dir};

    if (!s_is_plain (path))
        return cb_fail (err, CB_E_DENIED, "the %s %.800s is not a plain absolute path", what, path);
    for (size_t i = 0; i < CB_COUNT (closed); i++)
        if (s_is_in (path, closed[i]))
            return cb_fail (err, CB_E_DENIED, "the %s %.500s lies in %.400s, which no jail sees",
                            what, path, closed[i]);
    if (s_is_in (self->runtime_dir, path))
        return cb_fail (err, CB_E_DENIED,
                        "the %s %.400s contains cellblock's own sockets in %.400s: choose a "
                        "folder further down",
                        what, path, self->runtime_dir);
    return 0;
}

static int
s_check_workdir (const cb_ceiling *self, const cb_jail_spec *spec, cb_err *err)
{
    if (spec->workdir == CB_WORKDIR_NONE)
        return 0;
    if (spec->workdir == CB_WORKDIR_RW && spec->layers[CB_LAYER_SECCOMP] == CB_LAYER_OFF)
        return cb_fail (err, CB_E_DENIED,
                        "a working folder that can be written needs seccomp, which profile %s "
                        "leaves out: a cell could leave setuid files there",
                        spec->profile);
    CB_TRY (s_check_path (self, "working folder", spec->workdir_path, err));
    /* Nothing that is ours may be changed, not even from above. */
    if (spec->workdir == CB_WORKDIR_RW && s_is_in (self->state_dir, spec->workdir_path))
        return cb_fail (err, CB_E_DENIED,
                        "the working folder %.400s contains cellblock's own files in %.400s: "
                        "choose a folder further down",
                        spec->workdir_path, self->state_dir);
    return 0;
}

/* A layer that the configuration switched off nowhere when the daemon was started stays on,
 * whatever the broker has read since. */
static int
s_check_layers (const cb_ceiling *self, const cb_jail_spec *spec, cb_err *err)
{
    uint32_t off = self->off & ~CB_CEILING_NEVER_OFF;

    for (unsigned layer = 0; layer < CB_LAYER__COUNT; layer++)
        if (spec->layers[layer] == CB_LAYER_OFF && (off & 1U << layer) == 0)
            return cb_fail (err, CB_E_DENIED,
                            "%s = off is refused: no profile said so when the daemon was started, "
                            "and only then may one (end it with: cellblock daemon stop)",
                            cb_layer_name (layer));
    return 0;
}

static const char *
s_amount (const struct row *row, uint64_t number, char text[CB_UNITS_TEXT])
{
    if (row->is_bytes)
        return cb_size_text (number, text);
    (void)snprintf (text, CB_UNITS_TEXT, "%llu", (unsigned long long)number);
    return text;
}

static int
s_refuse (const struct row *row, uint64_t number, uint64_t high, cb_err *err)
{
    char texts[3][CB_UNITS_TEXT];

    return cb_fail (err, CB_E_DENIED, "%s: %s is refused, this daemon gives a session %s to %s%s",
                    row->name, s_amount (row, number, texts[0]), s_amount (row, row->low, texts[1]),
                    s_amount (row, high, texts[2]),
                    row->high == HALF_OF_MEMORY ? ", half of this machine's memory" : "");
}

int
cb_ceiling_check (const cb_ceiling *self, const cb_jail_spec *spec, cb_err *err)
{
    CB_TRY (cb_name_check ("session", spec->name, err));
    for (size_t i = 0; i < CB_COUNT (s_rows); i++) {
        const struct row *row = &s_rows[i];
        uint64_t high = row->high == HALF_OF_MEMORY ? self->memory : row->high;
        uint64_t number = s_number (spec, row);
        if (number < row->low || number > high)
            return s_refuse (row, number, high, err);
    }
    CB_TRY (s_check_layers (self, spec, err));
    for (uint32_t i = 0; i < spec->n_inputs; i++) {
        CB_TRY (cb_file_name_check (spec->inputs[i].name, err));
        CB_TRY (s_check_path (self, "input", spec->inputs[i].path, err));
    }
    return s_check_workdir (self, spec, err);
}
