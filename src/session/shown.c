/* shown.c - what attached clients get to see of what a kernel says: the profile's active_output.
 *
 * Everything of a kernel goes past here on its way to an attached client, once: what is published,
 * answered, asked. The control API is for programs, which get it as it is. */
#include "session/session-int.h"

#include "base/log.h"
#include "base/units.h"
#include "wire/active.h"
#include "wire/shape.h"

#include <stdio.h>
#include <string.h>

/* What a person is told of the jail; names and numbers hold nothing that JSON escapes. */
struct words {
    char banner[512];
    char link[128];
    char jail[256];
};

static void
s_put_banner (const cb_session *self, cb_usec wall, struct words *words)
{
    static const char full[] = "\\ncellblock: this session has active_output = full: HTML and "
                               "JavaScript of its cells run in this frontend with your rights.";
    const cb_profile *profile = &self->profile;
    char memory[CB_UNITS_TEXT] = "";
    char most[CB_UNITS_TEXT] = "";

    if (profile->jail.memory > 0)
        (void)cb_size_text (profile->jail.memory, memory);
    (void)snprintf (words->banner, sizeof words->banner,
                    "cellblock: this Python is jailed (session %s, profile %s): %s%s%s%s; a cell "
                    "may run %s.%s",
                    self->name, profile->name,
                    profile->jail.loopback ? "only a loopback network" : "no network",
                    profile->jail.subprocesses ? "" : ", no other programs",
                    memory[0] != '\0' ? ", memory " : "", memory,
                    wall > 0 ? cb_duration_text (wall, most) : "as long as it takes",
                    profile->active_output == CB_ACTIVE_FULL ? full : "");
}

static void
s_put_jail (const cb_profile *profile, cb_usec wall, struct words *words)
{
    char seconds[CB_UNITS_TEXT] = "null";

    if (wall > 0)
        (void)snprintf (seconds, sizeof seconds, "%g", (double)wall / (double)CB_USEC_PER_SEC);
    (void)snprintf (words->jail, sizeof words->jail,
                    "{\"by\":\"cellblock\",\"profile\":\"%s\",\"network\":\"%s\",\"wall_s\":%s,"
                    "\"active_output\":\"%s\"}",
                    profile->name, profile->jail.loopback ? "loopback" : "none", seconds,
                    profile->active_output == CB_ACTIVE_FULL ? "full" : "sandbox");
}

/* Where a kernel tells of itself, the daemon tells of the jail. */
static void
s_tell_of_jail (const cb_session *self, struct words *words, cb_active *about)
{
    cb_usec wall = 0;

    if (cb_profile_wall (&self->profile, CB_DOOR_PERSON, 0, &wall, NULL) < 0)
        wall = 0;
    s_put_banner (self, wall, words);
    s_put_jail (&self->profile, wall, words);
    (void)snprintf (words->link, sizeof words->link, "Jailed: session %s, profile %s", self->name,
                    self->profile.name);
    *about = (cb_active){about->output, words->banner, words->link, words->jail};
}

int
cb_shown_shape_ (const cb_session *self, cb_jmsg *message, cb_buf *room)
{
    cb_buf_init (room, CB_ACTIVE_CONTENT_MAX);
    int outcome = cb_shape_check (message->msg_type, message->dicts[CB_DICT_CONTENT], room);
    if (outcome < 0)
        return -1;
    if (outcome == CB_SHAPE_MENDED) {
        cb_log_debug ("a message of the kernel's had fields of other kinds",
                      CB_STR ("session", self->name), CB_STR ("type", message->msg_type));
        cb_jmsg_set_content (message, (cb_part){room->data, room->size});
    }
    return 0;
}

int
cb_shown_ (cb_session *self, const char *msg_type, cb_part *content, cb_buf *room)
{
    cb_active about = {self->profile.active_output, "", "", "null"};
    struct words words;

    if (strcmp (msg_type, "kernel_info_reply") == 0)
        s_tell_of_jail (self, &words, &about);
    cb_buf_init (room, CB_ACTIVE_CONTENT_MAX);
    switch (cb_active_check (&about, msg_type, *content, room)) {
    case CB_ACTIVE_PASS:
        return 1;
    case CB_ACTIVE_CHANGED:
        *content = (cb_part){room->data, room->size};
        return 1;
    case CB_ACTIVE_DROP:
        cb_log_debug ("a message is not passed on to attached clients",
                      CB_STR ("session", self->name), CB_STR ("type", msg_type));
        return 0;
    default:
        cb_log_warn ("a message cannot be made harmless, so it is not passed on",
                     CB_STR ("session", self->name), CB_STR ("type", msg_type));
        return 0;
    }
}
