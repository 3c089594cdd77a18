/* units.c - sizes and durations: one grammar for the configuration, the command line, answers.
 *
 * NUMBER [.FRACTION] [blanks] [UNIT]. Computed in integers, so 0.1 GiB is the same everywhere. */
#include "base/units.h"

#include "base/table.h"

#include <stdio.h>
#include <string.h>

typedef struct unit {
    const char *name;
    uint64_t factor; /* bytes or microseconds */
} unit;

#define KIB ((uint64_t)1024)
#define KB  ((uint64_t)1000)

static const unit s_sizes[] = {
    {"", 1},
    {"B", 1},
    {"GB", KB *KB *KB},
    {"G", KIB *KIB *KIB},
    {"GiB", KIB *KIB *KIB},
    {"K", KIB},
    {"KiB", KIB},
    {"MB", KB *KB},
    {"M", KIB *KIB},
    {"MiB", KIB *KIB},
    {"TB", KB *KB *KB *KB},
    {"T", KIB *KIB *KIB *KIB},
    {"TiB", KIB *KIB *KIB *KIB},
    {"kB", KB},
};

#define MSEC   CB_USEC_PER_MSEC
#define SEC    CB_USEC_PER_SEC
#define MINUTE (60 * SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
/* Longer makes no sense and keeps sums of durations far from their end. */
#define DURATION_MAX (3650 * DAY)

static const unit s_durations[] = {
    {"", SEC},     {"d", DAY},       {"days", DAY},       {"h", HOUR},  {"hours", HOUR},
    {"m", MINUTE}, {"min", MINUTE},  {"minutes", MINUTE}, {"ms", MSEC}, {"s", SEC},
    {"sec", SEC},  {"seconds", SEC}, {"us", 1},
};

typedef struct grammar {
    const unit *units;
    size_t n_units;
    uint64_t most;
    const char *what; /* for the sentence */
} grammar;

static const grammar s_size = {s_sizes, CB_COUNT (s_sizes), (uint64_t)1 << 63,
                               "a size such as 4096, 512M or 1.5 GiB"};
static const grammar s_duration = {s_durations, CB_COUNT (s_durations), DURATION_MAX,
                                   "a duration such as 500ms, 10 s or 1h"};

/* Digits of a fraction that count: enough for a byte in a TiB. */
#define FRACTION_DIGITS 6

static int
s_is_digit (char c)
{
    return c >= '0' && c <= '9';
}

static int
s_parse (const grammar *rules, const char *text, uint64_t *ret_value, cb_err *err)
{
    const char *at = text;
    uint64_t whole = 0;
    uint64_t fraction = 0; /* millionths */
    uint64_t scale = 1000000;
    uint64_t value;
    int over = 0;

    if (!s_is_digit (*at))
        return cb_fail (err, CB_E_INVALID, "'%.64s' is not %s", text, rules->what);
    for (; s_is_digit (*at); at++)
        over |= __builtin_mul_overflow (whole, 10, &whole) ||
                __builtin_add_overflow (whole, (uint64_t)(*at - '0'), &whole);
    if (*at == '.' && s_is_digit (at[1])) {
        for (at++; s_is_digit (*at) && scale > 1; at++) {
            scale /= 10;
            fraction += (uint64_t)(*at - '0') * scale;
        }
    }
    at += strspn (at, " ");
    for (size_t i = 0; i < rules->n_units; i++) {
        if (strcmp (at, rules->units[i].name) != 0)
            continue;
        uint64_t factor = rules->units[i].factor;
        uint64_t part = factor / 1000000 * fraction + factor % 1000000 * fraction / 1000000;
        over |= __builtin_mul_overflow (whole, factor, &value) ||
                __builtin_add_overflow (value, part, &value);
        if (over || value > rules->most)
            return cb_fail (err, CB_E_LIMIT, "'%.64s' is too much", text);
        *ret_value = value;
        return 0;
    }
    return cb_fail (err, CB_E_INVALID, "'%.64s' is not %s", text, rules->what);
}

int
cb_size_parse (const char *text, uint64_t *ret_bytes, cb_err *err)
{
    return s_parse (&s_size, text, ret_bytes, err);
}

int
cb_duration_parse (const char *text, cb_usec *ret_duration, cb_err *err)
{
    return s_parse (&s_duration, text, ret_duration, err);
}

/* The value in the largest of the units in which it is at least one: at most two decimals, rounded
 * down, no zeros behind. units: ascending. */
static const char *
s_text (const unit *units, size_t n_units, uint64_t value, char text[CB_UNITS_TEXT])
{
    size_t best = 0;

    for (size_t i = 1; i < n_units; i++)
        if (value >= units[i].factor)
            best = i;
    uint64_t factor = units[best].factor;
    unsigned hundredths = (unsigned)((double)(value % factor) / (double)factor * 100);
    unsigned long long whole = value / factor;
    if (hundredths == 0)
        (void)snprintf (text, CB_UNITS_TEXT, "%llu %s", whole, units[best].name);
    else if (hundredths % 10 == 0)
        (void)snprintf (text, CB_UNITS_TEXT, "%llu.%u %s", whole, hundredths / 10,
                        units[best].name);
    else
        (void)snprintf (text, CB_UNITS_TEXT, "%llu.%02u %s", whole, hundredths, units[best].name);
    return text;
}

const char *
cb_size_text (uint64_t bytes, char text[CB_UNITS_TEXT])
{
    static const unit units[] = {{"B", 1},
                                 {"KiB", KIB},
                                 {"MiB", KIB * KIB},
                                 {"GiB", KIB * KIB * KIB},
                                 {"TiB", KIB * KIB * KIB * KIB}};
    return s_text (units, CB_COUNT (units), bytes, text);
}

const char *
cb_duration_text (cb_usec duration, char text[CB_UNITS_TEXT])
{
    static const unit units[] = {{"us", 1},       {"ms", MSEC}, {"s", SEC},
                                 {"min", MINUTE}, {"h", HOUR},  {"d", DAY}};
    if (duration == 0)
        return s_text (units + 2, 1, 0, text);
    /* 100 s are not 1.66 min: exact where that is a short number. */
    for (size_t i = CB_COUNT (units); i-- > 0;)
        if (duration % units[i].factor == 0 && duration / units[i].factor < 1000)
            return s_text (units + i, 1, duration, text);
    return s_text (units, CB_COUNT (units), duration, text);
}
