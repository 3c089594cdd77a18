/* markdown.h - Markdown and LaTeX of which no renderer makes anything that acts. */
#ifndef CB_WIRE_MARKDOWN_H
#define CB_WIRE_MARKDOWN_H

#include "base/buf.h"
#include "wire/zmsg.h"

/* Appends the text, defused: tags other than a few of html.h, pictures from anywhere and addresses
 * that are not out into the web are left as the characters they are made of. What cb_buf_put
 * returns. */
int cb_markdown_put (cb_buf *into, cb_part text) __attribute__ ((warn_unused_result));

/* The same for LaTeX, where only tags matter: some frontends take it for HTML first. */
int cb_latex_put (cb_buf *into, cb_part text) __attribute__ ((warn_unused_result));

#endif
