/* idmap.c - /proc/self/uid_map read once and asked by client and warden the same way. */
#include "base/idmap.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOBODY  65534U
#define MAP_MAX 8192

void
cb_idmap_parse (cb_idmap *self, const char *text)
{
    memset (self, 0, sizeof *self);
    while (*text != '\0' && self->n_ranges < CB_IDMAP_RANGES) {
        unsigned first, outside, count;
        if (sscanf (text, "%u %u %u", &first, &outside, &count) == 3 && count > 0) {
            self->ranges[self->n_ranges].first = first;
            self->ranges[self->n_ranges].count = count;
            self->n_ranges++;
        }
        text += strcspn (text, "\n");
        text += *text == '\n';
    }
}

void
cb_idmap_read (cb_idmap *self)
{
    cb_scoped (cb_buf) cb_buf text;
    cb_buf_init (&text, MAP_MAX);
    cb_auto_close int fd = open ("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && cb_read_all (fd, &text, NULL) == 0 && text.size > 0)
        cb_idmap_parse (self, text.data);
    else
        cb_idmap_parse (self, "0 0 4294967295\n");
}

int
cb_idmap_has (const cb_idmap *self, uid_t uid)
{
    for (size_t i = 0; i < self->n_ranges; i++)
        if (uid >= self->ranges[i].first && uid - self->ranges[i].first < self->ranges[i].count)
            return 1;
    return 0;
}

uid_t
cb_idmap_highest (const cb_idmap *self, uid_t below)
{
    uid_t best = 0;

    for (size_t i = 0; i < self->n_ranges; i++) {
        uid_t first = self->ranges[i].first;
        uid_t last = first + (self->ranges[i].count - 1);
        if (first >= below)
            continue;
        last = last >= below ? below - 1 : last;
        if (last == NOBODY)
            last = first < NOBODY ? NOBODY - 1 : 0;
        best = last > best ? last : best;
    }
    return best;
}

uid_t
cb_broker_uid (void)
{
    cb_idmap map;

    cb_idmap_read (&map);
    if (cb_idmap_has (&map, CB_BROKER_UID))
        return CB_BROKER_UID;
    uid_t highest = cb_idmap_highest (&map, CB_BROKER_UID);
    return highest != 0 ? highest : geteuid ();
}
