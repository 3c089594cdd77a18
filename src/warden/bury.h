/* bury.h - gives up the tmpfs of a dead jail without waiting for its pages. */
#ifndef CB_WARDEN_BURY_H
#define CB_WARDEN_BURY_H

/* Closes the descriptor, which is -1 then. Freeing what a full tmpfs holds takes Linux some tenths
 * of a second, and whoever closes it last waits for that: a child is that one. */
void cb_bury (int *quota);

#endif
