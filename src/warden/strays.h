/* strays.h - jails that nobody owns any more. */
#ifndef CB_WARDEN_STRAYS_H
#define CB_WARDEN_STRAYS_H

#include <stddef.h>

/* Kills every jail on this machine (that we may kill) whose bwrap is gone: the number of them. */
size_t cb_strays_kill (void);

#endif
