/* fuzz-connfile.c - connection files (libFuzzer): what is read can be written, and read the same.
 */
#include "wire/connfile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    cb_scoped (cb_connfile) cb_connfile file;
    cb_scoped (cb_connfile) cb_connfile again;
    cb_err err = CB_ERR_INIT;
    char endpoint[CB_ENDPOINT_MAX];
    size_t length = 0;

    cb_connfile_init (&file);
    cb_connfile_init (&again);
    if (cb_connfile_read (&file, (const char *)data, size, &err) < 0)
        return 0;
    cb_auto_free char *text = cb_connfile_write (&file, &length, &err);
    if (text == NULL)
        abort ();
    /* Indentation may take it over the bound for reading. */
    if (length > CB_CONNFILE_MAX)
        return 0;
    if (cb_connfile_read (&again, text, length, &err) < 0)
        abort ();
    if (strcmp (file.ip, again.ip) != 0 || strcmp (file.key, again.key) != 0 ||
        file.transport != again.transport ||
        memcmp (file.ports, again.ports, sizeof file.ports) != 0 ||
        (file.more == NULL) != (again.more == NULL) ||
        cb_connfile_endpoint (&file, CB_CHANNEL_HB, endpoint, &err) < 0)
        abort ();
    return 0;
}
