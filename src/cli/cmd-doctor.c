/* cmd-doctor.c - cellblock doctor: every layer, what is missing, why, and what mends it. */
#include "cli/doctor.h"
#include "cli/print.h"
#include "cli/sanitise.h"
#include "cli/term.h"

#include <stdio.h>
#include <string.h>

/* Widths of the columns for names and states. */
#define S_NAME_WIDTH  17
#define S_STATE_WIDTH 9

typedef struct s_report {
    cb_term term;
    const char *group;            /* heading printed last */
    char cause[CB_FINDING_CAUSE]; /* printed last */
    json_t *array;                /* owned, JSON only */
    unsigned lacking;             /* needed things that are not ok */
} s_report;

static const char *
s_style (const s_report *report, cb_probe_state state)
{
    static const char *const styles[] = {"green", "yellow", "red"};
    return cb_term_style (&report->term, styles[state]);
}

/* Lines behind a label, the later ones indented like the first. */
static void
s_print_lines (const char *label, const char *text)
{
    char line[CB_FINDING_MEND];
    char safe[CB_FINDING_MEND];

    for (; *text != '\0'; label = "") {
        size_t size = strcspn (text, "\n");
        (void)snprintf (line, sizeof line, "%.*s", (int)size, text);
        (void)printf ("    %-7s%s\n", label, cb_sanitise_line (line, safe, sizeof safe));
        text += size;
        text += *text == '\n';
    }
}

static void
s_print_finding (s_report *report, const cb_probe *probe, const cb_finding *finding)
{
    char safe[CB_FINDING_FOUND * 2];

    if (report->group == NULL || strcmp (report->group, probe->group) != 0)
        (void)printf ("%s%s%s%s\n", report->group != NULL ? "\n" : "",
                      cb_term_style (&report->term, "bold"), probe->group,
                      cb_term_style (&report->term, "off"));
    report->group = probe->group;
    (void)printf ("  %-*s%s%-*s%s%s\n", S_NAME_WIDTH, probe->name, s_style (report, finding->state),
                  S_STATE_WIDTH, cb_probe_state_name (finding->state),
                  cb_term_style (&report->term, "off"),
                  cb_sanitise_line (finding->found, safe, sizeof safe));
    if (finding->state != CB_PROBE_OK)
        s_print_lines ("for", probe->purpose);
    if (finding->cause[0] != '\0' && strcmp (finding->cause, report->cause) == 0) {
        s_print_lines ("cause", "as above");
    } else {
        s_print_lines ("cause", finding->cause);
        s_print_lines ("mend", finding->mend);
    }
    if (finding->cause[0] != '\0')
        (void)snprintf (report->cause, sizeof report->cause, "%s", finding->cause);
    (void)fflush (stdout);
}

static int
s_add_json (s_report *report, const cb_probe *probe, const cb_finding *finding, cb_err *err)
{
    json_t *entry = json_pack ("{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:s}", "group", probe->group,
                               "name", probe->name, "state", cb_probe_state_name (finding->state),
                               "needed", (int)probe->needed, "found", finding->found, "purpose",
                               probe->purpose, "cause", finding->cause, "mend", finding->mend);
    return json_array_append_new (report->array, entry) < 0 ? cb_fail_nomem (err) : 0;
}

static int
s_examine (s_report *report, cb_err *err)
{
    size_t count = 0;
    const cb_probe *probes = cb_doctor_probes (&count);

    for (size_t i = 0; i < count; i++) {
        cb_finding finding;
        cb_doctor_run (&probes[i], &finding);
        report->lacking += probes[i].needed && finding.state != CB_PROBE_OK;
        if (report->array != NULL)
            CB_TRY (s_add_json (report, &probes[i], &finding, err));
        else
            s_print_finding (report, &probes[i], &finding);
    }
    return 0;
}

static int
s_conclude (s_report *report, cb_err *err)
{
    if (report->array != NULL) {
        cb_owned (cb_json) json_t *whole =
            json_pack ("{s:b, s:O}", "holds", (int)(report->lacking == 0), "probes", report->array);
        return whole != NULL ? cb_print_json (whole, err) : cb_fail_nomem (err);
    }
    if (report->lacking == 0)
        (void)printf ("\nThe default profile holds fully here.\n");
    else
        (void)printf ("\nThe default profile does not hold fully here: %u of what it needs %s not "
                      "as it should be.\n",
                      report->lacking, report->lacking == 1 ? "is" : "are");
    return 0;
}

int
cb_cmd_doctor (cb_cli *cli, char **argv)
{
    cb_words words;
    cb_err err = CB_ERR_INIT;
    int code = CB_EXIT_OK;
    int format = CB_PRINT_TEXT;
    s_report report = {.lacking = 0};
    const cb_option options[] = {
        {"output", 'o', CB_OPTION_CHOICE, &format, CB_PRINT_HINT, "how the findings are printed"},
        {0},
    };
    const cb_synopsis synopsis = {
        "doctor",
        "[-o json]",
        "Tries what jails need of this machine and tells what is missing, why, and what mends\n"
        "it. Fails when the default profile does not hold fully here.",
        options,
        0,
        0};

    if (cb_cli_options (cli, &synopsis, argv, &words, &code) != 0)
        return code;
    cb_term_look (&report.term, STDOUT_FILENO);
    report.array = format == CB_PRINT_JSON ? json_array () : NULL;
    int result = s_examine (&report, &err);
    if (result == 0)
        result = s_conclude (&report, &err);
    json_decref (report.array);
    if (result < 0)
        return cb_cli_failed (&err);
    return report.lacking == 0 ? CB_EXIT_OK : CB_EXIT_FAILED;
}
