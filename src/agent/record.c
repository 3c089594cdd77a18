/* record.c - writes down what a model said, so that replay.c can say it again. What the cells gave
 * is not in it: they run again. */
#include "agent/replay.h"

#include "base/fdio.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const s_stops[] = {
    [CB_STOP_DONE] = "done", [CB_STOP_LENGTH] = "length", [CB_STOP_FILTER] = "filter"};

int
cb_record_init (cb_record *self, const char *model, const char *prompt, cb_err *err)
{
    self->object = json_pack ("{s:i, s:s, s:s, s:[]}", CB_REPLAY_MARK, CB_REPLAY_VERSION, "model",
                              model, "prompt", prompt, "turns");
    return self->object != NULL ? 0 : cb_fail_nomem (err);
}

void
cb_record_done (cb_record *self)
{
    json_decref (self->object);
    self->object = NULL;
}

int
cb_record_add (cb_record *self, const cb_record_turn *turn, cb_err *err)
{
    json_t *made = json_pack ("{s:s, s:O, s:s}", "text", turn->text, "calls", turn->calls, "stop",
                              s_stops[turn->stop]);

    if (made != NULL && (turn->input_tokens >= 0 || turn->output_tokens >= 0))
        (void)json_object_set_new (made, "usage",
                                   json_pack ("{s:I, s:I}", "input_tokens",
                                              (json_int_t)turn->input_tokens, "output_tokens",
                                              (json_int_t)turn->output_tokens));
    if (json_array_append_new (json_object_get (self->object, "turns"), made) < 0)
        return cb_fail_nomem (err);
    return 0;
}

/* The folder of path and the name in it. Owned descriptor or -CB_E_*. */
static int
s_open_folder (const char *path, const char **ret_name, cb_err *err)
{
    char folder[PATH_MAX];
    struct stat status;
    const char *slash = strrchr (path, '/');
    size_t size = slash != NULL ? (size_t)(slash - path) : 0;

    /* What is no file (a device, a folder) is not replaced by one. */
    if (stat (path, &status) == 0 && !S_ISREG (status.st_mode))
        return cb_fail (err, CB_E_INVALID, "not a regular file");
    if (size >= sizeof folder)
        return cb_fail (err, CB_E_LIMIT, "the path is too long");
    (void)snprintf (folder, sizeof folder, "%.*s", (int)size, path);
    *ret_name = slash != NULL ? slash + 1 : path;
    const char *where = slash == NULL ? "." : size == 0 ? "/" : folder;
    int fd = open (where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : cb_fail_errno (err, CB_E_IO, "its folder");
}

int
cb_record_save (const cb_record *self, const char *path, cb_err *err)
{
    cb_auto_free char *text = json_dumps (self->object, JSON_INDENT (1) | JSON_ENSURE_ASCII);
    const char *name = path;
    cb_err why = CB_ERR_INIT;

    if (text == NULL)
        return cb_fail_nomem (err);
    cb_auto_close int folder = s_open_folder (path, &name, &why);
    if (folder < 0 || cb_write_file (folder, name, text, strlen (text), &why) < 0)
        return cb_fail (err, why.code, "--record %.500s: %.400s", path, why.text);
    return 0;
}
