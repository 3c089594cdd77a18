/* ini.c - reads layers of INI files and --set options, key by key, for whoever knows the keys.
 *
 * libinih cuts lines into section, key and value; the kinds of sections are known here, because
 * daemon and client read the same files and each cares for some of them only. Nobody is left
 * guessing: what makes no sense is an error that names file and line and, where there is one, the
 * nearest known name. */
#include "base/ini.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/name.h"
#include "base/nearest.h"
#include "base/table.h"

#include <assert.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of a line, its end included. libinih would go on in the middle of a longer one. */
#define LINE_BYTES 4096
/* "FILE:LINE" in messages. */
#define ORIGIN_BYTES 160

typedef struct section_row {
    const char *name;
    int named; /* [model NAME] */
    cb_ini_kind kind;
} section_row;

static const section_row s_sections[] = {
    {"alerts", 0, CB_INI_ALERTS}, {"broker", 0, CB_INI_BROKER},   {"model", 1, CB_INI_MODEL},
    {"policy", 1, CB_INI_POLICY}, {"profile", 1, CB_INI_PROFILE},
};

typedef struct loading {
    cb_ini_on_item *on_item;
    void *context;
    char origin[ORIGIN_BYTES]; /* of the key at hand */
    const char *file;          /* the same */
    cb_err *err;
} loading;

int
cb_ini_fault (const char *origin, const cb_err *why, cb_err *err)
{
    return cb_fail (err, why->code, "%s: %.800s", origin, why->text);
}

static int
s_fault (loading *self, const cb_err *why)
{
    return cb_ini_fault (self->origin, why, self->err);
}

int
cb_ini_add_fd (cb_ini_sources *self, const char *option, cb_err *err)
{
    int fd = 0;
    size_t digits = strspn (option, "0123456789");

    if (digits == 0 || digits > 5 || option[digits] != '=' || option[digits + 1] == '\0')
        return cb_fail (err, CB_E_INVALID, "--config-fd %.64s: not NUMBER=LABEL", option);
    if (self->n_files == CB_INI_FILES)
        return cb_fail (err, CB_E_LIMIT, "more than %d configuration files", CB_INI_FILES);
    for (size_t i = 0; i < digits; i++)
        fd = fd * 10 + (option[i] - '0');
    self->files[self->n_files++] = (cb_ini_file){.fd = fd, .label = option + digits + 1};
    return 0;
}

int
cb_ini_add_set (cb_ini_sources *self, const char *option, cb_err *err)
{
    const char *equals = strchr (option, '=');
    const char *dot = strchr (option, '.');

    if (equals == NULL || dot == NULL || dot > equals)
        return cb_fail (err, CB_E_INVALID,
                        "--set %.64s: not SECTION.KEY=VALUE (broker.idle_expiry=10min, "
                        "profile.NAME.memory=1G)",
                        option);
    if (!cb_utf8_valid (option, strlen (option)))
        return cb_fail (err, CB_E_INVALID, "--set %.64s: not UTF-8 text", option);
    if (self->n_sets == CB_INI_SETS)
        return cb_fail (err, CB_E_LIMIT, "more than %d options --set", CB_INI_SETS);
    self->sets[self->n_sets++] = option;
    return 0;
}

static int
s_unknown (const char *what, const char *word, const char *near, cb_err *err)
{
    if (near == NULL)
        return cb_fail (err, CB_E_INVALID, "unknown %s '%.64s'", what, word);
    return cb_fail (err, CB_E_INVALID, "unknown %s '%.64s'; did you mean '%s'?", what, word, near);
}

/* "model NAME" -> its row and where the name starts ("" without one). */
static int
s_find_section (const char *section, const section_row **ret_row, const char **ret_name,
                cb_err *err)
{
    char kind[32];
    size_t size = strcspn (section, " \t");
    const char *name = section + size + strspn (section + size, " \t");

    if (*section == '\0')
        return cb_fail (err, CB_E_INVALID, "a key before the first [section]");
    (void)snprintf (kind, sizeof kind, "%.*s", (int)(size < sizeof kind ? size : 31), section);
    const section_row *row = CB_TABLE_FIND (s_sections, kind);
    if (row == NULL)
        return s_unknown (
            "section", section,
            cb_nearest (kind, s_sections, CB_COUNT (s_sections), sizeof s_sections[0]), err);
    if (row->named && *name == '\0')
        return cb_fail (err, CB_E_INVALID, "a section [%s NAME] needs a name", row->name);
    if (!row->named && *name != '\0')
        return cb_fail (err, CB_E_INVALID, "a section [%s] has no name", row->name);
    if (row->named)
        CB_TRY (cb_name_check (row->name, name, err));
    if (strcmp (row->name, "policy") == 0)
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "this version checks no code; leave section [%.64s] out", section);
    *ret_row = row;
    *ret_name = name;
    return 0;
}

static int
s_set (loading *self, const char *section, const char *key, const char *value)
{
    const section_row *row = NULL;
    const char *name = "";
    cb_err why = CB_ERR_INIT;

    if (s_find_section (section, &row, &name, &why) < 0)
        return s_fault (self, &why);
    const cb_ini_item item = {row->kind, row->name, name, key, value, self->origin, self->file};
    return self->on_item (&item, self->context, self->err);
}

/* --- one file --- */

typedef struct reading {
    loading *into;
    const char *label;
    const char *at; /* the rest of the text */
    int line;
    int result; /* the first fault; its sentence is in into->err */
} reading;

