/* test-units.c - sizes, durations and suggestions. */
#include "base/nearest.h"
#include "base/table.h"
#include "base/tap.h"
#include "base/units.h"

#include <string.h>

static void
s_test_sizes (void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"512M", 536870912},
        {"512 MiB", 536870912},
        {"1.5G", 1610612736},
        {"20 MB", 20000000},
        {"1kB", 1000},
        {"0.5K", 512},
        {"8388608T", (uint64_t)1 << 63},
    };
    static const char *const bad[] = {
        "",         "-1",   "M",   "1.", "1.M", "512 Mi", "1 m",
        "0x10",     "1e9",  "1 2", " 1", "1G ", "1,5G",   "99999999999999999999",
        "8388609T", "1 mib"};
    uint64_t bytes = 0;
    cb_err err = CB_ERR_INIT;

    for (size_t i = 0; i < CB_COUNT (good); i++)
        ok (cb_size_parse (good[i].text, &bytes, &err) == 0 && bytes == good[i].bytes, "size %s",
            good[i].text);
    for (size_t i = 0; i < CB_COUNT (bad); i++)
        ok (cb_size_parse (bad[i], &bytes, &err) < 0, "refused: %s", err.text);
}

static void
s_test_durations (void)
{
    static const struct {
        const char *text;
        cb_usec duration;
    } good[] = {{"10 s", 10000000},   {"500ms", 500000}, {"1h", 3600000000},    {"1.5 s", 1500000},
                {"2 min", 120000000}, {"3", 3000000},    {"7 d", 604800000000}, {"0", 0},
                {"1 us", 1}};
    static const char *const bad[] = {"", "s", "10 S", "-1 s", "1 year", "4000 d", "1h30m", "ten"};
    cb_usec duration = 0;
    cb_err err = CB_ERR_INIT;

    for (size_t i = 0; i < CB_COUNT (good); i++)
        ok (cb_duration_parse (good[i].text, &duration, &err) == 0 && duration == good[i].duration,
            "duration %s", good[i].text);
    for (size_t i = 0; i < CB_COUNT (bad); i++)
        ok (cb_duration_parse (bad[i], &duration, &err) < 0, "refused: %s", err.text);
}

static void
s_test_texts (void)
{
    char text[CB_UNITS_TEXT];

    ok (strcmp (cb_size_text (536870912, text), "512 MiB") == 0, "%s", text);
    ok (strcmp (cb_size_text (1610612736, text), "1.5 GiB") == 0, "%s", text);
    ok (strcmp (cb_size_text (100, text), "100 B") == 0, "%s", text);
    ok (strcmp (cb_size_text (0, text), "0 B") == 0, "%s", text);
    ok (strcmp (cb_size_text (1100, text), "1.07 KiB") == 0, "%s", text);
    ok (strcmp (cb_size_text (UINT64_MAX, text), "16777215.99 TiB") == 0, "%s", text);
    ok (strcmp (cb_duration_text (10000000, text), "10 s") == 0, "%s", text);
    ok (strcmp (cb_duration_text (500000, text), "500 ms") == 0, "%s", text);
    ok (strcmp (cb_duration_text (3600000000, text), "1 h") == 0, "%s", text);
    ok (strcmp (cb_duration_text (100000000, text), "100 s") == 0, "%s", text);
    ok (strcmp (cb_duration_text (5400000000, text), "90 min") == 0, "%s", text);
    ok (strcmp (cb_duration_text (1234567, text), "1.23 s") == 0, "%s", text);
    ok (strcmp (cb_duration_text (0, text), "0 s") == 0, "%s", text);
}

static void
s_test_nearest (void)
{
    static const struct {
        const char *name;
        int more;
    } table[] = {{"idle_expiry", 1}, {"leave_after", 2}, {"run", 3}, {"sessions", 4}};

#define NEAREST(word) cb_nearest ((word), table, CB_COUNT (table), sizeof table[0])
    ok (NEAREST ("idle_expirey") == table[0].name, "a letter too many");
    ok (NEAREST ("session") == table[3].name, "a letter missing");
    ok (NEAREST ("rnu") == table[2].name, "two swapped");
    ok (NEAREST ("memory") == NULL, "nothing near");
    ok (NEAREST ("") == NULL, "no word");
    ok (NEAREST ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") == NULL, "too long");
}

int
main (void)
{
    s_test_sizes ();
    s_test_durations ();
    s_test_texts ();
    s_test_nearest ();
    return tap_done ();
}
