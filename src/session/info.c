/* info.c - what people see of a session: the answer of list and show, the connection file. */
#include "session/session-int.h"

#include "base/fdio.h"
#include "base/runtime.h"
#include "wire/connfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sockets behind a session's connection file lie beside broker.json: RUNTIME/s-NAME-1. The
 * runtime folder's path is at most CB_RUNTIME_PATH_MAX long, so they fit into an address. */
#define SOCKET_PREFIX "s-"

static void
s_put_size (json_t *limits, const char *name, uint64_t bytes)
{
    (void)json_object_set_new (limits, name,
                               bytes > 0 ? json_integer ((json_int_t)bytes) : json_null ());
}

json_t *
cb_session_limits (const cb_profile *profile)
{
    const cb_jail_spec *jail = &profile->jail;
    json_t *limits = json_object ();

    (void)json_object_set_new (limits, "wall_s",
                               profile->wall > 0
                                   ? json_real ((double)profile->wall / (double)CB_USEC_PER_SEC)
                                   : json_null ());
    s_put_size (limits, "memory_bytes", jail->memory);
    s_put_size (limits, "cpu_percent", jail->cpu_percent);
    s_put_size (limits, "cpu_seconds", jail->cpu_seconds);
    s_put_size (limits, "processes", jail->processes);
    s_put_size (limits, "disk_bytes", jail->disk);
    s_put_size (limits, "files", jail->files);
    s_put_size (limits, "open_files", jail->open_files);
    s_put_size (limits, "output_bytes", profile->output);
    s_put_size (limits, "artifacts_bytes", profile->artifacts);
    (void)json_object_set_new (limits, "loopback", json_boolean (jail->loopback));
    (void)json_object_set_new (limits, "subprocesses", json_boolean (jail->subprocesses));
    return limits;
}

json_t *
cb_session_layers_ (const cb_session *self)
{
    const cb_launch_started *facts = self->kernel != NULL ? cb_kernel_facts (self->kernel) : NULL;
    unsigned layers = facts != NULL ? facts->layers : 0;

    if (facts == NULL)
        return json_null ();
    return json_pack ("{s:s, s:b, s:o, s:b}", "cgroup", facts->cgroup, "seccomp",
                      (layers >> CB_LAYER_SECCOMP & 1U) != 0, "landlock",
                      layers >> CB_LAYER_LANDLOCK & 1U
                          ? json_integer ((json_int_t)facts->landlock_abi)
                          : json_false (),
                      "uid", (layers >> CB_LAYER_UID & 1U) != 0);
}

static json_t *
s_inputs (const cb_jail_spec *jail)
{
    json_t *inputs = json_array ();

    for (uint32_t i = 0; i < jail->n_inputs; i++)
        (void)json_array_append_new (inputs, json_pack ("{s:s, s:s}", "path", jail->inputs[i].path,
                                                        "name", jail->inputs[i].name));
    return inputs;
}

json_t *
cb_session_workdir (const cb_jail_spec *jail)
{
    if (jail->workdir == CB_WORKDIR_NONE)
        return json_null ();
    return json_pack ("{s:o, s:s, s:s}", "path", cb_json_words (jail->workdir_path), "mode",
                      cb_workdir_name (jail->workdir), "folder", CB_CELL_WORKDIR);
}

static void
s_path (const cb_session *self, char *path, size_t room)
{
    (void)snprintf (path, room, "%s/" CB_RUNTIME_SESSIONS "/%s.json", self->services->runtime_dir,
                    self->name);
}

static void
s_put_facts (const cb_session *self, json_t *info)
{
    const cb_launch_started *facts =
        self->kernel != NULL && !self->kernel_gone ? cb_kernel_facts (self->kernel) : NULL;

    (void)json_object_set_new (info, "pid",
                               facts != NULL ? json_integer (facts->kernel_pid) : json_null ());
    (void)json_object_set_new (info, "uid",
                               facts != NULL ? json_integer (facts->uid) : json_null ());
    (void)json_object_set_new (info, "layers",
                               facts != NULL ? cb_session_layers_ (self) : json_null ());
}

/* Those who wait for a cell of it: one that runs on without its client has none. */
static size_t
s_readers (const cb_session *self)
{
    const cb_fanout *running = self->running != NULL ? self->running->fanout : NULL;
    size_t readers = running != NULL ? cb_fanout_readers (running) : 0;

    for (const cb_entry *entry = self->queue; entry != NULL; entry = entry->next)
        readers += entry->fanout != NULL ? cb_fanout_readers (entry->fanout) : 0;
    return readers;
}

