/* models.h - the sections [model NAME] of the configuration: which models there are, how to reach
 * them. The client obeys them; the daemon checks them with the rest and forgets them. */
#ifndef CB_BASE_MODELS_H
#define CB_BASE_MODELS_H

#include "base/clock.h"
#include "base/err.h"
#include "base/name.h"

#include <stddef.h>
#include <stdint.h>

/* Sections [model NAME]. */
#define CB_MODELS_MAX 64
/* What a server may be silent before its answer counts as stuck, when nothing is said: a model on a
 * small machine reads a long conversation for a while. */
#define CB_MODEL_IDLE (120 * CB_USEC_PER_SEC)

typedef enum {
    CB_BACKEND_CHAT,
    CB_BACKEND_RESPONSES,
    CB_BACKEND_ANTHROPIC,
    CB_BACKEND_OLLAMA,
    CB_BACKEND_REPLAY
} cb_backend;

/* One section. Texts are owned by the list, NULL where nothing was said. */
typedef struct cb_model {
    char name[CB_NAME_MAX];
    uint32_t backend;     /* cb_backend */
    uint32_t is_default;  /* taken when no model is named */
    uint32_t tools;       /* 0: the model knows no tools */
    uint32_t images;      /* 0: the model sees no pictures */
    uint32_t max_tokens;  /* of one answer; 0: the server's own bound */
    double temperature;   /* below 0: the server's own */
    cb_usec idle_timeout; /* 0: none */
    char *base_url;
    char *model; /* what the server calls it */
    char *file;  /* of replay */
    char *key_env;
    char *key_file;
    char *key_cmd;
} cb_model;

typedef struct cb_models {
    cb_model *items; /* owned */
    size_t count;
} cb_models;

/* One key of [model name]; the section is made at its first. The sentence names the key. */
int cb_models_set (cb_models *self, const char *name, const char *key, const char *value,
                   cb_err *err) __attribute__ ((warn_unused_result));
void cb_models_done (cb_models *self);

/* The section, or NULL. Borrowed until the next set. */
cb_model *cb_models_find (const cb_models *self, const char *name);

/* The keys, sorted; NULL behind the last. */
const char *cb_models_key (size_t index);

/* "chat", ... Borrowed, static. */
const char *cb_backend_name (cb_backend backend);

#endif
