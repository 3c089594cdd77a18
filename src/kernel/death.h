/* death.h - why a kernel is dead, in words a person can use. Never a guess. */
#ifndef CB_KERNEL_DEATH_H
#define CB_KERNEL_DEATH_H

#include "base/units.h"
#include "jail/launchmsg.h"
#include "kernel/usage.h"

typedef struct cb_death {
    int before_ready;  /* it never answered */
    int code;          /* CB_E_*: CB_E_GONE for a death, others for a start that failed */
    const char *limit; /* "memory" or "cpu_seconds" when that is the cause, else NULL. Static. */
    char limit_value[CB_UNITS_TEXT];
    char text[CB_ERR_TEXT_MAX];
    cb_usage used; /* by the whole jail, as far as its control group counted */
} cb_death;

/* From what the warden reported. why: what we killed it for, or "" when we did not. */
void cb_death_of_exit (cb_death *self, const cb_launch_exited *exited, const cb_jail_spec *spec,
                       const char *why);

/* A jail that never came into being. */
void cb_death_of_start (cb_death *self, const cb_launch_failed *failed);

#endif
