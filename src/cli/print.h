/* print.h - answers of the daemon on standard output: as JSON, or name and value line by line. */
#ifndef CB_CLI_PRINT_H
#define CB_CLI_PRINT_H

#include "cli/conn.h"

enum { CB_PRINT_TEXT, CB_PRINT_JSON };
#define CB_PRINT_HINT "text|json"

/* Members of an object for people: "" and 0 when missing. Borrowed. */
const char *cb_print_text (const json_t *object, const char *name);
json_int_t cb_print_number (const json_t *object, const char *name);

/* The reply without "status", indented. */
int cb_print_json (json_t *reply, cb_err *err);

/* Every member of the object on a line of its own, names aligned, nested ones below. */
int cb_print_members (const json_t *object, cb_err *err);

#endif
