/* inputs.c - --input PATH. The daemon gets the real path, without symlinks; the name is the one the
 * person typed, so a link named sales.csv appears as /input/sales.csv. */
#include "cli/inputs.h"

#include "base/name.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The last component of path, if it names something; "" for "/", "." and "..". */
static void
s_last_name (const char *path, char *name, size_t room)
{
    size_t end = strlen (path);

    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    (void)snprintf (name, room, "%.*s", (int)(end - start), path + start);
    if (strcmp (name, ".") == 0 || strcmp (name, "..") == 0 || strcmp (name, "/") == 0)
        name[0] = '\0';
}

static int
s_find_name (const char *path, const char *real, char *name, size_t room, cb_err *err)
{
    cb_err why = CB_ERR_INIT;

    s_last_name (path, name, room);
    if (name[0] == '\0')
        s_last_name (real, name, room);
    if (cb_file_name_check (name, &why) < 0)
        return cb_fail (err, CB_E_INVALID, "--input %s: %s", path, why.text);
    return 0;
}

/* The path of the input that has this name already, or NULL. */
static const char *
s_taken_by (const json_t *array, const char *name)
{
    for (size_t i = 0; i < json_array_size (array); i++) {
        const json_t *input = json_array_get (array, i);
        const char *other = json_string_value (json_object_get (input, "name"));
        if (other != NULL && strcmp (other, name) == 0)
            return json_string_value (json_object_get (input, "path"));
    }
    return NULL;
}

static int
s_add (json_t *array, const char *path, cb_err *err)
{
    char real[PATH_MAX];
    char name[PATH_MAX];

    if (realpath (path, real) == NULL || access (real, R_OK) < 0)
        return cb_fail_errno (err, CB_E_NOTFOUND, "--input %s", path);
    if (!cb_utf8_valid (real, strlen (real)))
        return cb_fail (err, CB_E_INVALID, "--input %s: its path is not UTF-8", path);
    CB_TRY (s_find_name (path, real, name, sizeof name, err));
    const char *other = s_taken_by (array, name);
    if (other != NULL)
        return cb_fail (err, CB_E_EXISTS, "--input: %s and %s would both be /input/%s", other, real,
                        name);
    if (json_array_append_new (array, json_pack ("{s:s, s:s}", "path", real, "name", name)) < 0)
        return cb_fail_nomem (err);
    return 0;
}

json_t *
cb_inputs_json (const cb_words *paths, cb_err *err)
{
    cb_owned (cb_json) json_t *array = json_array ();

    if (array == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    for (size_t i = 0; i < paths->count; i++)
        if (s_add (array, paths->items[i], err) < 0)
            return NULL;
    return cb_take (array);
}
