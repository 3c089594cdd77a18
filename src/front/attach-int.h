/* attach-int.h - the inside of the door for Jupyter clients: attach.c and attach-client.c only. */
#ifndef CB_FRONT_ATTACH_INT_H
#define CB_FRONT_ATTACH_INT_H

#include "base/calm.h"
#include "front/attach.h"

struct cb_attach {
    cb_loop *loop;
    int runtime_fd;
    cb_doors doors;
    cb_quota in;      /* bytes of unfinished requests of all */
    cb_quota out;     /* of replies */
    cb_quota readers; /* bytes of iopub for all */
    size_t n_connections;
};

typedef struct cb_connection cb_connection;
typedef struct cb_door cb_door;

/* One session's. */
struct cb_door {
    cb_attach *attach;
    cb_session *session;
    cb_zlisten *listen[CB_CHANNEL__COUNT];
    cb_connection *connections; /* owned */
    size_t n_connections;
    cb_calm calm; /* of its lines in the log */
};

/* A guest with his routing id; gone with his last connection. */
typedef struct cb_named_guest {
    cb_guest guest; /* first */
    size_t n_connections;
} cb_named_guest;

struct cb_connection {
    cb_door *door;
    cb_channel channel;
    cb_zpeer *peer;
    cb_named_guest *guest; /* shell, stdin, control once ready */
    unsigned faults;       /* unreadable messages */
    cb_connection *next;
    cb_connection *before;
};

/* attach-client.c: takes a connected descriptor. */
int cb_connection_open_ (cb_door *door, cb_channel channel, int fd, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_connection_destroy_ (cb_connection **self);

/* One line a second at most: a stranger must not write our log. */
void cb_door_warn_ (cb_door *door, const char *what, cb_channel channel, const char *why);

#endif
