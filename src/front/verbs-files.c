/* verbs-files.c - the verbs put, get and files: the jail's folders, step by step.
 *
 * The work is the file helper's; here a path is brought into its form ("work/data.csv") and an ask
 * waits for the result, before that for the kernel while it starts. */
#include "front/control-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one get without a size. */
#define GET_SIZE CB_FILER_BLOCK_MAX

static int
s_starts (const char *path, const char *folder)
{
    size_t size = strlen (folder);

    return strncmp (path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* "/work/x", "work/x" and "x" are the same file. */
static int
s_path (const char *path, char *form, size_t room, cb_err *err)
{
    int absolute = path[0] == '/';

    while (*path == '/')
        path++;
    int known = s_starts (path, "work") || s_starts (path, "output") || s_starts (path, "tmp");
    if (absolute && !known)
        return cb_fail (err, CB_E_INVALID,
                        "files of a session lie below /work, /output and /tmp, not in '/%.200s'",
                        path);
    int size = snprintf (form, room, "%s%s", known ? "" : "work/", path);
    if (size < 0 || (size_t)size >= room)
        return cb_fail (err, CB_E_LIMIT, "the path is too long");
    return 0;
}

static int
s_submit_now (cb_session *session, cb_ask *ask, cb_job *job, cb_on_job *on_job, cb_err *err)
{
    const cb_services *services = cb_registry_services (ask->client->control->registry);

    job->jail = cb_session_jail (session);
    if (job->jail == 0)
        return cb_fail (err, CB_E_BUSY, "session '%s' is %s and has no files now",
                        cb_session_name (session),
                        cb_session_state_name (cb_session_state_of (session)));
    cb_session_touch (session);
    ask->number = job->offset + (job->kind == CB_JOB_PUT ? job->size : 0);
    return cb_files_submit (services->files, job, on_job, ask, err);
}

/* ---- until the kernel is ready ---- */

/* A job that waits for it, with its bytes. */
typedef struct file_wait {
    cb_ask *ask;
    cb_on_job *on_job;
    cb_quota *quota; /* borrowed */
    size_t charged;
    cb_job job;
    char bytes[];
} file_wait;

static void
s_on_ready (const cb_err *ready, void *context)
{
    cb_auto_free file_wait *wait = context;
    cb_err err = *ready;
    cb_ask *ask = wait->ask;

    cb_quota_release (wait->quota, wait->charged);
    if (ask->client == NULL) {
        cb_ask_destroy (&ask);
        return;
    }
    cb_session *session = cb_registry_find (ask->client->control->registry, ask->session);
    if (err.code == 0 && session == NULL)
        (void)cb_fail (&err, CB_E_GONE, "session '%s' is gone", ask->session);
    if (err.code != 0 || s_submit_now (session, ask, &wait->job, wait->on_job, &err) < 0)
        cb_ask_fail (&ask, &err);
}

static int
s_submit_when_ready (cb_session *session, cb_ask *ask, const cb_job *job, cb_on_job *on_job,
                     cb_err *err)
{
    cb_quota *quota = cb_registry_services (ask->client->control->registry)->cells;
    size_t n_bytes = job->bytes != NULL ? job->size : 0;
    size_t cost = sizeof (file_wait) + n_bytes;

    if (cb_quota_charge (quota, cost) < 0)
        return cb_fail (err, CB_E_BUSY, "too much waits for kernels that start: try again later");
    file_wait *wait = malloc (cost);
    if (wait != NULL) {
        *wait =
            (file_wait){.ask = ask, .on_job = on_job, .quota = quota, .charged = cost, .job = *job};
        if (n_bytes > 0)
            memcpy (wait->bytes, job->bytes, n_bytes);
        wait->job.bytes = wait->bytes;
        (void)snprintf (ask->session, sizeof ask->session, "%s", cb_session_name (session));
    }
    int result =
        wait != NULL ? cb_session_when_ready (session, s_on_ready, wait, err) : cb_fail_nomem (err);
    if (result < 0) {
        cb_quota_release (quota, cost);
        free (wait);
    }
    return result;
}

/* The job of a request and its ask. */
static int
s_submit (cb_request *request, cb_job *job, cb_on_job *on_job, cb_err *err)
{
    cb_session *session = NULL;
    cb_ask *ask = NULL;

    CB_TRY (cb_request_session (request, &session, err));
    cb_session_state state = cb_session_state_of (session);
    if (state == CB_SESSION_DEAD)
        return cb_fail (err, CB_E_GONE,
                        "session '%s' is dead, its files are gone; restart it with: cellblock "
                        "restart %s",
                        cb_session_name (session), cb_session_name (session));
    if (state == CB_SESSION_STOPPING)
        return cb_fail (err, CB_E_GONE, "session '%s' is stopping", cb_session_name (session));
    CB_TRY (cb_ask_new (request, &ask, err));
    int result = state == CB_SESSION_STARTING || state == CB_SESSION_RESTARTING
                     ? s_submit_when_ready (session, ask, job, on_job, err)
                     : s_submit_now (session, ask, job, on_job, err);
    if (result < 0)
        cb_ask_destroy (&ask);
    return result;
}

/* Answers a failed job: 1 when it was one. */
static int
s_failed (cb_ask **ask, const cb_job_result *result)
{
    cb_err err = {.code = result->code};

    if (result->code == 0)
        return 0;
    (void)snprintf (err.text, sizeof err.text, "%s", result->text);
    cb_ask_fail (ask, &err);
    return 1;
}

static void
s_on_put (const cb_job_result *result, void *context)
{
    cb_ask *ask = context;

    if (!s_failed (&ask, result))
        cb_ask_done (&ask, json_pack ("{s:I}", "size", (json_int_t)ask->number));
}

int
cb_verb_put (cb_request *request, cb_err *err)
{
    const cb_part *buffer = &request->message->buffers[0];
    cb_auto_free cb_job *job = calloc (1, sizeof *job);

    if (job == NULL)
        return cb_fail_nomem (err);
    job->kind = CB_JOB_PUT;
    job->offset = cb_request_size (request, "offset", 0);
    job->bytes = buffer->data;
    job->size = buffer->size;
    CB_TRY (s_path (cb_request_text (request, "path"), job->path, sizeof job->path, err));
    return s_submit (request, job, s_on_put, err);
}

static void
s_on_get (const cb_job_result *result, void *context)
{
    cb_ask *ask = context;

    if (s_failed (&ask, result))
        return;
    uint64_t end = ask->number + result->size;
    cb_part buffer = {result->bytes != NULL ? result->bytes : "", result->size};
    cb_ask_done_buffer (&ask,
                        json_pack ("{s:I, s:b}", "size", (json_int_t)result->file_size, "eof",
                                   end >= result->file_size),
                        buffer);
}

int
cb_verb_get (cb_request *request, cb_err *err)
{
    cb_auto_free cb_job *job = calloc (1, sizeof *job);

    if (job == NULL)
        return cb_fail_nomem (err);
    job->kind = CB_JOB_GET;
    job->offset = cb_request_size (request, "offset", 0);
    job->size = cb_request_size (request, "size", GET_SIZE);
    CB_TRY (s_path (cb_request_text (request, "path"), job->path, sizeof job->path, err));
    return s_submit (request, job, s_on_get, err);
}

static void
s_on_files (const cb_job_result *result, void *context)
{
    cb_ask *ask = context;
    json_t *files = json_array ();

    if (s_failed (&ask, result)) {
        json_decref (files);
        return;
    }
    for (size_t i = 0; i < result->n_artifacts; i++)
        (void)json_array_append_new (files,
                                     json_pack ("{s:s, s:I}", "path", result->artifacts[i].path,
                                                "size", (json_int_t)result->artifacts[i].size));
    cb_ask_done (&ask,
                 json_pack ("{s:o, s:I}", "files", files, "left_out", (json_int_t)result->refused));
}

int
cb_verb_files (cb_request *request, cb_err *err)
{
    const char *path = cb_request_text (request, "path");
    cb_auto_free cb_job *job = calloc (1, sizeof *job);

    if (job == NULL)
        return cb_fail_nomem (err);
    job->kind = CB_JOB_LIST;
    if (path != NULL && path[0] != '\0')
        CB_TRY (s_path (path, job->path, sizeof job->path, err));
    return s_submit (request, job, s_on_files, err);
}
