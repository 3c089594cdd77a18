/* hits.c - limits of the running cell that its session survives: output over the cap, and what an
 * exception came from.
 *
 * Over the cap nothing is passed on any more but counted; when the cell is over, the end of what it
 * printed follows behind a line that says how much is left out. */
#include "session/session-int.h"

#include "base/cleanup.h"
#include "base/jsonx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a message that is looked into: what honest kernels send. */
#define SPLIT_MAX ((size_t)1024 * 1024)

static cb_part
s_header (const cb_entry *entry)
{
    return entry->fanout != NULL ? cb_fanout_header (entry->fanout)
                                 : entry->request->dicts[CB_DICT_HEADER];
}

static void
s_show (cb_session *self, int stream, const char *text, size_t size)
{
    const cb_entry *entry = self->running;
    cb_owned (cb_json) json_t *content = json_pack (
        "{s:s, s:s%}", "name", stream == CB_ENDS_ERR ? "stderr" : "stdout", "text", text, size);

    if (content == NULL || size == 0)
        return;
    if (entry->fanout != NULL)
        cb_fanout_tell (entry->fanout, "stream", content);
    cb_guests_stream_ (self, s_header (entry), content);
}

/* ---- the cap ---- */

/* The first bytes of a text that fit, at a character's border. */
static size_t
s_fit (const char *text, size_t size, uint64_t left)
{
    size_t fit = size < left ? size : (size_t)left;

    while (fit > 0 && fit < size && ((unsigned char)text[fit] & 0xc0) == 0x80)
        fit--;
    return fit;
}

static void
s_drop_text (cb_run *run, const char *name, const char *text, size_t size)
{
    cb_owned (cb_json) json_t *rest = json_pack ("{s:s, s:s%}", "name", name, "text", text, size);
    size_t json_size = 0;
    cb_auto_free char *json = rest != NULL ? cb_json_text (rest, &json_size) : NULL;

    if (json != NULL)
        cb_run_drop_stream (run, (cb_part){json, json_size});
    else
        cb_run_drop (run, size);
}

/* The message with which the cap is reached: its beginning is shown. */
static int
s_split (cb_session *self, cb_jmsg *message)
{
    cb_run *run = self->running->run;
    const json_t *content =
        message->dicts[CB_DICT_CONTENT].size <= SPLIT_MAX ? cb_jmsg_content (message, NULL) : NULL;
    const char *name = json_string_value (json_object_get (content, "name"));
    const json_t *value = json_object_get (content, "text");

    if (name == NULL || !json_is_string (value))
        return 0;
    const char *text = json_string_value (value);
    size_t size = json_string_length (value);
    size_t fit = s_fit (text, size, cb_run_left (run));
    (void)cb_run_admit (run, fit);
    s_show (self, strcmp (name, "stderr") == 0 ? CB_ENDS_ERR : CB_ENDS_OUT, text, fit);
    (void)cb_run_admit (run, UINT64_MAX);
    s_drop_text (run, name, text + fit, size - fit);
    return 1;
}

int
cb_hits_admit_ (cb_session *self, cb_jmsg *message)
{
    cb_run *run = self->running->run;
    uint64_t size = cb_cells_size_ (message);
    int is_stream = strcmp (message->msg_type, "stream") == 0;

    if (size <= cb_run_left (run))
        return cb_run_admit (run, size);
    if (is_stream && cb_run_left (run) > 0 && s_split (self, message))
        return 0;
    (void)cb_run_admit (run, UINT64_MAX);
    if (is_stream)
        cb_run_drop_stream (run, message->dicts[CB_DICT_CONTENT]);
    else
        cb_run_drop (run, size);
    return 0;
}

/* ---- the end of what was dropped ---- */

static void
s_note_dropped (cb_session *self)
{
    char limit[CB_UNITS_TEXT];
    char text[200];

    (void)snprintf (
        text, sizeof text,
        "cellblock: the cell's output went over %s; %" PRIu64 " bytes of it were dropped\n",
        cb_size_text (self->profile.output, limit), cb_run_dropped (self->running->run));
    cb_guests_note_ (self, s_header (self->running), text);
}

void
cb_hits_show_end_ (cb_session *self)
{
    cb_run *run = self->running->run;
    char texts[CB_ENDS__COUNT][CB_ENDS_TEXT + 1];
    size_t sizes[CB_ENDS__COUNT];
    char mark[100];
    uint64_t shown = 0;

    if (cb_run_dropped (run) == 0) {
        cb_run_recover (run, 0);
        return;
    }
    for (int i = 0; i < CB_ENDS__COUNT; i++)
        shown += sizes[i] = cb_run_end_of_stream (run, i, texts[i]);
    cb_run_recover (run, shown);
    int first = sizes[CB_ENDS_OUT] > 0 ? CB_ENDS_OUT : CB_ENDS_ERR;
    if (cb_run_dropped (run) > 0 && shown > 0) {
        int size = snprintf (mark, sizeof mark,
                             "\n[cellblock: %" PRIu64 " bytes of output are left out here]\n",
                             cb_run_dropped (run));
        s_show (self, first, mark, (size_t)size);
    }
    for (int i = 0; i < CB_ENDS__COUNT; i++)
        s_show (self, i, texts[i], sizes[i]);
    if (cb_run_dropped (run) > 0)
        s_note_dropped (self);
}

/* ---- an exception ---- */

void
cb_hits_judge_ (cb_session *self)
{
    cb_run *run = self->running->run;
    cb_facts now;
    cb_limit_hit hit;
    char words[256];

    if (!cb_run_raised (run) || self->kernel_gone)
        return;
    cb_kernel_look (self->kernel, 1, &now);
    cb_limit_judge (cb_run_facts (run), &now, cb_run_ename (run), &self->profile.jail, &hit);
    if (hit.name == NULL)
        return;
    cb_limit_words (&hit, self->profile.name, words, sizeof words);
    cb_run_hit (run, &hit, words);
}
