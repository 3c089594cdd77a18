/* registry.c - all sessions by name.
 *
 * Owns them. A table of buckets finds a name without looking at the others, so a message costs the
 * same with one session or a thousand; a list keeps the order for people. A session that is over
 * asked from within itself, so it is destroyed in the next turn of the loop. */
#include "session/registry.h"

#include "base/log.h"
#include "session/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

typedef struct node node;
struct node {
    cb_session *session; /* owned */
    int over;
    node *in_bucket;
    node *next;
    node *before;
};

struct cb_registry {
    const cb_services *services;
    cb_on_sessions_changed *on_changed;
    void *context;
    size_t bound; /* sessions the descriptors allow, those that stop included */
    size_t most;  /* that may be in use */
    size_t count;
    cb_source *sweep;
    node *buckets[BUCKETS];
    node *first;
    node *last;
};

static size_t
s_bucket (const char *name)
{
    uint32_t hash = 2166136261U; /* FNV-1a: names are the user's own */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash % BUCKETS;
}

static node *
s_find (const cb_registry *self, const char *name)
{
    node *at = self->buckets[s_bucket (name)];

    /* One that is over has given its name away already. */
    while (at != NULL && (at->over || strcmp (cb_session_name (at->session), name) != 0))
        at = at->in_bucket;
    return at;
}

static void
s_remove (cb_registry *self, node *gone)
{
    node **at = &self->buckets[s_bucket (cb_session_name (gone->session))];

    while (*at != gone)
        at = &(*at)->in_bucket;
    *at = gone->in_bucket;
    *(gone->before != NULL ? &gone->before->next : &self->first) = gone->next;
    *(gone->next != NULL ? &gone->next->before : &self->last) = gone->before;
    self->count--;
    cb_session_destroy (&gone->session);
    free (gone);
}

static void
s_on_sweep (cb_source *source, void *context)
{
    cb_registry *self = context;

    (void)source;
    for (node *at = self->first, *next; at != NULL; at = next) {
        next = at->next;
        if (at->over)
            s_remove (self, at);
    }
    self->on_changed (self->context);
}

static void
s_on_over (cb_session *session, void *context)
{
    cb_registry *self = context;
    node *at = self->buckets[s_bucket (cb_session_name (session))];

    while (at != NULL && at->session != session)
        at = at->in_bucket;
    if (at == NULL)
        return; /* not added yet: its start failed at once */
    at->over = 1;
    cb_source_on (self->sweep, 1);
}

