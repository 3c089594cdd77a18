/* stage.c - what cellblock-jail and cellblock-init share: reading the spec, telling the warden.
 *
 * Both programs are static and tiny, run once and are replaced by exec: they hold no memory worth
 * freeing, and every way they fail ends in one sentence on the status socket. */
#include "cell/stage.h"

#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int
cb_stage_spec (cb_jail_spec *ret_spec, cb_err *err)
{
    cb_scoped (cb_buf) cb_buf bytes;
    cb_buf_init (&bytes, CB_SPEC_BYTES_MAX);

    if (lseek (CB_STAGE_FD_SPEC, 0, SEEK_SET) < 0)
        return cb_fail_errno (err, CB_E_IO, "the spec of descriptor %d", CB_STAGE_FD_SPEC);
    CB_TRY (cb_read_all (CB_STAGE_FD_SPEC, &bytes, err));
    return cb_spec_decode (bytes.data != NULL ? bytes.data : "", bytes.size, ret_spec, err);
}

static int
s_send (const cb_launch_stage *body, int fd, cb_err *err)
{
    cb_launch_out out = {.head = {.type = CB_LAUNCH_STAGE},
                         .body = body,
                         .body_size = sizeof *body,
                         .fds = &fd,
                         .n_fds = fd >= 0 ? 1 : 0};

    return cb_launch_send (CB_STAGE_FD_STATUS, &out, err);
}

int
cb_stage_done (cb_stage stage, uint32_t layers, uint32_t landlock_abi, int fd, cb_err *err)
{
    cb_launch_stage body = {.stage = stage, .layers = layers, .landlock_abi = landlock_abi};

    return s_send (&body, fd, err);
}

int
cb_stage_failed (cb_stage stage, const cb_err *err)
{
    cb_launch_stage body = {.stage = stage, .code = err->code};
    cb_err unsent = CB_ERR_INIT;

    memcpy (body.text, err->text, sizeof body.text);
    body.text[sizeof body.text - 1] = '\0';
    if (s_send (&body, -1, &unsent) < 0)
        (void)dprintf (STDERR_FILENO, "%s\n", body.text);
    return 1;
}

int
cb_stage_write (const char *path, const char *text, cb_err *err)
{
    cb_auto_close int fd = open (path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write (fd, text, strlen (text)) < 0)
        return cb_fail_errno (err, CB_E_IO, "%s", path);
    return 0;
}
