/* text.h - what the readers of HTML, CSS and Markdown ask of bytes; ASCII, whatever the locale. */
#ifndef CB_WIRE_TEXT_H
#define CB_WIRE_TEXT_H

#include "wire/zmsg.h"

/* Whether the part begins with text, which is in lower case; the part's case does not matter. */
int cb_part_begins (cb_part part, const char *text);

/* Whether a character is in the set, which '\0' never is; a letter; a letter or a digit. */
int cb_text_is_in (const char *set, char c);
int cb_text_is_letter (char c);
int cb_text_is_alnum (char c);

#endif
