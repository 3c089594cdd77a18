/* rig.h - for the warden's tests: a private cellblockd whose broker is the test itself. */
#ifndef CB_WARDEN_RIG_H
#define CB_WARDEN_RIG_H

#include "jail/launchmsg.h"
#include "warden/cgroup.h"

#include <sys/types.h>

enum { RIG_BROKER, RIG_FILER, RIG_LINES };

typedef struct rig {
    char folder[64]; /* 0700; below it bin, k (kernelspec), r (runtime), s (state) */
    char runtime[80];
    char state[80];
    char said[CB_ERR_TEXT_MAX + 16]; /* what came on --ready-fd */
    pid_t janitor;
    pid_t warden;
    int lines[RIG_LINES];
    uint64_t serial;
} rig;

/* Makes the folders with copies of the programs; the test becomes a subreaper. */
void rig_open (rig *self);

/* Starts cellblockd with `--set fake.mode=MODE`; 1 when it said ok. Does not connect. */
int rig_start (rig *self, const char *mode);

/* Connects as the broker and as its filer. */
int rig_connect (rig *self);

/* Waits for the end; exit status of the janitor (128 + signal), -1 when it does not end. */
int rig_wait (rig *self);

/* What is left of a daemon that ended: processes + cgroups + files + mounts; said as TAP notes. */
size_t rig_leaks (rig *self);

/* Ends what runs and removes the folders. */
void rig_close (rig *self);

/* Replaces a program (cellblock-jail) by a shell script. */
void rig_script (rig *self, const char *program, const char *script);

/* Whether the log has the text. */
int rig_logged (const rig *self, const char *text);

/* A small jail's spec. */
void rig_spec (cb_jail_spec *ret_spec, const char *name);

/* Sends START for the spec with Python code to run inside; its serial. */
uint64_t rig_send_start (rig *self, uint64_t jail, const cb_jail_spec *spec, const char *code);

/* Sends a request; its serial. */
typedef struct rig_request {
    int line;
    uint32_t type;
    uint64_t jail;
    const void *body;
    size_t size;
} rig_request;
uint64_t rig_send (rig *self, rig_request request);
uint64_t rig_send_open (rig *self, int line, uint64_t jail, uint32_t mode, const char *path);

/* Waits for a packet of that type (and jail, unless 0) on the line; others are dropped, but a
 * FAILED with the serial of `serial` ends the wait. The type that came, 0: none within 120 s. The
 * packet is *ret_in until the next call; its descriptors are closed then. */
uint32_t rig_expect (rig *self, int line, uint32_t type, uint64_t serial, cb_launch_in *ret_in);

/* The next EXITED on the broker's line, said in a comment too; NULL: it does not come. Holds until
 * the next call. */
const cb_launch_exited *rig_exited (rig *self);

#endif
