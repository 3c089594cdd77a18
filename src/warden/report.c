/* report.c - "ok" or "error: SENTENCE" for the one who starts the daemon, said exactly once. The
 * janitor alone holds his descriptor: it can speak for a warden that died. */
#include "warden/report.h"

#include "base/cleanup.h"
#include "base/fdio.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
cb_report_pair (int ends[2], cb_err *err)
{
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return cb_fail_errno (err, CB_E_IO, "socketpair");
    return 0;
}

void
cb_report_send (int *fd, const char *sentence)
{
    const char *text = sentence != NULL ? sentence : "";

    if (*fd < 0)
        return;
    (void)send (*fd, text, strlen (text) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    cb_close (fd);
}

static void
s_say (int *ready_fd, const char *text)
{
    if (*ready_fd < 0)
        return;
    (void)cb_write_all (*ready_fd, text, strlen (text), NULL);
    cb_close (ready_fd);
}

void
cb_report_error (int *ready_fd, const char *sentence)
{
    char text[CB_ERR_TEXT_MAX + 16];

    (void)snprintf (text, sizeof text, "error: %s", sentence);
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\n')
            *at = ' ';
    size_t size = strnlen (text, sizeof text - 2);
    text[size] = '\n';
    text[size + 1] = '\0';
    s_say (ready_fd, text);
}

int
cb_report_pass (int *fd, int *ready_fd)
{
    char text[CB_ERR_TEXT_MAX];
    ssize_t size = *fd >= 0 ? recv (*fd, text, sizeof text - 1, MSG_DONTWAIT) : -1;

    if (size <= 0)
        return 0;
    text[size] = '\0';
    cb_close (fd);
    if (text[0] == '\0')
        s_say (ready_fd, "ok\n");
    else
        cb_report_error (ready_fd, text);
    return 1;
}
