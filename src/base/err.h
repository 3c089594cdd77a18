/* err.h - what went wrong: a code for the program, a sentence for the person. */
#ifndef CB_BASE_ERR_H
#define CB_BASE_ERR_H

/* Faults are returned as -CB_E_*. The table in err.c gives each its name. */
enum {
    CB_E_NOMEM = 1,   /* out of memory */
    CB_E_INVALID,     /* what was given makes no sense: wrong type, out of range, malformed */
    CB_E_PROTO,       /* a peer broke its protocol */
    CB_E_DENIED,      /* not allowed: signature, owner, ceiling */
    CB_E_LIMIT,       /* a bound was hit; the text names it with its value */
    CB_E_NOTFOUND,    /* no such session, file, profile, program */
    CB_E_EXISTS,      /* the name is taken */
    CB_E_BUSY,        /* not now: queue full, starting, stopping */
    CB_E_IO,          /* the operating system said no; the text carries its words */
    CB_E_TIMEOUT,     /* a deadline passed */
    CB_E_GONE,        /* the other side is gone: kernel died, client closed, daemon ended */
    CB_E_UNSUPPORTED, /* this machine or version cannot */
    CB_E_POLICY,      /* a profile or rule of the configuration forbids it */
    CB_E__COUNT
};

/* Bytes of a sentence, its end included: long enough for a path and an explanation. */
#define CB_ERR_TEXT_MAX 1024

typedef struct cb_err {
    int code; /* CB_E_* or 0 */
    char text[CB_ERR_TEXT_MAX];
} cb_err;

#define CB_ERR_INIT \
    {               \
        0, ""       \
    }

/* Forward a fault, nothing else. */
#define CB_TRY(call)                 \
    do {                             \
        int cb_try_result_ = (call); \
        if (cb_try_result_ < 0)      \
            return cb_try_result_;   \
    } while (0)

/* Fills err (which may be NULL) and returns -code. */
int cb_fail (cb_err *err, int code, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* The same, with ": " and the text of errno behind it. */
int cb_fail_errno (cb_err *err, int code, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* Out of memory, always -CB_E_NOMEM. */
int cb_fail_nomem (cb_err *err);

/* The three spell their result out, so that a compiler's analysis knows it is negative. */
static inline int
cb_fault_ (int result, int code)
{
    (void)result;
    return -code;
}
#define cb_fail(err, code, ...)       cb_fault_ (cb_fail (err, code, __VA_ARGS__), code)
#define cb_fail_errno(err, code, ...) cb_fault_ (cb_fail_errno (err, code, __VA_ARGS__), code)
#define cb_fail_nomem(err)            cb_fault_ (cb_fail_nomem (err), CB_E_NOMEM)

/* The name of a code ("not_found"), for JSON and logs; "unknown" for others. Borrowed, static. */
const char *cb_err_name (int code);

/* The code of such a name, CB_E_INVALID for others. */
int cb_err_code (const char *name);

#endif
