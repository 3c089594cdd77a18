/* fuzz-sanitise.c - what a terminal gets to see (libFuzzer).
 *
 * The first byte says whether there are colours and erasing, the second where the input is cut.
 * Whatever comes in, what comes out is UTF-8 without controls but line ends, tabs, colours and the
 * erasing of a line, and is the same however the input was cut. */
#include "base/name.h"
#include "cli/sanitise.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Bytes of an allowed sequence that starts with the escape at text; aborts for others. */
static size_t
s_sequence (const char *text)
{
    size_t length = 2;

    if (text[1] != '[')
        abort ();
    while ((text[length] >= '0' && text[length] <= '9') || text[length] == ';')
        length++;
    if (text[length] != 'm')
        abort ();
    return length + 1;
}

static void
s_check_character (const unsigned char *u)
{
    if (u[0] == 0xc2 && u[1] < 0xa0)
        abort (); /* C1 */
    if (u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0xaa && u[2] <= 0xae)
        abort (); /* U+202A to U+202E */
    if (u[0] == 0xe2 && u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9)
        abort (); /* U+2066 to U+2069 */
}

static void
s_check (const cb_buf *out, bool colour, bool erase)
{
    if (!cb_utf8_valid (out->data, out->size))
        abort ();
    for (size_t i = 0; i < out->size; i++) {
        unsigned char byte = (unsigned char)out->data[i];
        if (byte == '\r') {
            if (!erase || strncmp (out->data + i, "\r\033[K", 4) != 0)
                abort ();
            i += 3;
        } else if (byte == 0x1b) {
            if (!colour)
                abort ();
            i += s_sequence (out->data + i) - 1;
        } else if (byte == 0x7f || (byte < 0x20 && byte != '\n' && byte != '\t')) {
            abort ();
        }
        s_check_character ((const unsigned char *)out->data + i);
    }
}

static void
s_run (cb_sanitise state, const char *bytes, size_t size, size_t cut, cb_buf *out)
{
    cb_buf_init (out, size * CB_SANITISE_GROWTH + 8);
    if (cb_sanitise_put (&state, bytes, cut, out) < 0 ||
        cb_sanitise_put (&state, bytes + cut, size - cut, out) < 0 ||
        cb_sanitise_end (&state, out) < 0 || cb_buf_puts (out, "") < 0)
        abort (); /* over the growth that is promised */
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    cb_sanitise state;
    cb_buf whole;
    cb_buf pieces;
    char line[64];

    if (size < 2)
        return 0;
    bool colour = data[0] & 1;
    bool erase = data[0] & 2;
    const char *bytes = (const char *)data + 2;
    size -= 2;
    cb_sanitise_init (&state, colour, erase);
    s_run (state, bytes, size, size, &whole);
    s_run (state, bytes, size, data[1] % (size + 1), &pieces);
    s_check (&whole, colour, erase);
    if (whole.size != pieces.size || memcmp (whole.data, pieces.data, whole.size) != 0)
        abort ();
    cb_buf_done (&whole);
    cb_buf_done (&pieces);
    char *text = strndup (bytes, size);
    if (text != NULL &&
        (!cb_utf8_valid (line, strlen (cb_sanitise_line (text, line, sizeof line))) ||
         strpbrk (line, "\n\r\t\033") != NULL))
        abort ();
    free (text);
    return 0;
}
