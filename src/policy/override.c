/* override.c - what a client may change of a profile for its session or cell, and what no session
 * can be made of. A person may tighten everything and loosen what the profile does not fix. */
#include "policy/rows.h"

/* A layer is a matter of the machine and of whoever configures it, not of one session. */
static int
s_check_kind (const cb_row *row, cb_err *err)
{
    switch (row->kind) {
    case CB_ROW_SIZE:
    case CB_ROW_DURATION:
    case CB_ROW_PERCENT:
    case CB_ROW_COUNT:
    case CB_ROW_SWITCH:
    case CB_ROW_ACTIVE:
        return 0;
    case CB_ROW_LAYER:
    case CB_ROW_WORKDIR:
    case CB_ROW_ONLY:
    case CB_ROW_FIXED:
    case CB_ROW_LATER:
    case CB_ROW_INHERITS:
    default:
        return cb_fail (err, CB_E_INVALID,
                        "'%s' is no limit of one session: set it in a [profile NAME] of the "
                        "configuration",
                        row->name);
    }
}

static int
s_refuse (const cb_profile *self, const cb_row *row, uint64_t value, cb_err *err)
{
    char wanted[CB_PROFILE_TEXT];
    char fixed[CB_PROFILE_TEXT];

    return cb_fail (err, CB_E_POLICY, "profile %s fixes %s at %s: %s is refused", self->name,
                    row->name, cb_row_text (row, cb_row_load (row, self), fixed),
                    cb_row_text (row, value, wanted));
}

static int
s_change (cb_profile *self, size_t index, uint64_t value, cb_err *err)
{
    size_t count = 0;
    const cb_row *row = cb_rows (&count) + index;

    if ((self->fixed & (uint64_t)1 << index) != 0 &&
        cb_row_is_looser (row, value, cb_row_load (row, self)))
        return s_refuse (self, row, value, err);
    cb_row_store (row, self, value);
    return 0;
}

int
cb_profile_override (cb_profile *self, const char *key, const char *value, cb_err *err)
{
    size_t index = 0;
    size_t count = 0;
    uint64_t number = 0;
    cb_err why = CB_ERR_INIT;

    CB_TRY (cb_row_find (key, &index, err));
    const cb_row *row = cb_rows (&count) + index;
    CB_TRY (s_check_kind (row, err));
    if (cb_row_parse (row, value, &number, &why) < 0)
        return cb_fail (err, why.code, "%s: %.800s", key, why.text);
    return s_change (self, index, number, err);
}

int
cb_profile_wall (const cb_profile *self, cb_door_kind door, cb_usec asked, cb_usec *ret_wall,
                 cb_err *err)
{
    size_t index = 0;
    size_t count = 0;

    CB_TRY (cb_row_find ("wall", &index, err));
    int fixed = (self->fixed & (uint64_t)1 << index) != 0;
    if (asked == 0) {
        *ret_wall = door == CB_DOOR_PERSON && !fixed ? 0 : self->wall;
        return 0;
    }
    const cb_row *row = cb_rows (&count) + index;
    if (fixed && cb_row_is_looser (row, asked, self->wall))
        return s_refuse (self, row, asked, err);
    *ret_wall = asked;
    return 0;
}

int
cb_profile_check_start (const cb_profile *self, cb_err *err)
{
    if (self->network)
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "profile %s wants network = on, and this version has no door out of a jail "
                        "yet: take another profile (cellblock profile ls)",
                        self->name);
    if (!self->jail.subprocesses && self->jail.layers[CB_LAYER_SECCOMP] == CB_LAYER_OFF)
        return cb_fail (err, CB_E_INVALID,
                        "profile %s has subprocesses = off and seccomp = off: the one is enforced "
                        "by the other",
                        self->name);
    return 0;
}
