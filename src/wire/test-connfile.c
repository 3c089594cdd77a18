/* test-connfile.c - connection files: as jupyter_client writes them, and every field gone wrong. */
#include "base/tap.h"
#include "wire/connfile.h"

#include <string.h>

/* jupyter_client 7.4.9, write_connection_file (transport="ipc" and "tcp"). */
#define PORTS "\"shell_port\":1,\"iopub_port\":2,\"stdin_port\":3,\"control_port\":4,\"hb_port\":5"
#define KEY   "\"key\":\"96bd1cd4-3ecafecafe\",\"signature_scheme\":\"hmac-sha256\""

static int
s_read (cb_connfile *file, const char *text, cb_err *err)
{
    return cb_connfile_read (file, text, strlen (text), err);
}

static void
s_both_ways (void)
{
    cb_scoped (cb_connfile) cb_connfile file;
    cb_scoped (cb_connfile) cb_connfile again;
    cb_err err = CB_ERR_INIT;
    char endpoint[CB_ENDPOINT_MAX];
    size_t size;

    cb_connfile_init (&file);
    cb_connfile_init (&again);
    ok (s_read (&file,
                "{" PORTS "," KEY ",\"ip\":\"/run/cb/c\",\"transport\":\"ipc\","
                "\"kernel_name\":\"cellblock\",\"protocol\":1,\"pid\":77}",
                &err) == 0,
        "broker.json %s", err.text);
    ok (json_object_size (file.more) == 2 &&
            json_integer_value (json_object_get (file.more, "pid")) == 77,
        "members of our own");
    ok (cb_connfile_endpoint (&file, CB_CHANNEL_SHELL, endpoint, &err) == 0 &&
            strcmp (endpoint, "ipc:///run/cb/c-1") == 0,
        "%s", endpoint);
    cb_auto_free char *text = cb_connfile_write (&file, &size, &err);
    ok (text != NULL && strlen (text) == size && text[size - 1] == '\n', "written");
    ok (s_read (&again, text, &err) == 0, "read again %s", err.text);
    ok (again.transport == file.transport && strcmp (again.ip, file.ip) == 0 &&
            memcmp (again.ports, file.ports, sizeof file.ports) == 0 &&
            strcmp (again.key, file.key) == 0 && strcmp (again.kernel_name, "cellblock") == 0 &&
            json_equal (again.more, file.more),
        "the same");
    ok (s_read (&again,
                "{\"ip\":\"127.0.0.1\"," KEY ",\"shell_port\":41001,\"iopub_port\":41002,"
                "\"stdin_port\":41003,\"control_port\":41004,\"hb_port\":41005}",
                &err) == 0 &&
            again.transport == CB_TRANSPORT_TCP && again.more == NULL,
        "the transport is tcp when none is named");
    ok (cb_connfile_endpoint (&again, CB_CHANNEL_HB, endpoint, &err) == 0 &&
            strcmp (endpoint, "tcp://127.0.0.1:41005") == 0,
        "%s", endpoint);
}

static void
s_bad_files (void)
{
    static const struct {
        const char *text;
        int code;
    } bad[] = {
        {"", CB_E_INVALID},
        {"[]", CB_E_INVALID},
        {"{" KEY ",\"ip\":\"x\"}", CB_E_INVALID},
        {"{" PORTS ",\"ip\":\"x\"}", CB_E_UNSUPPORTED},
        {"{" PORTS ",\"ip\":\"x\",\"key\":\"\"}", CB_E_UNSUPPORTED},
        {"{" PORTS ",\"ip\":\"x\",\"key\":5}", CB_E_INVALID},
        {"{" PORTS ",\"ip\":\"x\",\"key\":\"a\\u0000b\"}", CB_E_INVALID},
        {"{" PORTS ",\"ip\":\"x\",\"key\":\"k\",\"signature_scheme\":\"hmac-md5\"}",
         CB_E_UNSUPPORTED},
        {"{" PORTS "," KEY "}", CB_E_INVALID},
        {"{" PORTS "," KEY ",\"ip\":\"\"}", CB_E_INVALID},
        {"{" PORTS "," KEY ",\"ip\":\"a b\"}", CB_E_INVALID},
        {"{" PORTS "," KEY ",\"ip\":\"a\\nb\",\"transport\":\"ipc\"}", CB_E_INVALID},
        {"{" PORTS "," KEY ",\"ip\":\"x\",\"transport\":\"udp\"}", CB_E_UNSUPPORTED},
        {"{" PORTS "," KEY ",\"ip\":\"x\",\"transport\":7}", CB_E_INVALID},
        {"{" KEY ",\"ip\":\"x\",\"shell_port\":1,\"iopub_port\":2,\"stdin_port\":3,"
         "\"control_port\":4,\"hb_port\":4}",
         CB_E_INVALID},
        {"{" KEY ",\"ip\":\"x\",\"shell_port\":0,\"iopub_port\":2,\"stdin_port\":3,"
         "\"control_port\":4,\"hb_port\":5}",
         CB_E_INVALID},
        {"{" KEY ",\"ip\":\"x\",\"shell_port\":\"1\",\"iopub_port\":2,\"stdin_port\":3,"
         "\"control_port\":4,\"hb_port\":5}",
         CB_E_INVALID},
        {"{" KEY ",\"ip\":\"x\",\"shell_port\":65536,\"iopub_port\":2,\"stdin_port\":3,"
         "\"control_port\":4,\"hb_port\":5}",
         CB_E_INVALID},
    };
    cb_err err = CB_ERR_INIT;
    cb_scoped (cb_connfile) cb_connfile file;

    cb_connfile_init (&file);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ok (s_read (&file, bad[i].text, &err) == -bad[i].code, "%s", err.text);
    ok (file.key[0] == '\0' && file.ports[0] == 1, "nothing was taken over");
}

static void
s_long_paths (void)
{
    cb_err err = CB_ERR_INIT;
    char endpoint[CB_ENDPOINT_MAX];
    cb_scoped (cb_connfile) cb_connfile file;

    cb_connfile_init (&file);
    cb_connfile_new_key (&file);
    ok (strlen (file.key) == 64, "a key of 64 digits");
    memset (file.ip, 'x', 105);
    ok (cb_connfile_endpoint (&file, CB_CHANNEL_SHELL, endpoint, &err) == 0, "107 bytes of path");
    file.ip[105] = 'x';
    ok (cb_connfile_write (&file, NULL, &err) == NULL && err.code == CB_E_LIMIT, "%s", err.text);
}

int
main (void)
{
    s_both_ways ();
    s_bad_files ();
    s_long_paths ();
    return tap_done ();
}
