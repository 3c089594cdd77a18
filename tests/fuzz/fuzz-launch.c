/* fuzz-launch.c - the two decoders between broker, warden and stages (libFuzzer).
 *
 * First byte: how many descriptors came along; the rest is the packet. A spec that decodes must
 * encode to the same bytes again. */
#include "base/cleanup.h"
#include "jail/launchmsg.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
s_both_ways (const char *bytes, size_t size)
{
    static cb_jail_spec spec;
    static cb_jail_spec back;
    cb_scoped (cb_buf) cb_buf again;
    cb_err err = CB_ERR_INIT;

    cb_buf_init (&again, CB_SPEC_BYTES_MAX);
    if (cb_spec_decode (bytes, size, &spec, &err) < 0)
        return;
    if (cb_spec_encode (&spec, &again, &err) < 0 ||
        cb_spec_decode (again.data, again.size, &back, &err) < 0 ||
        memcmp (&spec, &back, sizeof spec) != 0)
        abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    cb_err err = CB_ERR_INIT;
    cb_launch_in in;

    if (size < 1)
        return 0;
    const char *bytes = (const char *)data + 1;
    if (cb_launch_check (bytes, size - 1, data[0], &in, &err) == 0 &&
        in.head.type == CB_LAUNCH_START)
        s_both_ways (in.body, in.body_size);
    s_both_ways (bytes, size - 1);
    return 0;
}
