/* test-config.c - layers, --set, and every mistake with its line and its words. */
#include "broker/config.h"

#include "base/cleanup.h"
#include "base/fdio.h"
#include "base/table.h"
#include "base/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1024 * 1024)

static cb_ini_sources s_sources;
static char s_options[CB_INI_FILES][64];
static cb_config *s_config;
static cb_err s_err;

static void
s_fresh (void)
{
    for (size_t i = 0; i < s_sources.n_files; i++)
        cb_close (&s_sources.files[i].fd);
    memset (&s_sources, 0, sizeof s_sources);
    memset (&s_err, 0, sizeof s_err);
    cb_config_destroy (&s_config);
}

static void
s_file (const char *label, const void *bytes, size_t size)
{
    int fd = cb_memfd ("config", bytes, size, &s_err);
    char *option = s_options[s_sources.n_files];

    (void)snprintf (option, sizeof s_options[0], "%d=%s", fd, label);
    if (fd < 0 || cb_ini_add_fd (&s_sources, option, &s_err) < 0)
        abort ();
}

static void
s_text (const char *label, const char *text)
{
    s_file (label, text, strlen (text));
}

static void
s_option (const char *option)
{
    if (cb_ini_add_set (&s_sources, option, &s_err) < 0)
        abort ();
}

static int
s_load (void)
{
    cb_config_destroy (&s_config);
    return cb_config_load (&s_sources, &s_config, &s_err);
}

static cb_profile s_profile;

static int
s_resolve (const char *name)
{
    return cb_profiles_resolve (s_config->profiles, name, &s_profile, &s_err);
}

static void
s_test_layers (void)
{
    s_fresh ();
    ok (s_load () == 0 && s_config->idle_expiry == 3600 * CB_USEC_PER_SEC &&
            s_config->leave_after == 300 * CB_USEC_PER_SEC && s_config->sessions == 256 &&
            s_config->start_limit == 30 * CB_USEC_PER_SEC && s_config->log_level == CB_LOG_INFO &&
            s_resolve ("default") == 0,
        "defaults without any file");

    s_text (
        "/etc/a.conf",
        "; first\n# second\n[broker]\nidle_expiry = 10 s ; soon\n"
        "sessions: 5\r\nstart_limit = 2 min\n\n[profile fast]\n   memory = 1 GiB\n  wall=2 s\n");
    s_text ("/home/b.conf", "\xef\xbb\xbf[broker]\nidle_expiry = none\nlog_level = debug\n"
                            "[profile fast]\nwall = 3 s\n[profile faster]\ninherits = fast\n"
                            "[profile empty]");
    s_option ("broker.sessions=9");
    s_option ("profile.fast.files=99");
    s_option ("profile fast.disk=7M");
    s_option ("profile.new.cpu=20 %");
    ok (s_load () == 0, "loads: %s", s_err.text);
    ok (s_config->idle_expiry == 0 && s_config->sessions == 9 &&
            s_config->start_limit == 120 * CB_USEC_PER_SEC && s_config->log_level == CB_LOG_DEBUG,
        "later layers win, key by key");
    ok (s_resolve ("faster") == 0 && s_profile.wall == 3 * CB_USEC_PER_SEC &&
            s_profile.jail.memory == 1024 * MIB && s_profile.jail.files == 99 &&
            s_profile.jail.disk == 7 * MIB,
        "profiles over all layers");
    ok (s_resolve ("new") == 0 && s_profile.jail.cpu_percent == 20, "a profile by --set alone");
    ok (s_load () == 0 && s_config->sessions == 9, "a second load reads the files again");

    s_fresh ();
    s_text ("m", "[model small]\nbackend = chat\nmodel=x\ntemperature = 0.5\nmax_tokens=10\n"
                 "default = yes\n[alerts]\nsyslog = on\n");
    ok (s_load () == 0, "sections of later versions: %s", s_err.text);
}

