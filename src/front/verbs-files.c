/* verbs-files.c - the verbs put, get and files: the jail's folders, step by step.
 *
 * The work is the file helper's; here a path is brought into its form ("work/data.csv") and an ask
 * waits for the result. */
#include "front/control-int.h"

#include <stdio.h>
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

/* The job of a request and its ask. */
static int
s_submit (cb_request *request, cb_job *job, cb_on_job *on_job, cb_err *err)
{
    cb_session *session = NULL;
    cb_ask *ask = NULL;
    const cb_services *services = cb_registry_services (request->control->registry);

    CB_TRY (cb_request_session (request, &session, err));
    job->jail = cb_session_jail (session);
    if (job->jail == 0)
        return cb_fail (err, CB_E_BUSY, "session '%s' is %s and has no files now",
                        cb_session_name (session),
                        cb_session_state_name (cb_session_state_of (session)));
    cb_session_touch (session);
    CB_TRY (cb_ask_new (request, &ask, err));
    ask->number = job->offset + (job->kind == CB_JOB_PUT ? job->size : 0);
    int result = cb_files_submit (services->files, job, on_job, ask, err);
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
