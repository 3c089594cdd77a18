/* fuzz-ctl.c - contents of control requests (libFuzzer): the first byte chooses the verb. What
 * passes the check must be readable as its row says. */
#include "base/jsonx.h"
#include "base/name.h"
#include "wire/ctl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
s_read_field (const cb_ctl_field *field, const json_t *content)
{
    const json_t *member = json_object_get (content, field->name);
    const char *text = NULL;

    if (member == NULL || json_is_null (member)) {
        if (field->required)
            abort ();
        return;
    }
    if ((field->type == CB_CTL_TEXT || field->type == CB_CTL_NAME) &&
        cb_json_get_string (content, field->name, CB_CTL_CODE_MAX, NULL, &text, NULL) < 0)
        abort ();
    if (field->type == CB_CTL_NAME && cb_name_check ("session", text, NULL) < 0)
        abort ();
    if (field->type == CB_CTL_INPUTS && json_array_size (member) > CB_CTL_INPUTS_MAX)
        abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    cb_owned (cb_json) json_t *content = NULL;
    cb_err err = CB_ERR_INIT;
    size_t rows;
    const cb_ctl_verb *verbs = cb_ctl_verbs (&rows);

    if (size < 1 || cb_json_parse ("fuzz", data + 1, size - 1, &content, &err) < 0)
        return 0;
    const cb_ctl_verb *verb = &verbs[data[0] % rows];
    if (cb_ctl_check (verb, content, verb->buffers, &err) < 0)
        return 0;
    for (const cb_ctl_field *field = verb->fields; field->name != NULL; field++)
        s_read_field (field, content);
    return 0;
}
