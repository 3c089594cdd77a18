/* launchmsg.c - packets between broker, warden and stages: one row a type says what it may carry.
 *
 * Whoever receives has checked version, type, size, descriptors and the end bytes of texts before
 * it looks at a body; what the numbers mean is for the receiver to judge. */
#include "jail/launchmsg.h"

#include "base/table.h"

#include <stdio.h>
#include <string.h>

/* A spec and its smallest and largest size, behind the fixed body. */
#define SPEC_MIN 64

struct row {
    const char *name;
    size_t body;    /* bytes of the fixed body */
    size_t text_at; /* offset and room of a text in the body; room 0: none */
    size_t text_room;
    int has_spec; /* an encoded spec stands behind the body */
    size_t fds_min;
    size_t fds_max;
};

#define TEXT(type, member) offsetof (type, member), sizeof (((type *)0)->member)
#define START_FDS          (2 * CB_CHANNEL__COUNT + 2)

static const struct row s_rows[CB_LAUNCH__COUNT] = {
    [CB_LAUNCH_START] = {"start", 0, 0, 0, 1, START_FDS, START_FDS},
    [CB_LAUNCH_SIGNAL] = {"signal", sizeof (cb_launch_signal), 0, 0, 0, 0, 0},
    [CB_LAUNCH_KILL] = {"kill", 0, 0, 0, 0, 0, 0},
    [CB_LAUNCH_LIST] = {"list", 0, 0, 0, 0, 0, 0},
    [CB_LAUNCH_SERVING] = {"serving", sizeof (cb_launch_serving), 0, 0, 0, 0, 0},
    [CB_LAUNCH_SHUTDOWN] = {"shutdown", 0, 0, 0, 0, 0, 0},
    [CB_LAUNCH_USAGE] = {"usage", 0, 0, 0, 0, 0, 0},
    [CB_LAUNCH_FORGET] = {"forget", 0, 0, 0, 0, 0, 0},
    [CB_LAUNCH_RELOAD] = {"reload", 0, 0, 0, 0, 1, 1},
    [CB_LAUNCH_OPEN] = {"open", sizeof (cb_launch_open), TEXT (cb_launch_open, path), 0, 0, 0},
    [CB_LAUNCH_STARTED] = {"started", sizeof (cb_launch_started), TEXT (cb_launch_started, cgroup),
                           0, 2, 2 + CB_FACT__COUNT},
    [CB_LAUNCH_FAILED] = {"failed", sizeof (cb_launch_failed), TEXT (cb_launch_failed, text), 0, 0,
                          0},
    [CB_LAUNCH_DONE] = {"done", 0, 0, 0, 0, 0, 0},
    [CB_LAUNCH_EXITED] = {"exited", sizeof (cb_launch_exited), TEXT (cb_launch_exited, text), 0, 0,
                          0},
    [CB_LAUNCH_JAIL] = {"jail", sizeof (cb_launch_started), TEXT (cb_launch_started, cgroup), 1,
                        2 + START_FDS, 2 + START_FDS + CB_FACT__COUNT},
    [CB_LAUNCH_LISTED] = {"listed", 0, 0, 0, 0, 0, 0},
    [CB_LAUNCH_OPENED] = {"opened", sizeof (cb_launch_opened), 0, 0, 0, 1, 1},
    [CB_LAUNCH_USED] = {"used", sizeof (cb_launch_used), 0, 0, 0, 0, 0},
    [CB_LAUNCH_CONFIG] = {"config", sizeof (cb_launch_config), TEXT (cb_launch_config, labels), 0,
                          0, CB_LAUNCH_CONFIGS},
    [CB_LAUNCH_STAGE] = {"stage", sizeof (cb_launch_stage), TEXT (cb_launch_stage, text), 0, 0, 1},
};

static const struct row *
s_row (uint32_t type)
{
    return type < CB_COUNT (s_rows) && s_rows[type].name != NULL ? &s_rows[type] : NULL;
}

const char *
cb_launch_type_name (uint32_t type)
{
    const struct row *row = s_row (type);
    return row != NULL ? row->name : "unknown";
}

static int
s_check_size (const struct row *row, size_t size, cb_err *err)
{
    size_t low = row->body + (row->has_spec ? SPEC_MIN : 0);
    size_t high = row->body + (row->has_spec ? CB_SPEC_BYTES_MAX : 0);

    if (size >= low && size <= high)
        return 0;
    return cb_fail (err, CB_E_PROTO, "a packet \"%s\" with a body of %zu bytes", row->name, size);
}

int
cb_launch_check (const char *bytes, size_t size, size_t n_fds, cb_launch_in *ret_in, cb_err *err)
{
    cb_launch_head head;

    if (size < sizeof head)
        return cb_fail (err, CB_E_PROTO, "a packet of %zu bytes has no head", size);
    memcpy (&head, bytes, sizeof head);
    if (head.version != CB_LAUNCH_VERSION)
        return cb_fail (err, CB_E_PROTO, "a packet of version %u, this program knows %u",
                        head.version, CB_LAUNCH_VERSION);
    const struct row *row = s_row (head.type);
    if (row == NULL)
        return cb_fail (err, CB_E_PROTO, "a packet of unknown type %u", head.type);
    size -= sizeof head;
    const char *body = bytes + sizeof head;
    CB_TRY (s_check_size (row, size, err));
    if (n_fds < row->fds_min || n_fds > row->fds_max)
        return cb_fail (err, CB_E_PROTO, "a packet \"%s\" with %zu descriptors", row->name, n_fds);
    if (row->text_room > 0 && memchr (body + row->text_at, '\0', row->text_room) == NULL)
        return cb_fail (err, CB_E_PROTO, "a packet \"%s\" with a text without end", row->name);

    ret_in->head = head;
    ret_in->body = body;
    ret_in->body_size = size;
    return 0;
}

int
cb_launch_send (int socket, const cb_launch_out *out, cb_err *err)
{
    _Alignas(uint64_t) char bytes[CB_LAUNCH_BYTES_MAX];
    cb_launch_head head = out->head;
    cb_launch_in checked;
    size_t size = sizeof head;

    head.version = CB_LAUNCH_VERSION;
    if (out->body_size > sizeof bytes - size ||
        out->tail_size > sizeof bytes - size - out->body_size)
        return cb_fail (err, CB_E_LIMIT, "a packet over %zu bytes", sizeof bytes);
    memcpy (bytes, &head, sizeof head);
    if (out->body_size > 0)
        memcpy (bytes + size, out->body, out->body_size);
    size += out->body_size;
    if (out->tail_size > 0)
        memcpy (bytes + size, out->tail, out->tail_size);
    size += out->tail_size;
    CB_TRY (cb_launch_check (bytes, size, out->n_fds, &checked, err));
    return cb_packet_send (socket, bytes, size, out->fds, out->n_fds, err);
}

int
cb_launch_recv (int socket, char *bytes, size_t room, cb_launch_in *ret_in, cb_err *err)
{
    int outcome = cb_packet_recv (socket, bytes, room, &ret_in->packet, err);

    if (outcome != CB_PACKET_OK)
        return outcome;
    int result = cb_launch_check (bytes, ret_in->packet.size, ret_in->packet.n_fds, ret_in, err);
    if (result < 0)
        cb_packet_done (&ret_in->packet);
    return result < 0 ? result : CB_PACKET_OK;
}
