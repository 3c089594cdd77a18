/* save.h - a session as a broker after us finds it: plain data in its kernel's page. */
#ifndef CB_SESSION_SAVE_H
#define CB_SESSION_SAVE_H

#include "session/journal.h"
#include "session/run.h"
#include "session/session.h"

#include <time.h>

/* Bytes of a front part of socket names, its end included. */
#define CB_FRONT_MAX (CB_NAME_MAX + 24)
/* Characters of a key, its end included. */
#define CB_SESSION_KEY_MAX CB_KEY_MAX

/* Whom it ends with (owner.h). */
typedef struct cb_saved_owner {
    int32_t pid;
    uint8_t fresh;
    char word[CB_SHIM_WORD_MAX];
} cb_saved_owner;

/* Written once, when the kernel is ready. */
typedef struct cb_saved_fixed {
    char name[CB_NAME_MAX];
    char key[CB_SESSION_KEY_MAX];
    char front[CB_FRONT_MAX];
    char file[PATH_MAX]; /* of the frontend */
    uint64_t order;
    int64_t created;
    cb_profile profile; /* last: of its inputs only those that are there are written */
} cb_saved_fixed;

/* A request that is no cell, while the kernel has it (cb_saved.asking). */
typedef struct cb_saved_question {
    uint32_t header_size;
    uint32_t identity_size;
    char identity[CB_ZMTP_IDENTITY_MAX + 1];
    char header[CB_HEADER_MAX];
} cb_saved_question;

typedef enum {
    CB_SAVED_NOTHING, /* no cell of which somebody could want to know */
    CB_SAVED_RUN,     /* the control API's, with the kernel */
    CB_SAVED_CELL,    /* an attached client's, with the kernel */
    CB_SAVED_OVER     /* the control API's, all was told: the journal has its end */
} cb_saved_what;

/* Every state. */
typedef struct cb_saved {
    uint32_t what; /* cb_saved_what */
    uint32_t ephemeral;
    uint32_t output_used;
    uint32_t readers;   /* of iopub */
    uint64_t published; /* messages of the kernel that they were given */
    struct timespec output_mtime;
    uint64_t round;   /* of the queue: the one that began last */
    uint64_t clients; /* that have a number in it */
    uint64_t executions;
    uint64_t restarts;
    cb_saved_owner owner;
    uint64_t crashes;
    cb_usec crashed_at[CB_RESTARTS_MAX];
    /* the cell */
    cb_run_saved run;
    cb_journal journal;
    uint64_t told_before;   /* messages that the client was told before the journal begins */
    cb_usec over_at;        /* CB_SAVED_OVER: since when */
    cb_journal queue;       /* requests that wait (waiting.c) */
    uint64_t lost_messages; /* not sent to its client, who reads too slowly, and yet to be told */
    uint64_t lost_bytes;
    uint32_t header_size; /* of the request's, which is in the page */
    uint32_t channel;     /* an attached client's */
    uint8_t stop_on_error;
    uint8_t may_ask;
    uint8_t replied;
    uint8_t idle_told;
    uint8_t asking; /* a request that is no cell is with the kernel: page->shared->question */
    uint32_t identity_size;
    char identity[CB_ZMTP_IDENTITY_MAX + 1];
} cb_saved;

_Static_assert(sizeof (cb_saved) <= CB_PAGE_STATE, "a page has room for a session");
_Static_assert(sizeof (cb_saved_question) <= CB_PAGE_QUESTION, "for a question");
_Static_assert(sizeof (cb_saved_fixed) <= CB_PAGE_FIXED, "and for what is written once");

#endif
