/* uids.c - kernel user ids for jails.
 *
 * Two jails never share one while both live: a jail's processes could otherwise signal and trace
 * each other, and rlimits would be common. Where the uid map is small (a container), the highest
 * mapped ones serve. */
#include "warden/uids.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fdio.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (16 * 1024 * 1024) /* /etc/passwd of a large site */

enum { UID_NEW, UID_FREE, UID_USED, UID_TAKEN };

void
cb_uids_init (cb_uids *self, const cb_idmap *map, uid_t broker)
{
    memset (self, 0, sizeof *self);
    if (cb_idmap_has (map, CB_UIDS_FIRST)) {
        for (uid_t uid = CB_UIDS_FIRST; self->n_slots < CB_UIDS_SLOTS; uid++)
            if (cb_idmap_has (map, uid) && uid != broker)
                self->uids[self->n_slots++] = uid;
            else if (uid != broker)
                break;
        return;
    }
    uid_t uid = cb_idmap_highest (map, broker != 0 ? broker : CB_UIDS_FIRST);
    for (; uid != 0 && self->n_slots < CB_UIDS_SLOTS; uid = cb_idmap_highest (map, uid))
        self->uids[self->n_slots++] = uid;
}

static void
s_exclude (cb_uids *self, uint64_t first, uint64_t count)
{
    for (size_t i = 0; i < self->n_slots; i++)
        if (self->uids[i] >= first && self->uids[i] - first < count && self->states[i] != UID_USED)
            self->states[i] = UID_TAKEN;
}

/* The n-th field (from 0) of a line with colons as a number. */
static int
s_field (const char *line, int n, uint64_t *ret_number)
{
    char *end = NULL;

    for (; n > 0; n--) {
        line += strcspn (line, ":\n");
        if (*line != ':')
            return 0;
        line++;
    }
    *ret_number = strtoull (line, &end, 10);
    return end != line && (*end == ':' || *end == '\n' || *end == '\0');
}

static const char *
s_next_line (const char *line)
{
    line += strcspn (line, "\n");
    return *line == '\n' ? line + 1 : line;
}

void
cb_uids_exclude_passwd (cb_uids *self, const char *text)
{
    for (uint64_t uid; *text != '\0'; text = s_next_line (text))
        if (s_field (text, 2, &uid))
            s_exclude (self, uid, 1);
}

void
cb_uids_exclude_subuid (cb_uids *self, const char *text)
{
    for (uint64_t first, count; *text != '\0'; text = s_next_line (text))
        if (s_field (text, 1, &first) && s_field (text, 2, &count))
            s_exclude (self, first, count);
}

static void
s_exclude_file (cb_uids *self, const char *path, void (*exclude) (cb_uids *, const char *))
{
    cb_scoped (cb_buf) cb_buf text;
    cb_buf_init (&text, FILE_MAX);

    if (cb_read_file (AT_FDCWD, path, &text, NULL) == 0 && text.data != NULL)
        exclude (self, text.data);
}

void
cb_uids_exclude_files (cb_uids *self)
{
    s_exclude_file (self, "/etc/passwd", cb_uids_exclude_passwd);
    s_exclude_file (self, "/etc/subuid", cb_uids_exclude_subuid);
}

int
cb_uids_take (cb_uids *self, uid_t *ret_uid, int *ret_verified, cb_err *err)
{
    for (size_t i = 0; i < self->n_slots; i++) {
        if (self->states[i] != UID_NEW && self->states[i] != UID_FREE)
            continue;
        *ret_uid = self->uids[i];
        *ret_verified = self->states[i] == UID_FREE;
        self->states[i] = UID_USED;
        return 0;
    }
    return cb_fail (err, CB_E_LIMIT, "no user id is left for another jail (%zu there are)",
                    self->n_slots);
}

void
cb_uids_release (cb_uids *self, uid_t uid, int free_again)
{
    for (size_t i = 0; i < self->n_slots; i++)
        if (self->uids[i] == uid)
            self->states[i] = free_again ? UID_FREE : UID_TAKEN;
}

int
cb_uids_owner (uid_t uid, char *name, size_t room)
{
    const struct passwd *entry = getpwuid (uid);

    if (entry == NULL)
        return 0;
    (void)snprintf (name, room, "%s", entry->pw_name);
    return 1;
}
