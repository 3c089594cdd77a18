/* limits.c - --limit NAME=VALUE. Only cut in two here: what a name means, and whether the profile
 * lets it be loosened, the daemon says. */
#include "cli/limits.h"

#include "base/fdio.h"
#include "base/name.h"

#include <string.h>

json_t *
cb_limits_json (const cb_words *words, cb_err *err)
{
    cb_owned (cb_json) json_t *object = json_object ();
    char name[CB_NAME_MAX];

    for (size_t i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        size_t size = strcspn (word, "=");
        if (word[size] != '=' || size == 0 || size >= sizeof name || word[size + 1] == '\0' ||
            !cb_utf8_valid (word, strlen (word))) {
            (void)cb_fail (err, CB_E_INVALID, "--limit %.64s: not NAME=VALUE (memory=1G)", word);
            return NULL;
        }
        memcpy (name, word, size);
        name[size] = '\0';
        if (json_object_set_new (object, name, json_string (word + size + 1)) < 0) {
            (void)cb_fail_nomem (err);
            return NULL;
        }
    }
    return cb_take (object);
}
