/* run-int.h - the inside of a run, for run.c and run-save.c only. */
#ifndef CB_SESSION_RUN_INT_H
#define CB_SESSION_RUN_INT_H

#include "session/run.h"

struct cb_run {
    char name[CB_RUN_NAME_MAX];
    char session[CB_NAME_MAX];
    char msg_id[CB_MSG_ID_MAX];
    json_t *content;
    cb_usec wall;
    cb_usec grace;
    uint64_t output_limit;
    /* clock */
    int live;
    cb_usec begun_at;
    cb_usec wall_used;
    cb_usec wall_at;
    cb_usec hard_at;
    cb_usec kill_at;
    cb_usec over_at;
    cb_usec over_most; /* over_at moves no further */
    cb_usec paused_at; /* CB_USEC_NEVER: the clock runs */
    cb_usec paused;    /* time that a person was asked */
    int interrupt_due;
    int interrupted; /* by a person */
    int begun;       /* the kernel works on it: from here on it can be interrupted */
    int timed_out;
    /* account */
    uint64_t output;
    uint64_t dropped;
    int capped;
    cb_ends *ends; /* owned: of what is dropped; NULL: nothing */
    /* what the kernel said */
    int replied;
    int idle;
    int mute;        /* it went idle and never replied */
    char status[16]; /* of the reply */
    int64_t execution_count;
    json_t *error; /* owned: ename, evalue, traceback */
    json_t *pages; /* owned: texts for a pager; NULL: none */
    int dead;
    cb_death death;
    const char *aftermath; /* static: what follows the death's words */
    cb_facts facts;        /* before it */
    cb_limit_hit hit;      /* the limit that its exception came from */
    char hit_words[256];
    cb_usage usage_before;
    cb_usage usage_after;
};

/* An error of ours. New reference. */
json_t *cb_run_error_ (const char *ename, const char *evalue);

#endif
