/* test-sign.c - signatures: a published vector, comparison, replays, the bound of the history. */
#include "base/tap.h"
#include "wire/sign.h"

#include <stdio.h>
#include <string.h>

#define PART(text)              \
    {                           \
        text, sizeof (text) - 1 \
    }

static const cb_part s_dicts[4] = {PART ("{}"), PART ("{}"), PART ("{}"), PART ("{}")};

/* RFC 4231, test case 2: key "Jefe". */
static void
s_vector (void)
{
    cb_signer *signer = cb_signer_new ("Jefe", "hmac-sha256", NULL);
    const cb_part dicts[4] = {PART ("what do ya "), PART ("want "), PART ("for "),
                              PART ("nothing?")};
    char text[CB_SIGNATURE_TEXT];

    for (int i = 0; i < 2; i++) {
        cb_sign_make (signer, dicts, text);
        ok (strcmp (text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843") == 0,
            "RFC 4231 case 2, time %d", i);
    }
    cb_signer_destroy (&signer);
    ok (signer == NULL, "destroyed");
    cb_signer_destroy (&signer);
}

static void
s_refusals (void)
{
    char long_key[CB_KEY_MAX + 1];
    cb_err err = CB_ERR_INIT;

    memset (long_key, 'k', CB_KEY_MAX);
    long_key[CB_KEY_MAX] = '\0';
    ok (cb_signer_new ("", "hmac-sha256", &err) == NULL, "%s", err.text);
    ok (cb_signer_new (long_key, "hmac-sha256", &err) == NULL, "%s", err.text);
    ok (cb_signer_new ("key", "hmac-md5", &err) == NULL && err.code == CB_E_UNSUPPORTED, "%s",
        err.text);
}

static void
s_check (void)
{
    cb_err err = CB_ERR_INIT;
    cb_signer *signer = cb_signer_new ("key", "hmac-sha256", NULL);
    cb_signer *other = cb_signer_new ("yek", "hmac-sha256", NULL);
    char text[CB_SIGNATURE_TEXT];
    cb_part signature = {text, CB_SIGNATURE_TEXT - 1};

    cb_sign_make (signer, s_dicts, text);
    ok (cb_sign_check (other, s_dicts, signature, &err) == -CB_E_DENIED, "%s", err.text);
    for (size_t i = 0; i < CB_SIGNATURE_TEXT - 1; i++) {
        text[i] ^= 1;
        if (cb_sign_check (signer, s_dicts, signature, NULL) != -CB_E_DENIED)
            ok (0, "digit %zu is not compared", i);
        text[i] ^= 1;
    }
    signature.size--;
    ok (cb_sign_check (signer, s_dicts, signature, &err) == -CB_E_DENIED, "%s", err.text);
    signature.size = 0;
    ok (cb_sign_check (signer, s_dicts, signature, &err) == -CB_E_DENIED, "%s", err.text);
    signature.size = CB_SIGNATURE_TEXT - 1;
    ok (cb_sign_check (signer, s_dicts, signature, NULL) == 0, "a good one passes");
    ok (cb_sign_check (signer, s_dicts, signature, &err) == -CB_E_DENIED, "%s", err.text);
    cb_signer_destroy (&signer);
    cb_signer_destroy (&other);
}

static int
s_see (cb_signer *signer, cb_signer *maker, int number)
{
    char header[16];
    char text[CB_SIGNATURE_TEXT];
    cb_part dicts[4] = {{header, 0}, PART ("{}"), PART ("{}"), PART ("{}")};

    dicts[0].size = (size_t)snprintf (header, sizeof header, "%d", number);
    cb_sign_make (maker, dicts, text);
    return cb_sign_check (signer, dicts, (cb_part){text, CB_SIGNATURE_TEXT - 1}, NULL);
}

/* The last CB_SIGN_HISTORY are known, what is older is forgotten: the memory is bounded. */
static void
s_history (void)
{
    cb_signer *signer = cb_signer_new ("key", "hmac-sha256", NULL);
    cb_signer *maker = cb_signer_new ("key", "hmac-sha256", NULL);
    const int many = 4 * CB_SIGN_HISTORY + 1000; /* enough for every slot to be used again */
    int passed = 0;
    int refused = 0;

    for (int i = 0; i < many; i++)
        passed += s_see (signer, maker, i) == 0;
    ok (passed == many, "%d different ones pass", passed);
    for (int i = many - CB_SIGN_HISTORY; i < many; i++)
        refused += s_see (signer, maker, i) == -CB_E_DENIED;
    ok (refused == CB_SIGN_HISTORY, "the last %d are known, however they were stored", refused);
    ok (s_see (signer, maker, 0) == 0, "an older one is forgotten");
    ok (s_see (signer, maker, many - CB_SIGN_HISTORY) == 0, "the oldest made room for it");
    ok (s_see (signer, maker, many - CB_SIGN_HISTORY + 2) == -CB_E_DENIED, "the next one stayed");
    cb_signer_destroy (&signer);
    cb_signer_destroy (&maker);
}

int
main (void)
{
    s_vector ();
    s_refusals ();
    s_check ();
    s_history ();
    return tap_done ();
}
