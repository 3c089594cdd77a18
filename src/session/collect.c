/* collect.c - the files of a cell whose work is done.
 *
 * The cell stays the running one until they are collected, so that what it wrote is its own and the
 * next one waits for it. Nothing is asked of the filer while /output was never touched. */
#include "session/session-int.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static json_t *
s_artifact (const cb_session *self, const cb_run *run, const cb_artifact *artifact)
{
    char path[sizeof artifact->path + 16];
    char file[PATH_MAX + sizeof artifact->path];

    (void)snprintf (path, sizeof path, "/output/%s", artifact->path);
    (void)snprintf (file, sizeof file, "%s/runs/%s/output/%s", self->services->state_dir,
                    cb_run_name (run), artifact->path);
    return json_pack ("{s:s, s:s, s:I, s:s}", "path", path, "file", file, "size",
                      (json_int_t)artifact->size, "sha256", artifact->sha256);
}

static void
s_on_collected (const cb_job_result *result, void *context)
{
    cb_entry *entry = context;
    cb_session *self = entry->session;
    cb_owned (cb_json) json_t *artifacts = json_array ();

    entry->collecting = 0;
    for (size_t i = 0; i < result->n_artifacts; i++)
        (void)json_array_append_new (artifacts,
                                     s_artifact (self, entry->run, &result->artifacts[i]));
    int trouble = result->code != 0 || result->refused > 0;
    if (trouble)
        cb_log_warn ("not all of /output was collected", CB_STR ("session", self->name),
                     CB_INT ("refused", result->refused), CB_STR ("why", result->text));
    cb_cells_finish_ (self, artifacts, trouble ? result->text : "");
}

/* Whether there may be something in /output: nothing was ever there while the folder's time is that
 * of its making. One system call a cell; a folder that cannot be seen may hold anything. */
static int
s_may_have_output (cb_session *self)
{
    struct stat stat;
    int tree = cb_kernel_tree (self->kernel);

    if (self->output_used)
        return 1;
    if (tree < 0)
        return 0;
    if (fstatat (tree, "output", &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
        stat.st_mtim.tv_sec == self->output_mtime.tv_sec &&
        stat.st_mtim.tv_nsec == self->output_mtime.tv_nsec)
        return 0;
    self->output_used = 1;
    return 1;
}

void
cb_collect_ (cb_session *self)
{
    cb_entry *entry = self->running;
    cb_err err = CB_ERR_INIT;
    cb_job job = {.kind = CB_JOB_COLLECT,
                  .jail = cb_kernel_jail (self->kernel),
                  .max_bytes = self->profile.artifacts};

    (void)snprintf (job.run, sizeof job.run, "%s", cb_run_name (entry->run));
    if (s_may_have_output (self)) {
        if (cb_files_submit (self->services->files, &job, s_on_collected, entry, &err) == 0) {
            entry->collecting = 1;
            return;
        }
        cb_log_warn ("/output cannot be collected", CB_STR ("session", self->name),
                     CB_STR ("why", err.text));
    }
    cb_owned (cb_json) json_t *none = json_array ();
    cb_cells_finish_ (self, none, err.text);
}

void
cb_collect_ready_ (cb_session *self)
{
    struct stat stat;
    int tree = cb_kernel_tree (self->kernel);

    self->output_used = 0;
    if (tree >= 0 && fstatat (tree, "output", &stat, AT_SYMLINK_NOFOLLOW) == 0)
        self->output_mtime = stat.st_mtim;
    else
        self->output_used = 1;
}
