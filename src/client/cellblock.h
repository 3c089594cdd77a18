/* cellblock.h - run Python in jailed kernels through the cellblock daemon.
 *
 * C11 and C++. Link with `pkg-config --cflags --libs cellblock`. The whole interface is this file;
 * libcellblock(3) tells it with examples, cellblock-protocol(7) what travels below it.
 *
 * Objects: a cellblock_client is one connection to a running daemon (`cellblock daemon start`, or
 * any cellblock command, starts one). It is not thread-safe: one thread at a time, or one client a
 * thread. The library has no global state, installs no signal handlers, starts no processes, never
 * exits and prints nothing; it has one ZeroMQ I/O thread a client, in which all signals are
 * blocked. After fork the child must not touch the client (not even close it).
 *
 * Errors: functions that can fail return a negative -CELLBLOCK_E_* or NULL; the code and a sentence
 * for a person stay with the client (cellblock_error_code, cellblock_error_text) until the next
 * call that fails. Success does not clear them.
 *
 * Strings are UTF-8, end with a zero byte and are borrowed unless it says otherwise. */
#ifndef CELLBLOCK_H
#define CELLBLOCK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CELLBLOCK_API __attribute__ ((__visibility__ ("default")))
#else
#define CELLBLOCK_API
#endif

/* Version of this interface; the library's name carries the major one. */
#define CELLBLOCK_VERSION_MAJOR 0
#define CELLBLOCK_VERSION_MINOR 1

/* What went wrong. The daemon's replies name the same codes in words ("not_found"). */
enum cellblock_code {
    CELLBLOCK_OK = 0,
    CELLBLOCK_E_NOMEM = 1,        /* no_memory: out of memory */
    CELLBLOCK_E_INVALID = 2,      /* invalid: an argument or field makes no sense */
    CELLBLOCK_E_PROTO = 3,        /* protocol: the daemon's words cannot be understood */
    CELLBLOCK_E_DENIED = 4,       /* denied: not your daemon, wrong key, not permitted */
    CELLBLOCK_E_LIMIT = 5,        /* limit: over a bound; the sentence names it */
    CELLBLOCK_E_NOTFOUND = 6,     /* not_found: no such session, file, profile, daemon */
    CELLBLOCK_E_EXISTS = 7,       /* exists: the name is taken */
    CELLBLOCK_E_BUSY = 8,         /* busy: not now, try again */
    CELLBLOCK_E_IO = 9,           /* io: the operating system said no */
    CELLBLOCK_E_TIMEOUT = 10,     /* timeout: nothing came in the time given */
    CELLBLOCK_E_GONE = 11,        /* gone: the daemon ended or closed the connection */
    CELLBLOCK_E_UNSUPPORTED = 12, /* unsupported: this daemon or machine cannot */
    CELLBLOCK_E_POLICY = 13,      /* policy: the daemon's configuration forbids it */
    CELLBLOCK_E_INTERRUPTED = 64  /* interrupted: a signal came while waiting */
};

typedef struct cellblock_client cellblock_client;
typedef struct cellblock_event cellblock_event;

/* ---- a connection ------------------------------------------------------------------------- */

/* Reads RUNTIME_DIR/broker.json, connects, and says hello (waits 5 s at most). runtime_dir NULL:
 * $CELLBLOCK_RUNTIME_DIR, else $XDG_RUNTIME_DIR/cellblock, else /run/cellblock for root, else
 * /tmp/cellblock-UID. Refuses folders and files of other people (-CELLBLOCK_E_DENIED).
 *
 * Returns 0, or -CELLBLOCK_E_NOTFOUND (no daemon has been started there), -CELLBLOCK_E_GONE (its
 * file is there, it is not), -CELLBLOCK_E_UNSUPPORTED (it speaks another version), or another code.
 * *ret_client is set in every case but -CELLBLOCK_E_NOMEM and owned by the caller; after a failure
 * it can only tell its error and be closed. */
CELLBLOCK_API int cellblock_open (const char *runtime_dir, cellblock_client **ret_client);

