/* cmd-kernelspec.c - cellblock kernelspec: makes "Python 3 (jailed)" appear where frontends look
 * for kernels, and takes it away.
 *
 * A kernelspec is a folder: kernel.json, which says what starts the kernel, and pictures. One that
 * is not ours is neither overwritten nor removed; ours has a member "cellblock" in its metadata. */
#include "base/fdio.h"
#include "base/name.h"
#include "base/runtime.h"
#include "cli/conn.h"
#include "cli/shim.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes of a kernelspec's name, its end included. */
#define S_NAME_MAX    65
#define S_KERNEL_JSON "kernel.json"
/* Bytes of a kernel.json, and of a picture, that are read. */
#define S_FILE_MAX 65536

static const char *const s_pictures[] = {"logo-32x32.png", "logo-64x64.png", "logo-svg.svg"};

#define S_COUNT(array) (sizeof (array) / sizeof (array)[0])

typedef struct s_wish {
    bool user;
    bool sys_prefix;
    const char *prefix;
    const char *name;
    const char *profile;
    int active_output;
    int workdir;
    char own_name[S_NAME_MAX];
    char folder[PATH_MAX]; /* .../kernels/NAME */
} s_wish;

/* ---- where ---- */

/* The prefix of the environment whose python3 comes first, as Python itself finds it. */
static void
s_find_prefix (char *prefix, size_t room)
{
    const char *named[] = {getenv ("VIRTUAL_ENV"), getenv ("CONDA_PREFIX")};
    const char *path = getenv ("PATH");

    for (size_t i = 0; i < S_COUNT (named); i++)
        if (named[i] != NULL && named[i][0] == '/') {
            (void)snprintf (prefix, room, "%s", named[i]);
            return;
        }
    while (path != NULL && *path != '\0') {
        size_t size = strcspn (path, ":");
        char python[PATH_MAX];
        (void)snprintf (python, sizeof python, "%.*s/python3", (int)size, path);
        if (size > 4 && path[0] == '/' && access (python, X_OK) == 0 &&
            strncmp (path + size - 4, "/bin", 4) == 0) {
            (void)snprintf (prefix, room, "%.*s", (int)size - 4, path);
            return;
        }
        path += size + (path[size] == ':');
    }
    (void)snprintf (prefix, room, "/usr");
}

/* Jupyter's folder of data for this user. */
static int
s_user_data (char *data, size_t room, cb_err *err)
{
    const char *jupyter = getenv ("JUPYTER_DATA_DIR");
    const char *xdg = getenv ("XDG_DATA_HOME");
    const char *home = getenv ("HOME");

    if (jupyter != NULL && jupyter[0] != '\0')
        (void)snprintf (data, room, "%s", jupyter);
    else if (xdg != NULL && xdg[0] != '\0')
        (void)snprintf (data, room, "%s/jupyter", xdg);
    else if (home != NULL && home[0] != '\0')
        (void)snprintf (data, room, "%s/.local/share/jupyter", home);
    else
        return cb_fail (err, CB_E_NOTFOUND, "HOME is not set: say --prefix DIR");
    return 0;
}

static int
s_find_folder (s_wish *wish, cb_err *err)
{
    char prefix[PATH_MAX] = "/usr/local";
    char data[PATH_MAX];

    if (wish->user + wish->sys_prefix + (wish->prefix != NULL) > 1)
        return cb_fail (err, CB_E_INVALID, "say only one of --user, --sys-prefix and --prefix");
    if (wish->prefix != NULL && wish->prefix[0] == '\0')
        return cb_fail (err, CB_E_INVALID, "--prefix names no folder");
    if (wish->sys_prefix)
        s_find_prefix (prefix, sizeof prefix);
    if (wish->prefix != NULL)
        (void)snprintf (prefix, sizeof prefix, "%s", wish->prefix);
    int size = snprintf (data, sizeof data, "%.*s/share/jupyter", PATH_MAX - 64, prefix);
    if (wish->user)
        CB_TRY (s_user_data (data, sizeof data, err));
    if (size > 0)
        size = snprintf (wish->folder, sizeof wish->folder, "%s/kernels/%s", data, wish->name);
    if (size < 0 || (size_t)size >= sizeof wish->folder)
        return cb_fail (err, CB_E_LIMIT, "the folder's path is too long");
    return 0;
}