static void
s_test_mistakes (void)
{
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"[broker]\nidle_expirey = 1 s\n",
         "F:2: unknown key of section [broker] 'idle_expirey'; did you mean 'idle_expiry'?"},
        {"[broker]\ncolour = red\n", "F:2: unknown key of section [broker] 'colour'"},
        {"\n\n[brokre]\n", "F:3: unknown section 'brokre'; did you mean 'broker'?"},
        {"[zebra]\nx = 1\n", "F:1: unknown section 'zebra'"},
        {"[broker]\nsessions = 0\n", "F:2: sessions: '0' is out of range (1 to 4096)"},
        {"[broker]\nsessions = five\n", "F:2: sessions: 'five' is not a whole number"},
        {"[broker]\nsessions = 5 # few\n", "a comment behind a value starts with ';'"},
        {"[broker]\nsessions =\n", "F:2: sessions: '' is not a whole number"},
        {"[broker]\nidle_expiry = 1 ms\n", "F:2: idle_expiry: '1 ms' is out of range"},
        {"[broker]\nstart_limit = none\n", "F:2: start_limit: 'none' is not a duration"},
        {"[broker]\nstart_limit = 0\n", "F:2: start_limit: '0' is out of range (1 s to 1 h)"},
        {"[broker]\nstart_limit = 61 min\n", "is out of range (1 s to 1 h)"},
        {"[broker]\nlog_level = loud\n", "is not one of: error warn info debug"},
        {"[broker]\nruntime_dir = /tmp/x\n", "CELLBLOCK_RUNTIME_DIR"},
        {"sessions = 5\n", "F:1: a key before the first [section]"},
        {"[broker]\nsessions\n", "F:2: not [section], key = value"},
        {"[broker\nsessions = 5\n", "F:1: not [section], key = value"},
        {"[broker x]\nsessions = 5\n", "F:1: a section [broker] has no name"},
        {"[profile]\nmemory = 1G\n", "F:1: a section [profile NAME] needs a name"},
        {"[profile a b]\n", "F:1: not a profile name"},
        {"[profile a]\nmemroy = 1G\n", "F:2: unknown key 'memroy' of a profile; did you mean 'mem"},
        {"[profile a]\nmemory = huge\n", "F:2: memory: 'huge' is not a size"},
        {"[profile a]\n\ninherits = b\n", "F:3: inherits: no profile 'b'"},
        {"[profile a]\ninherits = b\n[profile b]\ninherits=a\n", "inherits from itself"},
        {"[policy strict]\nx = deny\n", "F:1: this version checks no code"},
        {"[model m]\ntemperature = hot\n", "F:2: temperature: 'hot' is not a number"},
        {"[model m]\ntemperature = 3\n", "is not a number from 0 to 2"},
        {"[model m]\nkey = sk-1\n", "F:2: unknown key of section [model] 'key'"},
        {"[model m]\nbase_url =\n", "F:2: base_url: needs a value"},
        {"[broker]\nsessions = 5\n\xff\n", "F: not a text file in UTF-8"},
    };

    for (size_t i = 0; i < CB_COUNT (bad); i++) {
        s_fresh ();
        s_text ("F", bad[i].text);
        ok (s_load () < 0 && s_config == NULL && strstr (s_err.text, bad[i].says) != NULL, "%s",
            s_err.text);
    }
}

static void
s_test_hostile_files (void)
{
    enum { LONG = 300000 };
    static char text[LONG];

    s_fresh ();
    s_file ("F", "[broker]\n\0[x]", 13);
    ok (s_load () == -CB_E_INVALID, "%s", s_err.text);

    s_fresh ();
    memset (text, 'a', sizeof text);
    memcpy (text, "[broker]\n", 9);
    s_file ("F", text, 9 + 5000);
    ok (s_load () == -CB_E_LIMIT && strstr (s_err.text, "F:2: a line is longer") != NULL, "%s",
        s_err.text);

    s_fresh ();
    memset (text, '\n', sizeof text);
    s_file ("F", text, sizeof text);
    ok (s_load () == -CB_E_LIMIT, "%s", s_err.text);

    /* libinih cuts names at 50 bytes: what is left must not look like another key. */
    s_fresh ();
    s_text ("F", "[broker]\nsessionssessionssessionssessionssessionssessionssessions = 5\n");
    ok (s_load () < 0, "%s", s_err.text);
    s_fresh ();
    s_text ("F", "[profile aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n"
                 "memory=1G\n");
    ok (s_load () < 0, "%s", s_err.text);

    s_fresh ();
    s_sources.n_files = 1;
    s_sources.files[0] = (cb_ini_file){.fd = open ("/", O_RDONLY | O_CLOEXEC), .label = "/"};
    ok (s_load () < 0 && strstr (s_err.text, "not a regular file") != NULL, "%s", s_err.text);
}

