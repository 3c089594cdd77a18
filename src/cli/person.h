/* person.h - input () of a cell, asked of the person at the terminal. */
#ifndef CB_CLI_PERSON_H
#define CB_CLI_PERSON_H

#include "base/buf.h"
#include "cli/conn.h"
#include "cli/render.h"

#include <termios.h>

typedef struct cb_person {
    int fd;                    /* borrowed: the terminal he types at */
    cellblock_client *client;  /* borrowed */
    cellblock_event *question; /* owned: what is asked; NULL: nothing */
    cb_buf line;               /* what he typed of the answer */
    bool hidden;               /* it is a password: the terminal shows nothing */
    struct termios shown;      /* how the terminal was before */
} cb_person;

void cb_person_init (cb_person *self, int fd, cellblock_client *client);
void cb_person_done (cb_person *self);

/* Shows an input_request's prompt (content is the event's) and waits for the answer. Takes the
 * event; what was asked before is asked no longer. */
int cb_person_ask (cb_person *self, cb_render *render, cellblock_event **question,
                   const json_t *content, cb_err *err) __attribute__ ((warn_unused_result));

/* Whether his answer is awaited: then fd is to be polled, and cb_person_read called when it is
 * readable. */
bool cb_person_is_asked (const cb_person *self);
int cb_person_read (cb_person *self, cb_render *render, cb_err *err)
    __attribute__ ((warn_unused_result));

/* Nothing is asked any more; the terminal shows again what is typed. */
void cb_person_forget (cb_person *self);

#endif
