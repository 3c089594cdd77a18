/* jails.c - the jails there are: started, found, and the files of those that ended. */
#include "warden/jail.h"

#include "base/cleanup.h"
#include "warden/bury.h"
#include "warden/jail-spawn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- starting one ---------------------------------------------------------------------------- */

static cb_jail *
s_new (cb_jails *owner, const cb_launch_head *start, const cb_jail_spec *spec)
{
    cb_jail *self = calloc (1, sizeof *self);

    if (self == NULL)
        return NULL;
    self->owner = owner;
    self->id = start->jail;
    self->start = *start;
    self->status = self->tail.fd = -1;
    self->start_wait = spec->start_seconds * CB_USEC_PER_SEC * CB_JAIL_START_PERCENT / 100;
    self->cpu_percent = spec->cpu_percent;
    self->processes = spec->processes;
    self->memory = spec->memory;
    cb_watchdog_init (&self->watchdog);
    self->uid = geteuid ();
    self->uid_is_good = 1;
    memcpy (self->name, spec->name, sizeof self->name);
    memcpy (self->layer_modes, spec->layers, sizeof self->layer_modes);
    cb_fdstore_init (&self->fds);
    cb_buf_init (&self->spec, CB_SPEC_BYTES_MAX);
    self->next = owner->first;
    owner->first = self;
    owner->n++;
    return self;
}

static int
s_equip (cb_jail *self, const cb_jail_spec *spec, const cb_launch_in *in, cb_packet *packet,
         cb_err *err)
{
    cb_jails *owner = self->owner;
    int verified = 1;

    if (cb_buf_put (&self->spec, in->body, in->body_size) < 0)
        return cb_fail_nomem (err);
    CB_TRY (cb_fdstore_take (&self->fds, packet, err));
    if (owner->uids.n_slots > 0) {
        CB_TRY (cb_uids_take (&owner->uids, &self->uid, &verified, err));
        self->has_uid = 1;
    }
    if (spec->layers[CB_LAYER_CGROUP] != CB_LAYER_OFF)
        CB_TRY (cb_cgroup_make (&self->cgroup, owner->cgroups, self->id, spec, err));
    int result = cb_jail_spawn (self, spec, verified, err);
    if (result < 0)
        (void)cb_cgroup_remove (&self->cgroup, NULL);
    return result;
}

int
cb_jails_start (cb_jails *self, const cb_launch_in *in, cb_packet *packet, cb_err *err)
{
    static cb_jail_spec spec; /* large; one START at a time */

    CB_TRY (cb_spec_decode (in->body, in->body_size, &spec, err));
    if (in->head.jail == 0 || cb_jails_find (self, in->head.jail) != NULL)
        return cb_fail (err, CB_E_EXISTS, "jail %llu is there already",
                        (unsigned long long)in->head.jail);
    CB_TRY (cb_ceiling_check (&self->ceiling, &spec, err));
    if (self->n >= self->max)
        return cb_fail (err, CB_E_LIMIT,
                        "%zu jails run: more do not fit into the limit on open files "
                        "(ulimit -n; a jail takes %d)",
                        self->n, CB_JAIL_FDS);
    cb_jail *jail = s_new (self, &in->head, &spec);
    if (jail == NULL)
        return cb_fail_nomem (err);
    int result = s_equip (jail, &spec, in, packet, err);
    if (result < 0) {
        cb_jail_free (jail);
        return result;
    }
    cb_jail_watch (jail);
    return 0;
}

void
cb_jail_free (cb_jail *self)
{
    cb_jails *owner = self->owner;

    for (cb_jail **at = &owner->first; *at != NULL; at = &(*at)->next)
        if (*at == self) {
            *at = self->next;
            owner->n--;
            break;
        }
    cb_watchdog_stop (&self->watchdog);
    cb_reactor_cancel (owner->reactor, &self->timer);
    cb_reactor_remove (owner->reactor, &self->status_watch);
    cb_close (&self->status);
    cb_tail_close (&self->tail);
    cb_fdstore_done (&self->fds);
    cb_buf_done (&self->spec);
    if (self->has_uid)
        cb_uids_release (&owner->uids, self->uid, self->uid_is_good);
    free (self);
}

