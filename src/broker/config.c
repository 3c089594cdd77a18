/* config.c - layers of INI files and --set options become one checked configuration.
 *
 * libinih cuts lines into section, key and value; everything else is ours: a row a key says what
 * its value may be. Nobody is left guessing: an unknown section or key, or a value that does not
 * fit, is an error that names file and line and, where there is one, the nearest known name. A load
 * makes a new object or nothing, so a reload with a mistake in it changes nothing. */
#include "broker/config.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/nearest.h"
#include "base/table.h"
#include "base/units.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of a line, its end included. libinih would go on in the middle of a longer one. */
#define LINE_BYTES 4096
/* "FILE:LINE" in messages. */
#define ORIGIN_BYTES 160
/* Hard bound: each session costs descriptors and 200 KiB; the default is far below. */
#define SESSIONS_MAX 4096

#define HOUR (3600 * CB_USEC_PER_SEC)
#define DAY  (24 * HOUR)

typedef enum {
    KIND_DURATION, /* [low, high], or "none": 0 */
    KIND_COUNT,    /* [low, high] */
    KIND_WORD,     /* one of words; the field gets its index */
    KIND_TEXT,     /* anything but nothing */
    KIND_REAL,     /* [low, high] */
    KIND_REFUSED   /* known; words says why it cannot be set here */
} key_kind;

typedef struct key_row {
    const char *name;
    key_kind kind;
    size_t offset; /* in cb_config; NOWHERE: checked only */
    size_t width;
    uint64_t low;
    uint64_t high;
    const char *words; /* separated by one blank */
} key_row;

#define FIELD(member) offsetof (cb_config, member), sizeof (((cb_config *)0)->member)
#define NOWHERE       0, 0

static const key_row s_broker_keys[] = {
    {"idle_expiry", KIND_DURATION, FIELD (idle_expiry), CB_USEC_PER_SEC, 365 * DAY, NULL},
    {"leave_after", KIND_DURATION, FIELD (leave_after), CB_USEC_PER_SEC, 365 * DAY, NULL},
    {"log_level", KIND_WORD, FIELD (log_level), 0, 0, "error warn info debug"},
    {"runtime_dir", KIND_REFUSED, NOWHERE, 0, 0,
     "the daemon needs it before it reads this file; set CELLBLOCK_RUNTIME_DIR"},
    {"sessions", KIND_COUNT, FIELD (sessions), 1, SESSIONS_MAX, NULL},
    {"state_dir", KIND_REFUSED, NOWHERE, 0, 0,
     "the daemon needs it before it reads this file; set CELLBLOCK_STATE_DIR"},
};

static const key_row s_model_keys[] = {
    {"backend", KIND_WORD, NOWHERE, 0, 0, "chat responses anthropic ollama replay"},
    {"base_url", KIND_TEXT, NOWHERE, 0, 0, NULL},
    {"default", KIND_WORD, NOWHERE, 0, 0, "yes no"},
    {"file", KIND_TEXT, NOWHERE, 0, 0, NULL},
    {"idle_timeout", KIND_DURATION, NOWHERE, CB_USEC_PER_SEC, DAY, NULL},
    {"images", KIND_WORD, NOWHERE, 0, 0, "yes no"},
    {"key_cmd", KIND_TEXT, NOWHERE, 0, 0, NULL},
    {"key_env", KIND_TEXT, NOWHERE, 0, 0, NULL},
    {"key_file", KIND_TEXT, NOWHERE, 0, 0, NULL},
    {"max_tokens", KIND_COUNT, NOWHERE, 1, 100000000, NULL},
    {"model", KIND_TEXT, NOWHERE, 0, 0, NULL},
    {"temperature", KIND_REAL, NOWHERE, 0, 2, NULL},
    {"tools", KIND_WORD, NOWHERE, 0, 0, "yes no"},
};

static const key_row s_alerts_keys[] = {
    {"command", KIND_TEXT, NOWHERE, 0, 0, NULL},
    {"syslog", KIND_WORD, NOWHERE, 0, 0, "off on"},
};

typedef struct section_row {
    const char *name;
    int named; /* [model NAME] */
    const key_row *keys;
    size_t n_keys;
    int idle; /* nothing of this version reads it: said once in the log */
} section_row;

/* [profile NAME] has no keys here: they are the rows of policy/profile.c. */
static const section_row s_sections[] = {
    {"alerts", 0, s_alerts_keys, CB_COUNT (s_alerts_keys), 1},
    {"broker", 0, s_broker_keys, CB_COUNT (s_broker_keys), 0},
    {"model", 1, s_model_keys, CB_COUNT (s_model_keys), 1},
    {"policy", 1, NULL, 0, 0},
    {"profile", 1, NULL, 0, 0},
};

