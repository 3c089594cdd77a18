/* test-profile.c - every key of a profile, inheritance, and what is refused with which words. */
#include "base/table.h"
#include "base/tap.h"
#include "policy/profile.h"

#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1024 * 1024)

static cb_profiles *s_profiles;
static cb_profile s_profile;
static cb_err s_err;

static int
s_set (const char *profile, const char *key, const char *value)
{
    return cb_profiles_set (s_profiles, profile, key, value, "t.conf:7", &s_err);
}

static int
s_get (const char *profile)
{
    return cb_profiles_resolve (s_profiles, profile, &s_profile, &s_err);
}

static void
s_fresh (void)
{
    cb_profiles_destroy (&s_profiles);
    s_profiles = cb_profiles_new (&s_err);
    if (s_profiles == NULL)
        abort ();
}

static void
s_test_default (void)
{
    s_fresh ();
    ok (s_get ("default") == 0, "default is there");
    ok (s_profile.wall == 10 * CB_USEC_PER_SEC && s_profile.grace == CB_USEC_PER_SEC,
        "wall, grace");
    ok (s_profile.output == 32 * MIB && s_profile.artifacts == 128 * MIB, "output, artifacts");
    ok (s_profile.jail.memory == 512 * MIB && s_profile.jail.disk == 256 * MIB, "memory, disk");
    ok (s_profile.jail.files == 4096 && s_profile.jail.processes == 64, "files, processes");
    ok (s_profile.jail.open_files == 512 && s_profile.jail.cpu_percent == 100, "open_files, cpu");
    ok (s_profile.jail.cpu_seconds == 3600 && s_profile.jail.loopback == 0, "cpu_seconds");
    for (int i = 0; i < CB_LAYER__COUNT; i++)
        ok (s_profile.jail.layers[i] == CB_LAYER_AUTO, "layer %d is auto", i);
    ok (s_profile.jail.n_inputs == 0 && s_profile.jail.name[0] == '\0', "nothing of a session");
    ok (s_profile.fixed == 0 && s_profile.network == 0 && s_profile.jail.subprocesses == 1,
        "the default fixes nothing, has no network, allows subprocesses");
}

static void
s_test_built_in (void)
{
    static const char *const names[] = {"default",  "safe_eval",    "data_processing",
                                        "plotting", "repo_tooling", "networked"};

    s_fresh ();
    for (size_t i = 0; i < CB_COUNT (names); i++) {
        const char *name = cb_profiles_name (s_profiles, i);
        ok (name != NULL && strcmp (name, names[i]) == 0, "%s is there", names[i]);
        int usable = s_get (names[i]) == 0 && cb_profile_check_start (&s_profile, &s_err) == 0;
        ok (usable == (strcmp (names[i], "networked") != 0), "%s: %s", names[i],
            usable ? "usable" : s_err.text);
    }
    ok (cb_profiles_name (s_profiles, CB_COUNT (names)) == NULL, "no more");
    ok (s_get ("safe_eval") == 0 && s_profile.jail.subprocesses == 0 &&
            s_profile.jail.layers[CB_LAYER_SECCOMP] == CB_LAYER_ON &&
            s_profile.wall == 5 * CB_USEC_PER_SEC && s_profile.jail.cpu_percent == 100,
        "safe_eval is tighter, the rest is default's");
    ok (s_set ("safe_eval", "seccomp", "off") == 0 && s_get ("safe_eval") == 0 &&
            cb_profile_check_start (&s_profile, &s_err) == -CB_E_INVALID,
        "subprocesses = off needs seccomp: %s", s_err.text);
    ok (s_set ("networked", "network", "off") == 0 && s_get ("networked") == 0 &&
            cb_profile_check_start (&s_profile, &s_err) == 0,
        "a configuration may change a built-in one");
}

/* ---- overrides ------------------------------------------------------------------------------ */

