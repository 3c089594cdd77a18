/* test-spec.c - a spec comes back as it went; every way to be wrong is refused. */
#include "jail/spec.h"

#include "base/cleanup.h"
#include "base/tap.h"

#include <string.h>

static cb_jail_spec s_spec;
static cb_jail_spec s_back;
static cb_err s_err;

static void
s_good (cb_jail_spec *spec)
{
    memset (spec, 0, sizeof *spec);
    snprintf (spec->name, sizeof spec->name, "amber");
    snprintf (spec->profile, sizeof spec->profile, "default");
    spec->memory = 512ULL << 20;
    spec->disk = 256ULL << 20;
    spec->files = 4096;
    spec->cpu_seconds = 3600;
    spec->cpu_percent = 100;
    spec->processes = 64;
    spec->open_files = 512;
    spec->start_seconds = 30;
    spec->subprocesses = 1;
    memset (spec->layers, CB_LAYER_AUTO, sizeof spec->layers);
    spec->n_inputs = 2;
    snprintf (spec->inputs[0].path, PATH_MAX, "/root/data/a.csv");
    snprintf (spec->inputs[0].name, CB_FILE_NAME_MAX, "a.csv");
    snprintf (spec->inputs[1].path, PATH_MAX, "/srv/\xc3\xbc");
    snprintf (spec->inputs[1].name, CB_FILE_NAME_MAX, "\xc3\xbc");
}

/* Whether the encoder refuses the changed spec. */
static int
s_refused (void)
{
    cb_scoped (cb_buf) cb_buf bytes;
    cb_buf_init (&bytes, CB_SPEC_BYTES_MAX);
    return cb_spec_encode (&s_spec, &bytes, &s_err) < 0 && bytes.size == 0;
}

static int
s_path_refused (const char *path)
{
    s_good (&s_spec);
    snprintf (s_spec.inputs[0].path, PATH_MAX, "%s", path);
    return s_refused ();
}

static void
s_test_both_ways (void)
{
    cb_scoped (cb_buf) cb_buf bytes;
    cb_buf_init (&bytes, CB_SPEC_BYTES_MAX);

    s_good (&s_spec);
    ok (cb_spec_encode (&s_spec, &bytes, &s_err) == 0, "a good spec is encoded");
    ok (cb_spec_decode (bytes.data, bytes.size, &s_back, &s_err) == 0 &&
            memcmp (&s_spec, &s_back, sizeof s_spec) == 0,
        "and decoded to the same");
    int cut_ok = 0;
    for (size_t size = 0; size < bytes.size; size++)
        cut_ok += cb_spec_decode (bytes.data, size, &s_back, &s_err) != -CB_E_PROTO;
    ok (cut_ok == 0, "cut short anywhere it is refused");
    cb_buf_put (&bytes, "x", 1);
    ok (cb_spec_decode (bytes.data, bytes.size, &s_back, &s_err) == -CB_E_PROTO,
        "a byte too many is refused");
    bytes.size--;
    bytes.data[32]++;
    ok (cb_spec_decode (bytes.data, bytes.size, &s_back, &s_err) == -CB_E_PROTO,
        "another version is refused");
}

/* Its path travels only when there is one, so that the rest of the bytes is as without. */
static void
s_test_workdir (void)
{
    cb_scoped (cb_buf) cb_buf bytes;
    cb_buf_init (&bytes, CB_SPEC_BYTES_MAX);

    s_good (&s_spec);
    (void)cb_spec_encode (&s_spec, &bytes, &s_err);
    size_t without = bytes.size;
    bytes.size = 0;
    s_spec.workdir = CB_WORKDIR_RW;
    snprintf (s_spec.workdir_path, PATH_MAX, "/home/a/project");
    ok (cb_spec_encode (&s_spec, &bytes, &s_err) == 0 && bytes.size == without + 2 + 15 &&
            cb_spec_decode (bytes.data, bytes.size, &s_back, &s_err) == 0 &&
            memcmp (&s_spec, &s_back, sizeof s_spec) == 0,
        "a working folder comes back");
    ok (cb_spec_decode (bytes.data, bytes.size - 1, &s_back, &s_err) == -CB_E_PROTO &&
            cb_spec_decode (bytes.data, without, &s_back, &s_err) == -CB_E_PROTO,
        "cut short it is refused");
    ok (strcmp (cb_workdir_name (CB_WORKDIR_NONE), "none") == 0 &&
            strcmp (cb_workdir_name (CB_WORKDIR_RO), "ro") == 0 &&
            strcmp (cb_workdir_name (CB_WORKDIR_RW), "rw") == 0 &&
            strcmp (cb_workdir_name (CB_WORKDIR__COUNT), "unknown") == 0,
        "its modes have names");
}