int
cb_config_sources_add_fd (cb_config_sources *self, const char *option, cb_err *err)
{
    int fd = 0;
    size_t digits = strspn (option, "0123456789");

    if (digits == 0 || digits > 5 || option[digits] != '=' || option[digits + 1] == '\0')
        return cb_fail (err, CB_E_INVALID, "--config-fd %.64s: not NUMBER=LABEL", option);
    if (self->n_files == CB_CONFIG_FILES)
        return cb_fail (err, CB_E_LIMIT, "more than %d configuration files", CB_CONFIG_FILES);
    for (size_t i = 0; i < digits; i++)
        fd = fd * 10 + (option[i] - '0');
    self->files[self->n_files++] = (cb_config_file){.fd = fd, .label = option + digits + 1};
    return 0;
}

int
cb_config_sources_add_set (cb_config_sources *self, const char *option, cb_err *err)
{
    const char *equals = strchr (option, '=');
    const char *dot = strchr (option, '.');

    if (equals == NULL || dot == NULL || dot > equals)
        return cb_fail (err, CB_E_INVALID,
                        "--set %.64s: not SECTION.KEY=VALUE (broker.idle_expiry=10min, "
                        "profile.NAME.memory=1G)",
                        option);
    if (self->n_sets == CB_CONFIG_SETS)
        return cb_fail (err, CB_E_LIMIT, "more than %d options --set", CB_CONFIG_SETS);
    self->sets[self->n_sets++] = option;
    return 0;
}

/* --- one value --- */

static int
s_parse_word (const char *words, const char *value, uint64_t *ret_index, cb_err *err)
{
    uint64_t index = 0;
    size_t size = strlen (value);

    for (const char *at = words; *at != '\0'; index++) {
        size_t length = strcspn (at, " ");
        if (length == size && memcmp (at, value, size) == 0) {
            *ret_index = index;
            return 0;
        }
        at += length + (at[length] == ' ');
    }
    return cb_fail (err, CB_E_INVALID, "'%.64s' is not one of: %s", value, words);
}

static int
s_parse_count (const key_row *row, const char *value, uint64_t *ret_number, cb_err *err)
{
    size_t digits = strspn (value, "0123456789");
    uint64_t number = 0;

    if (digits == 0 || value[digits] != '\0')
        return cb_fail (err, CB_E_INVALID, "'%.64s' is not a whole number", value);
    for (size_t i = 0; i < digits && number <= row->high; i++)
        number = number * 10 + (uint64_t)(value[i] - '0');
    if (number < row->low || number > row->high)
        return cb_fail (err, CB_E_LIMIT, "'%.64s' is out of range (%llu to %llu)", value,
                        (unsigned long long)row->low, (unsigned long long)row->high);
    *ret_number = number;
    return 0;
}

static int
s_parse_duration (const key_row *row, const char *value, uint64_t *ret_number, cb_err *err)
{
    char low[CB_UNITS_TEXT];
    char high[CB_UNITS_TEXT];
    cb_usec duration = 0;

    if (strcmp (value, "none") == 0) {
        *ret_number = 0;
        return 0;
    }
    int result = cb_duration_parse (value, &duration, err);
    if (result == -CB_E_INVALID)
        return result;
    if (result < 0 || duration < row->low || duration > row->high)
        return cb_fail (err, CB_E_LIMIT, "'%.64s' is out of range (%s to %s, or none)", value,
                        cb_duration_text (row->low, low), cb_duration_text (row->high, high));
    *ret_number = duration;
    return 0;
}

static int
s_parse_real (const key_row *row, const char *value, cb_err *err)
{
    char *end = NULL;
    double number = strtod (value, &end);

    if (value[strspn (value, "0123456789.")] == '\0' && *value != '\0' && *end == '\0' &&
        number >= (double)row->low && number <= (double)row->high)
        return 0;
    return cb_fail (err, CB_E_INVALID, "'%.64s' is not a number from %llu to %llu", value,
                    (unsigned long long)row->low, (unsigned long long)row->high);
}

static int
s_parse (const key_row *row, const char *value, uint64_t *ret_number, cb_err *err)
{
    *ret_number = 0;
    switch (row->kind) {
    case KIND_DURATION:
        return s_parse_duration (row, value, ret_number, err);
    case KIND_COUNT:
        return s_parse_count (row, value, ret_number, err);
    case KIND_WORD:
        return s_parse_word (row->words, value, ret_number, err);
    case KIND_REAL:
        return s_parse_real (row, value, err);
    case KIND_REFUSED:
        return cb_fail (err, CB_E_INVALID, "%s", row->words);
    case KIND_TEXT:
    default:
        if (*value == '\0')
            return cb_fail (err, CB_E_INVALID, "needs a value");
        return 0;
    }
}

