/* html.h - whether HTML holds only what cannot act: tables and text, known tag by tag. */
#ifndef CB_WIRE_HTML_H
#define CB_WIRE_HTML_H

#include "wire/zmsg.h"

/* Elements within each other. */
#define CB_HTML_DEPTH_MAX 64

/* Every tag and attribute is in the tables of html.c, with a value that is known to do nothing, and
 * all are closed in the order in which they were opened. 0 says only: not known. */
int cb_html_is_plain (cb_part text);

/* Bytes of the tag (opening or closing, on one line, of an element that goes within a line of text)
 * with which the text begins; 0 when it begins with none that is known. */
size_t cb_html_inline_tag (cb_part text);

/* For tests: the names in the tables, sorted; NULL behind the last. */
const char *cb_html_tag (size_t index);
const char *cb_html_attribute (size_t index);

#endif
