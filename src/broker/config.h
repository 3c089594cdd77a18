/* config.h - what the configuration files and --set say: broker settings and profiles.
 *
 * Layers, later ones win key by key: each file in the order given, then each --set in order. */
#ifndef CB_BROKER_CONFIG_H
#define CB_BROKER_CONFIG_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "policy/profile.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of one configuration file; layers of files; --set options. */
#define CB_CONFIG_FILE_MAX (256 * 1024)
#define CB_CONFIG_FILES    16
#define CB_CONFIG_SETS     256

typedef struct cb_config_file {
    int fd;            /* borrowed; read from its beginning, so a reload sees what was written */
    const char *label; /* borrowed: its path, for messages */
} cb_config_file;

typedef struct cb_config_sources {
    cb_config_file files[CB_CONFIG_FILES];
    size_t n_files;
    const char *sets[CB_CONFIG_SETS]; /* borrowed: "section.key=value" */
    size_t n_sets;
} cb_config_sources;

typedef struct cb_config {
    cb_usec idle_expiry;    /* a session nobody uses is stopped, 0: never */
    cb_usec leave_after;    /* the daemon ends without sessions and clients, 0: never */
    uint32_t sessions;      /* at most so many at a time */
    cb_log_level log_level; /* least important level that is written */
    cb_profiles *profiles;  /* owned */
} cb_config;

/* Takes the text of one option --config-fd N=LABEL (borrowed) into the sources. */
int cb_config_sources_add_fd (cb_config_sources *self, const char *option, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Takes the text of one option --set section.key=value (borrowed) into the sources. */
int cb_config_sources_add_set (cb_config_sources *self, const char *option, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Defaults, then all layers; every value is checked and every profile resolved once. On a fault the
 * sentence starts with where it comes from ("FILE:LINE: ", "--set broker.x=1: ") and nothing is
 * returned: the caller keeps the configuration it has. Owned. */
int cb_config_load (const cb_config_sources *sources, cb_config **ret_config, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_config_destroy (cb_config **self);

/* The keys of section "broker", "profile", "model", "alerts", sorted; NULL behind the last. */
const char *cb_config_key (const char *section, size_t index);

#endif
