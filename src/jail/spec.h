/* spec.h - what one jail is: the only thing the broker can ask the warden to make.
 *
 * Travels broker -> warden (in CB_LAUNCH_START) and warden -> cellblock-jail and cellblock-init (in
 * a memory file), always in the encoding of spec.c. Every number is checked when it is decoded. */
#ifndef CB_JAIL_SPEC_H
#define CB_JAIL_SPEC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"

#include <limits.h>
#include <stdint.h>

#define CB_SPEC_INPUTS_MAX        16
#define CB_SPEC_START_SECONDS_MAX 3600
/* Arguments for the kernel, and bytes of all, each with its end: a frontend gives one or two. */
#define CB_SPEC_ARGUMENTS_MAX      32
#define CB_SPEC_ARGUMENT_BYTES_MAX 4096
/* Bytes of an encoded spec: 16 inputs and a folder of PATH_MAX, the arguments and some. Fits one
 * SEQPACKET packet. */
#define CB_SPEC_BYTES_MAX 81920

typedef enum { CB_LAYER_OFF, CB_LAYER_AUTO, CB_LAYER_ON } cb_layer_mode;

typedef enum {
    CB_LAYER_CGROUP,   /* memory, processes, cpu by cgroup v2 or v1 */
    CB_LAYER_SECCOMP,  /* the allow-list */
    CB_LAYER_LANDLOCK, /* file rights inside, where the kernel has it */
    CB_LAYER_UID,      /* a kernel uid of the jail's own (root only) */
    CB_LAYER__COUNT
} cb_layer; /* user, pid, mount, net, ipc, uts and cgroup namespaces are no layer: always on */

/* The folder that a person works in, as far as the jail has it: at CB_CELL_WORKDIR. */
typedef enum { CB_WORKDIR_NONE, CB_WORKDIR_RO, CB_WORKDIR_RW, CB_WORKDIR__COUNT } cb_workdir;

typedef struct cb_jail_input {
    char path[PATH_MAX];         /* absolute, without symlinks, on the host */
    char name[CB_FILE_NAME_MAX]; /* appears as /input/NAME, read-only */
} cb_jail_input;

typedef struct cb_jail_spec {
    char name[CB_NAME_MAX];          /* the session's, for logs and the cgroup's name */
    char profile[CB_NAME_MAX];       /* for messages inside ("profile default has no network") */
    uint64_t memory;                 /* bytes, 0: no limit; swap is always 0 */
    uint64_t disk;                   /* bytes of /work, /tmp, /output, /dev/shm together */
    uint64_t files;                  /* inodes of the same */
    uint64_t cpu_seconds;            /* RLIMIT_CPU a process, 0: no limit */
    uint32_t cpu_percent;            /* of one CPU; 100 = one CPU, 0: no limit */
    uint32_t processes;              /* processes and threads */
    uint32_t open_files;             /* a process */
    uint32_t start_seconds;          /* from the order to the kernel's first answer */
    uint8_t loopback;                /* 1: AF_INET allowed inside the jail's own empty network */
    uint8_t subprocesses;            /* 0: threads only, neither fork nor exec (needs seccomp) */
    uint8_t layers[CB_LAYER__COUNT]; /* cb_layer_mode */
    uint8_t workdir;                 /* cb_workdir */
    char workdir_path[PATH_MAX];     /* absolute, without symlinks, on the host; "" without one */
    uint32_t n_arguments;            /* further ones on ipykernel's command line */
    uint32_t arguments_size;
    char arguments[CB_SPEC_ARGUMENT_BYTES_MAX]; /* one behind the other, each with its end */
    uint32_t n_inputs;
    cb_jail_input inputs[CB_SPEC_INPUTS_MAX];
} cb_jail_spec;

/* One argument more. -CB_E_LIMIT with the bound. */
int cb_spec_add_argument (cb_jail_spec *spec, const char *text, cb_err *err)
    __attribute__ ((warn_unused_result));
/* The argument behind this one (NULL: the first), NULL behind the last. Borrowed. */
const char *cb_spec_next_argument (const cb_jail_spec *spec, const char *argument);

int cb_spec_encode (const cb_jail_spec *spec, cb_buf *into, cb_err *err);
/* Checks lengths, names and ranges; anything left over or missing is -CB_E_PROTO. */
int cb_spec_decode (const char *bytes, size_t size, cb_jail_spec *ret_spec, cb_err *err);

/* "cgroup", "seccomp" ...: for logs, doctor, records. */
const char *cb_layer_name (cb_layer layer);
/* "none", "ro", "rw". */
const char *cb_workdir_name (unsigned workdir);

#endif
