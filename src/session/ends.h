/* ends.h - the end of a cell's output that went over the cap: little memory, exact numbers. */
#ifndef CB_SESSION_ENDS_H
#define CB_SESSION_ENDS_H

#include "wire/zmsg.h"

#include <stdint.h>

/* Bytes of text that are kept of each stream. */
#define CB_ENDS_TEXT 16384

typedef struct cb_ends cb_ends;

enum { CB_ENDS_OUT, CB_ENDS_ERR, CB_ENDS__COUNT };

/* A stream message's content (JSON that was checked before) that is not passed on. How many bytes
 * its text has; content's size when it is no such text. *self is made when it is needed; without
 * memory nothing is kept. */
uint64_t cb_ends_take (cb_ends **self, cb_part content);
void cb_ends_destroy (cb_ends **self);

/* What is kept of a stream, at most CB_ENDS_TEXT bytes of UTF-8 with an end byte; its size, 0:
 * nothing. */
size_t cb_ends_text (const cb_ends *self, int stream, char text[CB_ENDS_TEXT + 1]);

/* For tests: the bytes that a text has when it is decoded, whose JSON (between the quotes) is
 * given; *ret_border is the first place at or behind `from` where a character begins. */
uint64_t cb_ends_count (cb_part raw, size_t from, size_t *ret_border);

#endif
