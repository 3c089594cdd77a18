/* choice.h - which model is asked, where, and with what key. */
#ifndef CB_AGENT_CHOICE_H
#define CB_AGENT_CHOICE_H

#include "base/err.h"
#include "base/ini.h"
#include "base/models.h"

/* Bytes of a server's address and of a key. */
#define CB_URL_MAX 2048
#define CB_KEY_MAX 4096

typedef struct cb_choice {
    cb_models models; /* owned: all sections of the configuration */
    cb_backend backend;
    const char *id;       /* what the server calls it, and what is shown; borrowed */
    char url[CB_URL_MAX]; /* of the server, without a slash at its end; "" for replay */
    char *key;            /* owned, "" for none; wiped when done */
    const char *file;     /* of replay; borrowed */
    uint32_t max_tokens;  /* of one answer, 0: nothing said */
    double temperature;   /* below 0: nothing said */
    cb_usec idle_timeout;
} cb_choice;

/* Reads the sections [model NAME] of the sources and chooses: by name (--model, else
 * $CELLBLOCK_MODEL), else the section with default = yes, else the only one. A name without a
 * section is a model of the server that the environment names (OPENAI_BASE_URL, OPENAI_API_KEY).
 * Nothing named: -CB_E_NOTFOUND with a sentence that says how. cb_choice_done in every case. */
int cb_choice_make (cb_choice *self, const cb_ini_sources *sources, const char *name, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_choice_done (cb_choice *self);

/* The key of a section: from its variable, its file or its command; "" without any. Owned in
 * *ret_key. */
int cb_key_find (const cb_model *model, char **ret_key, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Whether text can be a key; what names its place in the sentence, which never shows the key. */
int cb_key_check (const char *what, const char *text, cb_err *err)
    __attribute__ ((warn_unused_result));

/* A stranger's words, made fit for a sentence of ours: what is the key (should a server echo it)
 * and control characters are blanked. Before the words are cut: half a key is one too many. */
void cb_key_clean (char *text, const char *key);

/* Overwrites and frees. */
void cb_key_wipe (char **key);

#endif