static void
s_test_overrides (void)
{
    static const struct {
        const char *key;
        const char *tighter;
        const char *looser;
    } rows[] = {
        {"memory", "128M", "1G"},      {"processes", "16", "64"},     {"loopback", "off", "on"},
        {"disk", "2M", "64M"},         {"subprocesses", "off", "on"}, {"cpu", "50 %", "none"},
        {"cpu_seconds", "30", "none"}, {"network", "off", "on"},
    };

    for (size_t i = 0; i < CB_COUNT (rows); i++) {
        s_fresh ();
        (void)s_get ("safe_eval");
        ok (cb_profile_override (&s_profile, rows[i].key, rows[i].tighter, &s_err) == 0,
            "%s tighter", rows[i].key);
        (void)s_get ("safe_eval");
        ok (cb_profile_override (&s_profile, rows[i].key, rows[i].looser, &s_err) == -CB_E_POLICY &&
                strstr (s_err.text, "profile safe_eval fixes") != NULL &&
                strstr (s_err.text, rows[i].key) != NULL,
            "%s", s_err.text);
        (void)s_get ("default");
        ok (cb_profile_override (&s_profile, rows[i].key, rows[i].looser, &s_err) == 0,
            "%s looser where nothing is fixed", rows[i].key);
    }
    ok (s_get ("default") == 0 && cb_profile_override (&s_profile, "memory", "1G", &s_err) == 0 &&
            s_profile.jail.memory == 1024 * MIB,
        "it counts");
    ok (cb_profile_override (&s_profile, "memory", "1M", &s_err) == -CB_E_LIMIT, "%s", s_err.text);
    ok (cb_profile_override (&s_profile, "memroy", "1G", &s_err) < 0 &&
            strstr (s_err.text, "'memory'") != NULL,
        "%s", s_err.text);
    ok (cb_profile_override (&s_profile, "seccomp", "off", &s_err) < 0, "%s", s_err.text);
    ok (cb_profile_override (&s_profile, "fixed", "none", &s_err) < 0, "%s", s_err.text);
    ok (cb_profile_override (&s_profile, "inherits", "x", &s_err) < 0, "%s", s_err.text);
    ok (cb_profile_override (&s_profile, "workdir", "none", &s_err) < 0, "%s", s_err.text);
    ok (s_set ("default", "fixed", "workdir") < 0 && s_set ("default", "workdir", "wr") < 0, "%s",
        s_err.text);
}

static cb_usec
s_wall (const char *profile, cb_door_kind door, cb_usec asked)
{
    cb_usec wall = 0;

    (void)s_get (profile);
    return cb_profile_wall (&s_profile, door, asked, &wall, &s_err) == 0 ? wall : CB_USEC_NEVER;
}

static void
s_test_wall (void)
{
    const cb_usec sec = CB_USEC_PER_SEC;

    s_fresh ();
    ok (s_wall ("default", CB_DOOR_PROGRAM, 0) == 10 * sec, "a program has the profile's");
    ok (s_wall ("default", CB_DOOR_PERSON, 0) == 0, "a person has none");
    ok (s_wall ("default", CB_DOOR_PROGRAM, 60 * sec) == 60 * sec, "more where nothing is fixed");
    ok (s_wall ("safe_eval", CB_DOOR_PERSON, 0) == 5 * sec, "a fixed one is a person's as well");
    ok (s_wall ("safe_eval", CB_DOOR_PROGRAM, sec) == sec, "less is allowed");
    ok (s_wall ("safe_eval", CB_DOOR_PROGRAM, 60 * sec) == CB_USEC_NEVER &&
            strcmp (s_err.text, "profile safe_eval fixes wall at 5 s: 1 min is refused") == 0,
        "%s", s_err.text);
    (void)s_set ("free", "wall", "none");
    (void)s_set ("free", "fixed", "wall");
    ok (s_wall ("free", CB_DOOR_PERSON, 0) == 0 && s_wall ("free", CB_DOOR_PROGRAM, sec) == sec,
        "none can be fixed too");
}

/* ---- where it was said ---------------------------------------------------------------------- */

static char s_told[8192];

static int
s_on_value (const cb_profile_value *value, void *context, cb_err *err)
{
    size_t used = strlen (s_told);

    (void)context;
    (void)err;
    (void)snprintf (s_told + used, sizeof s_told - used, "%s=%s@%s:%s%s\n", value->key, value->text,
                    value->profile, value->origin, value->fixed ? "!" : "");
    return 0;
}

static void
s_test_origins (void)
{
    static const char *const lines[] = {
        "inherits=safe_eval@mine:t.conf:7\n",     "memory=128 MiB@mine:t.conf:7!\n",
        "wall=5 s@safe_eval:built-in!\n",         "cpu=100 %@default:built-in!\n",
        "files=99@default:t.conf:7!\n",           "loopback=off@default:built-in!\n",
        "subprocesses=off@safe_eval:built-in!\n", "start=cold@default:built-in\n",
        "seccomp=on@safe_eval:built-in\n",        "network=off@default:built-in!\n",
    };

    s_fresh ();
    (void)s_set ("mine", "inherits", "safe_eval");
    (void)s_set ("mine", "memory", "128M");
    (void)s_set ("default", "files", "99");
    (void)s_set ("default", "disk", "9M");
    s_told[0] = '\0';
    ok (cb_profiles_explain (s_profiles, "mine", s_on_value, NULL, &s_err) == 0, "explained");
    for (size_t i = 0; i < CB_COUNT (lines); i++) {
        int is_files = strncmp (lines[i], "files", 5) == 0;
        ok ((strstr (s_told, lines[i]) != NULL) == !is_files, "%s",
            is_files ? "the nearest wins" : lines[i]);
    }
    ok (strstr (s_told, "files=256@safe_eval:built-in!\n") != NULL, "files of safe_eval");
    ok (strstr (s_told, "imports") == NULL, "nothing about what nobody obeys");
    s_told[0] = '\0';
    ok (cb_profiles_explain (s_profiles, "default", s_on_value, NULL, &s_err) == 0 &&
            strstr (s_told, "fixed=none@default:built-in\n") != NULL &&
            strstr (s_told, "inherits=nothing@default:built-in\n") != NULL &&
            strstr (s_told, "disk=9 MiB@default:t.conf:7\n") != NULL,
        "default");
    ok (cb_profiles_explain (s_profiles, "gone", s_on_value, NULL, &s_err) == -CB_E_NOTFOUND, "%s",
        s_err.text);
}