static void
s_test_options (void)
{
    static const char *const bad_fd[] = {"", "3", "3=", "=x", "x=y", "-1=x", "999999=x"};
    static const char *const bad_set[] = {"", "broker", "broker.sessions", "broker=1", "=.x"};
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"broker.sessoins=5", "--set broker.sessoins=5: unknown key of section [broker] 'sessoins'"
                              "; did you mean 'sessions'?"},
        {"brokre.sessions=5", "did you mean 'broker'?"},
        {".sessions=5", "--set .sessions=5: "},
        {"broker.=5", "unknown key"},
        {"profile.x.memory=1", "--set profile.x.memory=1: memory: '1' is out of range"},
        {"profile.memory=1G", "needs a name"},
        {"profile.a.b.memory=1G", "not a profile name"},
    };

    s_fresh ();
    for (size_t i = 0; i < CB_COUNT (bad_fd); i++)
        ok (cb_ini_add_fd (&s_sources, bad_fd[i], &s_err) < 0, "%s", s_err.text);
    for (size_t i = 0; i < CB_COUNT (bad_set); i++)
        ok (cb_ini_add_set (&s_sources, bad_set[i], &s_err) < 0, "%s", s_err.text);
    for (size_t i = 0; i < CB_COUNT (bad); i++) {
        s_fresh ();
        s_option (bad[i].text);
        ok (s_load () < 0 && strstr (s_err.text, bad[i].says) != NULL, "%s", s_err.text);
    }
    s_fresh ();
    for (int i = 0; i < CB_INI_SETS; i++)
        s_option ("broker.sessions=5");
    ok (cb_ini_add_set (&s_sources, "broker.sessions=5", &s_err) == -CB_E_LIMIT, "%s", s_err.text);
    s_fresh ();
    s_option ("profile.x.wall=a=b");
    ok (s_load () < 0 && strstr (s_err.text, "'a=b'") != NULL, "the first = counts: %s",
        s_err.text);
}

/* Every key stands in the manual as a word of its own. */
static void
s_test_manual (void)
{
    static const char *const sections[] = {"broker", "profile", "model", "alerts"};
    const char *folder = getenv ("top_srcdir");
    cb_scoped (cb_buf) cb_buf text = {0};
    char path[4096];
    char word[64];

    if (folder == NULL) {
        ok (1, "the manual # SKIP top_srcdir is not set");
        return;
    }
    cb_buf_init (&text, 65536);
    (void)snprintf (path, sizeof path, "%s/doc/cellblock.conf.5", folder);
    ok (cb_read_file (AT_FDCWD, path, &text, &s_err) == 0, "%s", path);
    for (size_t s = 0; s < CB_COUNT (sections); s++) {
        const char *key;
        const char *before = "";
        for (size_t i = 0; (key = cb_config_key (sections[s], i)) != NULL; i++) {
            (void)snprintf (word, sizeof word, " %s ", key);
            int found = text.size > 0 && strstr (text.data, word) != NULL;
            (void)snprintf (word, sizeof word, " %s\n", key);
            found |= text.size > 0 && strstr (text.data, word) != NULL;
            ok (found && strcmp (before, key) < 0, "[%s] %s", sections[s], key);
            before = key;
        }
    }
}

int
main (void)
{
    s_test_layers ();
    s_test_mistakes ();
    s_test_hostile_files ();
    s_test_options ();
    s_test_manual ();
    s_fresh ();
    return tap_done ();
}