/* Closes and frees; accepts NULL and a pointer to NULL; nulls the pointer. Requests that are still
 * open are given up: a run in a session of its own is stopped, one in a named session goes on.
 * Does not wait. Events taken earlier stay valid. */
CELLBLOCK_API void cellblock_close (cellblock_client **client);

/* The last error: its code (CELLBLOCK_OK before any) and a sentence without a line end. The text is
 * borrowed until the next call on the client. A NULL client: CELLBLOCK_E_NOMEM. */
CELLBLOCK_API int cellblock_error_code (const cellblock_client *client);
CELLBLOCK_API const char *cellblock_error_text (const cellblock_client *client);

/* The word of a code ("not_found"; "unknown" for others) and the code of a word, as the daemon's
 * replies have it in "ename" (CELLBLOCK_E_INVALID for others). */
CELLBLOCK_API const char *cellblock_code_name (int code);
CELLBLOCK_API int cellblock_code_of (const char *name);

/* The daemon's folder of records (runs, log), version and process id, as broker.json has them. */
CELLBLOCK_API const char *cellblock_state_dir (const cellblock_client *client);
CELLBLOCK_API const char *cellblock_daemon_version (const cellblock_client *client);
CELLBLOCK_API int64_t cellblock_daemon_pid (const cellblock_client *client);

/* ---- requests and events ------------------------------------------------------------------- */

/* Sends VERB_request ("run", "new", "list", ...). content is the JSON text of an object (NULL: {});
 * buffer are size bytes of binary data for "put", else NULL and 0; both are copied. Does not wait.
 * Returns the request's number (over 0, unique in this client) or -CELLBLOCK_E_*. */
CELLBLOCK_API int64_t cellblock_request (cellblock_client *client, const char *verb,
                                         const char *content, const void *buffer, size_t size);

enum cellblock_kind {
    CELLBLOCK_KERNEL = 1, /* a message of the kernel: stream, display_data, execute_result, ...
                             and input_request, see cellblock_input */
    CELLBLOCK_NOTICE = 2, /* a word of the daemon: start, lost, limit, artifact */
    CELLBLOCK_REPLY = 3   /* the answer; nothing more comes for this request */
};

/* The next event of any request, in the order in which they came; waits at most timeout_ms
 * milliseconds (0: not at all, -1: for ever). Owned by the caller (cellblock_event_free).
 *
 * NULL: the client's error is CELLBLOCK_E_TIMEOUT (nothing came), CELLBLOCK_E_INTERRUPTED (a signal
 * handler ran; call again or send an interrupt), CELLBLOCK_E_GONE (the daemon died; everything it
 * had sent was delivered before; the client is only good for closing. Or only its broker died and
 * an open run could not go on with the next), or another code. Messages
 * with a wrong or used signature are CELLBLOCK_E_DENIED; the client can go on. */
CELLBLOCK_API cellblock_event *cellblock_next (cellblock_client *client, int timeout_ms);

/* Frees an event; accepts NULL and a pointer to NULL; nulls the pointer. */
CELLBLOCK_API void cellblock_event_free (cellblock_event **event);

/* What it is. All borrowed from the event. */
CELLBLOCK_API enum cellblock_kind cellblock_event_kind (const cellblock_event *event);
/* Number of the request it belongs to; 0 when it is none of this client's. */
CELLBLOCK_API int64_t cellblock_event_request (const cellblock_event *event);
/* Message type: "stream", "execute_result", "artifact", "run_reply". */
CELLBLOCK_API const char *cellblock_event_type (const cellblock_event *event);
/* JSON text of its content, an object; *ret_size (may be NULL) are its bytes without the end. */
CELLBLOCK_API const char *cellblock_event_content (const cellblock_event *event, size_t *ret_size);
/* JSON text of its metadata, an object. */
CELLBLOCK_API const char *cellblock_event_metadata (const cellblock_event *event);
/* The i-th binary buffer, NULL beyond the last; *ret_size are its bytes. */
CELLBLOCK_API const void *cellblock_event_buffer (const cellblock_event *event, size_t index,
                                                  size_t *ret_size);
