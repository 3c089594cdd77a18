/* css.h - whether a piece of CSS can only change how something looks within its own place. */
#ifndef CB_WIRE_CSS_H
#define CB_WIRE_CSS_H

#include "wire/zmsg.h"

/* What stands in a style attribute: properties we know, values that load nothing, reach nothing
 * outside, and are not escaped or commented. */
int cb_css_is_style (cb_part text);

/* What stands in a style element: rules whose selectors begin at a table of pandas (.dataframe, or
 * an id that its Styler makes: #T_...), with the same declarations. */
int cb_css_is_sheet (cb_part text);

#endif
