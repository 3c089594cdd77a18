/* idmap.h - which user ids exist here: inside a user namespace (a container) only a few do. */
#ifndef CB_BASE_IDMAP_H
#define CB_BASE_IDMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CB_IDMAP_RANGES 32

typedef struct cb_idmap {
    struct {
        uint32_t first;
        uint32_t count;
    } ranges[CB_IDMAP_RANGES];
    size_t n_ranges;
} cb_idmap;

/* Parses the text of /proc/PID/uid_map (user_namespaces(7)); lines that make no sense are skipped.
 */
void cb_idmap_parse (cb_idmap *self, const char *text);

/* Reads /proc/self/uid_map; where there is none, every uid is mapped. */
void cb_idmap_read (cb_idmap *self);

int cb_idmap_has (const cb_idmap *self, uid_t uid);

/* The highest mapped uid below `below` that is neither 0 nor nobody (65534); 0: there is none. */
uid_t cb_idmap_highest (const cb_idmap *self, uid_t below);

/* The uid of the broker when root starts the daemon: CB_BROKER_UID, the highest mapped one where
 * that is not mapped, our own where root is the only user there is (and so nobody special). */
uid_t cb_broker_uid (void);

#endif
