/* test-warden.h - a stand-in for the warden's side of CB_LAUNCH_OPEN, over an ordinary folder. */
#ifndef CB_PROV_TEST_WARDEN_H
#define CB_PROV_TEST_WARDEN_H

/* Serves socket until it closes: jail 1 is what lies below root (a descriptor); other jails are not
 * known. Paths decide about misbehaviour:
 *   .../grow    a process of its own goes on appending to the file
 *   .../stale   an answer to another question comes first
 *   .../vanish  the file is removed before it is opened
 *   .../die     the warden ends */
void test_warden_serve (int socket, int root);

#endif
