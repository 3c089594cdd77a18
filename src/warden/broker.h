/* broker.h - the broker process: started, watched, started again. */
#ifndef CB_WARDEN_BROKER_H
#define CB_WARDEN_BROKER_H

#include "warden/line.h"
#include "warden/place.h"
#include "warden/reactor.h"
#include "warden/sendconfigs.h"

#include <sys/types.h>

/* So many restarts within the time; one more is a broker that cannot live. A jail that brokers die
 * of is not taken over a fourth time (CB_PAGE_ADOPTIONS), so this is enough for two of them. */
#define CB_BROKER_RESTARTS        8
#define CB_BROKER_RESTARTS_WITHIN (10 * CB_USEC_PER_SEC)

typedef struct cb_broker_config {
    const cb_place *place; /* borrowed */
    cb_configs *configs;   /* borrowed; the broker's child opens them anew */
    char *const *sets;     /* borrowed: texts of --set */
    size_t n_sets;
} cb_broker_config;

typedef struct cb_broker {
    cb_broker_config config;
    cb_line line;                            /* requests */
    cb_line filer;                           /* the filer's line: CB_LAUNCH_OPEN only */
    pid_t pid;                               /* 0: none */
    cb_usec started[CB_BROKER_RESTARTS + 1]; /* the last starts, oldest first */
} cb_broker;

/* Starts it: 0, -CB_E_LIMIT when it was started too often, or why it cannot be. */
int cb_broker_start (cb_broker *self, cb_err *err) __attribute__ ((warn_unused_result));

/* Signals the process, when there is one. */
void cb_broker_signal (const cb_broker *self, int number);

/* Its process has ended and is not reaped yet: ends what it left behind, closes the lines. */
void cb_broker_ended (cb_broker *self);

#endif
