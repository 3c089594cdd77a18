/* test-choice.c - which model is chosen, and what it costs to name none. */
#include "agent/choice.h"

#include "base/fdio.h"
#include "base/tap.h"

#include <stdlib.h>
#include <string.h>

static cb_choice s_choice;
static cb_err s_err;

/* Chooses from a configuration at PLACE/a.conf. */
static int
s_choose (const char *config, const char *name)
{
    cb_ini_sources sources = {.n_sets = 0};

    cb_choice_done (&s_choice);
    memset (&s_err, 0, sizeof s_err);
    cb_auto_close int fd = cb_memfd ("config", config, strlen (config), &s_err);
    if (fd < 0)
        abort ();
    sources.files[sources.n_files++] = (cb_ini_file){fd, "/PLACE/a.conf"};
    return cb_choice_make (&s_choice, &sources, name, &s_err);
}

static void
s_test_names (void)
{
    const char *two = "[model a]\nbase_url = http://a/v1/\n[model b]\nbase_url=https://b/v1\n"
                      "model = big\ndefault = yes\nmax_tokens = 5\nidle_timeout = none\n";

    ok (s_choose ("", NULL) == -CB_E_NOTFOUND && strstr (s_err.text, "--model") != NULL, "%s",
        s_err.text);
    ok (s_choose ("", "") == -CB_E_INVALID, "%s", s_err.text);
    ok (s_choose (two, NULL) == 0 && strcmp (s_choice.id, "big") == 0 && s_choice.max_tokens == 5 &&
            s_choice.idle_timeout == 0,
        "the default section");
    ok (s_choose (two, "a") == 0 && strcmp (s_choice.id, "a") == 0 &&
            strcmp (s_choice.url, "http://a/v1") == 0 && s_choice.idle_timeout == CB_MODEL_IDLE,
        "a named section; a slash at the address's end goes");
    ok (s_choose ("[model a]\nbase_url = http://a\n", NULL) == 0, "the only section");
    (void)setenv ("CELLBLOCK_MODEL", "a", 1);
    ok (s_choose (two, NULL) == 0 && strcmp (s_choice.id, "a") == 0, "the variable names it");
    ok (s_choose (two, "b") == 0 && strcmp (s_choice.id, "big") == 0, "the option wins");
    (void)unsetenv ("CELLBLOCK_MODEL");
    ok (s_choose (two, "c") == -CB_E_NOTFOUND && strstr (s_err.text, "OPENAI_BASE_URL") != NULL,
        "%s", s_err.text);
}

static void
s_test_environment (void)
{
    (void)setenv ("OPENAI_API_KEY", "sk-1", 1);
    ok (s_choose ("", "m") == 0 && strcmp (s_choice.url, "https://api.openai.com/v1") == 0 &&
            strcmp (s_choice.key, "sk-1") == 0,
        "a key alone means the vendor's own server");
    (void)setenv ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1", 1);
    ok (s_choose ("", "gpt-4.1") == 0 && strcmp (s_choice.url, "http://127.0.0.1:1/v1") == 0,
        "the environment's server");
    ok (s_choose ("[model a]\nmodel = big\n", "a") == 0 && strcmp (s_choice.key, "sk-1") == 0,
        "a section without an address is a model of that server");
    ok (s_choose ("[model a]\nbase_url = http://x\n", "a") == 0 && s_choice.key[0] == '\0',
        "its key goes to no other");
    (void)setenv ("OPENAI_API_KEY", "a\nb: c", 1);
    ok (s_choose ("", "m") == -CB_E_INVALID && strstr (s_err.text, "a\nb") == NULL, "%s",
        s_err.text);
    (void)unsetenv ("OPENAI_API_KEY");
    (void)unsetenv ("OPENAI_BASE_URL");
}

static void
s_test_files (void)
{
    const char *relative = "[model r]\nbackend = replay\nfile = x/y.json\n";
    const char *absolute = "[model r]\nbackend = replay\nfile = /x/y.json\n";

    ok (s_choose (relative, NULL) == 0 && strcmp (s_choice.file, "/PLACE/x/y.json") == 0,
        "a path is relative to the configuration's folder");
    ok (s_choose (absolute, NULL) == 0 && strcmp (s_choice.file, "/x/y.json") == 0,
        "an absolute one stays");
}

static void
s_test_keys (void)
{
    ok (s_choose ("[model a]\nbase_url = http://a\nkey_cmd = printf ' k-1 \\nx'\n", NULL) == 0 &&
            strcmp (s_choice.key, "k-1") == 0,
        "a command's first line");
    ok (s_choose ("[model a]\nbase_url = http://a\nkey_cmd = kill -9 $$\n", NULL) == -CB_E_IO &&
            strstr (s_err.text, "signal 9") != NULL,
        "%s", s_err.text);
    ok (s_choose ("[model a]\nbase_url = http://a\nkey_cmd = yes\n", NULL) == -CB_E_LIMIT, "%s",
        s_err.text);
    ok (s_choose ("[model a]\nbase_url = http://a\nkey_cmd = true\n", NULL) == -CB_E_NOTFOUND, "%s",
        s_err.text);
    ok (s_choose ("[model a]\nbase_url = http://a\nkey_file = /dev/zero\n", NULL) < 0, "%s",
        s_err.text);
}

int
main (void)
{
    (void)unsetenv ("OPENAI_API_KEY");
    (void)unsetenv ("OPENAI_BASE_URL");
    (void)unsetenv ("CELLBLOCK_MODEL");
    s_test_names ();
    s_test_environment ();
    s_test_files ();
    s_test_keys ();
    cb_choice_done (&s_choice);
    return tap_done ();
}
