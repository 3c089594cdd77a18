/* cgroup-find.c - what of cgroups this machine lets us use; reads only, changes nothing.
 *
 * v2 first: our own group when nobody else is in it (a unit with Delegate=yes), else the nearest
 * group above that we may write (root; a user's slice). Then v1 with memory and pids. In containers
 * the mount shows only a part of the hierarchy: its root (mountinfo) is cut off our path. */
#include "warden/cgroup.h"

#include "base/cleanup.h"
#include "base/fdio.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX (1024 * 1024) /* of a /proc file */

/* Copies up to one of the end characters; -1 when it does not fit. */
static int
s_copy_until (const char *from, const char *ends, char *to, size_t room)
{
    size_t size = strcspn (from, ends);

    if (size >= room)
        return -1;
    memcpy (to, from, size);
    to[size] = '\0';
    return 0;
}

/* Whether a comma list of options, up to one of the end characters, has the word. */
static int
s_has_word (const char *list, const char *ends, const char *word)
{
    size_t size = strlen (word);
    const char *end = list + strcspn (list, ends);

    while (list < end) {
        size_t step = strcspn (list, ", \n:");
        if (step == size && memcmp (list, word, size) == 0)
            return 1;
        list += step + 1;
    }
    return 0;
}

int
cb_cgroup_own_path (const char *text, const char *controller, char *path, size_t room)
{
    for (const char *line = text; line != NULL && *line != '\0';
         line = (line = strchr (line, '\n')) != NULL ? line + 1 : NULL) {
        const char *list = strchr (line, ':');
        if (list == NULL)
            break;
        const char *at = strchr (list + 1, ':');
        if (at == NULL)
            break;
        int found = controller[0] == '\0' ? strncmp (line, "0::", 3) == 0
                                          : s_has_word (list + 1, ":\n", controller);
        if (found)
            return s_copy_until (at + 1, "\n", path, room) < 0 ? -CB_E_LIMIT : 0;
    }
    return -CB_E_NOTFOUND;
}

