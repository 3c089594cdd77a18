/* broker.h - the broker as a whole: the one place where the floors are wired together. */
#ifndef CB_BROKER_BROKER_H
#define CB_BROKER_BROKER_H

#include "broker/config.h"

typedef struct cb_broker_options {
    int warden;  /* SEQPACKET to the warden; taken */
    int filer;   /* SEQPACKET to the file helper; taken */
    int runtime; /* the runtime folder; borrowed */
    const char *runtime_dir;
    const char *state_dir;
    long warden_pid;
    const cb_ini_sources *sources; /* borrowed */
} cb_broker_options;

typedef struct cb_broker cb_broker;

/* Opens everything, writes broker.json, tells the warden that it serves. Owned; NULL with err. */
cb_broker *cb_broker_new (const cb_broker_options *options, cb_err *err);
/* Ends sessions and connections and takes broker.json away. */
void cb_broker_destroy (cb_broker **self);

/* Serves until the end: 0, or -CB_E_*. */
int cb_broker_run (cb_broker *self, cb_err *err);

#endif