/* Every layer's key, every mode: what it comes to, or the sentence of its refusal. */
static void
s_test_layers (void)
{
    static const struct {
        const char *key;
        cb_layer layer;
        const char *no_off; /* NULL: off is a mode */
    } layers[] = {
        {"cgroup", CB_LAYER_CGROUP, NULL},
        {"seccomp", CB_LAYER_SECCOMP, NULL},
        {"landlock", CB_LAYER_LANDLOCK, NULL},
        {"uid", CB_LAYER_UID, "t.conf:7: uid: 'off' is refused (a daemon of root's never runs"},
    };
    static const char *const modes[] = {"off", "auto", "on"};

    ok (CB_COUNT (layers) == CB_LAYER__COUNT, "every layer has a key");
    for (size_t i = 0; i < CB_COUNT (layers); i++)
        for (size_t mode = 0; mode < CB_COUNT (modes); mode++) {
            s_fresh ();
            int result = s_set ("p", layers[i].key, modes[mode]);
            if (mode == CB_LAYER_OFF && layers[i].no_off != NULL)
                ok (result == -CB_E_INVALID && strstr (s_err.text, layers[i].no_off) != NULL, "%s",
                    s_err.text);
            else
                ok (result == 0 && s_get ("p") == 0 &&
                        s_profile.jail.layers[layers[i].layer] == mode,
                    "%s = %s", layers[i].key, modes[mode]);
        }
}

static void
s_test_every_key (void)
{
    static const char *const good[][2] = {
        {"wall", "2 min"},       {"grace", "500 ms"},
        {"output", "1 MiB"},     {"artifacts", "1G"},
        {"memory", "1 GiB"},     {"disk", "64M"},
        {"files", "100"},        {"cpu_seconds", "60"},
        {"cpu", "150 %"},        {"processes", "32"},
        {"open_files", "64"},    {"loopback", "on"},
        {"cgroup", "on"},        {"seccomp", "auto"},
        {"landlock", "off"},     {"uid", "on"},
        {"inherits", "default"}, {"network", "on"},
        {"start", "cold"},       {"fixed", "wall, memory,network"},
        {"subprocesses", "off"}, {"active_output", "full"},
        {"workdir", "ro"},
    };

    s_fresh ();
    for (size_t i = 0; i < CB_COUNT (good); i++)
        ok (s_set ("big", good[i][0], good[i][1]) == 0, "%s = %s", good[i][0], good[i][1]);
    ok (s_get ("big") == 0 && strcmp (s_profile.name, "big") == 0, "resolves");
    ok (strcmp (s_profile.jail.profile, "big") == 0, "the jail knows its profile's name");
    ok (s_profile.wall == 120 * CB_USEC_PER_SEC && s_profile.grace == 500000, "wall, grace");
    ok (s_profile.output == MIB && s_profile.artifacts == 1024 * MIB, "output, artifacts");
    ok (s_profile.jail.memory == 1024 * MIB && s_profile.jail.disk == 64 * MIB, "memory, disk");
    ok (s_profile.jail.files == 100 && s_profile.jail.cpu_seconds == 60, "files, cpu_seconds");
    ok (s_profile.active_output == CB_ACTIVE_FULL, "active_output");
    ok (s_profile.workdir == CB_WORKDIR_RO && s_profile.jail.workdir == CB_WORKDIR_NONE,
        "workdir is a bound, nobody gets it unasked");
    ok (s_profile.jail.cpu_percent == 150 && s_profile.jail.processes == 32, "cpu, processes");
    ok (s_profile.jail.open_files == 64 && s_profile.jail.loopback == 1, "open_files, loopback");
    ok (s_profile.jail.layers[CB_LAYER_CGROUP] == CB_LAYER_ON &&
            s_profile.jail.layers[CB_LAYER_SECCOMP] == CB_LAYER_AUTO &&
            s_profile.jail.layers[CB_LAYER_LANDLOCK] == CB_LAYER_OFF &&
            s_profile.jail.layers[CB_LAYER_UID] == CB_LAYER_ON,
        "layers");
    ok (s_profile.network == 1 && s_profile.jail.subprocesses == 0 &&
            cb_profile_override (&s_profile, "wall", "1h", &s_err) == -CB_E_POLICY &&
            cb_profile_override (&s_profile, "disk", "1G", &s_err) == 0,
        "network, subprocesses, fixed");
    ok (s_set ("big", "cpu", "none") == 0 && s_set ("big", "wall", "none") == 0 &&
            s_get ("big") == 0 && s_profile.jail.cpu_percent == 0 && s_profile.wall == 0,
        "none");
}

