/* ini.h - the configuration as text: layers of INI files and --set options, read key by key.
 *
 * Layers, later ones win key by key: each file in the order given, then each --set in order. */
#ifndef CB_BASE_INI_H
#define CB_BASE_INI_H

#include "base/err.h"

#include <stddef.h>

/* Bytes of one configuration file; layers of files; --set options. */
#define CB_INI_FILE_MAX (256 * 1024)
#define CB_INI_FILES    16
#define CB_INI_SETS     256

typedef struct cb_ini_file {
    int fd;            /* borrowed; read from its beginning, so a reload sees what was written */
    const char *label; /* borrowed: its path, for messages */
} cb_ini_file;

typedef struct cb_ini_sources {
    cb_ini_file files[CB_INI_FILES];
    size_t n_files;
    const char *sets[CB_INI_SETS]; /* borrowed: "section.key=value" */
    size_t n_sets;
} cb_ini_sources;

/* Takes the text of one option --config-fd N=LABEL (borrowed) into the sources. */
int cb_ini_add_fd (cb_ini_sources *self, const char *option, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Takes the text of one option --set section.key=value (borrowed) into the sources. */
int cb_ini_add_set (cb_ini_sources *self, const char *option, cb_err *err)
    __attribute__ ((warn_unused_result));

typedef enum {
    CB_INI_ALERTS,
    CB_INI_BROKER,
    CB_INI_MODEL,
    CB_INI_POLICY,
    CB_INI_PROFILE
} cb_ini_kind;

/* One key; all borrowed for the call. */
typedef struct cb_ini_item {
    cb_ini_kind kind;
    const char *section; /* "model" */
    const char *name;    /* the NAME of [model NAME], checked; "" for sections without one */
    const char *key;
    const char *value;
    const char *origin; /* "FILE:LINE", "--set broker.x=1"; of a long path not all */
    const char *file;   /* the label of its file, all of it; NULL: an option */
} cb_ini_item;

/* Told every key in the order of the layers; a fault ends the reading and is returned. Its sentence
 * begins with the origin: cb_ini_fault. */
typedef int cb_ini_on_item (const cb_ini_item *item, void *context, cb_err *err);

/* Reads all layers. Unknown sections are faults, empty ones too. */
int cb_ini_read (const cb_ini_sources *sources, cb_ini_on_item *on_item, void *context, cb_err *err)
    __attribute__ ((warn_unused_result));

/* why with the origin before it. */
int cb_ini_fault (const char *origin, const cb_err *why, cb_err *err);

#endif
