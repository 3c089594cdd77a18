/* choice.c - which model is asked. Named by the option, the variable or the configuration, never
 * guessed: a prompt must not travel to a server by chance. A key goes only to the server it was
 * given for: OPENAI_API_KEY to OPENAI_BASE_URL (without it OpenAI's own), a section's key to the
 * section's base_url. */
#include "agent/choice.h"

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_OPENAI_URL "https://api.openai.com/v1"

/* A path in a file is relative to the file's folder: FOLDER/FILE -> FOLDER/path. */
static int
s_resolve_file (cb_model *model, const char *file, cb_err *err)
{
    const char *slash = file != NULL ? strrchr (file, '/') : NULL;
    size_t room;

    if (model->file[0] == '/' || slash == NULL)
        return 0;
    size_t folder = (size_t)(slash - file) + 1;
    room = folder + strlen (model->file) + 1;
    char *path = malloc (room);
    if (path == NULL)
        return cb_fail_nomem (err);
    (void)snprintf (path, room, "%.*s%s", (int)folder, file, model->file);
    free (model->file);
    model->file = path;
    return 0;
}

static int
s_on_item (const cb_ini_item *item, void *context, cb_err *err)
{
    cb_models *models = context;
    cb_err why = CB_ERR_INIT;

    if (item->kind != CB_INI_MODEL)
        return 0; /* the daemon's */
    if (cb_models_set (models, item->name, item->key, item->value, &why) < 0)
        return cb_ini_fault (item->origin, &why, err);
    if (strcmp (item->key, "file") == 0)
        return s_resolve_file (cb_models_find (models, item->name), item->file, err);
    return 0;
}

/* The names of all sections, for a sentence. */
static const char *
s_names (const cb_models *models, char *text, size_t room)
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < models->count && at < room; i++) {
        int size =
            snprintf (text + at, room - at, "%s%s", i > 0 ? ", " : "", models->items[i].name);
        at += size > 0 ? (size_t)size : 0;
    }
    return text;
}

/* The section to take when nothing is named. */
static int
s_default (const cb_models *models, cb_model **ret_model, cb_err *err)
{
    char names[512];
    cb_model *found = NULL;

    for (size_t i = 0; i < models->count; i++) {
        if (!models->items[i].is_default)
            continue;
        if (found != NULL)
            return cb_fail (err, CB_E_INVALID, "[model %s] and [model %s] are both default = yes",
                            found->name, models->items[i].name);
        found = &models->items[i];
    }
    if (found == NULL && models->count == 1)
        found = &models->items[0];
    if (found == NULL && models->count > 1)
        return cb_fail (err, CB_E_NOTFOUND, "no model is named: use --model NAME (there are: %s)",
                        s_names (models, names, sizeof names));
    if (found == NULL)
        return cb_fail (err, CB_E_NOTFOUND,
                        "no model is named: use --model NAME, CELLBLOCK_MODEL, or a section "
                        "[model NAME] of the configuration (cellblock.conf(5))");
    *ret_model = found;
    return 0;
}

/* The address without slashes at its end. */
static int
s_set_url (cb_choice *self, const char *what, const char *url, cb_err *err)
{
    const char *host = strstr (url, "://");
    size_t size = strlen (url);

    while (size > 0 && url[size - 1] == '/')
        size--;
    if (strncmp (url, "http://", 7) != 0 && strncmp (url, "https://", 8) != 0)
        return cb_fail (err, CB_E_INVALID, "%s: '%.200s' is not http://... or https://...", what,
                        url);
    host += 3;
    if (memchr (host, '@', strcspn (host, "/")) != NULL)
        return cb_fail (err, CB_E_INVALID, "%s: a key does not belong into an address", what);
    if (size >= sizeof self->url || strpbrk (url, " \t\r\n?#") != NULL || host[0] == '\0')
        return cb_fail (err, CB_E_INVALID, "%s: not the address of a server", what);
    (void)snprintf (self->url, sizeof self->url, "%.*s", (int)size, url);
    return 0;
}

/* The server that the environment names. */
static int
s_use_environment (cb_choice *self, cb_err *err)
{
    const char *url = getenv ("OPENAI_BASE_URL");
    const char *key = getenv ("OPENAI_API_KEY");
    int has_url = url != NULL && url[0] != '\0';
    int has_key = key != NULL && key[0] != '\0';

    if (!has_url && !has_key)
        return cb_fail (err, CB_E_NOTFOUND,
                        "there is no section [model %.64s], and neither OPENAI_BASE_URL nor "
                        "OPENAI_API_KEY is set: no server to ask",
                        self->id);
    CB_TRY (s_set_url (self, "OPENAI_BASE_URL", has_url ? url : S_OPENAI_URL, err));
    if (has_key)
        CB_TRY (cb_key_check ("OPENAI_API_KEY", key, err));
    self->key = strdup (has_key ? key : "");
    return self->key != NULL ? 0 : cb_fail_nomem (err);
}

/* A section without an address and a key of its own means the environment's server. */
static int
s_use_server (cb_choice *self, const cb_model *model, cb_err *err)
{
    char what[64];

    (void)snprintf (what, sizeof what, "[model %s] base_url", model->name);
    bool own_key = model->key_env != NULL || model->key_file != NULL || model->key_cmd != NULL;
    if (model->base_url == NULL && !own_key)
        return s_use_environment (self, err);
    const char *url = model->base_url != NULL ? model->base_url : getenv ("OPENAI_BASE_URL");
    CB_TRY (s_set_url (self, what, url != NULL && url[0] != '\0' ? url : S_OPENAI_URL, err));
    return cb_key_find (model, &self->key, err);
}

static int
s_use_section (cb_choice *self, const cb_model *model, cb_err *err)
{
    self->backend = (cb_backend)model->backend;
    self->id = model->model != NULL ? model->model : model->name;
    self->max_tokens = model->max_tokens;
    self->temperature = model->temperature;
    self->idle_timeout = model->idle_timeout;
    self->file = model->file;
    if (self->backend == CB_BACKEND_REPLAY && model->file == NULL)
        return cb_fail (err, CB_E_INVALID, "[model %s]: backend replay needs file = PATH",
                        model->name);
    if (!model->tools)
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "[model %s]: tools = no: this version asks only models that know tools",
                        model->name);
    return self->backend == CB_BACKEND_CHAT ? s_use_server (self, model, err) : 0;
}

int
cb_choice_make (cb_choice *self, const cb_ini_sources *sources, const char *name, cb_err *err)
{
    const char *variable = getenv ("CELLBLOCK_MODEL");
    cb_model *model = NULL;

    *self = (cb_choice){.temperature = -1, .idle_timeout = CB_MODEL_IDLE};
    CB_TRY (cb_ini_read (sources, s_on_item, &self->models, err));
    if (name == NULL && variable != NULL && variable[0] != '\0')
        name = variable;
    if (name != NULL && (name[0] == '\0' || !cb_utf8_valid (name, strlen (name))))
        return cb_fail (err, CB_E_INVALID, "--model: an empty name, or one that is not UTF-8");
    if (name == NULL)
        CB_TRY (s_default (&self->models, &model, err));
    else
        model = cb_models_find (&self->models, name);
    if (model != NULL)
        return s_use_section (self, model, err);
    self->id = name;
    return s_use_environment (self, err);
}

void
cb_choice_done (cb_choice *self)
{
    cb_models_done (&self->models);
    cb_key_wipe (&self->key);
}
