/* spec.c - the encoding of a jail's spec.
 *
 * A version, the fixed numbers in one packed struct, then the texts, each with its length in front.
 * The warden decodes what the broker sent, so cb_spec_decode is a border between two degrees of
 * trust: whatever the bytes are, it ends with a spec whose every member is in range, or a fault. */
#include "jail/spec.h"

#include "base/table.h"

#include <string.h>

#define SPEC_VERSION 2

/* What travels before the texts. Members as in cb_jail_spec, widest first: no holes. */
struct fixed {
    uint64_t memory;
    uint64_t disk;
    uint64_t files;
    uint64_t cpu_seconds;
    uint32_t version;
    uint32_t cpu_percent;
    uint32_t processes;
    uint32_t open_files;
    uint32_t n_inputs;
    uint32_t start_seconds;
    uint32_t n_arguments;
    uint8_t loopback;
    uint8_t layers[CB_LAYER__COUNT];
    uint8_t subprocesses;
    uint8_t workdir; /* its path comes last, and only when it is not CB_WORKDIR_NONE */
    uint8_t padding[5];
};

_Static_assert(sizeof (struct fixed) == 72, "holes would carry bytes of our memory");

#define MIB (UINT64_C (1) << 20)
#define GIB (UINT64_C (1) << 30)

/* Ranges that make sense at all; the warden's ceiling is narrower. 0 is allowed where it says so.
 */
struct range {
    const char *name;
    uint64_t low;
    uint64_t high;
    int may_be_zero; /* 0 means "no limit" */
};

static const struct range s_memory = {"memory", 16 * MIB, 4096 * GIB, 1};
static const struct range s_disk = {"disk", 64 << 10, 4096 * GIB, 0};
static const struct range s_files = {"files", 16, UINT64_C (1) << 32, 0};
static const struct range s_cpu_seconds = {"cpu_seconds", 1, UINT64_C (1) << 31, 1};
static const struct range s_cpu_percent = {"cpu", 1, 102400, 1};
static const struct range s_processes = {"processes", 4, 1 << 22, 0};
static const struct range s_open_files = {"open_files", 32, 1 << 20, 0};
static const struct range s_start = {"start_seconds", 1, CB_SPEC_START_SECONDS_MAX, 0};
static const struct range s_loopback = {"loopback", 0, 1, 0};
static const struct range s_subprocesses = {"subprocesses", 0, 1, 0};
static const struct range s_workdir = {"workdir", CB_WORKDIR_NONE, CB_WORKDIR_RW, 0};
static const struct range s_layer = {"layer mode", CB_LAYER_OFF, CB_LAYER_ON, 0};
static const struct range s_arguments = {"number of arguments", 0, CB_SPEC_ARGUMENTS_MAX, 0};
static const struct range s_inputs = {"number of inputs", 0, CB_SPEC_INPUTS_MAX, 0};

static const char *const s_layer_names[] = {
    [CB_LAYER_CGROUP] = "cgroup",
    [CB_LAYER_SECCOMP] = "seccomp",
    [CB_LAYER_LANDLOCK] = "landlock",
    [CB_LAYER_UID] = "uid",
};

const char *
cb_layer_name (cb_layer layer)
{
    return (size_t)layer < CB_COUNT (s_layer_names) ? s_layer_names[layer] : "unknown";
}

static const char *const s_workdir_names[] = {
    [CB_WORKDIR_NONE] = "none",
    [CB_WORKDIR_RO] = "ro",
    [CB_WORKDIR_RW] = "rw",
};

const char *
cb_workdir_name (unsigned workdir)
{
    return workdir < CB_COUNT (s_workdir_names) ? s_workdir_names[workdir] : "unknown";
}

static int
s_check_range (const struct range *range, uint64_t value, cb_err *err)
{
    if ((value >= range->low && value <= range->high) || (value == 0 && range->may_be_zero))
        return 0;
    return cb_fail (err, CB_E_INVALID, "%s is %llu, must be %s%llu to %llu", range->name,
                    (unsigned long long)value, range->may_be_zero ? "0 or " : "",
                    (unsigned long long)range->low, (unsigned long long)range->high);
}

/* Absolute and plain: no empty, "." or ".." component, no '/' at the end. */
static int
s_check_path (const char *what, const char *path, cb_err *err)
{
    const char *at = path;

    while (*at == '/') {
        size_t size = strcspn (at + 1, "/");
        if (size == 0 || (size <= 2 && memcmp (at + 1, "..", size) == 0))
            break;
        at += 1 + size;
    }
    if (*at == '\0' && at != path)
        return 0;
    return cb_fail (err, CB_E_INVALID, "%s's path must be absolute, not / and without \"..\"",
                    what);
}

