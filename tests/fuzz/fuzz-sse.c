/* fuzz-sse.c - a model's server (libFuzzer): whatever it streams, in whatever pieces, is an answer
 * or a sentence, and the same one however it is cut.
 *
 * The first byte is the size of the pieces, the second decides whether it is a stream or a whole.
 */
#include "agent/openai.h"

#include "base/name.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct s_heard {
    size_t text;
    size_t calls;
    size_t ends;
    uint32_t sum; /* of the words */
} s_heard;

static void
s_on_said (const cb_said *said, void *context)
{
    s_heard *self = context;

    if (self->ends > 0)
        abort (); /* nothing behind the end */
    if (said->kind == CB_SAID_TEXT) {
        self->text += said->size;
        for (size_t i = 0; i < said->size; i++)
            self->sum = self->sum * 31 + (unsigned char)said->text[i];
        if (!cb_utf8_valid (said->text, said->size))
            abort ();
    }
    if (said->kind == CB_SAID_CALL) {
        cb_err err = CB_ERR_INIT;
        cb_auto_free char *code = cb_call_code (said->text, said->size, &err);
        if (code == NULL && err.text[0] == '\0')
            abort ();
        self->calls++;
    }
    self->ends += said->kind == CB_SAID_DONE;
}

static int
s_hear (const char *type, const uint8_t *data, size_t size, size_t step, s_heard *ret_heard)
{
    cb_openai_answer answer;
    cb_err err = CB_ERR_INIT;
    int result = 0;

    memset (ret_heard, 0, sizeof *ret_heard);
    cb_openai_answer_init (&answer, s_on_said, ret_heard);
    for (size_t at = 0; at < size && result == 0; at += step)
        result = cb_openai_answer_put (&answer, type, (const char *)data + at,
                                       size - at < step ? size - at : step, &err);
    if (result == 0)
        result = cb_openai_answer_end (&answer, &err);
    if (result < 0 && (err.code == 0 || err.text[0] == '\0' || ret_heard->calls > 0))
        abort (); /* a fault without words, or calls of an answer that failed */
    cb_openai_answer_done (&answer);
    return result;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    s_heard pieces;
    s_heard whole;

    if (size < 2)
        return 0;
    const char *type = data[1] == 'J' ? "application/json" : "text/event-stream";
    size_t step = data[0] % 61 + 1U;
    int first = s_hear (type, data + 2, size - 2, step, &pieces);
    int second = s_hear (type, data + 2, size - 2, size, &whole);
    if (first != second || memcmp (&pieces, &whole, sizeof whole) != 0)
        abort ();
    return 0;
}
