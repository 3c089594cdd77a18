/* launcher.h - the broker's line to the warden: asks for jails, signals, kills; hears of ends. */
#ifndef CB_KERNEL_LAUNCHER_H
#define CB_KERNEL_LAUNCHER_H

#include "jail/launchmsg.h"
#include "kernel/channels.h"
#include "kernel/facts.h"
#include "kernel/page.h"
#include "loop/loop.h"

typedef struct cb_launcher cb_launcher;

/* One jail as seen from here; embedded in its kernel, which says what happens then. */
typedef struct cb_launch_watch cb_launch_watch;
typedef struct cb_launch_watch_events {
    /* The jail stands. packet has tree (O_PATH of its quota tmpfs), pidfd and facts, which may be
     * taken. */
    void (*on_started) (cb_launch_watch *watch, const cb_launch_started *started,
                        cb_packet *packet);
    /* It did not come into being; nothing else follows. */
    void (*on_failed) (cb_launch_watch *watch, const cb_launch_failed *failed);
    /* It is gone and cleaned up; nothing else follows. */
    void (*on_exited) (cb_launch_watch *watch, const cb_launch_exited *exited);
} cb_launch_watch_events;

struct cb_launch_watch {
    const cb_launch_watch_events *events;
    uint64_t jail; /* 0: not with the warden */
    int kill_owed; /* a KILL that did not fit into the line yet */
    cb_launch_watch *next;
};

typedef struct cb_launcher_events {
    /* The warden's line closed: nothing can live on. */
    void (*on_warden_gone) (void *context);
} cb_launcher_events;

/* A jail that a broker before us left behind. What is not taken out of it is closed. */
typedef struct cb_launch_left {
    uint64_t jail;
    cb_launch_started started;
    int tree;  /* owned */
    int pidfd; /* owned */
    cb_fact_files facts;
    cb_channels channels;
    cb_page *page; /* owned; NULL: it cannot be gone on with, `why` */
    cb_err why;
} cb_launch_left;
void cb_launch_left_done (cb_launch_left *self);

/* Takes socket (SEQPACKET to the warden, made non-blocking). Owned. Asks at once for the jails a
 * broker before us left behind; those that cb_launcher_left does not get are killed. */
cb_launcher *cb_launcher_new (cb_loop *loop, int socket, const cb_launcher_events *events,
                              void *context, cb_err *err);
void cb_launcher_destroy (cb_launcher **self);

/* Waits for the warden's list: an array of *ret_count jails that were left behind, in the order of
 * their start; the caller's, each done with cb_launch_left_done. Before the loop runs. */
int cb_launcher_left (cb_launcher *self, cb_launch_left **ret_left, size_t *ret_count, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Such a jail has somebody who watches it, or is killed. */
void cb_launcher_watch (cb_launcher *self, cb_launch_watch *watch, uint64_t jail);
void cb_launcher_kill_left (cb_launcher *self, uint64_t jail);

typedef struct cb_launch_order {
    const cb_jail_spec *spec;
    const cb_channels *channels; /* borrowed: the warden gets copies */
    int connection;              /* memfd, borrowed */
    int page;                    /* memfd, borrowed */
} cb_launch_order;

/* Asks for a jail; watch->jail is its number from then on. watch is borrowed until on_failed,
 * on_exited or cb_launcher_abandon. */
int cb_launcher_start (cb_launcher *self, cb_launch_watch *watch, const cb_launch_order *order,
                       cb_err *err) __attribute__ ((warn_unused_result));
/* A signal to the kernel process. */
int cb_launcher_signal (cb_launcher *self, const cb_launch_watch *watch, int signal, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Ends the jail; on_exited follows. Never lost: sent later when the line is full. */
void cb_launcher_kill (cb_launcher *self, cb_launch_watch *watch);
/* Ends the jail without anybody who waits for it. */
void cb_launcher_abandon (cb_launcher *self, cb_launch_watch *watch);
/* The files of a jail that exited are needed no longer. */
void cb_launcher_release (cb_launcher *self, uint64_t jail);

/* Says that the sockets are open. off: bit (1 << cb_layer), what the configuration switches off. */
int cb_launcher_serving (cb_launcher *self, uint32_t off, cb_err *err)
    __attribute__ ((warn_unused_result));
/* Asks the warden to end everything. */
int cb_launcher_shutdown (cb_launcher *self, cb_err *err) __attribute__ ((warn_unused_result));
/* Asks for the configuration files; the answer comes on the other end of socket (borrowed). */
int cb_launcher_reload (cb_launcher *self, int socket, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