static void
s_store (const key_row *row, cb_config *config, uint64_t number)
{
    char *field = (char *)config + row->offset;
    uint32_t small = (uint32_t)number;

    if (row->width == sizeof number)
        memcpy (field, &number, sizeof number);
    else if (row->width == sizeof small)
        memcpy (field, &small, sizeof small);
}

_Static_assert(sizeof (cb_log_level) == sizeof (uint32_t), "s_store writes it as one");

/* --- one key --- */

typedef struct loading {
    cb_config *config;
    char origin[ORIGIN_BYTES]; /* of the key at hand */
    unsigned told;             /* bit a row of s_sections: the log knows that nothing reads it */
    cb_err *err;
} loading;

/* Prefixes err with the origin. */
static int
s_fault (loading *self, const cb_err *why)
{
    return cb_fail (self->err, why->code, "%s: %.800s", self->origin, why->text);
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
s_set_row (loading *self, const section_row *section, const char *key, const char *value,
           cb_err *err)
{
    uint64_t number = 0;
    cb_err why = CB_ERR_INIT;
    const key_row *row =
        bsearch (key, section->keys, section->n_keys, sizeof section->keys[0], cb_table_compare);

    if (row == NULL) {
        char what[64];
        (void)snprintf (what, sizeof what, "key of section [%s]", section->name);
        return s_unknown (what, key,
                          cb_nearest (key, section->keys, section->n_keys, sizeof *section->keys),
                          err);
    }
    if (s_parse (row, value, &number, &why) < 0)
        return cb_fail (err, why.code, "%s: %.600s%s", key, why.text,
                        strchr (value, '#') != NULL ? " (a comment behind a value starts with ';')"
                                                    : "");
    s_store (row, self->config, number);
    unsigned bit = 1U << (section - s_sections);
    if (section->idle && !(self->told & bit))
        cb_log_warn ("nothing in this version reads a section of the configuration",
                     CB_STR ("section", section->name), CB_STR ("at", self->origin));
    self->told |= bit;
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
    if (row->keys == NULL)
        return cb_profiles_set (self->config->profiles, name, key, value, self->origin, self->err);
    if (s_set_row (self, row, key, value, &why) < 0)
        return s_fault (self, &why);
    return 0;
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
s_load_file (loading *into, const cb_config_file *file)
{
    cb_scoped (cb_buf) cb_buf text = {0};
    struct stat status;
    cb_err why = CB_ERR_INIT;

    cb_buf_init (&text, CB_CONFIG_FILE_MAX);
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

    (void)snprintf (into->origin, sizeof into->origin, "--set %.140s", option);
    assert (equals != NULL); /* cb_config_sources_add_set saw to it */
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

/* --- all of them --- */

static cb_config *
s_new (cb_err *err)
{
    cb_owned (cb_config) cb_config *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->idle_expiry = HOUR;
    self->leave_after = 5 * 60 * CB_USEC_PER_SEC;
    self->sessions = 256;
    self->log_level = CB_LOG_INFO;
    self->profiles = cb_profiles_new (err);
    if (self->profiles == NULL)
        return NULL;
    return cb_take (self);
}

static int
s_check_profiles (const cb_config *config, cb_err *err)
{
    cb_auto_free cb_profile *profile = malloc (sizeof *profile);

    if (profile == NULL)
        return cb_fail_nomem (err);
    for (size_t i = 0; cb_profiles_name (config->profiles, i) != NULL; i++)
        CB_TRY (cb_profiles_resolve (config->profiles, cb_profiles_name (config->profiles, i),
                                     profile, err));
    return 0;
}

int
cb_config_load (const cb_config_sources *sources, cb_config **ret_config, cb_err *err)
{
    cb_owned (cb_config) cb_config *config = s_new (err);
    loading into = {.config = config, .err = err};

    if (config == NULL)
        return -CB_E_NOMEM;
    for (size_t i = 0; i < sources->n_files; i++)
        CB_TRY (s_load_file (&into, &sources->files[i]));
    for (size_t i = 0; i < sources->n_sets; i++)
        CB_TRY (s_load_set (&into, sources->sets[i]));
    CB_TRY (s_check_profiles (config, err));
    *ret_config = cb_take (config);
    return 0;
}

void
cb_config_destroy (cb_config **self)
{
    if (*self != NULL)
        cb_profiles_destroy (&(*self)->profiles);
    free (*self);
    *self = NULL;
}

const char *
cb_config_key (const char *section, size_t index)
{
    const section_row *row = CB_TABLE_FIND (s_sections, section);

    if (strcmp (section, "profile") == 0)
        return cb_profiles_key (index);
    return row != NULL && index < row->n_keys ? row->keys[index].name : NULL;
}