static int
s_reading_fault (reading *self, int code, const char *text)
{
    cb_err why = {.code = code};

    (void)snprintf (why.text, sizeof why.text, "%s", text);
    self->result = s_fault (self->into, &why);
    return self->result;
}

/* A section line is looked at here as well: libinih tells nobody about an empty section. */
static void
s_check_section_line (reading *self, const char *line)
{
    const section_row *row = NULL;
    const char *name = NULL;
    char section[LINE_BYTES];
    cb_err why = CB_ERR_INIT;

    line += strspn (line, " \t");
    size_t size = strcspn (line, "]");
    if (line[0] != '[' || line[size] != ']')
        return;
    (void)snprintf (section, sizeof section, "%.*s", (int)(size - 1), line + 1);
    if (s_find_section (section, &row, &name, &why) < 0)
        self->result = s_fault (self->into, &why);
}

/* fgets for libinih: one line of the text in memory. */
static char *
s_next_line (char *line, int room, void *stream)
{
    reading *self = stream;
    size_t size = strcspn (self->at, "\n");

    if (self->result < 0 || *self->at == '\0')
        return NULL;
    self->line++;
    (void)snprintf (self->into->origin, sizeof self->into->origin, "%.140s:%d", self->label,
                    self->line);
    if (size + 2 > (size_t)room) {
        (void)s_reading_fault (self, CB_E_LIMIT, "a line is longer than 4,000 bytes");
        return NULL;
    }
    (void)snprintf (line, (size_t)room, "%.*s\n", (int)size, self->at);
    self->at += size + (self->at[size] == '\n');
    s_check_section_line (self, line);
    return self->result < 0 ? NULL : line;
}

static int
s_on_key (void *user, const char *section, const char *name, const char *value)
{
    reading *self = user;

    self->result = s_set (self->into, section, name, value);
    return self->result == 0;
}

static int
s_parse_text (loading *into, const char *label, const char *text)
{
    reading self = {.into = into, .label = label, .at = text};

    /* Debian's libinih is configured by variables. Continuation lines would swallow an indented
     * key; a line of more than the room would be taken for two. */
    ini_allow_multiline = 0;
    ini_allow_no_value = 0;
    ini_stop_on_first_error = 1;
    ini_use_stack = 0;
    ini_allow_realloc = 0;
    ini_initial_alloc = LINE_BYTES;
    ini_max_line = LINE_BYTES;
    /* One context for both: the reader knows the line, the handler needs it. */
    int bad_line = ini_parse_stream (s_next_line, &self, s_on_key, &self);
    if (self.result < 0)
        return self.result;
    if (bad_line < 0)
        return cb_fail_nomem (into->err);
    if (bad_line > 0)
        return s_reading_fault (&self, CB_E_INVALID, "not [section], key = value or ; comment");
    return 0;
}

static int
s_load_file (loading *into, const cb_ini_file *file)
{
    cb_scoped (cb_buf) cb_buf text = {0};
    struct stat status;
    cb_err why = CB_ERR_INIT;

    cb_buf_init (&text, CB_INI_FILE_MAX);
    into->file = file->label;
    (void)snprintf (into->origin, sizeof into->origin, "%.140s", file->label);
    if (fstat (file->fd, &status) < 0 || lseek (file->fd, 0, SEEK_SET) < 0)
        return cb_fail_errno (into->err, CB_E_IO, "%.140s", file->label);
    if (!S_ISREG (status.st_mode))
        return cb_fail (into->err, CB_E_INVALID, "%.140s: not a regular file", file->label);
    if (cb_read_all (file->fd, &text, &why) < 0)
        return s_fault (into, &why);
    if (text.size == 0)
        return 0;
    if (memchr (text.data, '\0', text.size) != NULL || !cb_utf8_valid (text.data, text.size))
        return cb_fail (into->err, CB_E_INVALID, "%.140s: not a text file in UTF-8", file->label);
    return s_parse_text (into, file->label, text.data);
}

/* --set SECTION.KEY=VALUE; the section of a profile or model is "profile.NAME" or "profile NAME".
 */
static int
s_load_set (loading *into, const char *option)
{
    char section[128];
    char key[64];
    const char *equals = strchr (option, '=');
    const char *dot = equals;
    cb_err why = CB_ERR_INIT;

    into->file = NULL;
    (void)snprintf (into->origin, sizeof into->origin, "--set %.140s", option);
    assert (equals != NULL); /* cb_ini_add_set saw to it */
    while (dot > option && *dot != '.')
        dot--;
    size_t size = (size_t)(dot - option);
    size_t key_size = (size_t)(equals - dot) - 1;
    if (size >= sizeof section || key_size >= sizeof key) {
        (void)cb_fail (&why, CB_E_INVALID, "unknown key");
        return s_fault (into, &why);
    }
    (void)snprintf (section, sizeof section, "%.*s", (int)size, option);
    (void)snprintf (key, sizeof key, "%.*s", (int)key_size, dot + 1);
    char *inner = strchr (section, '.');
    if (inner != NULL)
        *inner = ' ';
    return s_set (into, section, key, equals + 1);
}

int
cb_ini_read (const cb_ini_sources *sources, cb_ini_on_item *on_item, void *context, cb_err *err)
{
    loading into = {.on_item = on_item, .context = context, .err = err};

    for (size_t i = 0; i < sources->n_files; i++)
        CB_TRY (s_load_file (&into, &sources->files[i]));
    for (size_t i = 0; i < sources->n_sets; i++)
        CB_TRY (s_load_set (&into, sources->sets[i]));
    return 0;
}