static int
s_check_inputs (const cb_jail_spec *spec, cb_err *err)
{
    for (uint32_t i = 0; i < spec->n_inputs; i++) {
        const cb_jail_input *input = &spec->inputs[i];
        CB_TRY (s_check_path ("an input", input->path, err));
        CB_TRY (cb_file_name_check (input->name, err));
        for (uint32_t k = 0; k < i; k++)
            if (strcmp (spec->inputs[k].name, input->name) == 0)
                return cb_fail (err, CB_E_INVALID, "two inputs are called \"%s\"", input->name);
    }
    return 0;
}

int
cb_spec_add_argument (cb_jail_spec *spec, const char *text, cb_err *err)
{
    size_t size = strlen (text) + 1;

    if (spec->n_arguments >= CB_SPEC_ARGUMENTS_MAX)
        return cb_fail (err, CB_E_LIMIT, "a kernel takes at most %d further arguments",
                        CB_SPEC_ARGUMENTS_MAX);
    if (size > sizeof spec->arguments - spec->arguments_size)
        return cb_fail (err, CB_E_LIMIT, "the kernel's further arguments are over %d bytes",
                        CB_SPEC_ARGUMENT_BYTES_MAX);
    memcpy (spec->arguments + spec->arguments_size, text, size);
    spec->arguments_size += (uint32_t)size;
    spec->n_arguments++;
    return 0;
}

const char *
cb_spec_next_argument (const cb_jail_spec *spec, const char *argument)
{
    const char *next = argument == NULL ? spec->arguments : argument + strlen (argument) + 1;

    return next < spec->arguments + spec->arguments_size ? next : NULL;
}

/* As many texts as it says, and each ends within. */
static int
s_check_arguments (const cb_jail_spec *spec, cb_err *err)
{
    uint32_t ends = 0;

    CB_TRY (s_check_range (&s_arguments, spec->n_arguments, err));
    for (uint32_t i = 0; i < spec->arguments_size && i < sizeof spec->arguments; i++)
        ends += spec->arguments[i] == '\0';
    if (spec->arguments_size <= sizeof spec->arguments && ends == spec->n_arguments &&
        (ends == 0) == (spec->arguments_size == 0) &&
        (ends == 0 || spec->arguments[spec->arguments_size - 1] == '\0'))
        return 0;
    return cb_fail (err, CB_E_INVALID, "the arguments of a spec make no sense");
}

static int
s_check (const cb_jail_spec *spec, cb_err *err)
{
    CB_TRY (s_check_range (&s_memory, spec->memory, err));
    CB_TRY (s_check_range (&s_disk, spec->disk, err));
    CB_TRY (s_check_range (&s_files, spec->files, err));
    CB_TRY (s_check_range (&s_cpu_seconds, spec->cpu_seconds, err));
    CB_TRY (s_check_range (&s_cpu_percent, spec->cpu_percent, err));
    CB_TRY (s_check_range (&s_processes, spec->processes, err));
    CB_TRY (s_check_range (&s_open_files, spec->open_files, err));
    CB_TRY (s_check_range (&s_start, spec->start_seconds, err));
    CB_TRY (s_check_range (&s_loopback, spec->loopback, err));
    CB_TRY (s_check_range (&s_subprocesses, spec->subprocesses, err));
    CB_TRY (s_check_range (&s_inputs, spec->n_inputs, err));
    CB_TRY (s_check_range (&s_workdir, spec->workdir, err));
    if (spec->workdir != CB_WORKDIR_NONE)
        CB_TRY (s_check_path ("the working folder", spec->workdir_path, err));
    CB_TRY (s_check_arguments (spec, err));
    for (size_t i = 0; i < CB_LAYER__COUNT; i++)
        CB_TRY (s_check_range (&s_layer, spec->layers[i], err));
    CB_TRY (cb_name_check ("session", spec->name, err));
    CB_TRY (cb_name_check ("profile", spec->profile, err));
    return s_check_inputs (spec, err);
}

static int
s_put_text (cb_buf *into, const char *text)
{
    uint16_t size = (uint16_t)strlen (text);

    CB_TRY (cb_buf_put (into, &size, sizeof size));
    return cb_buf_put (into, text, size);
}

static int
s_put_all (const cb_jail_spec *spec, cb_buf *into)
{
    struct fixed numbers = {.version = SPEC_VERSION,
                            .memory = spec->memory,
                            .disk = spec->disk,
                            .files = spec->files,
                            .cpu_seconds = spec->cpu_seconds,
                            .cpu_percent = spec->cpu_percent,
                            .processes = spec->processes,
                            .open_files = spec->open_files,
                            .n_inputs = spec->n_inputs,
                            .start_seconds = spec->start_seconds,
                            .n_arguments = spec->n_arguments,
                            .loopback = spec->loopback,
                            .subprocesses = spec->subprocesses,
                            .workdir = spec->workdir};

    memcpy (numbers.layers, spec->layers, sizeof numbers.layers);
    CB_TRY (cb_buf_put (into, &numbers, sizeof numbers));
    CB_TRY (s_put_text (into, spec->name));
    CB_TRY (s_put_text (into, spec->profile));
    for (const char *at = cb_spec_next_argument (spec, NULL); at != NULL;
         at = cb_spec_next_argument (spec, at))
        CB_TRY (s_put_text (into, at));
    for (uint32_t i = 0; i < spec->n_inputs; i++) {
        CB_TRY (s_put_text (into, spec->inputs[i].path));
        CB_TRY (s_put_text (into, spec->inputs[i].name));
    }
    return spec->workdir != CB_WORKDIR_NONE ? s_put_text (into, spec->workdir_path) : 0;
}

