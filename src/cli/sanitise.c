/* sanitise.c - the one place through which everything a kernel printed goes on its way to a
 * terminal. A terminal obeys what it is told: titles, the clipboard (OSC 52), keys that type
 * themselves, text that runs backwards. So only this passes: valid UTF-8 text, \n, \t, and colours
 * (SGR, ECMA-48 8.3.117) without "conceal" and "blink". All else is shown as \xNN (a byte) or
 * \uNNNN (a character): C0 and C1 controls, the bidirectional controls U+202A-202E and U+2066-2069
 * (CVE-2021-42574), bytes that are not UTF-8.
 *
 * \r\n is a line's end. A lone \r goes to the line's begin and erases the line, so progress bars
 * work and nothing stays half overwritten; it waits for the text behind it, so the last state of a
 * bar stays to be seen. */
#include "cli/sanitise.h"

#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { S_COMPLETE, S_CUT, S_BAD }; /* what the bytes at a place are */

void
cb_sanitise_init (cb_sanitise *self, bool colour, bool erase)
{
    memset (self, 0, sizeof *self);
    self->colour = colour;
    self->erase = erase;
}

/* One more parameter of a colour sequence: a number, or -1. */
static int
s_next_number (const char **at)
{
    char *end = NULL;

    if (**at < '0' || **at > '9')
        return **at == ';' || **at == 'm' ? 0 : -1;
    long number = strtol (*at, &end, 10);
    *at = end;
    return number <= 255 ? (int)number : -1;
}

static bool
s_sgr_known (int number)
{
    return number <= 4 || number == 7 || number == 9 || (number >= 21 && number <= 24) ||
           number == 27 || number == 29 || (number >= 30 && number <= 37) || number == 39 ||
           (number >= 40 && number <= 47) || number == 49 || (number >= 90 && number <= 97) ||
           (number >= 100 && number <= 107);
}

/* How many numbers follow 38 or 48 and the kind behind it (5: index, 2: red green blue). */
static int
s_sgr_colour_rest (int kind)
{
    if (kind == 5)
        return 1;
    return kind == 2 ? 3 : -1;
}

/* Whether the parameters (behind "ESC [", up to 'm') only colour; *ret_dirty: something is on. */
static bool
s_sgr_harmless (const char *at, bool *ret_dirty)
{
    int skip = 0;
    bool kind_next = false;

    for (;; at++) {
        int number = s_next_number (&at);
        if (number < 0 || (*at != ';' && *at != 'm'))
            return false;
        bool part = skip > 0 || kind_next;
        if (skip > 0) {
            skip--;
        } else if (kind_next) {
            skip = s_sgr_colour_rest (number);
            kind_next = false;
            if (skip < 0)
                return false;
        } else if (number == 38 || number == 48) {
            kind_next = true;
        } else if (!s_sgr_known (number)) {
            return false;
        }
        *ret_dirty = part || number != 0;
        if (*at == 'm')
            return skip == 0 && !kind_next;
    }
}

/* A colour sequence at the begin of size bytes; its length in *ret_length when complete. */
static int
s_sgr (const char *bytes, size_t size, size_t *ret_length)
{
    if (size == 1)
        return S_CUT;
    if (bytes[1] != '[')
        return S_BAD;
    for (size_t i = 2; i < size && i < CB_SGR_MAX - 1; i++) {
        if (bytes[i] == 'm') {
            *ret_length = i + 1;
            return S_COMPLETE;
        }
        if (bytes[i] != ';' && (bytes[i] < '0' || bytes[i] > '9'))
            return S_BAD;
    }
    return size < CB_SGR_MAX - 1 ? S_CUT : S_BAD;
}

