/* post.h - one question to a model's server by HTTP, asked again where that is right. */
#ifndef CB_AGENT_POST_H
#define CB_AGENT_POST_H

#include "agent/choice.h"
#include "net/curlmulti.h"

typedef struct cb_post cb_post;

typedef struct cb_post_events {
    /* A piece of a good answer (status 200). A fault ends it. */
    int (*on_bytes) (const cb_http_head *head, const char *bytes, size_t size, void *context,
                     cb_err *err);
    /* It is asked again: a sentence for the person. */
    void (*on_note) (const char *text, void *context);
    /* Over, once. err->code 0: the answer came whole. The sentence never holds the key. */
    void (*on_end) (const cb_err *err, void *context);
    void *context; /* borrowed */
} cb_post_events;

/* Borrows loop and choice. Owned. */
cb_post *cb_post_new (cb_loop *loop, const cb_choice *choice, const cb_post_events *events,
                      cb_err *err);
void cb_post_destroy (cb_post **self);

/* Posts body (taken) to the server's address + path. One at a time. */
int cb_post_send (cb_post *self, const char *path, char *body, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Gives it up; on_end does not come. */
void cb_post_stop (cb_post *self);

#endif
