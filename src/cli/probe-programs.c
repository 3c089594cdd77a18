/* probe-programs.c - the programs and modules that jails are made of. */
#include "cli/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S_TEXT 512
/* Of what Python says: an error is its last line. */
#define S_SAID 65536

/* The last line that was printed, without its end. */
static const char *
s_last_line (char *text)
{
    size_t size = strlen (text);

    while (size > 0 && text[size - 1] == '\n')
        text[--size] = '\0';
    const char *line = strrchr (text, '\n');
    return line != NULL ? line + 1 : text;
}

void
cb_probe_bwrap (cb_finding *finding)
{
    static char program[] = CB_BWRAP;
    static char version[] = "--version";
    char *const argv[] = {program, version, NULL};
    char text[S_TEXT];
    struct stat info;
    int major = 0;
    int minor = 0;

    if (stat (CB_BWRAP, &info) < 0) {
        cb_finding_found (finding, "no " CB_BWRAP);
        cb_finding_cause (finding, CB_PROBE_MISSING, "bubblewrap is not installed");
        cb_finding_mend (finding, "apt-get install bubblewrap");
        return;
    }
    if ((info.st_mode & S_ISUID) != 0) {
        cb_finding_found (finding, CB_BWRAP " is setuid");
        cb_finding_cause (finding, CB_PROBE_MISSING,
                          "a setuid bubblewrap has had escapes (CVE-2026-41163) and is not used");
        cb_finding_mend (finding, "chmod u-s " CB_BWRAP);
        return;
    }
    int status = cb_probe_run (argv, text, sizeof text);
    if (status != 0 || sscanf (text, "bubblewrap %d.%d", &major, &minor) != 2) {
        cb_finding_found (finding, "%s", s_last_line (text));
        cb_finding_cause (finding, CB_PROBE_MISSING, CB_BWRAP " does not run (status %d)", status);
        return;
    }
    cb_finding_found (finding, "%s", s_last_line (text));
    if (major == 0 && minor < 8) {
        cb_finding_cause (finding, CB_PROBE_MISSING, "version 0.8 is needed (--disable-userns)");
        cb_finding_mend (finding, "apt-get install bubblewrap");
    }
}

/* Runs a line of the jail's Python; its output in text. */
static int
s_python (const char *code, char *text, size_t size)
{
    static char program[] = CB_PYTHON;
    static char isolated[] = "-I";
    static char no_cache[] = "-B";
    static char command[] = "-c";
    char line[S_TEXT];
    char *const argv[] = {program, isolated, no_cache, command, line, NULL};

    (void)snprintf (line, sizeof line, "%s", code);
    return cb_probe_run (argv, text, size);
}

void
cb_probe_python (cb_finding *finding)
{
    char text[S_TEXT];
    int status = s_python ("import sys; print(sys.version.split()[0])", text, sizeof text);

    if (status == 0) {
        cb_finding_found (finding, "%s, " CB_PYTHON, s_last_line (text));
        return;
    }
    cb_finding_found (finding, "%s", s_last_line (text));
    cb_finding_cause (finding, CB_PROBE_MISSING, CB_PYTHON " does not run (status %d)", status);
    cb_finding_mend (finding, "apt-get install python3");
}

/* Imports a module; else the package that brings it. */
static void
s_look_for_module (cb_finding *finding, const char *module, cb_probe_state without)
{
    static char text[S_SAID];
    char code[S_TEXT];

    (void)snprintf (code, sizeof code, "import %s; print(%s.__version__)", module, module);
    int status = s_python (code, text, sizeof text);
    if (status == 0) {
        cb_finding_found (finding, "%s", s_last_line (text));
        return;
    }
    bool absent = strstr (text, "ModuleNotFoundError") != NULL && strstr (text, module) != NULL;
    cb_finding_found (finding, "%s", absent ? "not installed" : "does not import");
    cb_finding_cause (finding, without, CB_PYTHON " cannot import %s: %s", module,
                      s_last_line (text));
    cb_finding_mend (finding, "apt-get install python3-%s", module);
}

void
cb_probe_ipykernel (cb_finding *finding)
{
    s_look_for_module (finding, "ipykernel", CB_PROBE_MISSING);
}

void
cb_probe_numpy (cb_finding *finding)
{
    s_look_for_module (finding, "numpy", CB_PROBE_WEAKER);
}

void
cb_probe_pandas (cb_finding *finding)
{
    s_look_for_module (finding, "pandas", CB_PROBE_WEAKER);
}

/* Whether an optional module is installed: by its folder and its version file, for some take long
 * to import, and matplotlib makes a folder in a home (or fails where there is none). */
static void
s_look_for_package (cb_finding *finding, const char *module, const char *project)
{
    char text[S_TEXT];
    char code[S_TEXT];

    (void)snprintf (code, sizeof code,
                    "import importlib.util as u, importlib.metadata as m\n"
                    "assert u.find_spec('%s')\nprint(m.version('%s'))",
                    module, project);
    if (s_python (code, text, sizeof text) == 0) {
        cb_finding_found (finding, "%s", s_last_line (text));
        return;
    }
    cb_finding_found (finding, "not installed");
    cb_finding_cause (finding, CB_PROBE_WEAKER, CB_PYTHON " has no module %s", module);
    cb_finding_mend (finding, "apt-get install python3-%s", module);
}

void
cb_probe_matplotlib (cb_finding *finding)
{
    s_look_for_package (finding, "matplotlib", "matplotlib");
}

void
cb_probe_scipy (cb_finding *finding)
{
    s_look_for_package (finding, "scipy", "scipy");
}

void
cb_probe_sklearn (cb_finding *finding)
{
    s_look_for_package (finding, "sklearn", "scikit-learn");
}

void
cb_probe_debugger (cb_finding *finding)
{
    s_look_for_package (finding, "debugpy", "debugpy");
}
