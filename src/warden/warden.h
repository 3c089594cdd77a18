/* warden.h - the process that owns the jails: its loop and what it answers. */
#ifndef CB_WARDEN_WARDEN_H
#define CB_WARDEN_WARDEN_H

#include "warden/broker.h"
#include "warden/cgroup.h"
#include "warden/jail.h"
#include "warden/place.h"

typedef struct cb_warden_config {
    cb_place *place;         /* borrowed */
    cb_cgroups *cgroups;     /* borrowed */
    cb_broker_config broker; /* what it borrows outlives the warden */
    struct rlimit nofile;    /* as the program was started */
    pid_t janitor;           /* our parent */
    int report_fd;           /* taken: cb_report_send */
} cb_warden_config;

/* Serves until it is told to end; the value for _exit. Everything it started is gone then, unless
 * something would not die: the janitor goes on. */
int cb_warden_serve (const cb_warden_config *config);

typedef enum {
    CB_WARDEN_STARTING,
    CB_WARDEN_SERVING,
    CB_WARDEN_BROKER_ENDS,
    CB_WARDEN_JAILS_END
} cb_warden_state;

typedef struct cb_warden {
    cb_place *place;
    cb_cgroups *cgroups;
    cb_reactor reactor;
    cb_broker broker;
    cb_jails jails;
    int report_fd;
    int signals;
    cb_watch signal_watch;
    cb_timer timer; /* by state */
    cb_warden_state state;
    pid_t janitor;
    int exit_code;
    char why[CB_ERR_TEXT_MAX]; /* the broker's own reason not to start */
    cb_launch_head list;       /* LIST that is being answered; serial 0 and jail 0: none */
    cb_timer list_timer;
    uint64_t list_after; /* jails up to this number have been sent */
    int listing;
    pid_t reloader;  /* the child that opens the configuration, 0: none */
    int asked_again; /* the broker, to end */
    int given_up;    /* something would not end in time: the janitor goes on */
} cb_warden;

/* Begins the end: broker, then jails. why is for the log and for whoever waits for the start. */
void cb_warden_end (cb_warden *self, int exit_code, const char *why);

/* -- requests.c ------------------------------------------------------------------------------ */

void cb_warden_on_broker_packet (const cb_launch_in *in, cb_packet *packet, void *context);
void cb_warden_on_filer_packet (const cb_launch_in *in, cb_packet *packet, void *context);
/* Sends more of the answer to LIST. */
void cb_warden_on_list_timer (void *context);

#endif
