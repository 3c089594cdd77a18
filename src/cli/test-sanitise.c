/* test-sanitise.c - what a terminal gets to see of what a kernel printed. */
#include "base/err.h"
#include "base/tap.h"
#include "cli/sanitise.h"

#include <string.h>

typedef struct s_case {
    const char *in, *want;
    bool colour, erase;
} s_case;

static const s_case s_cases[] = {
    {"plain text\n\tindented\n", "plain text\n\tindented\n", true, true},
    {"\033[31mred\033[0m", "\033[31mred\033[0m", true, true},
    {"\033[31mred\033[0m", "red", false, true},
    {"\033[1;38;5;208mx\033[m", "\033[1;38;5;208mx\033[m", true, true},
    {"\033[38;2;1;2;3mx", "\033[38;2;1;2;3mx\033[0m", true, true},
    {"\033[38;5;0mx", "\033[38;5;0mx\033[0m", true, true},
    {"\033[38;5;8mx\033[0m", "\033[38;5;8mx\033[0m", true, true},
    {"\033[8mhidden\033[0m", "\\x1b[8mhidden\033[0m", true, true},
    {"\033[0;8mhidden", "\\x1b[0;8mhidden", true, true},
    {"\033[38;5m", "\\x1b[38;5m", true, true},
    {"\033[38m", "\\x1b[38m", true, true},
    {"\033[999999999999999999999m", "\\x1b[999999999999999999999m", true, true},
    {"\033]52;c;aGk=\007", "\\x1b]52;c;aGk=\\x07", true, true},
    {"\033]0;title\033\\", "\\x1b]0;title\\x1b\\", true, true},
    {"\033[2J\033[H", "\\x1b[2J\\x1b[H", true, true},
    {"\033[6n", "\\x1b[6n", true, true},
    {"\033P$q\033\\", "\\x1bP$q\\x1b\\", true, true},
    {"\033", "\\x1b", true, true},
    {"\033[3", "\\x1b[3", true, true},
    {"a\bb\177c\vd\f", "a\\x08b\\x7fc\\x0bd\\x0c", true, true},
    {"\xc2\x9b"
     "31m",
     "\\u009b31m", true, true},
    {"\x9b"
     "31m",
     "\\x9b31m", true, true},
    {"\xe2\x80\xae"
     "evil",
     "\\u202eevil", true, true},
    {"\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069", true, true},
    {"5 \xe2\x80\xb0 \xe2\x80\xaf", "5 \xe2\x80\xb0 \xe2\x80\xaf", true, true},
    {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x8d", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x8d", true, true},
    {"\xc0\xaf \xed\xa0\x80 \xf5 \xff", "\\xc0\\xaf \\xed\\xa0\\x80 \\xf5 \\xff", true, true},
    {"cut \xe2\x82", "cut \\xe2\\x82", true, true},
    {"\xe2\x82(", "\\xe2\\x82(", true, true},
    {"one\r\ntwo\r\n", "one\ntwo\n", true, true},
    {" 10%\r100%\n", " 10%\r\033[K100%\n", true, true},
    {" 10%\r100%\n", " 10%\n100%\n", true, false},
    {"100%\r", "100%", true, true},
    {"\r\r\rx\r\r\ny", "x\ny", true, true},
};

/* The whole at once, then in pieces of every size: always the same. */
static void
s_check (const s_case *row)
{
    size_t size = strlen (row->in);

    for (size_t piece = size > 0 ? size : 1; piece > 0; piece--) {
        cb_sanitise state;
        cb_buf out;
        cb_sanitise_init (&state, row->colour, row->erase);
        cb_buf_init (&out, size * CB_SANITISE_GROWTH + 8);
        int result = 0;
        for (size_t at = 0; at < size && result == 0; at += piece) {
            size_t left = size - at;
            result = cb_sanitise_put (&state, row->in + at, left < piece ? left : piece, &out);
        }
        if (result == 0)
            result = cb_sanitise_end (&state, &out);
        if (result < 0 || strcmp (out.data != NULL ? out.data : "", row->want) != 0) {
            char shown[256];
            ok (false, "pieces of %zu give '%s'", piece,
                cb_sanitise_line (out.data != NULL ? out.data : "", shown, sizeof shown));
        }
        cb_buf_done (&out);
    }
}

int
main (void)
{
    char line[64];

    for (size_t i = 0; i < sizeof s_cases / sizeof s_cases[0]; i++) {
        char shown[256];
        s_check (&s_cases[i]);
        ok (true, "in pieces of every size: %s",
            cb_sanitise_line (s_cases[i].in, shown, sizeof shown));
    }
    /* A NUL in the middle. */
    cb_sanitise state;
    cb_buf out;
    cb_sanitise_init (&state, true, true);
    cb_buf_init (&out, 64);
    ok (cb_sanitise_put (&state, "a\0b", 3, &out) == 0 && strcmp (out.data, "a\\x00b") == 0, "NUL");
    ok (state.inside, "the line is not ended");
    ok (cb_sanitise_put (&state, "\n", 1, &out) == 0 && !state.inside, "now it is");
    cb_buf_done (&out);
    cb_buf_init (&out, 3);
    ok (cb_sanitise_put (&state, "\001", 1, &out) == -CB_E_LIMIT, "the bound holds");
    cb_buf_done (&out);

    ok (strcmp (cb_sanitise_line ("a\nb\tc\033[31md", line, sizeof line), "a\\nb cd") == 0, "%s",
        line);
    ok (strcmp (cb_sanitise_line ("", line, sizeof line), "") == 0, "an empty line");
    ok (strcmp (cb_sanitise_line ("\xc3\xa4\xc3\xa4", line, 4), "\xc3\xa4") == 0,
        "cut at a character's border");
    return tap_done ();
}