/* How many bytes the character that starts with this byte has; 0: no character starts so. */
static size_t
s_utf8_length (unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

static int
s_utf8 (const char *bytes, size_t size, size_t *ret_length)
{
    size_t length = s_utf8_length ((unsigned char)bytes[0]);

    if (length == 0)
        return S_BAD;
    for (size_t i = 1; i < length && i < size; i++)
        if (((unsigned char)bytes[i] & 0xc0) != 0x80)
            return S_BAD;
    if (size < length)
        return S_CUT;
    *ret_length = length;
    return cb_utf8_valid (bytes, length) ? S_COMPLETE : S_BAD;
}

static unsigned
s_code_point (const char *bytes, size_t length)
{
    const unsigned char *u = (const unsigned char *)bytes;

    if (length == 2)
        return (u[0] & 0x1fU) << 6 | (u[1] & 0x3fU);
    if (length == 3)
        return (u[0] & 0x0fU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU);
    return 0x10000; /* all of the longest are let through */
}

static bool
s_hidden_control (unsigned point)
{
    return (point >= 0x80 && point <= 0x9f) || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

static int
s_show_byte (cb_buf *into, char byte)
{
    return cb_buf_printf (into, "\\x%02x", (unsigned)(unsigned char)byte);
}

static int
s_put_sgr (cb_sanitise *self, const char *bytes, size_t length, cb_buf *into, size_t *used)
{
    bool dirty = false;

    if (!s_sgr_harmless (bytes + 2, &dirty)) {
        *used = 1; /* the escape is shown, the rest is ordinary text */
        return s_show_byte (into, bytes[0]);
    }
    *used = length;
    if (!self->colour)
        return 0;
    self->dirty = dirty;
    return cb_buf_put (into, bytes, length);
}

static int
s_put_return (cb_sanitise *self, char next, cb_buf *into)
{
    if (next == '\n' || next == '\r' || !self->inside) /* \r\n is one end, \r\r counts once */
        return 0;
    self->inside = false;
    return self->erase ? cb_buf_puts (into, "\r\033[K") : cb_buf_puts (into, "\n");
}

static int
s_put_character (cb_sanitise *self, const char *bytes, size_t length, cb_buf *into)
{
    unsigned point = length == 1 ? 0x10000 : s_code_point (bytes, length);

    self->inside = true;
    if (s_hidden_control (point))
        return cb_buf_printf (into, "\\u%04x", point);
    return cb_buf_put (into, bytes, length);
}

/* Whether the byte is text that needs no thought. */
static bool
s_plain (char byte)
{
    return byte >= 0x20 && byte < 0x7f;
}

/* One character, sequence or byte. *used 0: it is cut, more must come. */
static int
s_step (cb_sanitise *self, const char *bytes, size_t size, cb_buf *into, size_t *used)
{
    size_t length = 1;
    int what = S_BAD;
    char byte = bytes[0];

    if (byte == '\n' || byte == '\t') {
        *used = 1;
        self->inside = byte == '\t';
        return cb_buf_put (into, bytes, 1);
    }
    if (byte == '\r') {
        *used = size > 1;
        return size > 1 ? s_put_return (self, bytes[1], into) : 0;
    }
    if (byte == '\033')
        what = s_sgr (bytes, size, &length);
    else if (s_plain (byte) || (unsigned char)byte >= 0x80)
        what = s_utf8 (bytes, size, &length);
    if (what == S_CUT) {
        *used = 0;
        return 0;
    }
    if (what == S_COMPLETE && byte == '\033')
        return s_put_sgr (self, bytes, length, into, used);
    *used = length;
    if (what == S_COMPLETE)
        return s_put_character (self, bytes, length, into);
    *used = 1;
    self->inside = true;
    return s_show_byte (into, byte);
}

/* Text that needs no thought, as much as there is. */
static size_t
s_plain_run (const char *bytes, size_t size)
{
    size_t run = 0;

    while (run < size && s_plain (bytes[run]))
        run++;
    return run;
}

/* Works off size bytes; *ret_used less than size: the rest is cut. */
static int
s_work (cb_sanitise *self, const char *bytes, size_t size, cb_buf *into, size_t *ret_used)
{
    size_t at = 0;

    while (at < size) {
        size_t used = s_plain_run (bytes + at, size - at);
        if (used > 0) {
            self->inside = true;
            CB_TRY (cb_buf_put (into, bytes + at, used));
        } else {
            CB_TRY (s_step (self, bytes + at, size - at, into, &used));
            if (used == 0)
                break;
        }
        at += used;
    }
    *ret_used = at;
    return 0;
}

int
cb_sanitise_put (cb_sanitise *self, const char *bytes, size_t size, cb_buf *into)
{
    size_t used = 0;

    /* What waits is completed byte by byte: it is short, and the sum must fit in held. */
    while (self->n_held > 0 && size > 0) {
        self->held[self->n_held++] = *bytes++;
        size--;
        CB_TRY (s_work (self, self->held, self->n_held, into, &used));
        self->n_held -= used;
        memmove (self->held, self->held + used, self->n_held);
    }
    if (size == 0)
        return 0;
    CB_TRY (s_work (self, bytes, size, into, &used));
    self->n_held = size - used;
    memcpy (self->held, bytes + used, self->n_held);
    return 0;
}

int
cb_sanitise_end (cb_sanitise *self, cb_buf *into)
{
    for (size_t i = 0; i < self->n_held; i++) {
        if (self->held[i] == '\r')
            continue;
        CB_TRY (s_plain (self->held[i]) ? cb_buf_put (into, &self->held[i], 1)
                                        : s_show_byte (into, self->held[i]));
        self->inside = true;
    }
    self->n_held = 0;
    if (self->dirty)
        CB_TRY (cb_buf_puts (into, "\033[0m"));
    self->dirty = false;
    return 0;
}

const char *
cb_sanitise_line (const char *text, char *into, size_t room)
{
    cb_sanitise state;
    cb_buf safe;
    size_t size = strlen (text);
    size_t at = 0;

    cb_sanitise_init (&state, false, false);
    cb_buf_init (&safe, size * (CB_SANITISE_GROWTH + 2) + 16);
    into[0] = '\0';
    while (at < size) {
        size_t line = strcspn (text + at, "\n\r\t");
        if (cb_sanitise_put (&state, text + at, line, &safe) < 0)
            break;
        at += line;
        if (at < size && (cb_sanitise_end (&state, &safe) < 0 ||
                          cb_buf_puts (&safe, text[at] == '\t' ? " " : "\\n") < 0))
            break;
        at++;
    }
    (void)cb_sanitise_end (&state, &safe);
    size = safe.size < room ? safe.size : room - 1;
    while (size > 0 && size < safe.size && ((unsigned char)safe.data[size] & 0xc0) == 0x80)
        size--;
    if (size > 0)
        memcpy (into, safe.data, size);
    into[size] = '\0';
    cb_buf_done (&safe);
    return into;
}
