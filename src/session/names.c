/* names.c - two plain words; neither offends nor is a command of cellblock. */
#include "session/names.h"

#include "base/fdio.h"
#include "base/table.h"

#include <stdint.h>
#include <stdio.h>

static const char *const s_first[] = {
    "amber", "brave", "brisk",  "calm",   "clear", "copper", "coral",  "early",
    "fair",  "fresh", "gentle", "glad",   "green", "happy",  "indigo", "jolly",
    "keen",  "kind",  "late",   "lively", "lucky", "mellow", "mild",   "neat",
    "noble", "plain", "proud",  "quick",  "quiet", "rapid",  "silver", "sunny",
};

static const char *const s_second[] = {
    "alder",  "aspen", "beaver", "birch",  "bison",  "cedar", "crane",  "dune",
    "falcon", "fern",  "finch",  "harbor", "hazel",  "heron", "island", "lark",
    "larch",  "lemur", "maple",  "marten", "meadow", "otter", "panda",  "pine",
    "plover", "river", "robin",  "spruce", "stone",  "swift", "tern",   "willow",
};

/* Attempts with two words alone. */
#define PLAIN_ATTEMPTS 10

void
cb_session_name_make (char name[CB_NAME_MAX], unsigned attempt)
{
    uint16_t dice[3];

    cb_random (dice, sizeof dice);
    const char *first = s_first[dice[0] % CB_COUNT (s_first)];
    const char *second = s_second[dice[1] % CB_COUNT (s_second)];
    if (attempt < PLAIN_ATTEMPTS)
        (void)snprintf (name, CB_NAME_MAX, "%s-%s", first, second);
    else
        (void)snprintf (name, CB_NAME_MAX, "%s-%s-%u", first, second, dice[2]);
}
