/* config.h - what the configuration files and --set say: broker settings and profiles.
 * base/ini.h tells which layer wins. */
#ifndef CB_BROKER_CONFIG_H
#define CB_BROKER_CONFIG_H

#include "base/clock.h"
#include "base/err.h"
#include "base/ini.h"
#include "base/log.h"
#include "policy/profile.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cb_config {
    cb_usec idle_expiry;    /* a session nobody uses is stopped, 0: never */
    cb_usec leave_after;    /* the daemon ends without sessions and clients, 0: never */
    cb_usec start_limit;    /* a kernel that does not answer by then is given up */
    uint32_t sessions;      /* at most so many at a time */
    cb_log_level log_level; /* least important level that is written */
    cb_profiles *profiles;  /* owned */
    uint32_t layers_off;    /* bit (1 << cb_layer): a profile switches it off */
} cb_config;

/* Defaults, then all layers; every value is checked and every profile resolved once. On a fault the
 * sentence starts with where it comes from ("FILE:LINE: ", "--set broker.x=1: ") and nothing is
 * returned: the caller keeps the configuration it has. Owned. */
int cb_config_load (const cb_ini_sources *sources, cb_config **ret_config, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_config_destroy (cb_config **self);

/* The keys of section "broker", "profile", "model", "alerts", sorted; NULL behind the last. */
const char *cb_config_key (const char *section, size_t index);

#endif
