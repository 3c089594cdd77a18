/* names.h - names for sessions that nobody named. */
#ifndef CB_SESSION_NAMES_H
#define CB_SESSION_NAMES_H

#include "base/name.h"

/* A name that is easy to type and to say ("quiet-otter"); chosen at random among a thousand, so the
 * caller asks again while it is taken. From the tenth attempt on a number makes it unique. */
void cb_session_name_make (char name[CB_NAME_MAX], unsigned attempt);

#endif