/* Of a reply: CELLBLOCK_OK, or the code of a refusal ("ename"); the sentence is the content's
 * "evalue". A run that was carried out is CELLBLOCK_OK whatever became of the code: that is its
 * "status". Of other events: CELLBLOCK_OK. */
CELLBLOCK_API int cellblock_event_code (const cellblock_event *event);

/* Answers an event of type "input_request" ({"prompt", "password"}: the code waits in input ()),
 * which comes to a run whose "allow_stdin" is true; its clock stands meanwhile. value is the line
 * without its end (at most 1 MiB, no newline is added); NULL: an end of file (EOFError). Does not
 * wait. An answer that comes too late (the run was interrupted, or is over) is dropped by the
 * daemon. 0 or -CELLBLOCK_E_*. */
CELLBLOCK_API int cellblock_input (cellblock_client *client, const cellblock_event *question,
                                   const char *value);

/* A descriptor for poll, select or epoll (POLLIN only; never read from it). Level-triggered: it is
 * readable whenever cellblock_next may have something to give. When it is, call cellblock_next
 * (client, 0) until it returns NULL, or come back later: nothing is missed. It may be readable
 * without an event. Unlike the ZMQ_FD below it no wake-up is lost when requests are sent between.
 * Borrowed: closed by cellblock_close. -1 for a client that did not open. */
CELLBLOCK_API int cellblock_fd (const cellblock_client *client);

/* ---- conveniences -------------------------------------------------------------------------- */

/* Sends a request and waits for its reply (timeout_ms as above); events of this request that come
 * before are dropped, those of others are kept for cellblock_next (CELLBLOCK_E_LIMIT beyond 65,536
 * of them or 64 MiB). The reply is owned by the caller; NULL with the client's error. A refusal is
 * a reply, see cellblock_event_code. */
CELLBLOCK_API cellblock_event *cellblock_call (cellblock_client *client, const char *verb,
                                               const char *content, int timeout_ms);

/* Interrupts what runs in the session (KeyboardInterrupt); does not wait. The request's number or
 * -CELLBLOCK_E_*. Not for signal handlers: set a flag there, cellblock_next returns with
 * CELLBLOCK_E_INTERRUPTED, then call this. */
CELLBLOCK_API int64_t cellblock_interrupt (cellblock_client *client, const char *session);

/* Told every event of a run but its reply, borrowed for the call, and NULL when a signal handler
 * ran while waiting; returns 0 to go on, another value to interrupt the run (its reply is waited
 * for all the same). */
typedef int cellblock_on_event (const cellblock_event *event, void *context);

typedef struct cellblock_run_options {
    size_t size;               /* sizeof (cellblock_run_options), so the struct can grow */
    const char *session;       /* NULL: a fresh one, stopped afterwards */
    const char *profile;       /* NULL: the daemon's default */
    const char *const *inputs; /* absolute paths, ended by NULL; NULL: none. As /input/BASENAME */
    double timeout_s;          /* seconds of wall time; 0: the profile's */
    int silent;                /* not 0: no execute_input, no history (Jupyter's silent) */
    int allow_stdin;           /* not 0: on_event answers input_requests (cellblock_input) */
    cellblock_on_event *on_event; /* NULL: nobody is told */
    void *context;                /* borrowed, for on_event */
} cellblock_run_options;

/* Runs code and waits for its end. options may be NULL. Returns the reply (its content is the
 * object of `cellblock run -o json` without "outputs"), owned by the caller; NULL with the client's
 * error. With on_event a signal does not end the wait, without it is CELLBLOCK_E_INTERRUPTED (then
 * the run goes on; close the client or keep it running, its events come from cellblock_next). */
CELLBLOCK_API cellblock_event *cellblock_run (cellblock_client *client, const char *code,
                                              const cellblock_run_options *options);

#ifdef __cplusplus
}
#endif

#endif
