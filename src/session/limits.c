/* limits.c - the table of limits that speak.
 *
 * Facts say whether a limit is used up (kernel/facts); this file says whose fault an exception is.
 * The exception's class comes from the jail and only decides between two explanations that the
 * facts allow. */
#include "session/limits.h"

#include "base/table.h"

#include <stdio.h>
#include <string.h>

/* Sorted. Names as in a profile. */
static const struct row {
    const char *name;
    const char *ename;
    const char *what; /* is used up, behind "the session's limit of VALUE"; NULL: said elsewhere */
    const char *advice; /* what to do but for raising it */
} s_rows[] = {
    {"cpu_seconds", "CpuTimeLimitExceeded", NULL, "compute less in one process"},
    {"disk", "DiskLimitExceeded", "in /work, /tmp, /output and /dev/shm is used up",
     "remove files that are not needed"},
    {"files", "FileCountLimitExceeded", "files and folders is used up",
     "remove files that are not needed, or put many into one"},
    {"memory", "MemoryLimitExceeded", NULL, "work on less data at a time"},
    {"open_files", "OpenFilesLimitExceeded", "open files a process is used up",
     "close files, pipes and sockets"},
    {"output", "OutputLimitExceeded", NULL, "print less, or write it to a file in /output"},
    {"processes", "ProcessLimitExceeded", "processes and threads is used up",
     "end processes that are not needed, or start fewer"},
    {"wall", "WallTimeLimitExceeded", NULL, "do it in smaller steps"},
};

static const struct fact {
    cb_hit hit;
    const char *name;
    const char *errors[4]; /* classes of exceptions that it makes */
} s_facts[] = {
    {CB_HIT_PROCESSES, "processes", {"BlockingIOError", "RuntimeError", "OSError"}},
    {CB_HIT_OPEN_FILES, "open_files", {"OSError", "ZMQError", "error"}},
    {CB_HIT_DISK, "disk", {"OSError", "OperationalError"}},
    {CB_HIT_FILES, "files", {"OSError", "OperationalError"}},
};

static const struct row *
s_row (const char *name)
{
    static const struct row none = {"", "", "", ""};
    const struct row *row = name != NULL ? CB_TABLE_FIND (s_rows, name) : NULL;

    return row != NULL ? row : &none;
}

static int
s_makes (const struct fact *fact, const char *ename)
{
    for (size_t i = 0; i < CB_COUNT (fact->errors) && fact->errors[i] != NULL; i++)
        if (strcmp (fact->errors[i], ename) == 0)
            return 1;
    return 0;
}

static int
s_was_hit (const struct fact *fact, const cb_facts *before, const cb_facts *now, const char *ename)
{
    uint32_t bit = 1U << fact->hit;

    if (fact->hit == CB_HIT_PROCESSES && now->refused > before->refused)
        return 1;
    if ((now->reached & bit) == 0)
        return 0;
    return ((before->reached | before->unknown) & bit) == 0 || s_makes (fact, ename);
}

static void
s_value (cb_hit hit, const cb_jail_spec *spec, char value[CB_UNITS_TEXT])
{
    const uint64_t counts[CB_HIT__COUNT] = {[CB_HIT_PROCESSES] = spec->processes,
                                            [CB_HIT_OPEN_FILES] = spec->open_files,
                                            [CB_HIT_FILES] = spec->files};

    if (hit == CB_HIT_DISK)
        (void)cb_size_text (spec->disk, value);
    else
        (void)snprintf (value, CB_UNITS_TEXT, "%llu", (unsigned long long)counts[hit]);
}

void
cb_limit_judge (const cb_facts *before, const cb_facts *now, const char *ename,
                const cb_jail_spec *spec, cb_limit_hit *ret_hit)
{
    *ret_hit = (cb_limit_hit){.name = NULL};
    for (size_t i = 0; i < CB_COUNT (s_facts); i++) {
        if (!s_was_hit (&s_facts[i], before, now, ename))
            continue;
        ret_hit->name = s_facts[i].name;
        ret_hit->ename = s_row (s_facts[i].name)->ename;
        s_value (s_facts[i].hit, spec, ret_hit->value);
        return;
    }
}

void
cb_limit_words (const cb_limit_hit *hit, const char *profile, char *text, size_t room)
{
    const struct row *row = s_row (hit->name);

    (void)snprintf (text, room, "the session's limit of %s %s: %s, or raise %s (profile %s)",
                    hit->value, row->what, row->advice, row->name, profile);
}

const char *
cb_limit_ename (const char *name)
{
    return s_row (name)->ename;
}

const char *
cb_limit_advice (const char *name)
{
    return s_row (name)->advice;
}

const char *
cb_limit_death_ename (const cb_death *death, int began)
{
    return began && death->limit != NULL ? cb_limit_ename (death->limit) : "KernelDied";
}

void
cb_limit_death_words (const cb_death *death, int began, const char *aftermath, char *text,
                      size_t room)
{
    int advice = began && death->limit != NULL;

    (void)snprintf (text, room, "%s%s%s%s%s", death->text, aftermath[0] != '\0' ? "; " : "",
                    aftermath, advice ? "; " : "", advice ? cb_limit_advice (death->limit) : "");
}
