/* picture.c - pictures that a cell displayed, saved beside the run's artifacts.
 *
 * The bytes are the kernel's and are never looked at here. The folder belongs to the broker, which
 * for root is somebody else: nothing on the way may be a symlink, every file is a new one. */
#include "cli/picture.h"

#include "base/buf.h"
#include "base/fdio.h"
#include "base/name.h"
#include "base/runtime.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bytes of one picture: far over any plot, below the daemon's bound for a cell. */
#define S_PICTURE_MAX ((size_t)64 << 20)

typedef struct s_kind {
    const char *mime;
    const char *ending;
    bool base64;
} s_kind;

/* The best first. */
static const s_kind s_kinds[] = {
    {"image/png", "png", true},
    {"image/jpeg", "jpg", true},
    {"image/gif", "gif", true},
    {"image/svg+xml", "svg", false},
};

static const s_kind *
s_find (const json_t *data)
{
    for (size_t i = 0; i < sizeof s_kinds / sizeof s_kinds[0]; i++)
        if (json_is_string (json_object_get (data, s_kinds[i].mime)))
            return &s_kinds[i];
    return NULL;
}

bool
cb_picture_is_in (const json_t *data)
{
    return s_find (data) != NULL;
}

static int
s_base64_value (char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+')
        return 62;
    return digit == '/' ? 63 : -1;
}

/* RFC 4648; line ends between are skipped, '=' ends it. */
static int
s_decode_base64 (const char *text, size_t size, cb_buf *into, cb_err *err)
{
    uint32_t bits = 0;
    int n_bits = 0;

    for (size_t i = 0; i < size && text[i] != '='; i++) {
        if (text[i] == '\n' || text[i] == '\r')
            continue;
        int value = s_base64_value (text[i]);
        if (value < 0)
            return cb_fail (err, CB_E_INVALID, "a picture that is not base64");
        bits = (bits << 6 | (uint32_t)value) & 0xffffff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            char byte = (char)(bits >> n_bits & 0xff);
            int result = cb_buf_put (into, &byte, 1);
            if (result < 0)
                return cb_fail (err, -result, "a picture over %zu MiB", S_PICTURE_MAX >> 20);
        }
    }
    return 0;
}

static int
s_decode (const s_kind *kind, const json_t *data, cb_buf *into, cb_err *err)
{
    const json_t *value = json_object_get (data, kind->mime);
    const char *text = json_string_value (value);
    size_t size = json_string_length (value);

    if (kind->base64)
        return s_decode_base64 (text, size, into, err);
    int result = cb_buf_put (into, text, size);
    return result < 0 ? cb_fail (err, -result, "a picture over %zu MiB", S_PICTURE_MAX >> 20) : 0;
}

/* A folder below dir, no symlink on the way; made where it is missing. */
static int
s_enter (int dir, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

    (void)!mkdirat (dir, name, 0700);
    return (int)syscall (SYS_openat2, dir, name, &how, sizeof how);
}

/* From here on what is made belongs to the owner of dir. The broker collects files in the same
 * folders at the same time: it must not find one that is root's, not even for a moment. */
static void
s_make_for_owner (int dir)
{
    struct stat owner;

    if (dir < 0 || fstat (dir, &owner) < 0 || owner.st_uid == geteuid ())
        return;
    (void)setfsgid (owner.st_gid);
    (void)setfsuid (owner.st_uid);
}

static void
s_make_for_us (void)
{
    (void)setfsuid (geteuid ());
    (void)setfsgid (getegid ());
}

/* The run's folder for pictures, or -1. */
static int
s_open_folder (const cb_picture *self)
{
    if (cb_file_name_check (self->run, NULL) < 0)
        return -1;
    cb_auto_close int state = open (self->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s_make_for_owner (state);
    cb_auto_close int runs = state >= 0 ? s_enter (state, CB_STATE_RUNS) : -1;
    cb_auto_close int run = runs >= 0 ? s_enter (runs, self->run) : -1;
    return run >= 0 ? s_enter (run, "pictures") : -1;
}

/* Writes all of a new file, or leaves none. Takes fd. */
static int
s_fill (int folder, const char *name, int fd, const cb_buf *bytes, cb_err *err)
{
    cb_auto_close int file = fd;

    int result = cb_write_all (file, bytes->data, bytes->size, err);
    if (result < 0)
        (void)unlinkat (folder, name, 0);
    return result;
}

/* Into the run's folder. */
static int
s_save_beside_run (const cb_picture *self, const char *ending, const cb_buf *bytes,
                   char path[PATH_MAX], cb_err *err)
{
    char name[64];

    (void)snprintf (name, sizeof name, "picture-%u.%s", self->number, ending);
    int size = snprintf (path, PATH_MAX, "%s/%s/%s/pictures/%s", self->state_dir, CB_STATE_RUNS,
                         self->run, name);
    cb_auto_close int folder = size > 0 && size < PATH_MAX ? s_open_folder (self) : -1;
    int fd = openat (folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (folder < 0 || fd < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", path);
    return s_fill (folder, name, fd, bytes, err);
}

static int
s_save_temporary (const char *ending, const cb_buf *bytes, char path[PATH_MAX], cb_err *err)
{
    const char *folder = getenv ("TMPDIR");

    if (folder == NULL || folder[0] != '/')
        folder = "/tmp";
    int size = snprintf (path, PATH_MAX, "%s/cellblock-XXXXXX.%s", folder, ending);
    if (size < 0 || size >= PATH_MAX)
        return cb_fail (err, CB_E_LIMIT, "TMPDIR is too long");
    int fd = mkostemps (path, (int)strlen (ending) + 1, O_CLOEXEC);
    if (fd < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", path);
    return s_fill (AT_FDCWD, path, fd, bytes, err);
}

int
cb_picture_save (const cb_picture *self, const json_t *data, char path[PATH_MAX], cb_err *err)
{
    const s_kind *kind = s_find (data);
    cb_scoped (cb_buf) cb_buf bytes;

    cb_buf_init (&bytes, S_PICTURE_MAX);
    if (kind == NULL)
        return cb_fail (err, CB_E_INVALID, "no picture");
    CB_TRY (s_decode (kind, data, &bytes, err));
    int result = s_save_beside_run (self, kind->ending, &bytes, path, err);
    s_make_for_us ();
    if (result == 0)
        return 0;
    return s_save_temporary (kind->ending, &bytes, path, err);
}
