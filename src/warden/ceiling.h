/* ceiling.h - what no broker can ask for, whatever its configuration says: compiled in. */
#ifndef CB_WARDEN_CEILING_H
#define CB_WARDEN_CEILING_H

#include "base/err.h"
#include "jail/spec.h"

typedef struct cb_ceiling {
    uint64_t memory; /* bytes a jail: half of this machine's, at least CB_CEILING_MEMORY_MIN */
    const char *runtime_dir; /* borrowed, without symlinks: no input is in it or above it */
    const char *state_dir;   /* borrowed, without symlinks: no input is in it */
    uint32_t off;            /* bit (1 << cb_layer): what a profile may switch off */
} cb_ceiling;

/* What no configuration switches off: the kernel uid of a jail, which root never shares. */
#define CB_CEILING_NEVER_OFF (1U << CB_LAYER_UID)

/* Half of a small machine would refuse the default profile. */
#define CB_CEILING_MEMORY_MIN ((uint64_t)512 << 20)

/* The ceiling for memory on this machine. */
uint64_t cb_ceiling_memory (void);

/* 0, or -CB_E_DENIED with a sentence that names the limit and its bounds. */
int cb_ceiling_check (const cb_ceiling *self, const cb_jail_spec *spec, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