json_t *
cb_session_info (const cb_session *self)
{
    char path[PATH_MAX];
    char created[32];
    struct tm utc;
    json_t *info = json_object ();
    size_t attached = self->readers != NULL ? cb_readers_count (self->readers) : 0;
    int resting = self->running == NULL && self->queue == NULL;
    cb_usec idle = resting ? cb_now () - self->last_used : 0;

    s_path (self, path, sizeof path);
    (void)gmtime_r (&self->created, &utc);
    (void)strftime (created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    (void)json_object_set_new (info, "name", json_string (self->name));
    (void)json_object_set_new (info, "state", json_string (cb_session_state_name (self->state)));
    (void)json_object_set_new (info, "profile", json_string (self->profile.name));
    (void)json_object_set_new (info, "created", json_string (created));
    (void)json_object_set_new (info, "idle_s", json_real ((double)idle / (double)CB_USEC_PER_SEC));
    (void)json_object_set_new (info, "executions", json_integer ((json_int_t)self->executions));
    (void)json_object_set_new (info, "queued", json_integer ((json_int_t)self->n_queued));
    (void)json_object_set_new (info, "clients",
                               json_integer ((json_int_t)(s_readers (self) + attached)));
    (void)json_object_set_new (info, "attached", json_integer ((json_int_t)attached));
    (void)json_object_set_new (info, "restarts", json_integer ((json_int_t)self->restarts));
    (void)json_object_set_new (info, "ephemeral", json_boolean (self->ephemeral));
    (void)json_object_set_new (
        info, "active_output",
        json_string (self->profile.active_output == CB_ACTIVE_FULL ? "full" : "sandbox"));
    (void)json_object_set_new (info, "frontend",
                               self->owner.file[0] != '\0' ? cb_json_words (self->owner.file)
                                                           : json_null ());
    s_put_facts (self, info);
    if (self->death.text[0] != '\0')
        (void)json_object_set_new (info, "last_death", cb_json_words (self->death.text));
    (void)json_object_set_new (info, "limits", cb_session_limits (&self->profile));
    (void)json_object_set_new (info, "inputs", s_inputs (&self->profile.jail));
    (void)json_object_set_new (info, "workdir", cb_session_workdir (&self->profile.jail));
    (void)json_object_set_new (info, "connection_file",
                               self->published ? json_string (path) : json_null ());
    return info;
}

int
cb_session_signer_ (cb_session *self, cb_err *err)
{
    if (self->signer == NULL)
        self->signer = cb_signer_new (self->key, "hmac-sha256", err);
    return self->signer != NULL ? 0 : -CB_E_NOMEM;
}

static int
s_open_door (cb_session *self, cb_err *err)
{
    const cb_doors *doors = self->services->doors;

    if (doors == NULL)
        return 0;
    CB_TRY (cb_session_signer_ (self, err));
    self->readers = cb_readers_new (self->signer, self->name, err);
    if (self->readers == NULL)
        return -CB_E_NOMEM;
    if (self->kernel != NULL)
        cb_readers_keep (self->readers, cb_kernel_page (self->kernel)->shared->readers,
                         cb_session_saved_ (self)->published);
    self->door = doors->open (self, self->front, doors->context, err);
    return self->door != NULL ? 0 : -CB_E_IO;
}

/* What a broker before us wrote is the same: nothing is written then, so no disk can be full. */
static int
s_write_connection (const cb_session *self, const char *name, cb_part text, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf before;

    cb_buf_init (&before, CB_CONNFILE_MAX);
    if (cb_read_file (self->services->sessions_fd, name, &before, NULL) == 0 &&
        before.size == text.size && memcmp (before.data, text.data, text.size) == 0)
        return 0;
    return cb_write_file (self->services->sessions_fd, name, text.data, text.size, err);
}

int
cb_session_publish (cb_session *self, cb_err *err)
{
    cb_scoped (cb_connfile) cb_connfile file;
    char name[CB_NAME_MAX + 8];
    size_t size = 0;

    cb_connfile_init (&file);
    /* One that was taken over keeps its names. */
    if (self->front[0] == '\0')
        (void)snprintf (self->front, sizeof self->front, SOCKET_PREFIX "%s", self->name);
    (void)snprintf (file.ip, sizeof file.ip, "%s/%s", self->services->runtime_dir, self->front);
    (void)snprintf (file.key, sizeof file.key, "%s", self->key);
    (void)snprintf (file.kernel_name, sizeof file.kernel_name, "cellblock");
    cb_auto_free char *text = cb_connfile_write (&file, &size, err);
    if (text == NULL)
        return -CB_E_INVALID;
    (void)snprintf (name, sizeof name, "%s.json", self->name);
    CB_TRY (s_open_door (self, err));
    CB_TRY (s_write_connection (self, name, (cb_part){text, size}, err));
    self->published = 1;
    return 0;
}

void
cb_session_withdraw (cb_session *self)
{
    char name[CB_NAME_MAX + 8];

    if (self->door != NULL)
        self->services->doors->close (cb_take (self->door));
    if (!self->published)
        return;
    (void)snprintf (name, sizeof name, "%s.json", self->name);
    (void)unlinkat (self->services->sessions_fd, name, 0);
    self->published = 0;
}