static int
s_cannot (const s_wish *wish, const char *verb, cb_err *err)
{
    if (errno == EACCES || errno == EPERM || errno == EROFS)
        return cb_fail (
            err, CB_E_DENIED, "%s cannot be written: %s; %s", wish->folder, strerrordesc_np (errno),
            wish->user || wish->prefix != NULL ? "name a folder of yours with --prefix DIR"
                                               : "without root's rights: --user");
    return cb_fail_errno (err, CB_E_IO, "%s cannot be %s", wish->folder, verb);
}

/* Makes the folder with all above it. */
static int
s_make_folder (const s_wish *wish, cb_err *err)
{
    char path[PATH_MAX];

    (void)snprintf (path, sizeof path, "%s", wish->folder);
    for (char *at = path + 1;; at++) {
        char was = *at;
        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir (path, 0755) < 0 && errno != EEXIST)
            return s_cannot (wish, "made", err);
        *at = was;
        if (was == '\0')
            return 0;
    }
}

/* ---- whose ---- */

enum { S_NOTHING, S_OURS };

/* What lies in the folder. -CB_E_EXISTS: a kernelspec of somebody else's. */
static int
s_whose (const s_wish *wish, int folder, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf text;
    cb_owned (cb_json) json_t *spec = NULL;

    cb_buf_init (&text, S_FILE_MAX);
    int result = cb_read_file (folder, S_KERNEL_JSON, &text, err);
    if (result == -CB_E_NOTFOUND)
        return S_NOTHING;
    if (result == 0 && cb_json_parse (S_KERNEL_JSON, text.data, text.size, &spec, NULL) == 0 &&
        json_is_object (json_object_get (json_object_get (spec, "metadata"), "cellblock")))
        return S_OURS;
    return cb_fail (err, CB_E_EXISTS,
                    "%s is a kernelspec that cellblock did not make: it stays as it is; take "
                    "another --name",
                    wish->folder);
}

/* ---- what ---- */

/* Asks the daemon what the profile is: that it exists, and whether a debugger works in it. */
static int
s_ask_profile (const cb_cli *cli, const char *profile, int *ret_loopback, cb_err *err)
{
    cb_conn conn = {0};
    cb_owned (cb_json) json_t *reply = NULL;
    size_t i;
    const json_t *value;

    int result = cb_conn_open (&conn, cli, CB_CONN_START, err);
    if (result == 0)
        result =
            cb_conn_call (&conn, "profile", json_pack ("{s:s}", "profile", profile), &reply, err);
    cb_conn_done (&conn);
    CB_TRY (result);
    const char *refused = json_string_value (json_object_get (reply, "refused"));
    if (refused != NULL)
        return cb_fail (err, CB_E_INVALID, "%.*s", CB_ERR_TEXT_MAX - 1, refused);
    json_array_foreach (json_object_get (reply, "values"), i, value)
    {
        const char *key = json_string_value (json_object_get (value, "key"));
        const char *text = json_string_value (json_object_get (value, "value"));
        if (key != NULL && text != NULL && strcmp (key, "loopback") == 0)
            *ret_loopback = strcmp (text, "on") == 0;
    }
    return 0;
}

