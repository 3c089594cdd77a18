/* sha256.c - the one file of the helper process that knows OpenSSL.
 *
 * EVP calls fail only when the digest is missing (found out in _new) or memory is; after that a
 * failing one is our bug. */
#include "prov/sha256.h"

#include "base/cleanup.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct cb_sha256 {
    EVP_MD_CTX *context; /* owned */
};

cb_sha256 *
cb_sha256_new (cb_err *err)
{
    cb_owned (cb_sha256) cb_sha256 *self = calloc (1, sizeof *self);

    if (self == NULL || (self->context = EVP_MD_CTX_new ()) == NULL) {
        (void)cb_fail_nomem (err);
        return NULL;
    }
    if (EVP_DigestInit_ex (self->context, EVP_sha256 (), NULL) != 1) {
        (void)cb_fail (err, CB_E_UNSUPPORTED, "OpenSSL has no SHA-256 here");
        return NULL;
    }
    return cb_take (self);
}

void
cb_sha256_destroy (cb_sha256 **self)
{
    if (*self != NULL)
        EVP_MD_CTX_free ((*self)->context);
    free (*self);
    *self = NULL;
}

void
cb_sha256_add (cb_sha256 *self, const void *bytes, size_t size)
{
    int done = EVP_DigestUpdate (self->context, bytes, size);
    assert (done == 1);
    (void)done;
}

void
cb_sha256_text (cb_sha256 *self, char text[CB_SHA256_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    int done = EVP_DigestFinal_ex (self->context, digest, NULL) == 1 &&
               EVP_DigestInit_ex (self->context, EVP_sha256 (), NULL) == 1;

    assert (done);
    (void)done;
    for (size_t i = 0; i < (CB_SHA256_TEXT - 1) / 2; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[CB_SHA256_TEXT - 1] = '\0';
}