int
cb_spec_encode (const cb_jail_spec *spec, cb_buf *into, cb_err *err)
{
    size_t before = into->size;

    CB_TRY (s_check (spec, err));
    int result = s_put_all (spec, into);
    if (result < 0) {
        into->size = before;
        return cb_fail (err, -result, "no room for an encoded spec");
    }
    return 0;
}

/* What is left of the bytes while decoding. */
struct rest {
    const char *at;
    size_t size;
};

static int
s_take (struct rest *rest, void *into, size_t size, cb_err *err)
{
    if (rest->size < size)
        return cb_fail (err, CB_E_PROTO, "a spec ends too early");
    memcpy (into, rest->at, size);
    rest->at += size;
    rest->size -= size;
    return 0;
}

static int
s_take_text (struct rest *rest, char *into, size_t room, cb_err *err)
{
    uint16_t size = 0;

    CB_TRY (s_take (rest, &size, sizeof size, err));
    if (size >= room)
        return cb_fail (err, CB_E_PROTO, "a text of %u bytes in a spec, at most %zu", size,
                        room - 1);
    CB_TRY (s_take (rest, into, size, err));
    into[size] = '\0';
    if (strlen (into) != size)
        return cb_fail (err, CB_E_PROTO, "an end byte within a text of a spec");
    return 0;
}

static int
s_take_arguments (struct rest *rest, uint32_t count, cb_jail_spec *spec, cb_err *err)
{
    char text[CB_SPEC_ARGUMENT_BYTES_MAX];

    CB_TRY (s_check_range (&s_arguments, count, err));
    for (uint32_t i = 0; i < count; i++) {
        CB_TRY (s_take_text (rest, text, sizeof text, err));
        CB_TRY (cb_spec_add_argument (spec, text, err));
    }
    return 0;
}

static int
s_take_texts (struct rest *rest, uint32_t n_arguments, cb_jail_spec *spec, cb_err *err)
{
    CB_TRY (s_take_text (rest, spec->name, sizeof spec->name, err));
    CB_TRY (s_take_text (rest, spec->profile, sizeof spec->profile, err));
    CB_TRY (s_take_arguments (rest, n_arguments, spec, err));
    for (uint32_t i = 0; i < spec->n_inputs; i++) {
        cb_jail_input *input = &spec->inputs[i];
        CB_TRY (s_take_text (rest, input->path, sizeof input->path, err));
        CB_TRY (s_take_text (rest, input->name, sizeof input->name, err));
    }
    if (spec->workdir != CB_WORKDIR_NONE)
        CB_TRY (s_take_text (rest, spec->workdir_path, sizeof spec->workdir_path, err));
    if (rest->size > 0)
        return cb_fail (err, CB_E_PROTO, "%zu bytes too many in a spec", rest->size);
    return 0;
}

int
cb_spec_decode (const char *bytes, size_t size, cb_jail_spec *ret_spec, cb_err *err)
{
    struct rest rest = {bytes, size};
    struct fixed numbers;

    CB_TRY (s_take (&rest, &numbers, sizeof numbers, err));
    if (numbers.version != SPEC_VERSION)
        return cb_fail (err, CB_E_PROTO, "a spec of version %u, this program knows %u",
                        numbers.version, SPEC_VERSION);
    CB_TRY (s_check_range (&s_inputs, numbers.n_inputs, err));

    memset (ret_spec, 0, sizeof *ret_spec);
    ret_spec->memory = numbers.memory;
    ret_spec->disk = numbers.disk;
    ret_spec->files = numbers.files;
    ret_spec->cpu_seconds = numbers.cpu_seconds;
    ret_spec->cpu_percent = numbers.cpu_percent;
    ret_spec->processes = numbers.processes;
    ret_spec->open_files = numbers.open_files;
    ret_spec->n_inputs = numbers.n_inputs;
    ret_spec->start_seconds = numbers.start_seconds;
    ret_spec->loopback = numbers.loopback;
    ret_spec->subprocesses = numbers.subprocesses;
    ret_spec->workdir = numbers.workdir;
    memcpy (ret_spec->layers, numbers.layers, sizeof ret_spec->layers);
    CB_TRY (s_take_texts (&rest, numbers.n_arguments, ret_spec, err));
    return s_check (ret_spec, err);
}
