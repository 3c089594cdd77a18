/* filemsg.c - what both sides of the file process need to know about packets and paths. */
#include "prov/filemsg.h"

#include "base/name.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int
cb_filer_socket_prepare (int socket, cb_err *err)
{
    int bytes = (int)CB_FILER_PACKET_MAX + 64 * 1024;
    int now = 0;
    socklen_t size = sizeof now;

    (void)setsockopt (socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    if (getsockopt (socket, SOL_SOCKET, SO_SNDBUF, &now, &size) < 0)
        return cb_fail_errno (err, CB_E_IO, "SO_SNDBUF");
    if ((size_t)now < CB_FILER_PACKET_MAX + 4096)
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "the kernel sends at most %d bytes a packet, we need %zu: raise "
                        "net.core.wmem_max",
                        now, CB_FILER_PACKET_MAX);
    return 0;
}

int
cb_filer_path_check (const char *path, int empty_too, cb_err *err)
{
    static const char *const tops[] = {"work", "output", "tmp"};
    char name[CB_FILE_NAME_MAX];
    char shown[CB_SHOWN_MAX];
    int known = 0;

    if (*path == '\0' && empty_too)
        return 0;
    for (const char *at = path;;) {
        size_t size = strcspn (at, "/");
        (void)snprintf (name, sizeof name, "%.*s", (int)(size < sizeof name ? size : 0), at);
        for (size_t i = 0; at == path && i < CB_COUNT (tops); i++)
            known |= strcmp (name, tops[i]) == 0;
        if (!known)
            return cb_fail (err, CB_E_INVALID,
                            "'%s' is not below /work, /output or /tmp of the session",
                            cb_filer_shown (path, shown));
        if (cb_file_name_check (name, NULL) < 0)
            return cb_fail (err, CB_E_INVALID, "'%s' is not a usable path",
                            cb_filer_shown (path, shown));
        if (at[size] == '\0')
            return 0;
        at += size + 1;
    }
}

const char *
cb_filer_shown (const char *name, char shown[CB_SHOWN_MAX])
{
    size_t used = 0;

    while (*name != '\0' && used + 8 < CB_SHOWN_MAX) {
        size_t size = *name != '\\' ? cb_utf8_shown (name) : 0;
        if (size == 0) {
            used += (size_t)snprintf (shown + used, CB_SHOWN_MAX - used, "\\x%02x",
                                      (unsigned)(unsigned char)*name);
            size = 1;
        } else {
            memcpy (shown + used, name, size);
            used += size;
        }
        name += size;
    }
    (void)snprintf (shown + used, CB_SHOWN_MAX - used, "%s", *name != '\0' ? "..." : "");
    return shown;
}
