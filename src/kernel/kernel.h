/* kernel.h - one kernel from its start to its end: jail, connections, state. */
#ifndef CB_KERNEL_KERNEL_H
#define CB_KERNEL_KERNEL_H

#include "kernel/death.h"
#include "kernel/launcher.h"
#include "kernel/link.h"
#include "kernel/state.h"
#include "kernel/usage.h"

typedef struct cb_kernel cb_kernel;

typedef struct cb_kernel_events {
    /* It answers and its output arrives. Once. */
    void (*on_ready) (cb_kernel *kernel, void *context);
    /* A checked message (see link.h), never one of our own probes. Borrowed. */
    void (*on_message) (cb_kernel *kernel, cb_channel channel, cb_jmsg *message, void *context);
    /* Output over max_message came and was not kept. */
    void (*on_skipped) (cb_kernel *kernel, cb_channel channel, uint64_t bytes, void *context);
    /* It is gone, everything it had sent was delivered, nothing of it is left. The callee destroys
     * it. */
    void (*on_gone) (cb_kernel *kernel, const cb_death *death, void *context);
} cb_kernel_events;

typedef struct cb_kernel_options {
    const cb_jail_spec *spec; /* borrowed for the kernel's life; spec->name is the session's;
                                 start_seconds: from START to the answer of kernel_info, over it
                                 the kernel is killed and that is told */
    int runtime_fd;           /* borrowed: where sockets are made for a moment */
    size_t max_message;       /* bytes of a message of the kernel that is kept */
    cb_quota *quota;          /* borrowed; NULL: not accounted */
    int active_output;        /* what cells show may act in frontends: the Python inside is told */
    cb_launch_left *left;     /* borrowed; for cb_kernel_adopt */
    /* A new page, before the warden has it: what is to be in it from the first moment. */
    void (*on_page) (cb_page *page, void *context);
} cb_kernel_options;

/* Makes sockets and key, asks the warden. Owned; NULL with err. */
cb_kernel *cb_kernel_new (cb_loop *loop, cb_launcher *launcher, const cb_kernel_options *options,
                          const cb_kernel_events *events, void *context, cb_err *err);
/* One that a broker before us left behind (options->left), with what came of it since. Takes what
 * it needs out of left, also on failure (then the jail is killed). It is idle, or busy
 * (cb_kernel_resume_busy); no on_ready comes, and no message before the next turn of the loop.
 * Owned; NULL with err. */
cb_kernel *cb_kernel_adopt (cb_loop *loop, cb_launcher *launcher, const cb_kernel_options *options,
                            const cb_kernel_events *events, void *context, cb_err *err);
void cb_kernel_resume_busy (cb_kernel *self);
/* A jail that still lives is killed; nothing is told. */
void cb_kernel_destroy (cb_kernel **self);

cb_kernel_state cb_kernel_state_of (const cb_kernel *self);
/* What is in force; NULL before the jail stands. Borrowed. */
const cb_launch_started *cb_kernel_facts (const cb_kernel *self);
/* The warden's number of its jail; its files can be read until the kernel is destroyed. */
uint64_t cb_kernel_jail (const cb_kernel *self);
/* O_PATH of its quota tmpfs, -1 before the jail stands. Borrowed. */
int cb_kernel_tree (const cb_kernel *self);
/* Messages dropped because of what they were. */
uint64_t cb_kernel_dropped (const cb_kernel *self);
/* What its process used so far; cpu: only the time. */
void cb_kernel_usage (const cb_kernel *self, cb_usage *ret_usage);
void cb_kernel_usage_cpu (const cb_kernel *self, cb_usage *ret_usage);
/* Which of its limits are used up; see cb_facts_look. */
void cb_kernel_look (const cb_kernel *self, int closely, cb_facts *ret_facts);

/* Sends an execute_request; only an idle kernel takes one, it is busy until cb_kernel_done. */
int cb_kernel_execute (cb_kernel *self, const char *msg_id, const json_t *content, cb_err *err)
    __attribute__ ((warn_unused_result));
/* A client's message, for a channel that it may travel on. work: a request on shell that it is busy
 * with until cb_kernel_done; only an idle kernel takes one. */
int cb_kernel_forward (cb_kernel *self, cb_channel channel, const cb_jmsg *message, int work,
                       cb_err *err) __attribute__ ((warn_unused_result));
/* The content of its answer to kernel_info, as JSON text; empty before it is ready. Borrowed. */
cb_part cb_kernel_info (const cb_kernel *self);
/* Reply and idle of the request are in. */
void cb_kernel_done (cb_kernel *self);
/* What a broker after us will know. Borrowed. */
cb_page *cb_kernel_page (const cb_kernel *self);
/* The message that is being told, and what follows it on its channel, is told again to a broker
 * after us, until cb_kernel_let_go. */
void cb_kernel_hold (cb_kernel *self, cb_channel channel);
void cb_kernel_let_go (cb_kernel *self, cb_channel channel);
/* Nothing is read of it for a while; no question of its cell is. */
void cb_kernel_pause (cb_kernel *self, int paused);
void cb_kernel_pause_input (cb_kernel *self, int paused);
/* Whether this id was used not long ago. */
int cb_kernel_knows (const cb_kernel *self, const char *msg_id);
/* Answers an input_request whose header is given: content {"value": text}. CB_INPUT_END raises
 * EOFError in IPython's kernel. */
#define CB_INPUT_END "\x04"
void cb_kernel_input (cb_kernel *self, cb_part header, const char *text);
/* Asks for KeyboardInterrupt by a message on control. */
void cb_kernel_interrupt (cb_kernel *self);
/* The same by a signal to the kernel process. */
void cb_kernel_interrupt_hard (cb_kernel *self);
/* Ends it; on_gone follows with `why` as the cause ("" to let the facts speak). */
void cb_kernel_kill (cb_kernel *self, const char *why);
/* The same, but one that is idle may end by itself, as Python does: what was written to files is in
 * them. It has a second and a half for that. */
void cb_kernel_shut_down (cb_kernel *self, const char *why);
/* A message that is out of place: counted, logged once a kind. */
void cb_kernel_refuse (cb_kernel *self, cb_channel channel, const cb_jmsg *message,
                       const char *why);

#endif