/* Octal escapes of mountinfo: blank, tab, newline and backslash. */
static void
s_unescape (char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; to++) {
        unsigned code;
        if (from[0] == '\\' && sscanf (from + 1, "%3o", &code) == 1) {
            *to = (char)code;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Start of the n-th word of a line, counted from 0. */
static const char *
s_word (const char *line, int n)
{
    for (; n > 0; n--) {
        line += strcspn (line, " \n");
        if (*line != ' ')
            return "";
        line++;
    }
    return line;
}

static int
s_mount_matches (const char *line, const char *end, const char *controller)
{
    const char *tail = strstr (line, " - ");

    if (tail == NULL || tail > end)
        return 0;
    tail += 3;
    if (controller[0] == '\0')
        return strncmp (tail, "cgroup2 ", 8) == 0;
    return strncmp (tail, "cgroup ", 7) == 0 && s_has_word (s_word (tail, 2), "\n", controller);
}

int
cb_cgroup_find_mount (const char *text, const char *controller, cb_cgroup_mount *ret_mount)
{
    cb_cgroup_mount mount;

    for (const char *line = text; *line != '\0';) {
        const char *end = line + strcspn (line, "\n");
        if (s_mount_matches (line, end, controller)) {
            if (s_copy_until (s_word (line, 3), " \n", mount.root, sizeof mount.root) < 0 ||
                s_copy_until (s_word (line, 4), " \n", mount.at, sizeof mount.at) < 0)
                return -CB_E_LIMIT;
            s_unescape (mount.root);
            s_unescape (mount.at);
            *ret_mount = mount;
            return 0;
        }
        line = *end == '\n' ? end + 1 : end;
    }
    return -CB_E_NOTFOUND;
}

static char *
s_text (const char *path)
{
    cb_buf text;
    cb_auto_close int fd = open (path, O_RDONLY | O_CLOEXEC);

    cb_buf_init (&text, TEXT_MAX);
    if (fd < 0 || cb_read_all (fd, &text, NULL) < 0 || text.data == NULL) {
        cb_buf_done (&text);
        return NULL;
    }
    return cb_buf_steal (&text);
}

static char *
s_text_at (const char *folder, const char *name)
{
    char path[PATH_MAX];

    if (snprintf (path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return NULL;
    return s_text (path);
}

/* Our own group of a controller as a folder. */
static int
s_own_folder (const char *groups, const char *mounts, const char *controller, char *folder)
{
    cb_cgroup_mount mount;
    char own[PATH_MAX];
    const char *below = own;

    CB_TRY (cb_cgroup_find_mount (mounts, controller, &mount));
    CB_TRY (cb_cgroup_own_path (groups, controller, own, sizeof own));
    size_t cut = strcmp (mount.root, "/") == 0 ? 0 : strlen (mount.root);
    if (strncmp (own, mount.root, cut) == 0 && (own[cut] == '/' || own[cut] == '\0'))
        below += cut;
    else
        below = "";
    if (strstr (below, "/..") != NULL || strcmp (below, "/") == 0)
        below = "";
    if (snprintf (folder, PATH_MAX, "%s%s", mount.at, below) >= PATH_MAX)
        return -CB_E_LIMIT;
    return access (folder, F_OK) == 0 ? 0 : -CB_E_NOTFOUND;
}

/* -- v1 -------------------------------------------------------------------------------------- */

static size_t
s_v1_tree (cb_cgroups *self, const char *base)
{
    for (size_t i = 0; i < self->n_trees; i++)
        if (strcmp (self->trees[i].base, base) == 0)
            return i;
    (void)snprintf (self->trees[self->n_trees].base, sizeof self->trees[0].base, "%s", base);
    return self->n_trees++;
}

static int
s_find_v1 (cb_cgroups *self, const char *groups, const char *mounts)
{
    static const char *const controllers[] = {"memory", "pids", "cpu", "cpuacct"};

    self->n_trees = 0;
    for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
        char base[PATH_MAX];
        int usable = s_own_folder (groups, mounts, controllers[i], base) == 0 &&
                     access (base, W_OK | X_OK) == 0;
        if (!usable && i < 2) {
            (void)snprintf (self->why_none, sizeof self->why_none,
                            "no cgroup v2 to write, and of v1 the controller %s is missing or "
                            "cannot be written",
                            controllers[i]);
            return 0;
        }
        if (!usable)
            continue;
        size_t tree = s_v1_tree (self, base);
        self->trees[tree].has_memory |= i == 0;
        self->trees[tree].has_pids |= i == 1;
        self->trees[tree].has_cpu |= i == 2;
        self->trees[tree].has_usage |= i == 3;
    }
    self->kind = CB_CGROUP_V1;
    return 1;
}

/* -- v2 -------------------------------------------------------------------------------------- */

int
cb_cgroup_lists (const char *folder, const char *file, const char *word)
{
    cb_auto_free char *text = s_text_at (folder, file);

    return text != NULL && s_has_word (text, "\n", word);
}

static int
s_can_write (const char *folder, const char *file)
{
    char path[PATH_MAX];

    return snprintf (path, sizeof path, "%s/%s", folder, file) < (int)sizeof path &&
           access (path, W_OK) == 0;
}

/* Only the root of the whole hierarchy has no type. */
static int
s_is_real_root (const char *folder)
{
    char path[PATH_MAX];

    return snprintf (path, sizeof path, "%s/cgroup.type", folder) < (int)sizeof path &&
           access (path, F_OK) < 0;
}

/* Whether the group holds no process but this one and its parent when that is our own program. */
static int
s_holds_only_us (const char *folder, int *ret_empty)
{
    cb_auto_free char *text = s_text_at (folder, "cgroup.procs");
    char ours[PATH_MAX] = "";
    char other[PATH_MAX] = "";

    *ret_empty = 1;
    if (text == NULL || readlink ("/proc/self/exe", ours, sizeof ours - 1) <= 0)
        return 0;
    for (char *at = text, *end = NULL;; at = end) {
        long pid = strtol (at, &end, 10);
        if (end == at)
            return 1;
        *ret_empty = 0;
        char link[64];
        (void)snprintf (link, sizeof link, "/proc/%ld/exe", pid);
        ssize_t size = readlink (link, other, sizeof other - 1);
        other[size > 0 ? size : 0] = '\0';
        if ((pid != getpid () && pid != getppid ()) || strcmp (ours, other) != 0)
            return 0;
    }
}

static int
s_v2_usable (const char *folder, int is_own)
{
    int empty = 0;

    if (access (folder, W_OK | X_OK) < 0 || !s_can_write (folder, "cgroup.procs") ||
        !s_can_write (folder, "cgroup.subtree_control") ||
        !cb_cgroup_lists (folder, "cgroup.controllers", "memory") ||
        !cb_cgroup_lists (folder, "cgroup.controllers", "pids"))
        return 0;
    if (s_is_real_root (folder))
        return 1;
    int only_us = s_holds_only_us (folder, &empty);
    return empty || (is_own && only_us);
}

static int
s_find_v2 (cb_cgroups *self, const char *groups, const char *mounts)
{
    char folder[PATH_MAX];
    cb_cgroup_mount mount;

    if (cb_cgroup_find_mount (mounts, "", &mount) < 0 ||
        s_own_folder (groups, mounts, "", folder) < 0)
        return 0;
    for (int is_own = 1;; is_own = 0) {
        if (s_v2_usable (folder, is_own)) {
            (void)snprintf (self->trees[0].base, sizeof self->trees[0].base, "%s", folder);
            self->trees[0].has_memory = self->trees[0].has_pids = 1;
            self->trees[0].has_cpu = cb_cgroup_lists (folder, "cgroup.controllers", "cpu");
            self->trees[0].has_usage = 1;
            self->trees[0].is_own = is_own && !s_is_real_root (folder);
            self->n_trees = 1;
            self->kind = CB_CGROUP_V2;
            return 1;
        }
        char *slash = strrchr (folder, '/');
        if (slash == NULL || strlen (folder) <= strlen (mount.at))
            return 0;
        *slash = '\0';
    }
}

void
cb_cgroups_find_in (cb_cgroups *self, const char *groups, const char *mounts)
{
    memset (self, 0, sizeof *self);
    if (!s_find_v2 (self, groups, mounts))
        (void)s_find_v1 (self, groups, mounts);
}

void
cb_cgroups_find (cb_cgroups *self)
{
    cb_auto_free char *groups = s_text ("/proc/self/cgroup");
    cb_auto_free char *mounts = s_text ("/proc/self/mountinfo");

    if (groups != NULL && mounts != NULL) {
        cb_cgroups_find_in (self, groups, mounts);
        return;
    }
    memset (self, 0, sizeof *self);
    (void)snprintf (self->why_none, sizeof self->why_none,
                    "/proc/self/cgroup or /proc/self/mountinfo cannot be read");
}
