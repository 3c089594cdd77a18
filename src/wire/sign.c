/* sign.c - HMAC-SHA256 over the four dicts, and the history that refuses replays.
 *
 * One EVP_MAC_CTX is keyed once and started again for every message: fetching and keying cost more
 * than the hash of a small message. The history is a ring of the last accepted signatures (their
 * first 8 bytes: a false alarm needs 2^64 / 65,536 messages) with chained buckets over it. It
 * starts small and grows, because most sessions see few messages and a full one is 1.3 MiB. Buckets
 * are chosen by a secret multiplier: a kernel knows its key, so it could make signatures that
 * collide. */
#include "wire/sign.h"

#include "base/cleanup.h"
#include "base/fdio.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE   32
#define HISTORY_FIRST 256 /* entries to begin with; doubles up to CB_SIGN_HISTORY */
#define NOBODY        UINT32_MAX

typedef struct cb_seen {
    uint64_t digest;
    uint32_t next; /* in the same bucket */
} cb_seen;

typedef struct cb_history {
    cb_seen *ring;       /* owned, `room` entries */
    uint32_t *buckets;   /* owned, `room` heads */
    uint32_t room;       /* a power of two */
    uint32_t used;       /* entries that are filled */
    uint32_t at;         /* where the next one goes */
    uint64_t multiplier; /* secret, odd */
} cb_history;

struct cb_signer {
    EVP_MAC_CTX *mac;
    cb_history history;
};

static uint32_t
s_bucket (const cb_history *self, uint64_t digest)
{
    return (uint32_t)((digest * self->multiplier) >> 32) & (self->room - 1);
}

static int
s_history_has (const cb_history *self, uint64_t digest)
{
    if (self->room == 0)
        return 0;
    for (uint32_t i = self->buckets[s_bucket (self, digest)]; i != NOBODY; i = self->ring[i].next)
        if (self->ring[i].digest == digest)
            return 1;
    return 0;
}

static void
s_history_link (cb_history *self, uint32_t index)
{
    uint32_t *head = &self->buckets[s_bucket (self, self->ring[index].digest)];

    self->ring[index].next = *head;
    *head = index;
}

static void
s_history_unlink (cb_history *self, uint32_t index)
{
    uint32_t *link = &self->buckets[s_bucket (self, self->ring[index].digest)];

    while (*link != index)
        link = &self->ring[*link].next;
    *link = self->ring[index].next;
}

/* Called when the ring is full and may still grow: its order begins at 0 then. */
static int
s_history_grow (cb_history *self, cb_err *err)
{
    uint32_t room = self->room == 0 ? HISTORY_FIRST : self->room * 2;
    cb_seen *ring = realloc (self->ring, room * sizeof *ring);

    if (ring == NULL)
        return cb_fail_nomem (err);
    self->ring = ring;
    uint32_t *buckets = malloc (room * sizeof *buckets);
    if (buckets == NULL)
        return cb_fail_nomem (err);
    memset (buckets, 0xff, room * sizeof *buckets);
    free (self->buckets);
    self->buckets = buckets;
    self->room = room;
    self->at = self->used;
    for (uint32_t i = 0; i < self->used; i++)
        s_history_link (self, i);
    return 0;
}

static int
s_history_add (cb_history *self, uint64_t digest, cb_err *err)
{
    if (self->used == self->room && self->room < CB_SIGN_HISTORY)
        CB_TRY (s_history_grow (self, err));
    if (self->used == self->room)
        s_history_unlink (self, self->at);
    else
        self->used++;
    self->ring[self->at].digest = digest;
    s_history_link (self, self->at);
    self->at = (self->at + 1) & (self->room - 1);
    return 0;
}

static EVP_MAC_CTX *
s_keyed (const char *key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string (OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end (),
    };
    EVP_MAC *hmac = EVP_MAC_fetch (NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac != NULL ? EVP_MAC_CTX_new (hmac) : NULL;

    EVP_MAC_free (hmac); /* the context holds its own reference */
    if (mac != NULL && !EVP_MAC_init (mac, (const unsigned char *)key, strlen (key), params)) {
        EVP_MAC_CTX_free (mac);
        return NULL;
    }
    return mac;
}

cb_signer *
cb_signer_new (const char *key, const char *scheme, cb_err *err)
{
    size_t size = strlen (key);

    if (strcmp (scheme, "hmac-sha256") != 0) {
        (void)cb_fail (err, CB_E_UNSUPPORTED, "signature scheme '%.32s' is not hmac-sha256",
                       scheme);
        return NULL;
    }
    if (size == 0 || size >= CB_KEY_MAX) {
        (void)cb_fail (err, CB_E_INVALID, "a signature key has 1 to %d bytes, not %zu",
                       CB_KEY_MAX - 1, size);
        return NULL;
    }
    cb_owned (cb_signer) cb_signer *self = calloc (1, sizeof *self);
    if (self == NULL || (self->mac = s_keyed (key)) == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    cb_random (&self->history.multiplier, sizeof self->history.multiplier);
    self->history.multiplier |= 1;
    return cb_take (self);
}

void
cb_signer_destroy (cb_signer **self)
{
    if (*self == NULL)
        return;
    EVP_MAC_CTX_free ((*self)->mac); /* wipes the key */
    free ((*self)->history.ring);
    free ((*self)->history.buckets);
    free (*self);
    *self = NULL;
}

/* OpenSSL can only fail here for want of memory. */
static int
s_digest (cb_signer *self, const cb_part dicts[4], unsigned char digest[DIGEST_SIZE])
{
    size_t size = 0;

    if (!EVP_MAC_init (self->mac, NULL, 0, NULL))
        return 0;
    for (int i = 0; i < 4; i++)
        if (!EVP_MAC_update (self->mac, (const unsigned char *)dicts[i].data, dicts[i].size))
            return 0;
    return EVP_MAC_final (self->mac, digest, &size, DIGEST_SIZE) && size == DIGEST_SIZE;
}

static void
s_hex (const unsigned char digest[DIGEST_SIZE], char text[CB_SIGNATURE_TEXT])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[CB_SIGNATURE_TEXT - 1] = '\0';
}

void
cb_sign_make (cb_signer *self, const cb_part dicts[4], char text[CB_SIGNATURE_TEXT])
{
    unsigned char digest[DIGEST_SIZE];

    if (!s_digest (self, dicts, digest))
        memset (digest, 0, sizeof digest);
    s_hex (digest, text);
}

int
cb_sign_check (cb_signer *self, const cb_part dicts[4], cb_part signature, cb_err *err)
{
    unsigned char digest[DIGEST_SIZE];
    char text[CB_SIGNATURE_TEXT];
    uint64_t short_digest;

    if (signature.size != CB_SIGNATURE_TEXT - 1)
        return cb_fail (err, CB_E_DENIED, "signature of %zu bytes instead of %d", signature.size,
                        CB_SIGNATURE_TEXT - 1);
    if (!s_digest (self, dicts, digest))
        return cb_fail_nomem (err);
    s_hex (digest, text);
    if (CRYPTO_memcmp (text, signature.data, signature.size) != 0)
        return cb_fail (err, CB_E_DENIED, "wrong signature");
    memcpy (&short_digest, digest, sizeof short_digest);
    if (s_history_has (&self->history, short_digest))
        return cb_fail (err, CB_E_DENIED, "replayed message: its signature was seen before");
    return s_history_add (&self->history, short_digest, err);
}
