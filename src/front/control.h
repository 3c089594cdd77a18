/* control.h - the control API's door: clients connect, ask by verbs, are answered. */
#ifndef CB_FRONT_CONTROL_H
#define CB_FRONT_CONTROL_H

#include "session/registry.h"

/* Clients at a time; each costs a descriptor. */
#define CB_CLIENTS_MAX 1024
/* Bytes waiting for one client (one cell's whole output fits), and for all of them. */
#define CB_CLIENT_QUEUE_MAX  ((size_t)64 * 1024 * 1024)
#define CB_CLIENTS_QUEUE_MAX ((uint64_t)256 * 1024 * 1024)
/* Of unfinished requests each client has this for itself, whatever others hold. */
#define CB_CLIENT_IN_SPARE ((size_t)32 * 1024)
/* Answers are never lost. With so many bytes waiting (all the output there may be, and room for
 * answers), or its fair part when all clients' bytes are used up, a client is not read from. */
#define CB_CLIENT_ANSWERS_MAX (CB_CLIENT_QUEUE_MAX + (size_t)16 * 1024 * 1024)
#define CB_CLIENT_FAIR_PART   ((size_t)4 * 1024 * 1024)
/* The daemon as the control API shows it; the broker fills it in. */
typedef struct cb_control_facts {
    const char *version;
    long pid;
    long warden_pid;
    cb_usec started_at;
    const char *log; /* path */
} cb_control_facts;

typedef struct cb_control_events {
    /* A client came or went. */
    void (*on_clients_changed) (void *context);
    /* Reads the configuration again. */
    int (*on_reload) (void *context, cb_err *err);
    /* A client wants the daemon to end; it has its answer already. */
    void (*on_shutdown) (void *context);
} cb_control_events;

typedef struct cb_control_options {
    cb_loop *loop; /* borrowed, like all here */
    cb_registry *registry;
    int runtime_fd;
    cb_signer *signer; /* by the key of broker.json; borrowed, also by cells that outlive us */
    const char *socket_front; /* "c": sockets are c-1 and c-5 */
    const cb_control_facts *facts;
    const cb_control_events *events;
    void *context;
} cb_control_options;

typedef struct cb_control cb_control;

/* Opens the sockets. Owned; NULL with err. */
cb_control *cb_control_new (const cb_control_options *options, cb_err *err);
/* Closes everything; clients see the connection end. */
void cb_control_destroy (cb_control **self);

size_t cb_control_clients (const cb_control *self);

#endif