/* What a frontend says on the kernel's command line. */
static void
s_test_arguments (void)
{
    cb_scoped (cb_buf) cb_buf bytes;
    char text[CB_SPEC_ARGUMENT_BYTES_MAX + 1];
    cb_buf_init (&bytes, CB_SPEC_BYTES_MAX);

    s_good (&s_spec);
    ok (cb_spec_next_argument (&s_spec, NULL) == NULL, "there are no arguments");
    ok (cb_spec_add_argument (&s_spec, "--debug", &s_err) == 0 &&
            cb_spec_add_argument (&s_spec, "", &s_err) == 0 &&
            cb_spec_add_argument (&s_spec, "--a=b c", &s_err) == 0,
        "three are taken");
    ok (cb_spec_encode (&s_spec, &bytes, &s_err) == 0 &&
            cb_spec_decode (bytes.data, bytes.size, &s_back, &s_err) == 0 &&
            memcmp (&s_spec, &s_back, sizeof s_spec) == 0,
        "and come back");
    const char *first = cb_spec_next_argument (&s_back, NULL);
    const char *second = first != NULL ? cb_spec_next_argument (&s_back, first) : NULL;
    const char *third = second != NULL ? cb_spec_next_argument (&s_back, second) : NULL;
    ok (third != NULL && strcmp (first, "--debug") == 0 && strcmp (second, "") == 0 &&
            strcmp (third, "--a=b c") == 0 && cb_spec_next_argument (&s_back, third) == NULL,
        "in their order");
    memset (text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ok (cb_spec_add_argument (&s_spec, text, &s_err) == -CB_E_LIMIT, "their bytes are bounded");
    while (s_spec.n_arguments < CB_SPEC_ARGUMENTS_MAX)
        (void)!cb_spec_add_argument (&s_spec, "y", &s_err);
    ok (cb_spec_add_argument (&s_spec, "y", &s_err) == -CB_E_LIMIT, "and their number");
    s_spec.arguments[s_spec.arguments_size - 1] = 'z';
    ok (cb_spec_encode (&s_spec, &bytes, &s_err) < 0, "one without an end is refused");
}

static void
s_test_largest (void)
{
    cb_scoped (cb_buf) cb_buf bytes;
    cb_buf_init (&bytes, CB_SPEC_BYTES_MAX);

    s_good (&s_spec);
    s_spec.n_inputs = CB_SPEC_INPUTS_MAX;
    for (int i = 0; i < CB_SPEC_INPUTS_MAX; i++) {
        cb_jail_input *input = &s_spec.inputs[i];
        memset (input->path, 'p', PATH_MAX - 1);
        input->path[0] = '/';
        memset (input->name, 'n', CB_FILE_NAME_MAX - 1);
        input->name[0] = (char)('a' + i);
    }
    for (int i = 0; i < CB_SPEC_ARGUMENTS_MAX; i++) {
        char text[CB_SPEC_ARGUMENT_BYTES_MAX / CB_SPEC_ARGUMENTS_MAX];
        memset (text, 'a', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        (void)!cb_spec_add_argument (&s_spec, text, &s_err);
    }
    s_spec.workdir = CB_WORKDIR_RO;
    memset (s_spec.workdir_path, 'p', PATH_MAX - 1);
    s_spec.workdir_path[0] = '/';
    ok (cb_spec_encode (&s_spec, &bytes, &s_err) == 0 && bytes.size <= CB_SPEC_BYTES_MAX,
        "the largest spec fits its bound (%zu bytes)", bytes.size);
    ok (cb_spec_decode (bytes.data, bytes.size, &s_back, &s_err) == 0 &&
            memcmp (&s_spec, &s_back, sizeof s_spec) == 0,
        "and comes back");
}

static void
s_test_refusals (void)
{
#define REFUSED(change)                            \
    do {                                           \
        s_good (&s_spec);                          \
        change;                                    \
        ok (s_refused (), "refused: %s", #change); \
    } while (0)
    REFUSED (s_spec.name[0] = '\0');
    REFUSED (s_spec.name[0] = '/');
    REFUSED (s_spec.profile[2] = ' ');
    REFUSED (s_spec.memory = 4096);
    REFUSED (s_spec.disk = 0);
    REFUSED (s_spec.disk = UINT64_MAX);
    REFUSED (s_spec.files = 1);
    REFUSED (s_spec.cpu_seconds = UINT64_MAX);
    REFUSED (s_spec.cpu_percent = UINT32_MAX);
    REFUSED (s_spec.processes = 0);
    REFUSED (s_spec.open_files = 3);
    REFUSED (s_spec.start_seconds = 0);
    REFUSED (s_spec.start_seconds = 3601);
    REFUSED (s_spec.loopback = 2);
    REFUSED (s_spec.subprocesses = 2);
    REFUSED (s_spec.workdir = CB_WORKDIR__COUNT);
    REFUSED (s_spec.workdir = CB_WORKDIR_RO); /* without a path */
    REFUSED ((s_spec.workdir = CB_WORKDIR_RW, s_spec.workdir_path[0] = '/'));
    REFUSED (s_spec.layers[CB_LAYER_UID] = 3);
    REFUSED (s_spec.n_inputs = CB_SPEC_INPUTS_MAX + 1);
    REFUSED (memcpy (s_spec.inputs[1].name, "a.csv", 6));
    REFUSED (s_spec.inputs[1].name[0] = '/');
    REFUSED (memcpy (s_spec.inputs[1].name, "..", 3));
    static const char *const paths[] = {"",      "/",       "a",   "a/b",  "/a/", "//a",
                                        "/a//b", "/a/../b", "/..", "/a/.", "/./a"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        ok (s_path_refused (paths[i]), "path refused: \"%s\"", paths[i]);
    ok (!s_path_refused ("/.a/..b/c.."), "dots within names are names");
    s_good (&s_spec);
    s_spec.memory = 0;
    s_spec.cpu_percent = 0;
    ok (!s_refused (), "0 is no limit where there may be none");
    ok (strcmp (cb_layer_name (CB_LAYER_LANDLOCK), "landlock") == 0 &&
            strcmp (cb_layer_name (CB_LAYER__COUNT), "unknown") == 0,
        "layers have names");
}

int
main (void)
{
    s_test_both_ways ();
    s_test_workdir ();
    s_test_arguments ();
    s_test_largest ();
    s_test_refusals ();
    return tap_done ();
}
