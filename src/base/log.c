/* log.c - writing log lines: one write(2) a line, so lines of several programs do not mix. */
#include "base/log.h"

#include "base/buf.h"
#include "base/name.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line is cut here: enough for an error sentence and some fields. */
#define LINE_MAX_BYTES 2048

static struct {
    const char *program;
    cb_log_level level;
} g_log = {"cellblock", CB_LOG_INFO};

static const char *const s_levels[] = {"error", "warn", "info", "debug"};

void
cb_log_open (const char *program, cb_log_level level)
{
    g_log.program = program;
    g_log.level = level;
}

static void
s_put_quoted (cb_buf *line, const char *text)
{
    (void)cb_buf_put (line, "\"", 1);
    for (size_t step = 1; *text != '\0'; text += step) {
        size_t size = cb_utf8_shown (text);
        step = size > 0 ? size : 1;
        if (*text == '"' || *text == '\\')
            (void)cb_buf_printf (line, "\\%c", *text);
        else if (size == 0)
            (void)cb_buf_printf (line, "\\x%02x", (unsigned)(unsigned char)*text);
        else
            (void)cb_buf_put (line, text, size);
    }
    (void)cb_buf_put (line, "\"", 1);
}

static int
s_is_plain (const char *text)
{
    return *text != '\0' &&
           text[strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-_./:,+@%")] == '\0';
}

void
cb_log_write (cb_log_level level, const char *message, const cb_log_field *fields)
{
    if (level > g_log.level)
        return;

    cb_buf line;
    cb_buf_init (&line, LINE_MAX_BYTES);
    struct timespec now;
    struct tm utc;
    (void)clock_gettime (CLOCK_REALTIME, &now);
    (void)gmtime_r (&now.tv_sec, &utc);
    char stamp[32];
    (void)strftime (stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)cb_buf_printf (&line, "%s.%03ldZ %s %s ", stamp, now.tv_nsec / 1000000, s_levels[level],
                         g_log.program);
    s_put_quoted (&line, message);
    for (; fields->name != NULL; fields++) {
        (void)cb_buf_printf (&line, " %s=", fields->name);
        if (fields->text == NULL)
            (void)cb_buf_printf (&line, "%lld", (long long)fields->number);
        else if (s_is_plain (fields->text))
            (void)cb_buf_put (&line, fields->text, strlen (fields->text));
        else
            s_put_quoted (&line, fields->text);
    }
    if (cb_buf_put (&line, "\n", 1) < 0 && line.size > 0)
        line.data[line.size - 1] = '\n';
    ssize_t ignored = write (STDERR_FILENO, line.data, line.size);
    (void)ignored;
    cb_buf_done (&line);
}
