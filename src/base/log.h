/* log.h - one line an event on standard error: time, level, program, constant message, fields.
 *
 *   cb_log_info ("kernel started", CB_STR ("session", name), CB_INT ("pid", pid));
 *   2026-11-20T07:20:00.123Z info cellblock-broker "kernel started" session=amber pid=371
 *
 * No secrets, no user code (its hash at most). Values are escaped: peers cannot forge lines. */
#ifndef CB_BASE_LOG_H
#define CB_BASE_LOG_H

#include <stdint.h>

typedef enum { CB_LOG_ERROR, CB_LOG_WARN, CB_LOG_INFO, CB_LOG_DEBUG } cb_log_level;

typedef struct cb_log_field {
    const char *name; /* NULL ends the list */
    const char *text; /* NULL: the number counts */
    int64_t number;
} cb_log_field;

#define CB_STR(field_name, value)             \
    {                                         \
        .name = (field_name), .text = (value) \
    }
#define CB_INT(field_name, value)                        \
    {                                                    \
        .name = (field_name), .number = (int64_t)(value) \
    }

/* Sets the program's name (borrowed, static) and the least important level that is written. */
void cb_log_open (const char *program, cb_log_level level);

void cb_log_write (cb_log_level level, const char *message, const cb_log_field *fields);

#define cb_log_at(level, message, ...) \
    cb_log_write ((level), (message),  \
                  (const cb_log_field[]){__VA_ARGS__ __VA_OPT__ (, ){NULL, NULL, 0}})
#define cb_log_error(...) cb_log_at (CB_LOG_ERROR, __VA_ARGS__)
#define cb_log_warn(...)  cb_log_at (CB_LOG_WARN, __VA_ARGS__)
#define cb_log_info(...)  cb_log_at (CB_LOG_INFO, __VA_ARGS__)
#define cb_log_debug(...) cb_log_at (CB_LOG_DEBUG, __VA_ARGS__)

#endif
