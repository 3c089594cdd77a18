/* sha256.h - SHA-256 of bytes that come piece by piece. */
#ifndef CB_PROV_SHA256_H
#define CB_PROV_SHA256_H

#include "base/err.h"
#include "prov/filer.h"

#include <stddef.h>

typedef struct cb_sha256 cb_sha256;

/* Owned; NULL with err. */
cb_sha256 *cb_sha256_new (cb_err *err);
void cb_sha256_destroy (cb_sha256 **self);

void cb_sha256_add (cb_sha256 *self, const void *bytes, size_t size);

/* 64 hex digits; self starts anew. */
void cb_sha256_text (cb_sha256 *self, char text[CB_SHA256_TEXT]);

#endif
