/* sign.h - HMAC-SHA256 signatures of Jupyter messages (jupyter_client's messaging page). */
#ifndef CB_WIRE_SIGN_H
#define CB_WIRE_SIGN_H

#include "base/err.h"
#include "wire/zmsg.h"

/* Hex digits of a signature, its end byte included. */
#define CB_SIGNATURE_TEXT 65
/* Bytes of a key's text that we accept and make. */
#define CB_KEY_MAX 256

typedef struct cb_signer cb_signer;

/* Owned. scheme must be "hmac-sha256". An empty key is refused: everything of ours is signed. */
cb_signer *cb_signer_new (const char *key, const char *scheme, cb_err *err);
void cb_signer_destroy (cb_signer **self);

/* header, parent_header, metadata, content -> 64 hex digits. Buffers are not signed
 * (specification). */
void cb_sign_make (cb_signer *self, const cb_part dicts[4], char text[CB_SIGNATURE_TEXT]);

/* Constant-time comparison; a signature among the last CB_SIGN_HISTORY accepted ones is a replay.
 * 0 or -CB_E_DENIED. */
#define CB_SIGN_HISTORY 65536
int cb_sign_check (cb_signer *self, const cb_part dicts[4], cb_part signature, cb_err *err)
    __attribute__ ((warn_unused_result));

#endif
