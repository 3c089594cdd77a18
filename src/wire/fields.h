/* fields.h - the fields of a message's content by their kinds: what each may be. */
#ifndef CB_WIRE_FIELDS_H
#define CB_WIRE_FIELDS_H

#include "base/buf.h"
#include "wire/active.h"
#include "wire/jwalk.h"

/* A content that is written anew. */
typedef struct cb_fields {
    cb_buf *into;
    int changed; /* what was written is not what came */
    const cb_active *about;
} cb_fields;

typedef struct cb_field cb_field;

/* Appends the value as it may be, or another in its place. What cb_buf_put returns. */
typedef int cb_field_kind (cb_fields *self, const cb_field *row, cb_part value);

/* A row; a table of them ends with one whose name is NULL: the rule for all others, or (put NULL)
 * there are none and they are left out. */
struct cb_field {
    const char *name;
    cb_field_kind *put;
    const char *otherwise;  /* JSON text in the place of what does not fit */
    const cb_field *fields; /* of an object in it, or of each of its items */
};

/* Appends the members of the object that walk stands before, as the table has them. */
int cb_fields_put (cb_fields *self, const cb_field *fields, cb_jwalk *walk);

/* Anything: no frontend shows it. */
cb_field_kind cb_field_any;
cb_field_kind cb_field_text;
cb_field_kind cb_field_flag;
cb_field_kind cb_field_count;
cb_field_kind cb_field_word;
cb_field_kind cb_field_mode;
cb_field_kind cb_field_mime_type;
cb_field_kind cb_field_link;
/* Types and their data: mime.h. */
cb_field_kind cb_field_bundle;
/* Never anything but `otherwise`. */
cb_field_kind cb_field_nothing;
/* An object of `fields`. */
cb_field_kind cb_field_object;
cb_field_kind cb_field_any_object;
cb_field_kind cb_field_texts;
cb_field_kind cb_field_names;
/* An array of objects of `fields`. */
cb_field_kind cb_field_objects;
cb_field_kind cb_field_payloads;
cb_field_kind cb_field_type_name;
cb_field_kind cb_field_editor_mode;
/* The kernel's own, and behind it what is said of the jail. */
cb_field_kind cb_field_banner;
cb_field_kind cb_field_language;
cb_field_kind cb_field_links;

#endif