/* -- files of jails that ended --------------------------------------------------------------- */

static void
s_drop_remains (cb_jails *self, cb_remains **at)
{
    cb_remains *gone = *at;

    *at = gone->next;
    cb_bury (&gone->quota);
    (void)self;
    free (gone);
}

static void
s_on_forget (void *context)
{
    cb_jails *self = context;

    while (self->remains != NULL && self->remains->until <= cb_now ())
        s_drop_remains (self, &self->remains);
    if (self->remains != NULL)
        cb_reactor_set (self->reactor, &self->forget, self->remains->until);
}

void
cb_jails_keep_remains (cb_jail *self)
{
    cb_jails *owner = self->owner;
    size_t n = 0;
    cb_remains **at = &owner->remains;
    cb_remains *kept = self->fds.quota >= 0 ? calloc (1, sizeof *kept) : NULL;

    if (kept == NULL)
        return;
    for (; *at != NULL; at = &(*at)->next)
        n++;
    *kept = (cb_remains){.id = self->id,
                         .quota = cb_take_fd (&self->fds.quota),
                         .uid = self->uid,
                         .has_uid = self->has_uid,
                         .until = cb_now () + CB_LAUNCH_REMAINS_S * CB_USEC_PER_SEC};
    *at = kept;
    if (n >= CB_JAIL_REMAINS)
        s_drop_remains (owner, &owner->remains);
    cb_reactor_set (owner->reactor, &owner->forget, owner->remains->until);
}

/* -- all of them ----------------------------------------------------------------------------- */

void
cb_jails_init (cb_jails *self, uint64_t descriptors)
{
    uint64_t left = descriptors > CB_JAIL_FDS_OWN ? descriptors - CB_JAIL_FDS_OWN : 0;

    self->max = (size_t)(left / CB_JAIL_FDS);
    self->forget = (cb_timer){.on_time = s_on_forget, .context = self};
    self->masks = cb_bwrap_masks ();
}

cb_jail *
cb_jails_find (cb_jails *self, uint64_t id)
{
    for (cb_jail *jail = self->first; jail != NULL; jail = jail->next)
        if (jail->id == id)
            return jail;
    return NULL;
}

int
cb_jails_find_quota (cb_jails *self, uint64_t id, cb_open_in *ret_in, cb_err *err)
{
    const cb_jail *jail = cb_jails_find (self, id);

    if (jail != NULL && jail->fds.quota >= 0) {
        *ret_in = (cb_open_in){.quota = jail->fds.quota, .give = jail->has_uid, .uid = jail->uid};
        return 0;
    }
    for (const cb_remains *at = self->remains; at != NULL; at = at->next)
        if (at->id == id) {
            *ret_in = (cb_open_in){.quota = at->quota, .give = at->has_uid, .uid = at->uid};
            return 0;
        }
    return cb_fail (err, CB_E_NOTFOUND, "there is no jail %llu with files", (unsigned long long)id);
}

void
cb_jails_forget (cb_jails *self, uint64_t id)
{
    for (cb_remains **at = &self->remains; *at != NULL; at = &(*at)->next)
        if ((*at)->id == id) {
            s_drop_remains (self, at);
            return;
        }
}

void
cb_jails_kill_all (cb_jails *self)
{
    for (cb_jail *jail = self->first; jail != NULL; jail = jail->next)
        cb_jail_kill (jail);
}

int
cb_jails_on_child (cb_jails *self, pid_t pid, int status)
{
    cb_jail *jail = self->first;

    while (jail != NULL && (jail->pid != pid || jail->reaped))
        jail = jail->next;
    if (jail == NULL)
        return 0;
    cb_jail_on_end (jail, status);
    return 1;
}

int
cb_jails_has_child (const cb_jails *self, pid_t pid)
{
    for (const cb_jail *jail = self->first; jail != NULL; jail = jail->next)
        if (jail->pid == pid && !jail->reaped)
            return 1;
    return 0;
}
