/* err.c - filling error sentences.
 *
 * An error is made once, where the fault is seen, and only forwarded from there on; the text is
 * written for a person: what happened, where, what to do. */
#include "base/err.h"

#include "base/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Here they are functions; everywhere else macros over them (err.h). */
#undef cb_fail
#undef cb_fail_errno
#undef cb_fail_nomem

static const char *const s_names[CB_E__COUNT] = {
    [0] = "ok",
    [CB_E_NOMEM] = "no_memory",
    [CB_E_INVALID] = "invalid",
    [CB_E_PROTO] = "protocol",
    [CB_E_DENIED] = "denied",
    [CB_E_LIMIT] = "limit",
    [CB_E_NOTFOUND] = "not_found",
    [CB_E_EXISTS] = "exists",
    [CB_E_BUSY] = "busy",
    [CB_E_IO] = "io",
    [CB_E_TIMEOUT] = "timeout",
    [CB_E_GONE] = "gone",
    [CB_E_UNSUPPORTED] = "unsupported",
    [CB_E_POLICY] = "policy",
};

__attribute__ ((format (printf, 3, 0))) static void
s_fill (cb_err *err, int code, const char *format, va_list args)
{
    err->code = code;
    (void)vsnprintf (err->text, sizeof err->text, format, args);
}

int
cb_fail (cb_err *err, int code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start (args, format);
        s_fill (err, code, format, args);
        va_end (args);
    }
    return -code;
}

int
cb_fail_errno (cb_err *err, int code, const char *format, ...)
{
    int saved = errno;

    if (err != NULL) {
        va_list args;
        va_start (args, format);
        s_fill (err, code, format, args);
        va_end (args);
        size_t used = strlen (err->text);
        (void)snprintf (err->text + used, sizeof err->text - used, ": %s", strerror (saved));
    }
    errno = saved;
    return -code;
}

int
cb_fail_nomem (cb_err *err)
{
    return cb_fail (err, CB_E_NOMEM, "out of memory");
}

const char *
cb_err_name (int code)
{
    if (code < 0 || code >= CB_E__COUNT || s_names[code] == NULL)
        return "unknown";
    return s_names[code];
}

int
cb_err_code (const char *name)
{
    for (size_t i = 1; i < CB_COUNT (s_names); i++)
        if (strcmp (s_names[i], name) == 0)
            return (int)i;
    return CB_E_INVALID;
}