static json_t *
s_argv (const s_wish *wish, const char *program)
{
    json_t *argv = json_pack ("[s, s, s, s]", program, "kernel", "-f", "{connection_file}");

    if (wish->profile != NULL) {
        (void)json_array_append_new (argv, json_string ("--profile"));
        (void)json_array_append_new (argv, json_string (wish->profile));
    }
    if (cb_shim_active[wish->active_output] != NULL) {
        (void)json_array_append_new (argv, json_string ("--active-output"));
        (void)json_array_append_new (argv, json_string (cb_shim_active[wish->active_output]));
    }
    if (cb_shim_workdir[wish->workdir] != NULL) {
        (void)json_array_append_new (argv, json_string ("--workdir"));
        (void)json_array_append_new (argv, json_string (cb_shim_workdir[wish->workdir]));
    }
    return argv;
}

static int
s_spec (const s_wish *wish, int loopback, cb_buf *into, cb_err *err)
{
    char program[PATH_MAX];
    char display[128];
    ssize_t size = readlink ("/proc/self/exe", program, sizeof program - 1);

    if (size < 0)
        return cb_fail_errno (err, CB_E_IO, "/proc/self/exe");
    program[size] = '\0';
    (void)snprintf (display, sizeof display, "Python 3 (jailed%s%s%s)",
                    wish->profile != NULL ? ", " : "", wish->profile != NULL ? wish->profile : "",
                    wish->active_output == CB_SHIM_ACTIVE_FULL ? ", active output" : "");
    cb_owned (cb_json) json_t *spec =
        json_pack ("{s:o, s:s, s:s, s:s, s:{s:b, s:{s:s, s:s}}}", "argv", s_argv (wish, program),
                   "display_name", display, "language", "python", "interrupt_mode", "message",
                   "metadata", "debugger", loopback, "cellblock", "profile",
                   wish->profile != NULL ? wish->profile : "default", "version", PACKAGE_VERSION);
    cb_auto_free char *text = spec != NULL ? json_dumps (spec, JSON_INDENT (1)) : NULL;
    if (text == NULL)
        return cb_fail (err, CB_E_INVALID, "the path of cellblock is not UTF-8 text");
    CB_TRY (cb_buf_put (into, text, strlen (text)));
    return cb_buf_put (into, "\n", 1);
}

/* A kernelspec without pictures works as well. */
static void
s_write_pictures (int folder)
{
    char path[PATH_MAX];
    cb_err err = CB_ERR_INIT;

    int result = cb_find_kernelspec (path, sizeof path, &err);
    cb_auto_close int from = result < 0 ? -1 : open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; from >= 0 && i < S_COUNT (s_pictures); i++) {
        cb_scoped (cb_buf) cb_buf picture;
        cb_buf_init (&picture, S_FILE_MAX);
        if (cb_read_file (from, s_pictures[i], &picture, &err) < 0 ||
            cb_write_public_file (folder, s_pictures[i], &picture, &err) < 0)
            cb_cli_say ("the kernelspec has no %s: %s", s_pictures[i], err.text);
    }
}

