/* curlmulti.h - HTTP requests on the loop. The one place that knows libcurl. */
#ifndef CB_NET_CURLMULTI_H
#define CB_NET_CURLMULTI_H

#include "base/clock.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stddef.h>

typedef struct cb_curlmulti cb_curlmulti;
typedef struct cb_http cb_http;

/* Borrows loop, which must live longer. Keeps connections open between requests. Owned. */
cb_curlmulti *cb_curlmulti_new (cb_loop *loop, cb_err *err);
void cb_curlmulti_destroy (cb_curlmulti **self);

/* Header fields of the answer that somebody needs; "" where missing. */
typedef struct cb_http_head {
    int status;
    char content_type[128];
    char retry_after[64];
    char retry_after_ms[32];
    char should_retry[16];
} cb_http_head;

typedef struct cb_http_request {
    const char *url;            /* http or https; redirects are not followed */
    const char *const *headers; /* "Name: value", NULL ends them; copied */
    const void *body;           /* sent by POST; borrowed until the end */
    size_t size;
    cb_usec idle_timeout; /* without a byte for so long it fails; 0: never */
    /* A piece of the answer's body. A fault ends the request, on_end gets it. */
    int (*on_bytes) (const cb_http_head *head, const char *bytes, size_t size, void *context,
                     cb_err *err);
    /* It is over, once. err->code 0: the answer came whole (of whatever status). Else what went
     * wrong; head->status is 0 when there was no answer at all. May destroy the request. */
    void (*on_end) (const cb_http_head *head, const cb_err *err, void *context);
    void *context; /* borrowed */
} cb_http_request;

/* Starts it; texts are copied. Owned; cb_http_destroy before on_end gives it up (no on_end then).
 */
int cb_http_start (cb_curlmulti *multi, const cb_http_request *request, cb_http **ret_http,
                   cb_err *err) __attribute__ ((warn_unused_result));
void cb_http_destroy (cb_http **self);

#endif
