/* provider.c - the table of backends. What is known but not there yet is refused in words: a model
 * that quietly went another way would be worse than none. */
#include "agent/provider.h"

#include "base/cleanup.h"

#include <assert.h>

/* More tokens than anybody could pay for: a sum of such numbers cannot run over. */
#define TOKENS_MAX ((int64_t)1 << 40)

typedef int s_maker (const cb_provider *base, cb_provider **ret_provider, cb_err *err);

static s_maker *const s_makers[] = {
    [CB_BACKEND_CHAT] = cb_openai_new,   [CB_BACKEND_RESPONSES] = NULL,
    [CB_BACKEND_ANTHROPIC] = NULL,       [CB_BACKEND_OLLAMA] = NULL,
    [CB_BACKEND_REPLAY] = cb_replay_new,
};

int
cb_provider_new (const cb_provider *base, cb_provider **ret_provider, cb_err *err)
{
    cb_backend backend = base->choice->backend;

    if (s_makers[backend] == NULL)
        return cb_fail (err, CB_E_UNSUPPORTED,
                        "this version has no backend '%s' yet; it has chat and replay (many "
                        "servers speak chat too: base_url = .../v1)",
                        cb_backend_name (backend));
    return s_makers[backend](base, ret_provider, err);
}

void
cb_provider_destroy (cb_provider **self)
{
    if (*self != NULL)
        (*self)->ops->destroy (self);
    assert (*self == NULL);
}

int64_t
cb_provider_tokens (const json_t *number)
{
    json_int_t value = json_is_integer (number) ? json_integer_value (number) : -1;

    return value >= 0 && value <= TOKENS_MAX ? (int64_t)value : -1;
}

int
cb_provider_ask (cb_provider *self, const cb_transcript *transcript, uint32_t max_tokens,
                 cb_err *err)
{
    return self->ops->ask (self, transcript, max_tokens, err);
}

void
cb_provider_stop (cb_provider *self)
{
    self->ops->stop (self);
}
