/* asked.c - who asked the kernel what.
 *
 * A list: few requests are with a kernel at a time, because those on shell wait in the session's
 * queue. What a kernel never answers stays until its guest has asked CB_ASKED_A_GUEST_MAX more, or
 * others need the place. A row counts in its guest's n_asked; one that was taken out does not. */
#include "session/asked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
cb_asked_row_destroy (cb_asked_row **row)
{
    if (*row == NULL)
        return;
    free ((*row)->header);
    free (*row);
    *row = NULL;
}

void
cb_asked_done (cb_asked *self)
{
    cb_asked_row *row;

    while ((row = cb_asked_take (self, NULL)) != NULL)
        cb_asked_row_destroy (&row);
}

cb_asked_row *
cb_asked_find (const cb_asked *self, const char *msg_id)
{
    cb_asked_row *row = self->first;

    while (row != NULL && strcmp (row->msg_id, msg_id) != 0)
        row = row->next;
    return row;
}

static cb_asked_row *
s_unlink (cb_asked *self, cb_asked_row **at)
{
    cb_asked_row *row = *at;

    *at = row->next;
    row->next = NULL;
    self->count--;
    row->guest->n_asked--;
    return row;
}

void
cb_asked_drop (cb_asked *self, cb_asked_row **row)
{
    cb_asked_row **at = &self->first;

    while (*at != *row)
        at = &(*at)->next;
    (void)s_unlink (self, at);
    cb_asked_row_destroy (row);
}

cb_asked_row *
cb_asked_take (cb_asked *self, const char *msg_type)
{
    for (cb_asked_row **at = &self->first; *at != NULL; at = &(*at)->next)
        if (msg_type == NULL || ((*at)->type != NULL && strcmp ((*at)->type->name, msg_type) == 0))
            return s_unlink (self, at);
    return NULL;
}

void
cb_asked_forget (cb_asked *self, const cb_guest *guest)
{
    for (cb_asked_row **at = &self->first; *at != NULL;) {
        if ((*at)->guest != guest) {
            at = &(*at)->next;
            continue;
        }
        cb_asked_row *row = s_unlink (self, at);
        cb_asked_row_destroy (&row);
    }
}

/* The oldest row of a guest; NULL: of the one who has most. */
static cb_asked_row *
s_oldest (const cb_asked *self, const cb_guest *guest)
{
    cb_asked_row *found = NULL;

    for (cb_asked_row *row = self->first; row != NULL; row = row->next)
        if (guest != NULL ? row->guest == guest && found == NULL
                          : found == NULL || row->guest->n_asked > found->guest->n_asked)
            found = row;
    return found;
}

/* Room for one more of this guest: nobody's questions without an answer keep others from asking. */
static void
s_make_room (cb_asked *self, const cb_guest *guest)
{
    cb_asked_row *gone = NULL;

    if (guest->n_asked >= CB_ASKED_A_GUEST_MAX)
        gone = s_oldest (self, guest);
    else if (self->count >= CB_ASKED_MAX)
        gone = s_oldest (self, NULL);
    if (gone != NULL && (gone->guest == guest || gone->guest->n_asked > guest->n_asked))
        cb_asked_drop (self, &gone);
}

static cb_asked_row *
s_row_new (cb_guest *guest, cb_channel channel, const cb_jmsg *request)
{
    cb_asked_row *row = calloc (1, sizeof *row);
    cb_part header = request->dicts[CB_DICT_HEADER];

    if (row == NULL || (row->header = malloc (header.size + 1)) == NULL) {
        free (row);
        return NULL;
    }
    memcpy (row->header, header.data, header.size);
    row->header_size = header.size;
    row->guest = guest;
    row->channel = channel;
    row->type = request->type;
    (void)snprintf (row->msg_id, sizeof row->msg_id, "%s", request->msg_id);
    return row;
}

int
cb_asked_add (cb_asked *self, cb_guest *guest, cb_channel channel, const cb_jmsg *request,
              cb_err *err)
{
    if (cb_asked_find (self, request->msg_id) != NULL)
        return cb_fail (err, CB_E_INVALID, "the message id is in use");
    s_make_room (self, guest);
    if (self->count >= CB_ASKED_MAX)
        return cb_fail (err, CB_E_BUSY, "%d requests are unanswered already", CB_ASKED_MAX);
    cb_asked_row *row = s_row_new (guest, channel, request);
    if (row == NULL)
        return cb_fail_nomem (err);
    cb_asked_row **at = &self->first;
    while (*at != NULL)
        at = &(*at)->next;
    *at = row;
    self->count++;
    guest->n_asked++;
    return 0;
}
