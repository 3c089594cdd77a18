/* limits.h - which limit a cell has hit that its session survives: a row a limit. */
#ifndef CB_SESSION_LIMITS_H
#define CB_SESSION_LIMITS_H

#include "base/units.h"
#include "kernel/death.h"
#include "kernel/facts.h"

typedef struct cb_limit_hit {
    const char *name;  /* of the limit, as in a profile; static; NULL: none was hit */
    const char *ename; /* static */
    char value[CB_UNITS_TEXT];
} cb_limit_hit;

/* A cell raised ename: was that a limit? By the facts before it and now: a counter that has moved,
 * or something that is used up now and was not before. What was used up before is the cause only
 * where the exception is one that such a limit makes. */
void cb_limit_judge (const cb_facts *before, const cb_facts *now, const char *ename,
                     const cb_jail_spec *spec, cb_limit_hit *ret_hit);

/* The sentence about it: what is used up and what to do. */
void cb_limit_words (const cb_limit_hit *hit, const char *profile, char *text, size_t room);

/* The same for the limits that end a kernel or a cell ("memory", "cpu_seconds", "output", "wall"):
 * the error's name, and what to do. "" when there is no such limit. Static. */
const char *cb_limit_ename (const char *name);
const char *cb_limit_advice (const char *name);

/* A kernel's death as an error of a request. began: the kernel worked on it or had it; who only
 * waited has hit no limit, but is told of the one that was. The name is static. */
const char *cb_limit_death_ename (const cb_death *death, int began);
void cb_limit_death_words (const cb_death *death, int began, const char *aftermath, char *text,
                           size_t room);

#endif