cb_registry *
cb_registry_new (const cb_services *services, size_t most, cb_on_sessions_changed *on_changed,
                 void *context, cb_err *err)
{
    cb_owned (cb_registry) cb_registry *self = calloc (1, sizeof *self);

    if (self == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    self->services = services;
    self->bound = most;
    self->most = most;
    self->on_changed = on_changed;
    self->context = context;
    if (cb_loop_defer (services->loop, s_on_sweep, self, &self->sweep, err) < 0)
        return NULL;
    return cb_take (self);
}

void
cb_registry_end (cb_registry *self)
{
    while (self->first != NULL)
        s_remove (self, self->first);
}

void
cb_registry_destroy (cb_registry **self_at)
{
    cb_registry *self = *self_at;

    if (self == NULL)
        return;
    cb_registry_end (self);
    cb_source_destroy (&self->sweep);
    free (self);
    *self_at = NULL;
}

cb_session *
cb_registry_find (const cb_registry *self, const char *name)
{
    node *found = s_find (self, name);

    return found != NULL ? found->session : NULL;
}

int
cb_registry_get (const cb_registry *self, const char *name, cb_session **ret_session, cb_err *err)
{
    cb_session *session = cb_registry_find (self, name);

    if (session == NULL)
        return cb_fail (err, CB_E_NOTFOUND, "there is no session '%s'; cellblock ls shows them",
                        name);
    *ret_session = session;
    return 0;
}

cb_session *
cb_registry_of_file (const cb_registry *self, const char *file, const char *key)
{
    node *at = self->first;

    while (at != NULL && (at->over || !cb_session_is_of (at->session, file, key)))
        at = at->next;
    return at != NULL ? at->session : NULL;
}

/* Publishes it and takes it into the table; takes session also on failure. */
static int
s_enter (cb_registry *self, cb_session *session, cb_err *err)
{
    cb_auto_free node *made = calloc (1, sizeof *made);

    if (made == NULL ||
        (!cb_session_is_ephemeral (session) && cb_session_publish (session, err) < 0)) {
        cb_session_destroy (&session);
        if (made == NULL)
            return cb_fail_nomem (err);
        return err != NULL && err->code != 0 ? -err->code : -CB_E_IO;
    }
    made->session = session;
    size_t bucket = s_bucket (cb_session_name (session));
    made->in_bucket = self->buckets[bucket];
    self->buckets[bucket] = made;
    made->before = self->last;
    *(self->last != NULL ? &self->last->next : &self->first) = made;
    self->last = made;
    self->count++;
    made = NULL;
    return 0;
}

static int
s_insert (cb_registry *self, const cb_session_options *options, cb_session **ret_session,
          cb_err *err)
{
    cb_session *session = cb_session_new (self->services, options, s_on_over, self, err);

    if (session == NULL)
        return err != NULL && err->code != 0 ? -err->code : -CB_E_IO;
    CB_TRY (s_enter (self, session, err));
    *ret_session = session;
    return 0;
}

/* Those on their way out do not count: somebody who runs one cell after the other has the answer
 * before the jail of the last is gone. */
static size_t
s_in_use (const cb_registry *self)
{
    size_t count = 0;

    for (const node *at = self->first; at != NULL; at = at->next)
        count += !at->over && cb_session_state_of (at->session) != CB_SESSION_STOPPING;
    return count;
}

int
cb_registry_add (cb_registry *self, const cb_session_options *options, cb_session **ret_session,
                 cb_err *err)
{
    cb_session_options named = *options;
    char name[CB_NAME_MAX];

    if (self->count >= self->bound || s_in_use (self) >= self->most)
        return cb_fail (err, CB_E_LIMIT,
                        "%zu sessions are open, more are not allowed here ([broker] sessions); "
                        "stop one first: cellblock ls",
                        self->most < self->bound ? self->most : self->bound);
    if (named.name != NULL) {
        CB_TRY (cb_name_check ("session", named.name, err));
        if (s_find (self, named.name) != NULL)
            return cb_fail (err, CB_E_EXISTS, "there is a session '%s' already", named.name);
        return s_insert (self, &named, ret_session, err);
    }
    for (unsigned attempt = 0;; attempt++) {
        cb_session_name_make (name, attempt);
        if (s_find (self, name) == NULL)
            break;
    }
    named.name = name;
    return s_insert (self, &named, ret_session, err);
}

/* ---- what was left behind ---- */

static int
s_adopt (cb_registry *self, cb_launch_left *left, cb_err *err)
{
    cb_session *session;

    if (left->page == NULL) {
        *err = left->why;
        return -CB_E_PROTO;
    }
    cb_page_adopted (left->page, cb_now ());
    session = cb_session_adopt (self->services, left, s_on_over, self, err);
    if (session == NULL)
        return -CB_E_PROTO;
    if (s_find (self, cb_session_name (session)) != NULL) {
        cb_session_destroy (&session);
        return cb_fail (err, CB_E_EXISTS, "there is a session of its name");
    }
    return s_enter (self, session, err);
}

/* Brokers died after they took jails over: the one that was taken last is not taken again. */
static cb_launch_left *
s_deadly (cb_launch_left *left, size_t n_left)
{
    cb_launch_left *worst = NULL;
    cb_usec now = cb_now ();

    for (size_t i = 0; i < n_left; i++)
        if (left[i].page != NULL && cb_page_is_deadly (left[i].page, now) &&
            (worst == NULL ||
             cb_page_adopted_at (left[i].page) >= cb_page_adopted_at (worst->page)))
            worst = &left[i];
    return worst;
}

void
cb_registry_adopt (cb_registry *self, cb_launch_left *left, size_t n_left)
{
    cb_launch_left *worst = s_deadly (left, n_left);

    for (size_t i = 0; i < n_left; i++) {
        cb_err err = CB_ERR_INIT;
        char name[CB_NAME_MAX] = "";
        int result = -CB_E_PROTO;
        if (left[i].page != NULL)
            cb_session_name_in (left[i].page, name);
        if (&left[i] == worst)
            (void)cb_fail (&err, CB_E_PROTO, "%d brokers died within %d s after they took it over",
                           CB_PAGE_ADOPTIONS, (int)(CB_PAGE_WITHIN / CB_USEC_PER_SEC));
        else
            result = s_adopt (self, &left[i], &err);
        if (result < 0) {
            cb_log_error ("killing a jail of the broker before", CB_STR ("session", name),
                          CB_INT ("jail", left[i].jail), CB_STR ("why", err.text));
            cb_launcher_kill_left (self->services->launcher, left[i].jail);
        }
        cb_launch_left_done (&left[i]);
    }
}

const cb_services *
cb_registry_services (const cb_registry *self)
{
    return self->services;
}

size_t
cb_registry_count (const cb_registry *self)
{
    return self->count;
}

size_t
cb_registry_most (const cb_registry *self)
{
    return self->most;
}

void
cb_registry_set_most (cb_registry *self, size_t most)
{
    self->most = most;
}

void
cb_registry_each (cb_registry *self, cb_on_each_session *on_each, void *context)
{
    for (node *at = self->first, *next; at != NULL; at = next) {
        next = at->next;
        if (!at->over)
            on_each (at->session, context);
    }
}

typedef struct reply_search {
    const cb_zpeer *peer;
    const cb_jmsg *reply;
    int outcome;
    cb_err *err;
} reply_search;

static void
s_offer_input (cb_session *session, void *context)
{
    reply_search *self = context;

    if (self->outcome == CB_INPUT_STALE)
        self->outcome = cb_session_input_from (session, self->peer, self->reply, self->err);
}

int
cb_registry_input (cb_registry *self, const cb_zpeer *peer, const cb_jmsg *reply, cb_err *err)
{
    reply_search search = {peer, reply, CB_INPUT_STALE, err};

    cb_registry_each (self, s_offer_input, &search);
    return search.outcome;
}

static void
s_client_gone (cb_session *session, void *context)
{
    cb_session_client_gone (session, context);
}

void
cb_registry_client_gone (cb_registry *self, const cb_zpeer *peer)
{
    cb_registry_each (self, s_client_gone, (void *)(uintptr_t)peer);
}
