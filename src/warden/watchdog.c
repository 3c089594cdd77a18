/* watchdog.c - the memory limit without a cgroup that holds it, and with one of v1.
 *
 * Without a memory cgroup the jail's processes are summed up in turns. The cheap sum counts shared
 * pages several times; only when that is over the limit the exact one is made. The wait until the
 * next look is the time in which the fastest program could use up what is left, so a jail that is
 * far from its limit costs next to nothing; a look that was dear is not repeated soon.
 *
 * A cgroup of v1 kills one process when its limit is hit and leaves the others without it, where
 * v2 ends the whole group. The kernel announces such an event; its counter says a moment later
 * whether somebody was killed. Only then the jail ends. */
#include "warden/watchdog.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

/* Bytes that programs can touch for the first time in a microsecond: some cores at 2 GiB a second
 * each. */
#define BYTES_A_USEC 4096U
#define PERIOD_MIN   (10 * CB_USEC_PER_MSEC)
#define PERIOD_MAX   (200 * CB_USEC_PER_MSEC)
/* Of one processor, what looking may cost: a twentieth. */
#define COST_SHARE 20U

/* What a socket's buffer may hold is memory of no process, and Linux tells nobody how much it is.
 * More sockets than honest programs have without a network are counted as full. */
#define SOCKETS_FREE  64
#define SOCKET_BYTES  "/proc/sys/net/core/wmem_default"
#define SOCKET_NORMAL 212992

#define OOM_AGAIN    (2 * CB_USEC_PER_MSEC)
#define OOM_PATIENCE CB_USEC_PER_SEC

void
cb_watchdog_init (cb_watchdog *self)
{
    memset (self, 0, sizeof *self);
    self->in.proc = self->in.quota = self->oom = -1;
}

uint64_t
cb_watchdog_sum (uint64_t own, uint64_t shared, uint64_t files)
{
    return own + (shared > files ? shared : files);
}

cb_usec
cb_watchdog_period (uint64_t used, uint64_t limit, cb_usec cost)
{
    cb_usec wait = used < limit ? (limit - used) / BYTES_A_USEC : 0;

    if (wait > PERIOD_MAX)
        wait = PERIOD_MAX;
    if (wait < PERIOD_MIN)
        wait = PERIOD_MIN;
    return wait > cost * COST_SHARE ? wait : cost * COST_SHARE;
}

static void
s_over (cb_watchdog *self)
{
    self->over = 1;
    cb_watchdog_stop (self);
    self->in.on_over (self->in.context);
}

/* -- looking --------------------------------------------------------------------------------- */

static uint64_t
s_files (int quota)
{
    struct statfs status;

    if (fstatfs (quota, &status) < 0)
        return 0;
    return (uint64_t)(status.f_blocks - status.f_bfree) * (uint64_t)status.f_bsize;
}

static uint64_t
s_socket_bytes (void)
{
    char text[32] = "";
    cb_auto_close int fd = open (SOCKET_BYTES, O_RDONLY | O_CLOEXEC);
    uint64_t bytes =
        fd >= 0 && read (fd, text, sizeof text - 1) > 0 ? strtoull (text, NULL, 10) : 0;

    return bytes > 0 ? bytes : SOCKET_NORMAL;
}

static uint64_t
s_sockets (const cb_watchdog *self)
{
    uint32_t n = cb_scan_sockets (self->in.proc);

    return n > SOCKETS_FREE ? (n - SOCKETS_FREE) * self->socket_bytes : 0;
}

/* What the jail uses; exact when that matters. -1: nothing to be seen. */
static int
s_measure (cb_watchdog *self, cb_scan *ret_scan, uint64_t *ret_used)
{
    uint64_t files = s_files (self->in.quota);
    cb_scan_exact exact;

    if (cb_scan_read (self->in.proc, ret_scan) < 0)
        return -1;
    uint64_t beside = ret_scan->tables + s_sockets (self);
    *ret_used = ret_scan->resident + ret_scan->swapped + files + beside;
    /* Not the exact sum where it decides nothing: with such page tables it takes seconds. */
    if (self->in.memory == 0 || *ret_used <= self->in.memory || beside > self->in.memory)
        return 0;
    if (cb_scan_read_exact (self->in.proc, &exact) < 0)
        return -1;
    *ret_used = cb_watchdog_sum (exact.own, exact.shared, files) + beside;
    return 0;
}

static void
s_look (cb_watchdog *self)
{
    cb_usec begun = cb_now ();
    cb_scan scan;
    uint64_t used = 0;

    if (s_measure (self, &scan, &used) < 0) {
        /* Most likely its end, which is told elsewhere. */
        cb_reactor_set (self->in.reactor, &self->timer, begun + PERIOD_MAX);
        return;
    }
    self->memory = used;
    if (used > self->peak_memory)
        self->peak_memory = used;
    self->process_hits += scan.tasks >= self->in.processes;
    if (self->in.memory > 0 && used > self->in.memory) {
        s_over (self);
        return;
    }
    cb_usec now = cb_now ();
    uint64_t limit = self->in.memory > 0 ? self->in.memory : UINT64_MAX;
    cb_reactor_set (self->in.reactor, &self->timer,
                    now + cb_watchdog_period (used, limit, now - begun));
}

/* -- waiting for the cgroup ------------------------------------------------------------------ */

static void
s_on_oom (void *context, short events)
{
    cb_watchdog *self = context;
    uint64_t times = 0;

    (void)events;
    if (read (self->oom, &times, sizeof times) < 0)
        return;
    self->patience = cb_now () + OOM_PATIENCE;
    cb_reactor_set (self->in.reactor, &self->timer, cb_now ());
}

static void
s_ask_cgroup (cb_watchdog *self)
{
    cb_cgroup_usage usage;

    cb_cgroup_usage_read (self->in.cgroup, &usage);
    if (usage.oom_kills > 0)
        s_over (self);
    else if (cb_now () < self->patience)
        cb_reactor_set (self->in.reactor, &self->timer, cb_now () + OOM_AGAIN);
}

static void
s_on_timer (void *context)
{
    cb_watchdog *self = context;

    if (self->oom >= 0)
        s_ask_cgroup (self);
    else
        s_look (self);
}

void
cb_watchdog_start (cb_watchdog *self, const cb_watchdog_in *in)
{
    self->in = *in;
    self->timer = (cb_timer){.on_time = s_on_timer, .context = self};
    if (cb_cgroup_holds_memory (in->cgroup)) {
        if (in->memory == 0 || (self->oom = cb_cgroup_oom_events (in->cgroup)) < 0)
            return;
        self->oom_watch =
            (cb_watch){.fd = self->oom, .events = POLLIN, .on_ready = s_on_oom, .context = self};
        cb_reactor_add (in->reactor, &self->oom_watch);
    } else if (in->proc >= 0) {
        self->socket_bytes = s_socket_bytes ();
        cb_reactor_set (in->reactor, &self->timer, cb_now () + PERIOD_MIN);
    }
}

int
cb_watchdog_is_scanning (const cb_watchdog *self)
{
    return self->oom < 0 && self->timer.back != NULL;
}

void
cb_watchdog_stop (cb_watchdog *self)
{
    if (self->in.reactor == NULL)
        return;
    cb_reactor_cancel (self->in.reactor, &self->timer);
    cb_reactor_remove (self->in.reactor, &self->oom_watch);
    cb_close (&self->oom);
}
