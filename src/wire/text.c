/* text.c - characters by comparison, so that no locale changes what is let through. */
#include "wire/text.h"

#include <string.h>

int
cb_part_begins (cb_part part, const char *text)
{
    size_t size = strlen (text);

    if (part.size < size)
        return 0;
    for (size_t i = 0; i < size; i++) {
        char c = part.data[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != text[i])
            return 0;
    }
    return 1;
}

int
cb_text_is_in (const char *set, char c)
{
    return c != '\0' && strchr (set, c) != NULL;
}

int
cb_text_is_letter (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int
cb_text_is_alnum (char c)
{
    return cb_text_is_letter (c) || (c >= '0' && c <= '9');
}
