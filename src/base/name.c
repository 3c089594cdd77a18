/* name.c - names that people give, checked once and the same way everywhere. */
#include "base/name.h"

#include <stdint.h>
#include <string.h>

#define NAME_FIRST "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define NAME_MORE  NAME_FIRST "-_"

int
cb_name_check (const char *what, const char *name, cb_err *err)
{
    size_t size = strlen (name);

    if (size > 0 && size < CB_NAME_MAX && strchr (NAME_FIRST, name[0]) != NULL &&
        strspn (name, NAME_MORE) == size)
        return 0;
    return cb_fail (err, CB_E_INVALID,
                    "not a %s name: use letters, digits, '-' and '_', a letter or digit first, at "
                    "most %d characters",
                    what, CB_NAME_MAX - 1);
}

/* Bytes of the character that starts at `at`, 0 when it is malformed. */
static size_t
s_utf8_step (const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (size <= 1)
        return size;
    if (size > left || at[0] > 0xf4)
        return 0;
    uint32_t point = at[0] & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3fU);
    }
    if (point < least[size] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return 0;
    return size;
}

int
cb_utf8_valid (const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;

    while (size > 0) {
        size_t step = s_utf8_step (at, size);
        if (step == 0)
            return 0;
        at += step;
        size -= step;
    }
    return 1;
}

size_t
cb_utf8_shown (const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t size = s_utf8_step (at, strnlen (text, 4));

    if (size == 1)
        return *at >= 0x20 && *at != 0x7f;
    if (size == 2)
        return at[0] == 0xc2 && at[1] < 0xa0 ? 0 : size;
    if (size == 3 && at[0] == 0xe2 &&
        ((at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
         (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9)))
        return 0;
    return size;
}

int
cb_utf8_mend (const char *bytes, size_t size, cb_buf *into)
{
    size_t good = 0;

    for (size_t at = 0; at < size;) {
        size_t step = s_utf8_step ((const unsigned char *)bytes + at, size - at);
        if (step > 0) {
            at += step;
            continue;
        }
        CB_TRY (cb_buf_put (into, bytes + good, at - good));
        CB_TRY (cb_buf_puts (into, "\xef\xbf\xbd"));
        good = ++at;
    }
    return cb_buf_put (into, bytes + good, size - good);
}

int
cb_file_name_check (const char *name, cb_err *err)
{
    size_t size = strlen (name);

    if (size == 0 || size >= CB_FILE_NAME_MAX || strcmp (name, ".") == 0 ||
        strcmp (name, "..") == 0 || !cb_utf8_valid (name, size))
        return cb_fail (err, CB_E_INVALID, "not a usable file name (1 to %d bytes of UTF-8)",
                        CB_FILE_NAME_MAX - 1);
    for (const char *at = name; *at != '\0'; at += cb_utf8_shown (at))
        if (*at == '/' || cb_utf8_shown (at) == 0)
            return cb_fail (err, CB_E_INVALID,
                            "a file name has a '/' or a control character in it");
    return 0;
}
