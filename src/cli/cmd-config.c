/* cmd-config.c - cellblock config show: what the configuration files and --set say, the one that
 * counts of each key, and where it stands. Read here, by the reader that the daemon has (base/ini),
 * so it tells what a daemon started now would get, also when none can start. */
#include "base/configs.h"
#include "base/ini.h"
#include "cli/columns.h"
#include "cli/print.h"
#include "cli/sanitise.h"

#include <stdio.h>
#include <string.h>

/* "profile NAME" at most. */
#define S_SECTION_MAX 128
/* A line of a file, every byte of it escaped. */
#define S_VALUE_MAX 20000

/* {"profile mine": {"memory": {"value": "1G", "origin": "FILE:3"}}}, in the order of appearance;
 * a later layer replaces the value where the key first stood. */
static int
s_on_item (const cb_ini_item *item, void *context, cb_err *err)
{
    char section[S_SECTION_MAX];
    json_t *sections = context;

    (void)snprintf (section, sizeof section, "%s%s%s", item->section,
                    item->name[0] != '\0' ? " " : "", item->name);
    json_t *keys = json_object_get (sections, section);
    if (keys == NULL && json_object_set_new (sections, section, keys = json_object ()) < 0)
        return cb_fail_nomem (err);
    if (json_object_set_new (keys, item->key,
                             json_pack ("{s:s, s:o}", "value", item->value, "origin",
                                        cb_json_words (item->origin))) < 0)
        return cb_fail_nomem (err);
    return 0;
}

static int
s_read (const cb_cli *cli, cb_configs *files, json_t *sections, cb_err *err)
{
    static cb_ini_sources sources; /* large */

    if (cli->configs.count > CB_CONFIGS_GIVEN)
        return cb_fail (err, CB_E_LIMIT, "more than %d times -C", CB_CONFIGS_GIVEN);
    CB_TRY (cb_configs_find (files, cli->configs.items, cli->configs.count, err));
    CB_TRY (cb_configs_open (files, err));
    for (size_t i = 0; i < files->n; i++)
        sources.files[sources.n_files++] = (cb_ini_file){files->fds[i], files->labels[i]};
    for (size_t i = 0; i < cli->settings.count; i++)
        CB_TRY (cb_ini_add_set (&sources, cli->settings.items[i], err));
    return cb_ini_read (&sources, s_on_item, sections, err);
}

static int
s_print_origins (const json_t *sections, cb_err *err)
{
    cb_scoped (cb_columns) cb_columns table;
    const char *section;
    const char *key;
    json_t *keys;
    json_t *value;

    cb_columns_init (&table, 3);
    cb_columns_add (&table, "KEY");
    cb_columns_add (&table, "VALUE");
    cb_columns_add (&table, "FROM");
    json_object_foreach ((json_t *)(uintptr_t)sections, section, keys)
        json_object_foreach (keys, key, value)
    {
        cb_columns_add (&table, "[%s] %s", section, key);
        cb_columns_add (&table, "%s", cb_print_text (value, "value"));
        cb_columns_add (&table, "%s", cb_print_text (value, "origin"));
    }
    return cb_columns_print (&table, stdout, true) < 0 ? cb_fail_nomem (err) : 0;
}

/* As a file that says the same. */
static void
s_print_file (const json_t *sections)
{
    char safe[S_VALUE_MAX];
    const char *between = "";
    const char *section;
    const char *key;
    json_t *keys;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)sections, section, keys)
    {
        (void)printf ("%s[%s]\n", between, section);
        between = "\n";
        json_object_foreach (keys, key, value) (void) printf (
            "%s = %s\n", key, cb_sanitise_line (cb_print_text (value, "value"), safe, sizeof safe));
    }
}

typedef struct s_form {
    int format;
    bool origin;
} s_form;

static int
s_show (const cb_cli *cli, const s_form *form, cb_err *err)
{
    static cb_configs files; /* large */
    cb_owned (cb_json) json_t *sections = json_object ();

    int result = s_read (cli, &files, sections, err);
    cb_configs_close (&files);
    if (result < 0)
        return result;
    if (form->format == CB_PRINT_JSON)
        return cb_print_json (sections, err);
    if (json_object_size (sections) == 0) {
        cb_cli_say ("nothing is configured: the defaults of cellblock.conf(5) count");
        return 0;
    }
    if (form->origin)
        return s_print_origins (sections, err);
    s_print_file (sections);
    return 0;
}

int
cb_cmd_config (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    s_form form = {CB_PRINT_TEXT, false};
    const cb_option options[] = {
        {"origin", 0, CB_OPTION_FLAG, &form.origin, NULL, "tell where each value stands"},
        {"output", 'o', CB_OPTION_CHOICE, &form.format, CB_PRINT_HINT, "how it is printed"},
        {0},
    };
    const cb_synopsis synopsis = {
        "config",
        "show [--origin] [-o json]",
        "Shows what the configuration files and --set say: of each key the value that counts.\n"
        "What a profile resolves to, defaults and inherited values too: cellblock profile show.",
        options,
        1,
        1};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    if (strcmp (words.items[0], "show") != 0) {
        (void)cb_fail (&err, CB_E_INVALID, "say cellblock config show");
        return cb_cli_misused ("config", &err);
    }
    return s_show (cli, &form, &err) < 0 ? cb_cli_failed (&err) : CB_EXIT_OK;
}
