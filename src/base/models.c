/* models.c - the sections [model NAME]: their keys, and the list they make. */
#include "base/models.h"

#include "base/keys.h"
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(member) CB_KEY_FIELD (cb_model, member)
#define S_DAY         (24 * 3600 * CB_USEC_PER_SEC)
/* Far over what any model answers. */
#define S_TOKENS_MAX 100000000

/* In the order of cb_backend. */
static const char s_backends[] = "chat responses anthropic ollama replay";
static const char *const s_backend_names[] = {"chat", "responses", "anthropic", "ollama", "replay"};

static const cb_key_row s_rows[] = {
    {"backend", CB_KEY_WORD, FIELD (backend), 0, 0, s_backends},
    {"base_url", CB_KEY_TEXT, FIELD (base_url), 0, 0, NULL},
    {"default", CB_KEY_WORD, FIELD (is_default), 0, 0, "no yes"},
    {"file", CB_KEY_TEXT, FIELD (file), 0, 0, NULL},
    {"idle_timeout", CB_KEY_DURATION, FIELD (idle_timeout), CB_USEC_PER_SEC, S_DAY, NULL},
    {"images", CB_KEY_WORD, FIELD (images), 0, 0, "no yes"},
    {"key_cmd", CB_KEY_TEXT, FIELD (key_cmd), 0, 0, NULL},
    {"key_env", CB_KEY_TEXT, FIELD (key_env), 0, 0, NULL},
    {"key_file", CB_KEY_TEXT, FIELD (key_file), 0, 0, NULL},
    {"max_tokens", CB_KEY_COUNT, FIELD (max_tokens), 1, S_TOKENS_MAX, NULL},
    {"model", CB_KEY_TEXT, FIELD (model), 0, 0, NULL},
    {"temperature", CB_KEY_REAL, FIELD (temperature), 0, 2, NULL},
    {"tools", CB_KEY_WORD, FIELD (tools), 0, 0, "no yes"},
};

static const cb_key_table s_table = {"model", s_rows, CB_COUNT (s_rows)};

cb_model *
cb_models_find (const cb_models *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp (self->items[i].name, name) == 0)
            return &self->items[i];
    return NULL;
}

static int
s_add (cb_models *self, const char *name, cb_model **ret_model, cb_err *err)
{
    CB_TRY (cb_name_check ("model", name, err));
    if (self->count == CB_MODELS_MAX)
        return cb_fail (err, CB_E_LIMIT, "more than %d sections [model NAME]", CB_MODELS_MAX);
    cb_model *items = realloc (self->items, (self->count + 1) * sizeof *items);
    if (items == NULL)
        return cb_fail_nomem (err);
    self->items = items;
    cb_model *model = &items[self->count++];
    *model = (cb_model){.tools = 1, .images = 1, .temperature = -1, .idle_timeout = CB_MODEL_IDLE};
    memcpy (model->name, name, strlen (name) + 1);
    *ret_model = model;
    return 0;
}

int
cb_models_set (cb_models *self, const char *name, const char *key, const char *value, cb_err *err)
{
    cb_model *model = cb_models_find (self, name);

    if (model == NULL)
        CB_TRY (s_add (self, name, &model, err));
    return cb_key_set (&s_table, model, key, value, err);
}

void
cb_models_done (cb_models *self)
{
    for (size_t i = 0; i < self->count; i++) {
        cb_model *model = &self->items[i];
        char *texts[] = {model->base_url, model->model,    model->file,
                         model->key_env,  model->key_file, model->key_cmd};
        for (size_t t = 0; t < CB_COUNT (texts); t++)
            free (texts[t]);
    }
    free (self->items);
    *self = (cb_models){NULL, 0};
}

const char *
cb_models_key (size_t index)
{
    return index < CB_COUNT (s_rows) ? s_rows[index].name : NULL;
}

const char *
cb_backend_name (cb_backend backend)
{
    return s_backend_names[backend];
}
