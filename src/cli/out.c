/* out.c - writes that wait with poll, never inside write: a pipe that is writable takes PIPE_BUF
 * bytes at once (pipe(7)), so steps of that size do not block, and Ctrl-C is seen at once also when
 * the reader sleeps. */
#include "cli/out.h"

#include "cli/signals.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Bytes that are made harmless in one step. */
#define S_STEP 65536

void
cb_out_init (cb_out *self, int fd)
{
    memset (self, 0, sizeof *self);
    self->fd = fd;
    self->signals = -1;
    cb_term_look (&self->term, fd);
    cb_sanitise_init (&self->safe, self->term.colour, self->term.moves);
}

static int
s_give_up (cb_out *self, cb_err *err)
{
    self->given_up = true;
    return cb_fail (err, CB_E_GONE, "nobody reads the output any more");
}

static int
s_wait_ms (const cb_out *self)
{
    if (self->until == NULL || *self->until == CB_USEC_NEVER)
        return -1;
    cb_usec now = cb_now ();
    return *self->until > now ? (int)((*self->until - now) / 1000 + 1) : 0;
}

/* Waits until bytes can be written; answers signals in the meantime. */
static int
s_wait (cb_out *self, cb_err *err)
{
    struct pollfd wait[2] = {{self->fd, POLLOUT, 0}, {self->signals, POLLIN, 0}};

    for (;;) {
        if (poll (wait, 2, s_wait_ms (self)) < 0 && errno != EINTR)
            return cb_fail_errno (err, CB_E_IO, "waiting for the output's reader");
        int number = wait[1].revents != 0 ? cb_signals_next (self->signals) : 0;
        if (number != 0 && self->on_signal != NULL && self->on_signal (number, self->context) != 0)
            return s_give_up (self, err);
        if (wait[0].revents != 0)
            return 0;
        if (self->until != NULL && cb_now () >= *self->until)
            return s_give_up (self, err);
    }
}

static int
s_write (cb_out *self, const char *bytes, size_t size, cb_err *err)
{
    while (size > 0 && !self->given_up) {
        CB_TRY (s_wait (self, err));
        ssize_t done = write (self->fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
        if (done < 0 && errno == EPIPE)
            return s_give_up (self, err);
        if (done < 0 && errno != EINTR && errno != EAGAIN) {
            self->given_up = true;
            return cb_fail_errno (err, CB_E_IO, "the output cannot be written");
        }
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
    return size == 0 ? 0 : s_give_up (self, err);
}

static int
s_write_safe (cb_out *self, const char *bytes, size_t size, cb_err *err)
{
    cb_buf safe;
    int result = 0;

    cb_buf_init (&safe, (size_t)S_STEP * (CB_SANITISE_GROWTH + 1));
    while (size > 0 && result == 0) {
        size_t step = size < S_STEP ? size : S_STEP;
        safe.size = 0;
        result = cb_sanitise_put (&self->safe, bytes, step, &safe);
        if (result < 0)
            result = cb_fail (err, -result, "the output does not fit into memory");
        else
            result = s_write (self, safe.data, safe.size, err);
        bytes += step;
        size -= step;
    }
    cb_buf_done (&safe);
    return result;
}

int
cb_out_foreign (cb_out *self, const char *bytes, size_t size, cb_err *err)
{
    if (self->raw || !self->term.tty)
        return s_write (self, bytes, size, err);
    return s_write_safe (self, bytes, size, err);
}

int
cb_out_painted (cb_out *self, const char *bytes, size_t size, cb_err *err)
{
    if (self->raw)
        return s_write (self, bytes, size, err);
    return s_write_safe (self, bytes, size, err);
}

int
cb_out_own (cb_out *self, const char *bytes, size_t size, cb_err *err)
{
    self->safe.inside = size > 0 && bytes[size - 1] != '\n';
    return s_write (self, bytes, size, err);
}

int
cb_out_settle (cb_out *self, cb_err *err)
{
    cb_buf last;

    if (self->given_up)
        return 0;
    cb_buf_init (&last, CB_SGR_MAX * CB_SANITISE_GROWTH + 16);
    int result = cb_sanitise_end (&self->safe, &last);
    if (result == 0 && self->term.tty && self->safe.inside && !self->raw)
        result = cb_buf_puts (&last, "\n");
    self->safe.inside = false;
    if (result < 0)
        result = cb_fail (err, -result, "the output does not fit into memory");
    else if (last.size > 0)
        result = s_write (self, last.data, last.size, err);
    cb_buf_done (&last);
    return result;
}