static void
s_test_inherits (void)
{
    s_fresh ();
    ok (s_set ("default", "memory", "256M") == 0, "default can be changed");
    ok (s_set ("leaf", "inherits", "middle") == 0 && s_set ("leaf", "files", "99") == 0, "leaf");
    ok (s_get ("leaf") == -CB_E_NOTFOUND && strstr (s_err.text, "t.conf:7: inherits") != NULL,
        "parent missing: %s", s_err.text);
    ok (s_set ("middle", "disk", "9M") == 0 && s_set ("middle", "files", "98") == 0, "middle");
    ok (s_get ("leaf") == 0 && s_profile.jail.memory == 256 * MIB &&
            s_profile.jail.disk == 9 * MIB && s_profile.jail.files == 99,
        "each value from the nearest that sets it");
    ok (s_get ("middle") == 0 && s_profile.jail.files == 98, "the middle one alone");
    ok (s_get ("gone") == -CB_E_NOTFOUND && strstr (s_err.text, "networked, leaf, middle") != NULL,
        "%s", s_err.text);
    ok (s_set ("middle", "inherits", "leaf") == 0 && s_get ("leaf") == -CB_E_INVALID, "circle: %s",
        s_err.text);
    ok (s_set ("other", "inherits", "leaf") == 0 && s_get ("other") == -CB_E_INVALID,
        "circle further up: %s", s_err.text);
    ok (s_set ("self", "inherits", "self") == 0 && s_get ("self") == -CB_E_INVALID, "%s",
        s_err.text);
}

static void
s_test_bounds (void)
{
    static const char *const bad[][2] = {
        {"wall", "0"},       {"wall", "ten"},       {"wall", "2000 d"},
        {"grace", "none"},   {"output", "1"},       {"memory", "1M"},
        {"memory", "lots"},  {"memory", "-1"},      {"disk", "9 GiB"},
        {"disk", "none"},    {"files", "63"},       {"files", "1000001"},
        {"files", "1e3"},    {"cpu", "0"},          {"cpu", "5 percent"},
        {"cpu", ""},         {"processes", "4097"}, {"processes", "99999999999999999999999999"},
        {"open_files", "8"}, {"loopback", "auto"},  {"cgroup", "yes"},
        {"seccomp", ""},     {"inherits", "a/b"},   {"network", "yes"},
        {"start", "fork"},   {"imports", "numpy"},  {"active_output", "on"},
        {"fixed", "memry"},  {"fixed", ""},         {"fixed", "seccomp"},
        {"fixed", "fixed"},  {"memroy", "1G"},      {"colour", "red"},
    };

    s_fresh ();
    for (size_t i = 0; i < CB_COUNT (bad); i++) {
        memset (&s_err, 0, sizeof s_err);
        ok (s_set ("p", bad[i][0], bad[i][1]) < 0 && strstr (s_err.text, "t.conf:7: ") != NULL,
            "%s", s_err.text);
    }
    ok (s_set ("p", "memroy", "1G") < 0 && strstr (s_err.text, "'memory'") != NULL, "suggests");
    ok (s_set ("../x", "memory", "1G") < 0, "%s", s_err.text);
    ok (s_set ("default", "inherits", "p") < 0, "%s", s_err.text);
    for (int i = 0; i < CB_PROFILES_MAX + 1; i++) {
        char name[CB_NAME_MAX];
        (void)snprintf (name, sizeof name, "n%d", i);
        (void)s_set (name, "memory", "1G");
    }
    ok (s_set ("one-more", "memory", "1G") == -CB_E_LIMIT, "%s", s_err.text);
}

int
main (void)
{
    s_test_default ();
    s_test_built_in ();
    s_test_overrides ();
    s_test_wall ();
    s_test_origins ();
    s_test_layers ();
    s_test_every_key ();
    s_test_inherits ();
    s_test_bounds ();
    cb_profiles_destroy (&s_profiles);
    return tap_done ();
}
