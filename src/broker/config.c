/* config.c - layers of INI files and --set options become one checked configuration.
 *
 * base/ini reads them, base/keys checks a value by its row; the rows of [broker] and [alerts] are
 * here, those of [profile NAME] in policy/profile, those of [model NAME] in base/models: the client
 * obeys them, the daemon only checks. A load makes a new object or nothing, so a reload with a
 * mistake in it changes nothing. */
#include "broker/config.h"

#include "base/cleanup.h"
#include "base/keys.h"
#include "base/models.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>

/* Hard bound: each session costs descriptors and 200 KiB; the default is far below. */
#define SESSIONS_MAX 4096

#define HOUR (3600 * CB_USEC_PER_SEC)
#define DAY  (24 * HOUR)

/* What the warden allows at most, see jail/spec. */
#define START_LIMIT_MAX (CB_SPEC_START_SECONDS_MAX * CB_USEC_PER_SEC)

#define FIELD(member) CB_KEY_FIELD (cb_config, member)

static const cb_key_row s_broker_keys[] = {
    {"idle_expiry", CB_KEY_DURATION, FIELD (idle_expiry), CB_USEC_PER_SEC, 365 * DAY, NULL},
    {"leave_after", CB_KEY_DURATION, FIELD (leave_after), CB_USEC_PER_SEC, 365 * DAY, NULL},
    {"log_level", CB_KEY_WORD, FIELD (log_level), 0, 0, "error warn info debug"},
    {"runtime_dir", CB_KEY_REFUSED, CB_KEY_NOWHERE, 0, 0,
     "the daemon needs it before it reads this file; set CELLBLOCK_RUNTIME_DIR"},
    {"sessions", CB_KEY_COUNT, FIELD (sessions), 1, SESSIONS_MAX, NULL},
    {"start_limit", CB_KEY_PERIOD, FIELD (start_limit), CB_USEC_PER_SEC, START_LIMIT_MAX, NULL},
    {"state_dir", CB_KEY_REFUSED, CB_KEY_NOWHERE, 0, 0,
     "the daemon needs it before it reads this file; set CELLBLOCK_STATE_DIR"},
};

static const cb_key_row s_alerts_keys[] = {
    {"command", CB_KEY_TEXT, CB_KEY_NOWHERE, 0, 0, NULL},
    {"syslog", CB_KEY_WORD, CB_KEY_NOWHERE, 0, 0, "off on"},
};

static const cb_key_table s_broker = {"broker", s_broker_keys, CB_COUNT (s_broker_keys)};
static const cb_key_table s_alerts = {"alerts", s_alerts_keys, CB_COUNT (s_alerts_keys)};

_Static_assert(sizeof (cb_log_level) == sizeof (uint32_t), "base/keys writes it as one");

typedef struct loading {
    cb_config *config;
    cb_models *models; /* checked, then dropped */
    int told;          /* the log knows that nothing reads [alerts] */
} loading;

static int
s_set (loading *self, const cb_ini_item *item, cb_err *err)
{
    switch (item->kind) {
    case CB_INI_BROKER:
        return cb_key_set (&s_broker, self->config, item->key, item->value, err);
    case CB_INI_MODEL:
        return cb_models_set (self->models, item->name, item->key, item->value, err);
    case CB_INI_ALERTS:
        CB_TRY (cb_key_set (&s_alerts, NULL, item->key, item->value, err));
        if (!self->told)
            cb_log_warn ("nothing in this version reads a section of the configuration",
                         CB_STR ("section", item->section), CB_STR ("at", item->origin));
        self->told = 1;
        return 0;
    case CB_INI_POLICY:
    case CB_INI_PROFILE:
        break;
    }
    return 0;
}

static int
s_on_item (const cb_ini_item *item, void *context, cb_err *err)
{
    loading *self = context;
    cb_err why = CB_ERR_INIT;

    if (item->kind == CB_INI_PROFILE)
        return cb_profiles_set (self->config->profiles, item->name, item->key, item->value,
                                item->origin, err);
    return s_set (self, item, &why) < 0 ? cb_ini_fault (item->origin, &why, err) : 0;
}

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
    self->start_limit = 30 * CB_USEC_PER_SEC;
    self->log_level = CB_LOG_INFO;
    self->profiles = cb_profiles_new (err);
    if (self->profiles == NULL)
        return NULL;
    return cb_take (self);
}

static int
s_check_profiles (cb_config *config, cb_err *err)
{
    cb_auto_free cb_profile *profile = malloc (sizeof *profile);

    if (profile == NULL)
        return cb_fail_nomem (err);
    for (size_t i = 0; cb_profiles_name (config->profiles, i) != NULL; i++) {
        CB_TRY (cb_profiles_resolve (config->profiles, cb_profiles_name (config->profiles, i),
                                     profile, err));
        for (unsigned layer = 0; layer < CB_LAYER__COUNT; layer++)
            if (profile->jail.layers[layer] == CB_LAYER_OFF)
                config->layers_off |= 1U << layer;
    }
    return 0;
}

int
cb_config_load (const cb_ini_sources *sources, cb_config **ret_config, cb_err *err)
{
    cb_owned (cb_config) cb_config *config = s_new (err);
    cb_scoped (cb_models) cb_models models = {NULL, 0};
    loading into = {.config = config, .models = &models};

    if (config == NULL)
        return -CB_E_NOMEM;
    CB_TRY (cb_ini_read (sources, s_on_item, &into, err));
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
    if (strcmp (section, "profile") == 0)
        return cb_profiles_key (index);
    if (strcmp (section, "model") == 0)
        return cb_models_key (index);
    const cb_key_table *table = strcmp (section, "broker") == 0   ? &s_broker
                                : strcmp (section, "alerts") == 0 ? &s_alerts
                                                                  : NULL;
    return table != NULL && index < table->n_rows ? table->rows[index].name : NULL;
}
