/* fuzz-config.c - configuration files and --set (libFuzzer): whatever stands in them is a
 * configuration with every value in its range, or a sentence that says where the mistake is.
 *
 * The first byte decides: even, the rest is a file; odd, each line is an option --set. */
#include "broker/config.h"

#include "base/fdio.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
s_check (const cb_config *config)
{
    static cb_profile profile;
    cb_err err = CB_ERR_INIT;
    const char *name;

    if (config->sessions < 1 || config->sessions > 4096 || config->log_level > CB_LOG_DEBUG)
        abort ();
    for (size_t i = 0; (name = cb_profiles_name (config->profiles, i)) != NULL; i++) {
        if (cb_profiles_resolve (config->profiles, name, &profile, &err) < 0)
            abort ();
        if (profile.jail.processes < 16 || profile.jail.processes > 4096 ||
            profile.jail.disk == 0 || profile.jail.files == 0 || profile.grace == 0 ||
            profile.jail.layers[CB_LAYER_SECCOMP] > CB_LAYER_ON || profile.jail.loopback > 1)
            abort ();
    }
}

static void
s_try (const cb_ini_sources *sources, const char *place)
{
    cb_config *config = NULL;
    cb_err err = CB_ERR_INIT;

    if (cb_config_load (sources, &config, &err) == 0)
        s_check (config);
    else if (config != NULL || err.code == 0 || strstr (err.text, place) == NULL)
        abort ();
    cb_config_destroy (&config);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static cb_ini_sources sources;
    cb_err err = CB_ERR_INIT;

    memset (&sources, 0, sizeof sources);
    cb_log_open ("fuzz-config", CB_LOG_ERROR);
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0) {
        cb_auto_close int fd = cb_memfd ("config", data + 1, size - 1, &err);
        if (fd < 0)
            return 0;
        sources.files[0] = (cb_ini_file){.fd = fd, .label = "PLACE"};
        sources.n_files = 1;
        s_try (&sources, "PLACE");
        return 0;
    }
    cb_auto_free char *text = strndup ((const char *)data + 1, size - 1);
    for (char *line = text, *end; line != NULL; line = end) {
        end = strchr (line, '\n');
        if (end != NULL)
            *end++ = '\0';
        (void)!cb_ini_add_set (&sources, line, &err);
    }
    s_try (&sources, "--set ");
    return 0;
}