static int
s_install (const cb_cli *cli, const s_wish *wish, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf text;
    int loopback = 0;

    cb_buf_init (&text, S_FILE_MAX);
    CB_TRY (s_ask_profile (cli, wish->profile != NULL ? wish->profile : "default", &loopback, err));
    CB_TRY (s_spec (wish, loopback, &text, err));
    CB_TRY (s_make_folder (wish, err));
    cb_auto_close int folder = open (wish->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return s_cannot (wish, "opened", err);
    CB_TRY (s_whose (wish, folder, err));
    if (faccessat (folder, ".", W_OK, AT_EACCESS) < 0)
        return s_cannot (wish, "written", err);
    s_write_pictures (folder);
    CB_TRY (cb_write_public_file (folder, S_KERNEL_JSON, &text, err));
    (void)printf ("%s\n", wish->folder);
    return 0;
}

static int
s_remove (const s_wish *wish, cb_err *err)
{
    cb_auto_close int folder = open (wish->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0 && errno != ENOENT)
        return s_cannot (wish, "opened", err);
    int whose = folder < 0 ? S_NOTHING : s_whose (wish, folder, err);
    if (whose == S_NOTHING)
        return cb_fail (err, CB_E_NOTFOUND, "there is no kernelspec %s", wish->folder);
    CB_TRY (whose);
    if (unlinkat (folder, S_KERNEL_JSON, 0) < 0)
        return s_cannot (wish, "removed", err);
    for (size_t i = 0; i < S_COUNT (s_pictures); i++)
        (void)unlinkat (folder, s_pictures[i], 0);
    if (rmdir (wish->folder) < 0)
        cb_cli_say ("%s stays, there are other files in it", wish->folder);
    (void)printf ("%s\n", wish->folder);
    return 0;
}

/* ---- the command ---- */

/* As Jupyter wants it: letters, digits, '.', '_' and '-'. */
static int
s_find_name (s_wish *wish, cb_err *err)
{
    const char *profile = wish->profile;
    size_t size = 0;

    (void)snprintf (wish->own_name, sizeof wish->own_name, "cellblock%s%s",
                    profile != NULL ? "-" : "", profile != NULL ? profile : "");
    if (wish->name == NULL)
        wish->name = wish->own_name;
    for (const char *at = wish->name; *at != '\0'; at++, size++)
        if (!isalnum ((unsigned char)*at) && strchr ("._-", *at) == NULL)
            size = S_NAME_MAX;
    if (size > 0 && size < S_NAME_MAX && wish->name[0] != '.')
        return 0;
    return cb_fail (err, CB_E_INVALID,
                    "a kernelspec's name has 1 to %d letters, digits, '-', '_' and '.': not '%s'",
                    S_NAME_MAX - 1, wish->name);
}

static int
s_do (const cb_cli *cli, s_wish *wish, const char *what, cb_err *err)
{
    if (wish->profile != NULL)
        CB_TRY (cb_name_check ("profile", wish->profile, err));
    CB_TRY (s_find_name (wish, err));
    CB_TRY (s_find_folder (wish, err));
    return strcmp (what, "install") == 0 ? s_install (cli, wish, err) : s_remove (wish, err);
}

int
cb_cmd_kernelspec (cb_cli *cli, char **argv)
{
    static s_wish wish; /* large */
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    const cb_option options[] = {
        {"active-output", 0, CB_OPTION_CHOICE, &wish.active_output, CB_SHIM_ACTIVE_HINT,
         "full: frontends are shown what can act (widgets, JavaScript)"},
        {"name", 0, CB_OPTION_TEXT, &wish.name, "NAME",
         "of the kernelspec (cellblock, or cellblock-PROFILE)"},
        {"prefix", 0, CB_OPTION_TEXT, &wish.prefix, "DIR", "in DIR/share/jupyter"},
        {"profile", 'P', CB_OPTION_TEXT, &wish.profile, "PROFILE", "limits of its sessions"},
        {"sys-prefix", 0, CB_OPTION_FLAG, &wish.sys_prefix, NULL,
         "in the Python environment that is active"},
        {"user", 0, CB_OPTION_FLAG, &wish.user, NULL, "for yourself; else for all users"},
        {"workdir", 0, CB_OPTION_CHOICE, &wish.workdir, CB_SHIM_WORKDIR_HINT,
         "the folder a frontend starts in (auto: ro, where it can be)"},
        {0},
    };
    const cb_synopsis synopsis = {
        "kernelspec",
        "install|remove [--user|--sys-prefix|--prefix DIR] [--name NAME] [--profile PROFILE] "
        "[--active-output WHICH] [--workdir auto|ro|rw|none]",
        "Makes a kernel \"Python 3 (jailed)\" appear in Jupyter's frontends, or takes it away.\n"
        "Prints its folder. Each profile can have one.",
        options,
        1,
        1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    if (strcmp (words.items[0], "install") != 0 && strcmp (words.items[0], "remove") != 0) {
        (void)cb_fail (&err, CB_E_INVALID, "say cellblock kernelspec install, or remove");
        return cb_cli_misused ("kernelspec", &err);
    }
    return s_do (cli, &wish, words.items[0], &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
