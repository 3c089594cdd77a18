/* render.h - how a run is shown: one row a format, one file behind each. */
#ifndef CB_CLI_RENDER_H
#define CB_CLI_RENDER_H

#include "base/jsonx.h"
#include "cli/out.h"
#include "cli/outputs.h"

#include <limits.h>

typedef enum { CB_FORMAT_TEXT, CB_FORMAT_JSON, CB_FORMAT_STREAM_JSON, CB_FORMAT__COUNT } cb_format;

/* The words of the formats, for options. */
#define CB_FORMAT_HINT "text|json|stream-json"

typedef struct cb_render cb_render;

typedef struct cb_render_ops {
    const char *name;
    /* Something happened: a message of the kernel or a notice of the daemon, by its type. */
    int (*on_event) (cb_render *self, const char *type, const json_t *content, cb_err *err);
    /* It is over. result: SURFACE's object without outputs, borrowed. */
    int (*on_end) (cb_render *self, json_t *result, cb_err *err);
} cb_render_ops;

struct cb_render {
    const cb_render_ops *ops;
    cb_out out;             /* standard output */
    cb_out notes;           /* standard error */
    const char *state_dir;  /* borrowed: where pictures go */
    char run[NAME_MAX + 1]; /* the run's id, "" until it started */
    unsigned pictures;      /* saved so far */
    char told[128];         /* name of the error whose traceback was shown last */
    bool quiet;             /* why it ended was said already */
    cb_outputs *outputs;    /* owned; of the JSON format */
};

int cb_render_init (cb_render *self, cb_format format, const char *state_dir, bool raw, cb_err *err)
    __attribute__ ((warn_unused_result));
void cb_render_done (cb_render *self);

int cb_render_event (cb_render *self, const char *type, const json_t *content, cb_err *err)
    __attribute__ ((warn_unused_result));
int cb_render_end (cb_render *self, json_t *result, cb_err *err)
    __attribute__ ((warn_unused_result));

/* A sentence on standard error, below whatever stands in the current line. */
int cb_render_say (cb_render *self, cb_err *err, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* A JSON value on one line of standard output. Takes value; NULL is out of memory. */
int cb_render_json_line (cb_render *self, json_t *value, cb_err *err);

/* The same for a run's object: its numbers are ours but for those in "outputs", which stay exactly
 * the kernel's. Takes object; NULL is out of memory. */
int cb_render_json_result (cb_render *self, json_t *object, cb_err *err);

extern const cb_render_ops cb_render_text;
extern const cb_render_ops cb_render_json;
extern const cb_render_ops cb_render_stream_json;

#endif
